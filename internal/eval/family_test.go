package eval_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const familySchema = `pdl: v1
kind: schema
name: families
agents: any
resources: {repo: {}, page: {}}
actions:
  "mcp.*": {resource: any}
  "mcp.github.*": {resource: repo, params: {"title?": string}, risk: medium}
  mcp.github.search: {resource: page}
  "a.*": {resource: any}
  deploy: {resource: any}
`

// TestNamesBelongToTheLongestFamily: a request is typed by the exact action,
// else by the longest family, and by nothing else.
func TestNamesBelongToTheLongestFamily(t *testing.T) {
	e := lower(t, compile(t, pdl.File{Name: "f.yaml", Data: []byte(familySchema)})).NewEvaluator(eval.Config{Paranoid: true})
	const deep = "mcp.github." // a title says that this family types it
	for _, c := range []struct {
		action, kind string
		title        bool
		want         kernel.Code
	}{
		{"mcp.slack", "page", false, kernel.CodeNoMatchingRule},
		{"mcp.slack.send.now", "repo", false, kernel.CodeNoMatchingRule},
		{"mcp.slack", "repo", true, ""},
		{"mcp.github", "page", false, kernel.CodeNoMatchingRule},
		{deep + "create_issue", "repo", true, kernel.CodeNoMatchingRule},
		{deep + "issues.create", "repo", true, kernel.CodeNoMatchingRule},
		{deep + "create_issue", "page", false, kernel.CodeUnknownResource},
		{deep + "search", "page", false, kernel.CodeNoMatchingRule},
		{deep + "search", "repo", true, kernel.CodeUnknownResource},
		{deep + "search.code", "repo", true, kernel.CodeNoMatchingRule},
		{deep + "créer", "repo", true, kernel.CodeNoMatchingRule},
		{deep + "ask for review", "repo", true, kernel.CodeNoMatchingRule},
		{deep + strings.Repeat("x", kernel.MaxName-len(deep)), "repo", true, kernel.CodeNoMatchingRule},
		{deep + strings.Repeat("é", kernel.MaxName-len(deep)), "repo", false, kernel.CodeUnknownAction},
		{"a" + strings.Repeat(".a", 127), "repo", false, kernel.CodeNoMatchingRule},
		{"b" + strings.Repeat(".a", 127), "repo", false, kernel.CodeUnknownAction},
		{strings.Repeat(".", kernel.MaxName), "repo", false, kernel.CodeUnknownAction},
		{"mcp", "repo", false, kernel.CodeUnknownAction},
		{"mcp.", "repo", false, kernel.CodeUnknownAction},
		{"mcp..x", "repo", false, kernel.CodeUnknownAction},
		{"mcp.github..x", "repo", false, kernel.CodeUnknownAction},
		{"mcp.github.", "repo", false, kernel.CodeUnknownAction},
		{"mcp.x.", "repo", false, kernel.CodeUnknownAction},
		{"mcp. x", "repo", false, kernel.CodeUnknownAction},
		{"mcp.x\u200b", "repo", false, kernel.CodeUnknownAction},
		{"mcp.x\xff", "repo", false, kernel.CodeUnknownAction},
		{"mcp.*", "repo", false, kernel.CodeUnknownAction},
		{"mcp.github.*", "repo", false, kernel.CodeUnknownAction},
		{"mcp.x*", "repo", false, kernel.CodeUnknownAction},
		{"MCP.x", "repo", false, kernel.CodeUnknownAction},
		{"deploy.x", "repo", false, kernel.CodeUnknownAction},
		{"deploy", "repo", false, kernel.CodeNoMatchingRule},
	} {
		req := kernel.Request{Agent: kernel.Agent{ID: "agent-001"}, Action: c.action, Resource: kernel.Resource{Type: c.kind, ID: "r"}}
		if c.title {
			req.Params = map[string]any{"title": "x"}
		}
		v, err := e.Decide(eval.Input{Request: req, Now: noon()})
		if v.Code != c.want || (err != nil) != (c.want == "") {
			t.Errorf("Decide(%q on %s) = %s, %v, want %s", c.action, c.kind, v.Code, err, c.want)
		}
		if want := kernel.Medium; strings.HasPrefix(c.action, deep) && c.want == kernel.CodeNoMatchingRule && c.kind == "repo" && v.RiskLevel != want {
			t.Errorf("Decide(%q).RiskLevel = %s, want %s, the family's", c.action, v.RiskLevel, want)
		}
	}
}

// TestShadowRulesOnFamiliesLeaveAnswersAlone: a name that a shadow rule singles
// out of a family is told as it was before.
func TestShadowRulesOnFamiliesLeaveAnswersAlone(t *testing.T) {
	in := eval.Input{Now: noon(), Request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "mcp.github.merge", Resource: kernel.Resource{Type: "repo", ID: "r"},
	}}
	var told []string
	for _, rule := range []string{"mcp.github.merge", "mcp.github.*", "deploy"} {
		b := compile(t, pdl.File{Name: "f.yaml", Data: []byte(familySchema + `---
pdl: v1
kind: policy
name: p
rules: [{id: r, mode: shadow, effect: ALLOW, match: {action: "` + rule + `"}}]
`)})
		v, err := lower(t, b).Decide(in)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, v.Reason)
	}
	if want := "no rule allows this action of mcp.github.* on this repo"; told[0] != want || told[1] != want || told[2] != want {
		t.Errorf("reasons are %q, want each %q", told, want)
	}
}

// TestFamiliesAreFoundWithoutAllocating, however many there are and however
// deep a name goes.
func TestFamiliesAreFoundWithoutAllocating(t *testing.T) {
	var b strings.Builder
	b.WriteString(familySchema)
	for n := range 100 {
		fmt.Fprintf(&b, "  \"a%s.*\": {resource: any}\n", strings.Repeat(".a", n+1))
	}
	e := lower(t, compile(t, pdl.File{Name: "f.yaml", Data: []byte(b.String())})).NewEvaluator(eval.Config{})
	for _, action := range []string{"a" + strings.Repeat(".a", 127), "mcp.github.merge", "mcp" + strings.Repeat(".a", 120)} {
		doc := `{"agent":{"id":"agent-001"},"action":"` + action + `","resource":{"type":"repo","id":"r"}}`
		in := eval.Input{Now: noon()}
		decide := func() {
			if v, err := e.DecideJSON(doc, in); err != nil || v.Code != kernel.CodeNoMatchingRule {
				t.Fatalf("DecideJSON(%s) = %s, %v, want NO_MATCHING_RULE", doc, v.Code, err)
			}
		}
		decide()
		if got := testing.AllocsPerRun(100, decide); got != 0 {
			t.Errorf("DecideJSON(%s) allocates %v times, want 0", action, got)
		}
	}
}
