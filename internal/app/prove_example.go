package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/prove"
)

// questionOf is what all answers have in common.
func questionOf(bundle string, r prove.Result, at pdl.Pos) Question {
	q := Question{
		Bundle: bundle, Name: r.Name, Verdict: r.Verdict, Why: r.Why, Solvers: r.Solvers,
		File: at.File, Line: at.Line, Col: at.Col,
	}
	for _, g := range r.Gaps {
		q.Gaps = append(q.Gaps, ProofGap{What: g.What, Rule: g.Rule, File: g.Pos.File, Line: g.Pos.Line, Col: g.Pos.Col})
	}
	shows := "counterexample"
	if r.Verdict == prove.Proved {
		shows = "example"
	}
	q.Examples = examplesOf(r, shows)
	return q
}

func examplesOf(r prove.Result, shows string) []ProofExample {
	if r.Example == nil {
		return nil
	}
	e := r.Example
	x := ProofExample{Shows: shows, Request: requestText(e.Input), Facts: e.Input.Facts, Refused: e.Refused}
	if e.Refused == "" {
		x.Verdict = &e.Verdict
	}
	if e.Refused == "" && !holdsNull(e.First.Request.Params) && !holdsNull(e.First.Request.Context) {
		x.Test = testText("found: "+r.Name, e.First, e.Verdict)
	}
	switch {
	case e.OtherRefused != "":
		x.Other = &ExampleOther{Refused: e.OtherRefused}
	case e.Other != nil:
		x.Other = &ExampleOther{Verdict: e.Other}
	}
	return []ProofExample{x}
}

// holdsNull reports what no test can hold: the null of json.
func holdsNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return slices.ContainsFunc(kernel.SortedKeys(v), func(name string) bool { return holdsNull(v[name]) })
	case []any:
		return slices.ContainsFunc(v, holdsNull)
	}
	return false
}

// requestText is the request of an input with its instant.
func requestText(in eval.Input) jsontext.Value {
	req := in.Request
	req.Context = maps.Clone(req.Context)
	if req.Context == nil {
		req.Context = map[string]any{}
	}
	req.Context["now"] = in.Now.UTC().Format(time.RFC3339Nano)
	data, err := req.MarshalJSON()
	if err != nil {
		return jsontext.Value("null") // an input that the evaluator took can be written
	}
	return data
}

// testText is a test document that expects of an input what the policy says of
// it: it passes as it is, and whoever mends the policy changes what it expects.
func testText(name string, in eval.Input, v kernel.Verdict) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pdl: v1\nkind: test\nname: %s\nbase:\n  action: %s\n", inline(clipTo(name, 120)), inline(in.Request.Action))
	section := func(key string, members map[string]any) {
		if len(members) > 0 {
			fmt.Fprintf(&b, "  %s: %s\n", key, inline(members))
		}
	}
	with := func(attributes map[string]any, more ...string) map[string]any {
		all := maps.Clone(attributes)
		if all == nil {
			all = map[string]any{}
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	section("agent", with(in.Request.Agent.Attributes, "id", in.Request.Agent.ID))
	section("resource", with(in.Request.Resource.Attributes, "type", in.Request.Resource.Type, "id", in.Request.Resource.ID))
	section("params", in.Request.Params)
	section("context", with(in.Request.Context, "now", in.Now.UTC().Format(time.RFC3339Nano)))
	section("facts", in.Facts)
	expect := map[string]any{"decision": v.Decision.String(), "code": string(v.Code), "rules": v.Rules}
	if v.Decision == kernel.RequireApproval {
		expect["approvals_required"] = v.ApprovalsRequired
	}
	fmt.Fprintf(&b, "cases:\n  - name: as the policy decides it today\n    expect: %s\n", inline(expect))
	if pretty, found := pdl.Format(pdl.File{Name: "test.yaml", Data: []byte(b.String())}); !found.HasErrors() {
		return string(pretty)
	}
	return b.String()
}

// plainWord is a text that YAML needs no quotes for, and no reader takes for
// anything else.
var plainWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/-]*$`)

// inline writes a value on one line of YAML.
func inline(v any) string {
	switch v := v.(type) {
	case string:
		if plainWord.MatchString(v) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(v)) {
			return v
		}
	case map[string]any:
		var parts []string
		for _, name := range kernel.SortedKeys(v) {
			parts = append(parts, name+": "+inline(v[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []string:
		return inlineList(v)
	case []any:
		return inlineList(v)
	}
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return "null"
	}
	return string(data)
}

func inlineList[T any](list []T) string {
	var parts []string
	for _, v := range list {
		parts = append(parts, inline(v))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func clipTo(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}
