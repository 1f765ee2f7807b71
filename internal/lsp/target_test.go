package lsp_test

import (
	"encoding/json"
	"strings"
	"testing"
)

const tests = `pdl: v1
kind: test
name: t
base:
  action: deploy
  agent: {id: a, role: junior, team: web}
  resource: {type: service, id: b, environment: staging}
  params: {version: a, strategy: canary, fast: true}
cases:
  - name: c
    set: {agent.role: senior}
    expect: {decision: DENY, rules: [p/r]}
`

// A question is asked at a word.
type question struct {
	name, marked string
	word         string   // what the range covers
	says         []string // in the explanation
	leads        []string // file: line
}

// TestHoverAndDefinition asks at a word what it is, and where it is declared.
func TestHoverAndDefinition(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema, "p.yaml": policy, "t.yaml": tests})
	files := map[string]string{"schema.yaml": schema, "p.yaml": policy, "t.yaml": tests}
	for _, k := range []question{
		{"an attribute in a condition", ruleHead + "    match: {action: deploy}\n    when: '\"🦓\" == agent.te‸am'", "agent.team", []string{"string(..64)", "attribute"}, []string{"schema.yaml:   team: string(..64)"}},
		{"its root does not", ruleHead + "    when: ag‸ent.team == \"x\"", "", nil, nil},
		{"an optional attribute", ruleHead + "    when: has(agent.ow‸ner)", "agent.owner", []string{"optional", "has(agent.owner)"}, []string{`schema.yaml:   "owner?": string`}},
		{"an attribute in a block", ruleHead + "    match: {action: deploy}\n    when: |\n      true &&\n        params.stra‸tegy == \"canary\"\n", "params.strategy", []string{"enum(rolling, canary)", "deploy"},
			[]string{`schema.yaml:     params: {version: string, strategy: "enum(rolling, canary)", fast: bool}`}},
		{"what always exists", ruleHead + "    when: context.no‸w > timestamp(\"2026-01-01T00:00:00Z\")", "context.now", []string{"timestamp", "always exists"}, nil},
		{"a variable", ruleHead + "    when: variables.mi‸ne", "variables.mine", []string{`agent.team == "web"`, "variable"}, []string{"q.yaml:   mine: agent.team == \"web\""}},
		{"a variable of another document", ruleHead + "    when: variables.for‸eign", "", nil, nil},
		{"a constant", ruleHead + "    when: 1 < data.limits.mo‸st", "data.limits.most", []string{"constant", "int"}, []string{"p.yaml: types: {most: int}"}},
		{"a key of match", ruleHead + "    match: {action: deploy, resource.envi‸ronment: staging}", "resource.environment", []string{"enum(staging, production)", "service"},
			[]string{"schema.yaml:     environment: enum(staging, production)"}},
		{"an action", ruleHead + "    match: {action: dep‸loy}", "deploy", []string{"action", "service"}, []string{"schema.yaml:   deploy:"}},
		{"an action of a list", ruleHead + "    match: {action: [deploy, cl‸ear]}", "clear", []string{"bucket, service"}, []string{"schema.yaml:   clear:"}},
		{"a resource type", ruleHead + "    match: {action: clear, resource.type: buc‸ket}", "bucket", []string{"resource type"}, []string{"schema.yaml:   bucket:"}},
		{"a constraint", ruleHead + "    constraints: {cana‸ry_only: true}", "canary_only", []string{"merged by `flag`"}, []string{"schema.yaml:   canary_only: flag"}},
		{"a key of the language", ruleHead + "    eff‸ect: DENY", "effect", []string{"required", "REQUIRE_APPROVAL"}, nil},
		{"a key at its begin", ruleHead + "    ‸when: true", "when", []string{"CEL"}, nil},
		{"a rule in a test", strings.Replace(tests, "[p/r]", "[p/‸r]", 1), "p/r", []string{"rule"}, []string{"p.yaml:   - id: r"}},
		{"an attribute of a test", strings.Replace(tests, "role: junior", "ro‸le: junior", 1), "role", []string{"enum(junior, senior)"}, []string{"schema.yaml:   role: enum(junior, senior)"}},
		{"a path of a test", strings.Replace(tests, "agent.role: senior", "agent.ro‸le: senior", 1), "agent.role", []string{"enum(junior, senior)"}, []string{"schema.yaml:   role: enum(junior, senior)"}},
		{"an action of a test", strings.Replace(tests, "action: deploy", "action: de‸ploy", 1), "deploy", []string{"action"}, []string{"schema.yaml:   deploy:"}},
		{"a text", ruleHead + "    when: agent.team == \"agent.ro‸le\"", "", nil, nil},
		{"a comment", ruleHead + "    effect: DENY # agent.ro‸le", "", nil, nil},
		{"nothing", ruleHead + "‸\n", "", nil, nil},
	} {
		t.Run(k.name, func(t *testing.T) { k.check(t, c, files) })
	}
}

// check asks with both ends of lines.
func (k question) check(t *testing.T, c *client, files map[string]string) {
	t.Helper()
	for _, end := range []string{"\n", "\r\n"} {
		file := "q.yaml"
		if strings.Contains(k.marked, "kind: test") {
			file = "t.yaml"
		}
		at := c.at(file, strings.ReplaceAll(k.marked, "\n", end))
		files[file] = strings.Replace(k.marked, "‸", "", 1)
		var h *struct {
			Contents struct{ Value string }
			Range    textRange
		}
		if err := json.Unmarshal(c.call("textDocument/hover", at), &h); err != nil {
			t.Fatal(err)
		}
		var places []struct {
			URI   string
			Range textRange
		}
		if err := json.Unmarshal(c.call("textDocument/definition", at), &places); err != nil {
			t.Fatal(err)
		}
		if (h == nil) != (k.word == "") {
			t.Fatalf("hover = %+v, want %q", h, k.word)
		}
		if h != nil && slice(files[file], h.Range) != k.word {
			t.Errorf("hover covers %q, want %q", slice(files[file], h.Range), k.word)
		}
		for _, want := range k.says {
			if !strings.Contains(h.Contents.Value, want) {
				t.Errorf("hover says %q, want %q in it", h.Contents.Value, want)
			}
		}
		var lines []string
		for _, p := range places {
			name := p.URI[strings.LastIndexByte(p.URI, '/')+1:]
			lines = append(lines, name+": "+strings.Split(files[name], "\n")[p.Range.Start.Line])
			word := strings.Trim(slice(files[name], p.Range), `"?`)
			if word == "" || !strings.HasSuffix(k.word, word) {
				t.Errorf("the definition covers %q of %q", word, k.word)
			}
		}
		if strings.Join(lines, "\n") != strings.Join(k.leads, "\n") {
			t.Errorf("definition leads to %q, want %q", lines, k.leads)
		}
	}
}
