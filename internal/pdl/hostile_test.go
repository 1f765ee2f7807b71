package pdl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestHostileInputsEndSoon compiles what is made to be slow.
func TestHostileInputsEndSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT with -short: hostile inputs take ten seconds and more; make test runs them")
	}
	const limit = 20 * time.Second // each takes well under four on two idle cores
	schema := string(readFile(t, "testdata/schema.yaml"))
	for _, c := range hostileInputs() {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if len(text) > pdl.MaxFile {
				text = text[:pdl.MaxFile]
			}
			files := []pdl.File{{Name: "a.yaml", Data: []byte(text)}}
			if !strings.Contains(text, "kind: schema") {
				files = append(files, pdl.File{Name: "schema.yaml", Data: []byte(schema)})
			}
			watch := stopwatch(t)
			b, found := pdl.Compile(files)
			took := watch()
			first := "no finding"
			if len(found) > 0 {
				first = found[0].Message
			}
			t.Logf("%v, %d findings, bundle: %v; %s", took.Round(time.Millisecond), len(found), b != nil, first)
			if took > limit {
				t.Errorf("took %v, more than %v", took, limit)
			}
		})
	}
}

type hostile struct{ name, text string }

func hostileInputs() []hostile {
	const mega = 1 << 20
	policy := "pdl: v1\nkind: policy\nname: p\n"
	rules := func(when string) string {
		var b strings.Builder
		b.WriteString(policy + "rules:\n")
		for i := 0; b.Len() < mega/8; i++ {
			fmt.Fprintf(&b, "  - id: r%d\n    match: {action: deploy}\n    when: '%s'\n    effect: ALLOW\n", i, when)
		}
		return b.String()
	}
	repeat := func(s string) string { return strings.Repeat(s, mega/len(s)) }
	list := []hostile{
		{"open lists", repeat("[")},
		{"open mappings", repeat("{a: ")},
		{"dashes", repeat("- ")},
		{"question marks", repeat("? ")},
		{"comments", repeat("#\n")},
		{"documents", repeat("---\n")},
		{"anchors", "a: &a x\n" + repeat("b: *a\n")},
		{"one long key", repeat("a") + ": 1\n"},
		{"one long quoted line", `"` + repeat("é") + `": 1`},
		{"spaces", repeat(" ")},
		{"tabs", repeat("\t")},
		{"quotes", repeat("'")},
		{"unknown keys on one line", policy + "rules: [{" + repeat("aé: 1, b: 2, ") + "}]"},
		{"rules on one line", policy + "rules: [" + repeat(`{id: r, match: {action: deploy}, when: 'agent.team == "é"', effect: ALLOW}, `) + "]"},
		{"not operators", rules(strings.Repeat("!", 3000) + "true")},
		{"minus signs", rules(strings.Repeat("-", 3000) + "1 == 1")},
		{"parentheses", rules(strings.Repeat("(", 4000))},
		{"brackets", rules(strings.Repeat("[", 4000))},
		{"selections", rules("agent" + strings.Repeat(".a", 2000))},
		{"conditionals", rules(strings.Repeat("true ? true : ", 290) + "true")},
		{"nested conditionals", rules(strings.Repeat("true ? ", 290) + "true" + strings.Repeat(" : true", 290))},
		{"long disjunctions", rules(strings.Repeat("true || ", 500) + "true")},
		{"nested loops", rules(strings.Repeat("params.args.exists(a, ", 60) + "true" + strings.Repeat(")", 60))},
		{"broken operators", rules(strings.Repeat("&& ", 1300))},
		{"broken tokens", rules(strings.Repeat("@ ", 2000))},
		{"patterns", rules(`agent.team.matches("` + strings.Repeat("(a{0,1000}|b{0,1000})", 45) + `")`)},
		{"nested patterns", rules(`agent.team.matches("` + strings.Repeat("(", 480) + "a" + strings.Repeat("){9}", 100) + `")`)},
		{"unknown names", rules("agent.experience_leve > 3 && resource.enviroment == \"prod\"")},
		{"match values", policy + "rules:\n  - id: r\n    match: {action: [" + repeat("a,") + "]}\n"},
		{"attributes", "pdl: v1\nkind: schema\nname: s\nagents: any\nagent: {" + repeat("a: int, ") + "}\n"},
		{"enum values", "pdl: v1\nkind: schema\nname: s\nagents: any\nagent: {a: \"enum(" + repeat("a, ") + ")\"}\n"},
	}
	return append(list, hostile{"variables", variableTower()}, hostile{"tables", manyTables()}, hostile{"beaten rows", manyRows()}, hostile{"expectations", manyExpectations()})
}

// variableTower has short rules that are long once their variables are put in.
func variableTower() string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: policy\nname: p\nvariables:\n  v0: agent.team == \"a\"\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "  v%d: variables.v%d && variables.v%d\n", i, i-1, i-1)
	}
	b.WriteString("rules:\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "  - {id: r%d, match: {action: deploy}, when: variables.v9, effect: DENY}\n", i)
	}
	return b.String()
}

func manyTables() string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: schema\nname: s\nagents: any\nagent:\n")
	inputs := make([]string, 8)
	for i := range inputs {
		fmt.Fprintf(&b, "  a%d: enum(a, b, c, d)\n", i)
		inputs[i] = fmt.Sprintf("agent.a%d", i)
	}
	b.WriteString("resources: {r: {}}\nactions: {x: {resource: r}}\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "---\npdl: v1\nkind: table\nname: t%d\nmatch: {action: x}\ninputs: [%s]\noutputs: [effect]\nrows:\n  - [%sALLOW]\n",
			i, strings.Join(inputs, ", "), strings.Repeat(`"*", `, 8))
	}
	return b.String()
}

func manyRows() string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: schema\nname: s\nagents: any\nagent:\n")
	for _, name := range []string{"a", "b"} {
		values := make([]string, 300)
		for i := range values {
			values[i] = fmt.Sprint(name, i)
		}
		fmt.Fprintf(&b, "  %s: enum(%s)\n", name, strings.Join(values, ", "))
	}
	b.WriteString("resources: {r: {}}\nactions: {x: {resource: r}}\n---\npdl: v1\nkind: table\nname: t\nmatch: {action: x}\ninputs: [agent.a, agent.b]\noutputs: [effect]\nrows:\n  - [\"*\", \"*\", DENY]\n")
	for i := range 300 {
		fmt.Fprintf(&b, "  - [a%d, \"*\", DENY]\n", i)
		for j := range 32 {
			fmt.Fprintf(&b, "  - [a%d, b%d, ALLOW]\n", i, j)
		}
	}
	return b.String()
}

func manyExpectations() string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: policy\nname: p\nrules:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  - {id: a-rule-with-a-long-name-%d, match: {action: rollback}, effect: DENY}\n", i)
	}
	b.WriteString("---\npdl: v1\nkind: test\nname: t\ncases:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  - {name: c%d, expect: {rules: [p/a-rule-with-a-lonk-name-%d]}}\n", i, i)
	}
	return b.String()
}
