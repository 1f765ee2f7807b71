package pdl_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestPositionsInConditionsAreExact hides an unknown attribute somewhere in a
// condition, writes that in every style, and looks where the finding points.
func TestPositionsInConditionsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	schema := pdl.File{Name: "schema.yaml", Data: readFile(t, "testdata/schema.yaml")}
	for i := range 500 {
		text := hiddenMistake(random)
		_, found := pdl.Compile([]pdl.File{schema, {Name: "p.yaml", Data: []byte(text)}})
		if len(found) != 1 {
			t.Fatalf("case %d: %v\n%s", i, found, text)
		}
		at := strings.Index(text, "agent.zebra")
		start := strings.LastIndex(text[:at], "\n") + 1
		line, col := strings.Count(text[:at], "\n")+1, utf8.RuneCountInString(text[start:at])+1
		d := found[0]
		if d.Line != line || d.Col != col || d.EndLine != line || d.EndCol != col+len("agent.zebra") {
			t.Fatalf("case %d points to %d:%d–%d:%d, want %d:%d–%d:\n%s", i, d.Line, d.Col, d.EndLine, d.EndCol, line, col, col+len("agent.zebra"), text)
		}
	}
}

func hiddenMistake(random *rand.Rand) string {
	terms := []string{`agent.team == "é"`, `agent.team == ''`, `agent.role == "sre"`, `has(agent.owner)`, `"日本" == agent.team`}
	var picked []string
	for range random.IntN(4) {
		picked = append(picked, terms[random.IntN(len(terms))])
	}
	at := random.IntN(len(picked) + 1)
	picked = append(picked[:at:at], append([]string{`agent.zebra == "x"`}, picked[at:]...)...)
	gap := strings.Repeat(" ", random.IntN(3))
	style, condition := random.IntN(3), ""
	switch style {
	case 0: // a block
		indent := strings.Repeat(" ", 5+random.IntN(4))
		header := []string{"|", "|-", "|+", "| # comment", "|-  "}[random.IntN(5)]
		joined := strings.Join(picked, " ||\n"+indent+gap)
		condition = header + "\n" + strings.Repeat("\n", random.IntN(3)) + indent + joined + strings.Repeat("\n", random.IntN(3))
	case 1:
		condition = gap + "'" + strings.ReplaceAll(strings.Join(picked, " || "), "'", "''") + "'"
	default:
		condition = gap + "true || " + strings.Join(picked, " || "+gap)
	}
	text := fmt.Sprintf("pdl: v1\nkind: policy\nname: p\nrules:\n  - id: r\n    match: {action: deploy}\n    when: %s\n    effect: ALLOW\n", condition)
	if random.IntN(2) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if random.IntN(4) == 0 {
		text = "\ufeff" + text
	}
	return text
}
