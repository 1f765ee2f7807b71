package eval_test

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// An oracle is the naive reading of the specification: cel-go's own evaluator
// on the source of every rule, no lowering, no index, and the merge as the
// text says it. It shares no code with the program it is compared with.
type oracle struct {
	bundle   *pdl.Bundle
	programs map[string]cel.Program // by rule name
	data     map[string]any

	calendars map[string]any

	plain, paranoid *eval.Evaluator // of the program that was decided with last
}

func newOracle(t testing.TB, b *pdl.Bundle) *oracle {
	t.Helper()
	o := &oracle{bundle: b, programs: map[string]cel.Program{}, data: map[string]any{}, calendars: map[string]any{}}
	for _, c := range b.Calendars {
		o.calendars[c.Name] = naiveCalendar{c}
	}
	for _, d := range b.Data {
		put(o.data, strings.Split(d.Path, ".")[1:], native(d.Type, d.Value))
	}
	env, err := untyped()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Rules {
		if r.When == nil {
			continue
		}
		tree, issues := env.Compile(inlined(r.When))
		if issues.Err() != nil {
			t.Fatalf("oracle: rule %s: %v", r.Name, issues.Err())
		}
		if o.programs[r.Name], err = env.Program(tree); err != nil {
			t.Fatalf("oracle: rule %s: %v", r.Name, err)
		}
	}
	return o
}

// untyped is an environment in which every attribute may be anything, so that
// the oracle does not depend on how the compiler types them.
var untyped = sync.OnceValues(func() (*cel.Env, error) {
	anyMap := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(append(functions(), cel.Variable("action", cel.StringType), cel.Variable("agent", anyMap), cel.Variable("resource", anyMap),
		cel.Variable("params", anyMap), cel.Variable("context", anyMap), cel.Variable("data", anyMap), cel.Variable("calendar", anyMap), cel.Variable("facts", anyMap))...)
})

var variableName = regexp.MustCompile(`\bvariables\.([a-z][a-z0-9_]*)`)

// inlined puts variables in place of their names, as text.
func inlined(c *pdl.Condition) string {
	source := c.Source
	for variableName.MatchString(source) {
		source = variableName.ReplaceAllStringFunc(source, func(name string) string {
			return "(" + c.Variables[variableName.FindStringSubmatch(name)[1]] + "\n)"
		})
	}
	return source
}

func put(m map[string]any, path []string, v any) {
	for _, name := range path[:len(path)-1] {
		if m[name] == nil {
			m[name] = map[string]any{}
		}
		m = m[name].(map[string]any)
	}
	m[path[len(path)-1]] = v
}

// native gives timestamps the Go type cel-go takes.
func native(t pdl.Type, v any) any {
	switch t.Kind {
	case pdl.Timestamp:
		at, err := time.Parse(time.RFC3339Nano, v.(string))
		if err != nil {
			panic(err)
		}
		return at
	case pdl.Duration:
		d, err := time.ParseDuration(v.(string))
		if err != nil {
			panic(err)
		}
		return d
	case pdl.List:
		list := []any{}
		for _, x := range v.([]any) {
			list = append(list, native(*t.Elem, x))
		}
		return list
	case pdl.Record:
		return section(t.Members, v.(map[string]any), nil)
	case pdl.JSON:
		return sized(v)
	default:
		return v
	}
}

// sized gives JSON the sizes of the language to the size() of cel-go.
func sized(v any) any {
	switch v.(type) {
	case nil:
		return []any{}
	case string, []any, map[string]any:
		return v
	}
	return []any{v}
}

// decide returns the verdict without the kernel's own sentences.
func (o *oracle) decide(in eval.Input) kernel.Verdict {
	verdict := kernel.Verdict{Decision: kernel.Deny, RiskLevel: kernel.Critical, Constraints: map[string]any{}, Rules: []string{}}
	req, s := in.Request, o.bundle.Schema
	action, ok := declaration(s, req.Action)
	if !ok {
		verdict.Code = kernel.CodeUnknownAction
		return verdict
	}
	if !slices.Contains(action.Resources, req.Resource.Type) {
		verdict.Code = kernel.CodeUnknownResource
		return verdict
	}
	r := s.Resources[slices.IndexFunc(s.Resources, func(r pdl.ResourceType) bool { return r.Name == req.Resource.Type })]
	values := map[string]any{
		"action": req.Action, "data": o.data, "calendar": o.calendars,
		"agent":    section(s.Agent, req.Agent.Attributes, map[string]any{"id": req.Agent.ID}),
		"resource": section(r.Attributes, req.Resource.Attributes, map[string]any{"id": req.Resource.ID, "type": req.Resource.Type}),
		"params":   section(action.Params, req.Params, undeclared(action, req.Params)),
		"context":  section(s.Context, req.Context, map[string]any{"now": in.Now}),
		"facts":    o.facts(in),
	}
	if o.overflows(values, req.Action) {
		verdict.Code = kernel.CodeEvaluationError
		return verdict
	}
	var x, m []*pdl.Rule
	for _, rule := range o.bundle.Rules {
		if rule.Shadow || !slices.ContainsFunc(rule.Actions, func(name string) bool { return segmentsMatch(name, req.Action) }) || !holdAll(rule.Match, values) ||
			slices.ContainsFunc(rule.Beats, func(as pdl.Atoms) bool { return holdAll(as, values) }) {
			continue
		}
		holds, erred := true, false
		if p := o.programs[rule.Name]; p != nil {
			result, _, err := p.Eval(values)
			erred = err != nil
			holds = !erred && result.Value() == true
		}
		if erred {
			x = append(x, rule)
		} else if holds {
			m = append(m, rule)
		}
	}
	return o.merge(verdict, action, x, m)
}

// overflows reports that a count or a sum could not be written with the request.
func (o *oracle) overflows(values map[string]any, action string) bool {
	for _, f := range o.bundle.Schema.Facts {
		total, counted := values["facts"].(map[string]any)[f.Name].(int64)
		amount := int64(1)
		if f.Measure == pdl.Sum {
			root, name, _ := strings.Cut(f.Of, ".")
			amount, _ = values[root].(map[string]any)[name].(int64)
		}
		if counted && f.Event == action && total+amount > 1<<53-1 {
			return true
		}
	}
	return false
}

// declaration is that of the action itself, else of the family with the most
// segments.
func declaration(s *pdl.Schema, name string) (best pdl.Action, ok bool) {
	for _, a := range s.Actions {
		if a.Name == name && !strings.Contains(name, "*") {
			return a, true
		}
		if segmentsMatch(a.Name, name) && len(a.Name) > len(best.Name) {
			best, ok = a, true
		}
	}
	return best, ok
}

var segment = regexp.MustCompile(`^[\p{L}\p{Nd}_/:@+-]+( [\p{L}\p{Nd}_/:@+-]+)*$`)

// segmentsMatch compares a declared or matched name with that of a request,
// segment by segment.
func segmentsMatch(pattern, name string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(name, ".")
	for i, w := range want {
		if w == "*" && i > 0 && i == len(want)-1 {
			rest := have[min(i, len(have)):]
			return len(rest) > 0 && len(name) <= 256 && !slices.ContainsFunc(have, func(s string) bool { return !segment.MatchString(s) })
		}
		if i >= len(have) || have[i] != w {
			return false
		}
	}
	return len(have) == len(want)
}

func section(attributes []pdl.Attribute, given, always map[string]any) map[string]any {
	m := map[string]any{}
	maps.Copy(m, always)
	for _, a := range attributes {
		if v, ok := given[a.Name]; ok {
			m[a.Name] = native(a.Type, v)
		}
	}
	return m
}

// undeclared are the parameters that an open action takes as JSON.
func undeclared(action pdl.Action, params map[string]any) map[string]any {
	m := map[string]any{}
	for name, v := range params {
		if action.Open && !slices.ContainsFunc(action.Params, func(a pdl.Attribute) bool { return a.Name == name }) {
			m[name] = sized(v)
		}
	}
	return m
}

// facts are those of the input, and 0 for counts and sums it does not have.
func (o *oracle) facts(in eval.Input) map[string]any {
	m := map[string]any{}
	for _, f := range o.bundle.Schema.Facts {
		v, ok := in.Facts[f.Name]
		switch {
		case ok:
			m[f.Name] = native(f.Type, v)
		case f.Measure != pdl.Last:
			m[f.Name] = int64(0)
		}
	}
	return m
}

func holdAll(atoms []pdl.Atom, values map[string]any) bool {
	for _, a := range atoms {
		var v any = values
		for name := range strings.SplitSeq(a.Path, ".") {
			v = v.(map[string]any)[name]
		}
		if b, ok := v.(bool); ok {
			v = map[bool]string{true: "true", false: "false"}[b]
		}
		if s, ok := v.(string); !ok || !slices.Contains(a.Values, s) {
			return false
		}
	}
	return true
}

func (o *oracle) merge(v kernel.Verdict, action pdl.Action, x, m []*pdl.Rule) kernel.Verdict {
	v.RiskLevel = action.Risk
	of := map[kernel.Effect][]*pdl.Rule{}
	for _, r := range m {
		v.RiskLevel = max(v.RiskLevel, r.Risk)
		of[r.Effect] = append(of[r.Effect], r)
	}
	for _, group := range [][]*pdl.Rule{x, of[kernel.Deny], of[kernel.RequireApproval], of[kernel.Allow]} {
		var names []string
		for _, r := range group {
			names = append(names, r.Name)
		}
		slices.Sort(names)
		v.Rules = append(v.Rules, names...)
	}
	constraints, conflict := o.constraints(m)
	switch {
	case len(x) > 0:
		v.Code, v.RiskLevel = kernel.CodeEvaluationError, kernel.Critical
		return v
	case len(of[kernel.Deny]) > 0:
		v.Code = kernel.CodeRule
	case conflict:
		v.Code = kernel.CodeConstraintConflict
		return v
	case len(of[kernel.RequireApproval]) > 0:
		v.Code, v.Decision, v.Constraints = kernel.CodeRule, kernel.RequireApproval, constraints
		for _, r := range of[kernel.RequireApproval] {
			v.ApprovalsRequired = max(v.ApprovalsRequired, r.Approvals)
			for _, w := range o.bundle.Approvals {
				if w.Name == r.Approval {
					v.ApprovalsRequired = max(v.ApprovalsRequired, w.Quorum)
					v.Workflows = append(v.Workflows, w.Name)
				}
			}
		}
		v.Workflows = slices.Compact(slices.Sorted(slices.Values(v.Workflows)))
	case len(of[kernel.Allow]) > 0:
		v.Code, v.Decision, v.Constraints = kernel.CodeRule, kernel.Allow, constraints
	default:
		v.Code = kernel.CodeNoMatchingRule
	}
	deciding := slices.SortedFunc(slices.Values(of[v.Decision]), func(a, b *pdl.Rule) int {
		return map[bool]int{true: -1, false: 1}[a.Name < b.Name]
	})
	for _, r := range slices.Backward(deciding) {
		if r.Reason != "" {
			v.Reason = r.Reason
		}
		if r.Advice != "" {
			v.Advice = r.Advice
		}
	}
	return v
}

// constraints collects the values of each constraint, then meets them.
func (o *oracle) constraints(m []*pdl.Rule) (merged map[string]any, conflict bool) {
	merged = map[string]any{}
	for _, c := range o.bundle.Schema.Constraints {
		var ints []int64
		var sets [][]string
		for _, r := range m {
			for _, ob := range r.Constraints {
				switch v := ob.Value.(type) {
				case bool:
					if ob.Name == c.Name {
						merged[c.Name] = true
					}
				case int64:
					if ob.Name == c.Name {
						ints = append(ints, v)
					}
				case []string:
					if ob.Name == c.Name {
						sets = append(sets, v)
					}
				}
			}
		}
		switch {
		case len(ints) > 0 && c.Meet == pdl.IntMin:
			merged[c.Name] = slices.Min(ints)
		case len(ints) > 0:
			merged[c.Name] = slices.Max(ints)
		case len(sets) > 0:
			kept := []string{}
			for _, e := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(sets...)))) {
				inAll := !slices.ContainsFunc(sets, func(s []string) bool { return !slices.Contains(s, e) })
				if inAll || c.Meet == pdl.SetUnion {
					kept = append(kept, e)
				}
			}
			merged[c.Name] = kept
			conflict = conflict || len(kept) == 0
		}
	}
	return merged, conflict
}

// agree compares a program's verdict with the oracle's.
func (o *oracle) agree(t testing.TB, p *eval.Program, in eval.Input) kernel.Verdict {
	t.Helper()
	got, err := p.Decide(in)
	if err != nil {
		t.Fatalf("Decide(%v): %v", in.Request, err)
	}
	want, have := o.decide(in), got
	if want.Reason == "" {
		have.Reason = ""
	}
	if want.Code != kernel.CodeRule {
		have.Advice = ""
	}
	have.PolicyVersion, have.RequestDigest = "", ""
	if g, w := text(t, have), text(t, want); g != w {
		t.Fatalf("Decide(%s) = %s, want %s", text(t, in.Request), g, w)
	}
	if got.Reason == "" || got.Code == "" || got.PolicyVersion != o.bundle.Version || len(got.RequestDigest) != len("sha256:")+64 {
		t.Fatalf("Decide(%s) = %s: a member is missing", text(t, in.Request), text(t, got))
	}
	o.everyWay(t, p, in, got)
	return got
}

// everyWay decides again with evaluators that decided before: one that trusts
// the index and what it remembers, and one that does not; from Go values, and
// from the document of the request.
func (o *oracle) everyWay(t testing.TB, p *eval.Program, in eval.Input, want kernel.Verdict) {
	t.Helper()
	if o.plain == nil || o.plain.Program() != p {
		o.plain, o.paranoid = p.NewEvaluator(eval.Config{}), p.NewEvaluator(eval.Config{Paranoid: true})
	}
	in.Digest = want.RequestDigest
	doc, err := in.Request.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for way, decide := range map[string]func() (kernel.Verdict, error){
		"Evaluator.Decide":             func() (kernel.Verdict, error) { return o.plain.Decide(in) },
		"Evaluator.DecideJSON":         func() (kernel.Verdict, error) { return o.plain.DecideJSON(string(doc), in) },
		"a paranoid Evaluator's":       func() (kernel.Verdict, error) { return o.paranoid.Decide(in) },
		"a paranoid Evaluator's, JSON": func() (kernel.Verdict, error) { return o.paranoid.DecideJSON(string(doc), in) },
	} {
		if got, err := decide(); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s(%s) = %s, %v, want %s", way, doc, text(t, got), err, text(t, want))
		}
	}
}

func text(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
