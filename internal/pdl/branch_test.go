package pdl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/common/operators"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func TestBranchesOfACondition(t *testing.T) {
	for _, c := range []struct {
		when string
		want []string
	}{
		{`agent.role == "sre"`, []string{`agent.role == "sre"`}},
		{`true`, nil},
		{`a.a && b.b`, nil},
		{`agent.role == "sre" && agent.team != "a && b"`, []string{`agent.role == "sre"`, `agent.team != "a && b"`}},
		{`(agent.role == "sre" || (agent.team == "x")) && !(agent.team == "y" && true)`,
			[]string{`agent.role == "sre"`, `agent.team == "x"`, `!(agent.team == "y" && true)`}},
		{`variables.v && agent.team == r"\" || variables.v`, []string{`variables.v`, `agent.team == r"\"`, `variables.v`}},
		{`agent.role == "sre" ? agent.team == "x" : agent.team == "y" || agent.team == "z" ? true : agent.team == "w"`,
			[]string{`agent.role == "sre"`, `agent.team == "x"`, `agent.team == "y"`, `agent.team == "z"`, `agent.team == "w"`}},
		{`agent.team in ["a", "b"] && (size(agent.team) > 3)`, []string{`agent.team in ["a", "b"]`, `size(agent.team) > 3`}},
		{`(agent.team) == (agent.team)`, []string{`(agent.team) == (agent.team)`}},
		{"agent.team == \"\"\"a\"\n && \"\"\" // x && y\n  && agent.team == 'é'", []string{"agent.team == \"\"\"a\"\n && \"\"\" // x && y", `agent.team == 'é'`}},
	} {
		b, found := compileCondition(c.when)
		if b == nil {
			if c.want != nil {
				t.Errorf("%s: %v", c.when, found)
			}
			continue
		}
		var got []string
		for _, branch := range b.Rules[0].When.Branches() {
			got = append(got, branch.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Branches(%s) = %q, want %q", c.when, got, c.want)
		}
	}
}

func compileCondition(when string) (*pdl.Bundle, pdl.Diagnostics) {
	text := "pdl: v1\nkind: policy\nname: p\nvariables:\n  v: agent.role == \"sre\" && agent.team == \"é\"\nrules:\n  - id: r\n    match: {action: deploy}\n    when: |\n      " +
		strings.ReplaceAll(when, "\n", "\n      ") + "\n    effect: ALLOW\n  - {id: s, match: {action: deploy}, when: variables.v, effect: ALLOW}\n"
	return pdl.Compile([]pdl.File{{Name: "s.yaml", Data: []byte(branchSchema)}, {Name: "p.yaml", Data: []byte(text)}})
}

const branchSchema = `
pdl: v1
kind: schema
name: s
agents: any
agent: {role: "enum(junior, sre)", team: string}
resources: {service: {}}
actions: {deploy: {resource: service}}
`

func TestBranchesKnowTheirPlace(t *testing.T) {
	const text = `pdl: v1
kind: policy
name: p
rules:
  - id: block
    match: {action: deploy}
    when: |
      agent.team == "é" &&
        (agent.team == "x"
      || agent.role == "sre")
    effect: ALLOW
  - id: quoted
    match: {action: deploy}
    when: 'agent.team == ''é'' && agent.team == ''x'' || agent.team == "y"'
    effect: ALLOW
  - id: plain
    match: {action: deploy}
    when: agent.role == "sre" ? agent.team == "x" : agent.team == "y"
    effect: ALLOW
`
	plain := strings.Replace(text, `when: agent.role == "sre" ? agent.team == "x" : agent.team == "y"`,
		`when: 'agent.role == "sre" ? agent.team == "x" : agent.team == "y"'`, 1)
	b, found := pdl.Compile([]pdl.File{{Name: "s.yaml", Data: []byte(branchSchema)}, {Name: "p.yaml", Data: []byte(plain)}})
	if b == nil {
		t.Fatal(found)
	}
	lines := strings.Split(plain, "\n")
	count := 0
	for _, r := range b.Rules {
		for _, branch := range r.When.Branches() {
			count++
			want := strings.ReplaceAll(branch.Text, "'", "''")
			line := []rune(lines[branch.Pos.Line-1])
			if at := string(line[branch.Pos.Col-1:]); branch.Pos.File != "p.yaml" || !strings.HasPrefix(at, want) {
				t.Errorf("%s: the branch %s is said to be at %d:%d, where %q stands", r.Name, branch.Text, branch.Pos.Line, branch.Pos.Col, at)
			}
		}
	}
	if count != 9 {
		t.Errorf("found %d branches, want 9", count)
	}
	arms := b.Rules[1].When.Branches()
	if len(arms) != 3 || fmt.Sprint(len(arms[0].Guards), len(arms[1].Guards), len(arms[2].Guards)) != "0 1 1" ||
		!arms[1].Guards[0].Value || arms[2].Guards[0].Value || arms[1].Guards[0].Test.AsCall().FunctionName() != operators.Equals {
		t.Errorf("the arms of ?: are guarded by %+v", arms)
	}
}

// TestEveryBranchOfTheTreeIsItsText compares the branches of all conditions in
// the tree with their texts: the tree has as many as the text.
func TestEveryBranchOfTheTreeIsItsText(t *testing.T) {
	count := 0
	for _, bundle := range everyBundle(t) {
		b, found := pdl.Compile(bundle)
		if b == nil {
			t.Fatal(found)
		}
		for _, r := range b.Rules {
			if r.When == nil {
				continue
			}
			branches := r.When.Branches()
			count += len(branches)
			for _, branch := range branches {
				if len(branches) > 1 && branch.Text == r.When.Source {
					t.Errorf("%s: the branches of %s have no texts of their own", r.Name, r.When.Source)
				}
			}
		}
	}
	if count < 200 {
		t.Errorf("found %d branches, want at least 200", count)
	}
}
