package eval_test

import (
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A typist type-checks single conditions against the schema of the fuzz
// bundles, with all of CEL's standard library: wider than what pdl lets
// through, so that lowering is compared with cel-go where pdl refuses.
type typist struct {
	types.Provider
	bundle *pdl.Bundle
	fields map[string]map[string]*types.Type
	env    *cel.Env
}

// everyZone names the zones that the generator does, so that the bundle has them.
const everyZone = `context.now.getHours("Europe/Berlin") + context.now.getHours("America/New_York") + ` +
	`context.now.getHours("Australia/Lord_Howe") + context.now.getHours("Africa/Casablanca") >= 0`

func newTypist(t testing.TB) *typist {
	t.Helper()
	b := compile(t, pdl.File{Name: "fuzz.yaml", Data: []byte(fuzzSchema + "---\npdl: v1\nkind: policy\nname: p\n" +
		"rules: [{id: r, match: {action: deploy}, effect: ALLOW, when: '" + everyZone + "'}]\n")})
	y := &typist{bundle: b, fields: map[string]map[string]*types.Type{
		"agent": {"id": types.StringType}, "resource": {"id": types.StringType, "type": types.StringType},
		"params": {}, "context": {"now": types.TimestampType}, "data": {"consts": types.NewObjectType("consts")}, "consts": {},
		"calendar": {"office": types.NewOpaqueType("calendar"), "freeze": types.NewOpaqueType("calendar")},
	}}
	s := b.Schema
	for section, attributes := range map[string][]pdl.Attribute{
		"agent": s.Agent, "resource": s.Resources[1].Attributes, "params": s.Actions[1].Params, "context": s.Context,
	} {
		y.declare(section, attributes)
	}
	for _, d := range b.Data {
		y.fields["consts"][strings.TrimPrefix(d.Path, "data.consts.")] = celType(d.Type)
	}
	registry, err := types.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	y.Provider = registry
	options := append(functions(), cel.CustomTypeProvider(y), cel.Variable("action", cel.StringType))
	for _, name := range []string{"agent", "resource", "params", "context", "data", "calendar"} {
		options = append(options, cel.Variable(name, types.NewObjectType(name)))
	}
	if y.env, err = cel.NewEnv(options...); err != nil {
		t.Fatal(err)
	}
	return y
}

// declare types the attributes of a section, and those of records in it.
func (y *typist) declare(path string, attributes []pdl.Attribute) {
	if y.fields[path] == nil {
		y.fields[path] = map[string]*types.Type{}
	}
	for _, a := range attributes {
		y.fields[path][a.Name] = celType(a.Type)
		if a.Type.IsRecords() {
			y.fields[path][a.Name] = types.NewListType(types.NewObjectType("@" + a.Name))
			y.declare("@"+a.Name, a.Type.Elem.Members)
		}
		if a.Type.Kind == pdl.Record {
			record := "@" + strings.TrimPrefix(path, "@") + "." + a.Name // no name that can be written
			y.fields[path][a.Name] = types.NewObjectType(record)
			y.declare(record, a.Type.Members)
		}
	}
}

func celType(t pdl.Type) *types.Type {
	switch t.Kind {
	case pdl.Bool:
		return types.BoolType
	case pdl.Int:
		return types.IntType
	case pdl.Timestamp:
		return types.TimestampType
	case pdl.Duration:
		return types.DurationType
	case pdl.JSON:
		return types.NewOpaqueType("json")
	case pdl.List:
		if t.Elem.Kind == pdl.Record {
			return types.ErrorType
		}
		return types.NewListType(celType(*t.Elem))
	default:
		return types.StringType
	}
}

func (y *typist) FindStructType(name string) (*types.Type, bool) {
	if y.fields[name] == nil {
		return y.Provider.FindStructType(name)
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

func (y *typist) FindStructFieldType(object, field string) (*types.FieldType, bool) {
	t, ok := y.fields[object][field]
	return &types.FieldType{Type: t}, ok
}

// bundleOf returns a bundle whose one rule allows a deployment where the
// condition holds, or an error when the condition is ill-typed.
func (y *typist) bundleOf(source string) (*pdl.Bundle, error) {
	tree, issues := y.env.Compile(source)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	b := *y.bundle
	b.Rules = []*pdl.Rule{{
		Name: "p/r", Actions: []string{"deploy"}, Effect: kernel.Allow,
		When: &pdl.Condition{Source: source, AST: tree.NativeRep()},
	}}
	return &b, nil
}

// FuzzCondition compares single conditions with cel-go, over the whole of
// what can be lowered.
func FuzzCondition(f *testing.F) {
	y := newTypist(f)
	for seed := range uint64(20) {
		f.Add(randomBytes(seed, 60), randomBytes(seed+1000, 100))
	}
	f.Fuzz(func(t *testing.T, condition, requests []byte) {
		if len(condition) > 400 || len(requests) > 400 {
			return
		}
		conditionLikeCEL(t, y, condition, requests, 6, map[kernel.Code]int{})
	})
}

func TestConditionsLikeCEL(t *testing.T) {
	y, codes, conditions := newTypist(t), map[kernel.Code]int{}, rounds(1500)
	for seed := range uint64(conditions) {
		conditionLikeCEL(t, y, randomBytes(seed, 120), randomBytes(seed+1_000_000, 400), 6, codes)
	}
	for _, code := range []kernel.Code{kernel.CodeRule, kernel.CodeNoMatchingRule, kernel.CodeEvaluationError} {
		if codes[code] < conditions*2/3 {
			t.Errorf("%s came %d times, want more: the generator does not reach it", code, codes[code])
		}
	}
	t.Logf("%v", codes)
}

// conditionLikeCEL decides n requests by one condition, and reports whether it
// can be lowered.
func conditionLikeCEL(t *testing.T, y *typist, condition, requests []byte, n int, codes map[kernel.Code]int) (taken bool) {
	t.Helper()
	g := &gen{data: condition, wide: true}
	source := g.bool(1 + g.pick(5))
	b, err := y.bundleOf(source)
	if err != nil {
		t.Fatalf("the generator wrote %s: %v", source, err)
	}
	p, err := eval.New(b)
	if err != nil {
		if strings.Contains(err.Error(), "loops inside each other") {
			return false
		}
		t.Fatalf("New(%s): %v", source, err)
	}
	o, r := newOracle(t, b), &gen{data: requests}
	for i := range n {
		in := r.input()
		in.Request.Action, in.Request.Resource.Type = "deploy", "service"
		in.Request.Resource.Attributes["environment"] = "staging"
		in.Request.Params["files"] = r.files(5)
		delete(in.Request.Params, "extra")
		v := o.agree(t, p, in)
		codes[v.Code]++
		trace, err := p.Explain(in)
		if err != nil {
			t.Fatal(err)
		}
		want := map[kernel.Code]eval.Result{
			kernel.CodeRule: eval.ResultTrue, kernel.CodeNoMatchingRule: eval.ResultFalse, kernel.CodeEvaluationError: eval.ResultError,
		}[v.Code]
		if got := trace.Candidates[0]; got.Result != want || want == eval.ResultError && got.Error == "" {
			t.Fatalf("Explain(%s) = %v, want %s", source, got, want)
		}
		if i == 0 {
			renderedAgain(t, y, trace.Candidates[0], in)
		}
	}
	return true
}

// renderedAgain compiles what Explain printed and compares its value: the
// text of a trace means what it says.
func renderedAgain(t *testing.T, y *typist, c eval.Candidate, in eval.Input) {
	t.Helper()
	for _, v := range c.Values {
		truth, isBool := v.Value.(bool)
		if !isBool && v.Error == "" {
			if _, issues := y.env.Compile(v.Expression); issues.Err() != nil {
				t.Fatalf("Explain printed %s: %v", v.Expression, issues.Err())
			}
			continue
		}
		b, err := y.bundleOf(v.Expression)
		if err != nil || !isBool {
			continue // an error of another type than bool
		}
		if got := newOracle(t, b).decide(in); (got.Decision == kernel.Allow) != truth {
			t.Fatalf("Explain printed %s = %v, cel-go says %s", v.Expression, truth, text(t, got))
		}
		return // one is enough: compiling is slow
	}
}

func TestWhatCannotBeLoweredIsAnError(t *testing.T) {
	y := newTypist(t)
	for _, c := range []struct{ source, says string }{
		{`size(agent.groups.map(g, g + "x")) == 1`, "rule p/r: expression"},
		{`size(agent.groups.filter(g, g == "x")) == 1`, "rule p/r: expression"},
		{`context.now.getHours(params.version) == 5`, "a time zone is a literal string"},
		{`context.now.getHours("Local") == 5`, `the bundle has no time zone "Local"`},
		{`context.now.getHours("Asia/Tokyo") == 5`, `the bundle has no time zone "Asia/Tokyo"`},
		{`cidr("10.0.0.0/8").masked() == cidr("10.0.0.0/8")`, "this range is not part of the language"},
		{`cidr("10.0.0.0/8").ip() == ip("10.0.0.0")`, "this address is not part of the language"},
		{`ip("10.0.0.1").isLoopback()`, "isLoopback is not part of the language"},
		{`ip("10.0.0.1").family() == 4`, "family is not part of the language"},
		{`int(params.at) > 5`, "expression int(params.at): int is not part of the language"},
		{`string(agent.level) == "5"`, "expression string(agent.level): string is not part of the language"},
		{`timestamp(params.version) == params.at`, "expression timestamp(params.version): timestamp() takes a literal"},
		{`timestamp("yesterday") == params.at`, `timestamp() takes a literal such as "2026-11-23T20:00:00Z"`},
		{`duration(agent.team) == duration("1h")`, "duration() takes a literal"},
		{`agent.team.matches(params.version)`, "a pattern is a literal string"},
		{`agent.team.matches("(")`, "missing closing )"},
		{`double(agent.level) < 1.5`, "it orders what has no order, or different types"},
		{`double(agent.level) == 1.5`, "values of type double cannot be compared"},
		{`{"a": 1}.size() == 1`, "only strings and lists have a size"},
		{`{"a": 1}.exists(k, k == "a")`, "exists takes a list of scalars"},
		{`"a" in {"a": 1}`, "in takes a scalar and a list of its type"},
		{`[[1]].exists(x, x == [1])`, "exists takes a list of scalars"},
		{`[1].exists(a, [2].exists(b, [3].exists(c, a + b == c)))`, "3 loops inside each other"},
		{`type(agent.level) == int`, "values of type type(int) cannot be compared"},
		{`agent == agent`, "cannot be compared"},
		{`b"a" == b"b"`, "values of type bytes cannot be compared"},
		{`1u < 2u`, "it orders what has no order"},
	} {
		b, err := y.bundleOf(c.source)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		if p, err := eval.New(b); err == nil || p != nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "rule p/r: ") {
			t.Errorf("New(%s) = %v, %v, want an error that says %q", c.source, p, err, c.says)
		}
	}
}

func TestShadowingAnAttributeRootIsRead(t *testing.T) {
	y := newTypist(t)
	for source, want := range map[string]kernel.Effect{
		`["x"].exists(agent, agent == "x")`:                                          kernel.Allow,
		`["x"].exists(x, ["y"].exists(x, x == "x"))`:                                 kernel.Deny,
		`[1, 2].exists(x, ["y"].exists(y, y == "y" && x == 2)) && [3].all(x, x > 2)`: kernel.Allow,
	} {
		b, err := y.bundleOf(source)
		if err != nil {
			t.Fatal(err)
		}
		p, err := eval.New(b)
		if err != nil {
			t.Fatalf("New(%s): %v", source, err)
		}
		in := (&gen{}).input()
		if v := newOracle(t, b).agree(t, p, in); v.Decision != want {
			t.Errorf("%s decides %v, want %v", source, v.Decision, want)
		}
	}
}
