package pdl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const tableHead = "pdl: v1\nkind: table\nname: t\nmatch: {action: migrate, agent.role: [junior, senior]}\n" +
	"inputs: [resource.type, resource.environment, agent.role]\noutputs: [reason, effect, approvals]\nrows:\n"

func compileTable(t *testing.T, rows string) (*pdl.Bundle, pdl.Diagnostics) {
	t.Helper()
	return pdl.Compile([]pdl.File{
		{Name: "schema.yaml", Data: readFile(t, "testdata/schema.yaml")},
		{Name: "t.yaml", Data: []byte(tableHead + rows)},
	})
}

func TestRowsBecomeRules(t *testing.T) {
	b, found := compileTable(t, `
  - [service, production, junior, "", DENY, 0]
  - [service, production, "*", "Two people look at it.", REQUIRE_APPROVAL, 2]
  - [database, "*", "*", "", DENY, 0]
  - ["*", "*", "*", "", ALLOW, 0]
`)
	if b == nil {
		t.Fatal(found)
	}
	var got []string
	for _, r := range b.Rules {
		got = append(got, fmt.Sprintf("%s %v %v beats=%v %s %d %q", r.Name, r.Actions, r.Match, r.Beats, r.Effect, r.Approvals, r.Reason))
	}
	want := []string{
		`t/*-*-* [migrate] [{agent.role [junior senior]}] beats=[` +
			`[{resource.type [database]}] [{resource.environment [production]} {resource.type [service]}] ` +
			`[{agent.role [junior]} {resource.environment [production]} {resource.type [service]}]] ALLOW 0 ""`,
		`t/database-*-* [migrate] [{agent.role [junior senior]} {resource.type [database]}] beats=[] DENY 0 ""`,
		`t/service-production-* [migrate] [{agent.role [junior senior]} {resource.environment [production]} {resource.type [service]}] ` +
			`beats=[[{agent.role [junior]} {resource.environment [production]} {resource.type [service]}]] REQUIRE_APPROVAL 2 "Two people look at it."`,
		`t/service-production-junior [migrate] [{agent.role [junior]} {resource.environment [production]} {resource.type [service]}] beats=[] DENY 0 ""`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("rules =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTablesAreCompleteOverWhatCanHappen: a service has no archive and a
// database no staging, and the match leaves two roles.
func TestTablesAreCompleteOverWhatCanHappen(t *testing.T) {
	complete := []string{
		`[service, development, "*", "", ALLOW, 0]`, `[service, staging, "*", "", ALLOW, 0]`, `[service, production, junior, "", DENY, 0]`,
		`[service, production, senior, "", ALLOW, 0]`, `[database, production, "*", "", DENY, 0]`, `[database, archive, "*", "", ALLOW, 0]`,
	}
	b, found := compileTable(t, "  - "+strings.Join(complete, "\n  - ")+"\n")
	if b == nil || len(found) != 0 {
		t.Fatalf("a complete table is refused: %v", found)
	}
	for i, row := range complete {
		rest := slices.Delete(slices.Clone(complete), i, i+1)
		b, found := compileTable(t, "  - "+strings.Join(rest, "\n  - ")+"\n")
		if b != nil || !strings.Contains(found[0].Message, "the table has no row for") {
			t.Errorf("without %s: %v, want a missing row", row, found)
		}
	}
}

func TestRowsThatNoRequestMatchesAreRefused(t *testing.T) {
	for _, c := range []struct{ row, problem string }{
		{`[service, archive, "*", "", ALLOW, 0]`, "no request can match"},
		{`[service, "*", sre, "", ALLOW, 0]`, `"sre" is not a value of agent.role`},
		{`[queue, "*", "*", "", ALLOW, 0]`, `"queue" is not a value of resource.type`},
	} {
		b, found := compileTable(t, "  - "+c.row+"\n  - [\"*\", \"*\", \"*\", \"\", DENY, 0]\n")
		if b != nil || !strings.Contains(found[0].Message, c.problem) {
			t.Errorf("%s: %v, want %q", c.row, found, c.problem)
		}
	}
}

// TestOverlapsAreRefusedWhoeverElseMatches: a third row that goes before both
// does not settle which of the two does.
func TestOverlapsAreRefusedWhoeverElseMatches(t *testing.T) {
	b, found := compileTable(t, `
  - [service, "*", "*", "", DENY, 0]
  - ["*", production, "*", "", ALLOW, 0]
  - [service, production, "*", "", DENY, 0]
  - ["*", "*", "*", "", DENY, 0]
`)
	if b != nil || len(found) != 1 || !strings.Contains(found[0].Message, "neither goes first") {
		t.Errorf("found %v, want an overlap", found)
	}
}
