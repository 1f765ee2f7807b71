package app_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// Constructs beside the functions of the language, by what they are called here.
var (
	operatorNames = []string{
		operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.Equals, operators.NotEquals,
		operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In, operators.Add, operators.Subtract,
		operators.Multiply, operators.Divide, operators.Modulo, operators.Negate, operators.Index,
	}
	kindNames = map[pdl.Kind]string{
		pdl.Bool: "bool", pdl.Int: "int", pdl.String: "string", pdl.Enum: "enum", pdl.Timestamp: "timestamp", pdl.List: "list",
		pdl.Duration: "duration", pdl.Record: "record", pdl.JSON: "json",
	}
	measureNames = map[pdl.Measure]string{pdl.Count: "count", pdl.Sum: "sum", pdl.Distinct: "distinct", pdl.Last: "last"}
	meetNames    = map[pdl.Meet]string{pdl.SetIntersect: "set.intersect"} // the others never decide
	claimNames   = []string{"never", "always", "implies", "reachable"}
	otherNames   = []string{
		"optional attribute", "list of records", "table", "approval with a quorum", "variable", "data", "calendar", "family of actions",
		"shadow rule", "several resource types", "assume", "fact of the day of a zone", "fact of what was attempted", "reported event", "zone",
	}
)

// TestEveryConstructIsInACase holds every construct of the language to a case
// that is proved and one that is not, in a file that uses it.
func TestEveryConstructIsInACase(t *testing.T) {
	files, cases := verificationCases(t)
	shown := map[string]map[string]bool{}
	for _, file := range files {
		for construct := range constructsOf(t, file) {
			if shown[construct] == nil {
				shown[construct] = map[string]bool{}
			}
			for _, verdict := range cases[file] {
				shown[construct][verdict] = true
			}
		}
	}
	for _, construct := range everyConstruct() {
		for _, verdict := range []string{"PROVED", "COUNTEREXAMPLE"} {
			if !shown[construct][verdict] {
				t.Errorf("no case with %s is %s: write one from the documentation", construct, verdict)
			}
		}
	}
}

func everyConstruct() []string {
	list := slices.Concat(operatorNames, claimNames, otherNames)
	for _, f := range pdl.Functions() {
		list = append(list, f.Name+"()")
	}
	for _, name := range kindNames {
		list = append(list, name)
	}
	for _, name := range measureNames {
		list = append(list, "fact: "+name)
	}
	for _, name := range meetNames {
		list = append(list, "constraint: "+name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// constructsOf lists what a bundle uses.
func constructsOf(t *testing.T, file string) map[string]bool {
	t.Helper()
	sources, err := app.ReadBundles([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	b, diagnostics := pdl.Compile(sources[0].Files)
	if b == nil {
		t.Fatalf("%s: %v", filepath.Base(file), diagnostics)
	}
	u := uses{}
	u.schema(b.Schema)
	for _, r := range b.Rules {
		u.rule(r)
	}
	for _, p := range b.Properties {
		u.condition(p.When, p.Assume, p.Then)
		u.note("assume", p.Assume != nil)
		u.note(p.Claim.String(), true)
	}
	u.note("calendar", len(b.Calendars) > 0)
	u.note("zone", len(b.Zones) > 0)
	u.note("data", len(b.Data) > 0)
	for _, a := range b.Approvals {
		u.note("approval with a quorum", a.Quorum > 1)
	}
	return u
}

// uses is what a bundle uses.
type uses map[string]bool

func (u uses) note(construct string, is bool) {
	if is {
		u[construct] = true
	}
}

func (u uses) schema(s *pdl.Schema) {
	u.attributes(s.Agent)
	u.attributes(s.Context)
	for _, r := range s.Resources {
		u.attributes(r.Attributes)
	}
	for _, a := range s.Actions {
		u.attributes(a.Params)
		_, family := pdl.Family(a.Name)
		u.note("family of actions", family)
		u.note("several resource types", len(a.Resources) > 1)
	}
	for _, f := range s.Facts {
		u.note("fact: "+measureNames[f.Measure], true)
		u.note("fact of the day of a zone", f.Within.Zone != nil)
		u.note("fact of what was attempted", f.Attempted)
		u.note("reported event", f.Reported)
	}
	for _, c := range s.Constraints {
		u.note("constraint: "+meetNames[c.Meet], true)
	}
}

func (u uses) attributes(list []pdl.Attribute) {
	for _, a := range list {
		u.note(kindNames[a.Type.Kind], true)
		u.note("optional attribute", a.Optional)
		u.note("list of records", a.Type.IsRecords())
		u.attributes(a.Type.Members)
	}
}

func (u uses) rule(r *pdl.Rule) {
	u.condition(r.When)
	u.note("table", r.Row)
	u.note("shadow rule", r.Shadow)
	u.note("variable", r.When != nil && strings.Contains(r.When.Source, "variables."))
}

func (u uses) condition(list ...*pdl.Condition) {
	for _, when := range list {
		if when == nil {
			continue
		}
		ast.PreOrderVisit(when.AST.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
			switch e.Kind() {
			case ast.CallKind:
				name := e.AsCall().FunctionName()
				u.note(name, true)
				u.note(name+"()", true)
			case ast.SelectKind:
				u.note("has()", e.AsSelect().IsTestOnly())
			default:
			}
		}))
		for _, macro := range []string{"exists", "all", "exists_one"} {
			u.note(macro+"()", strings.Contains(when.Source, "."+macro+"("))
		}
		for _, source := range when.Variables {
			for _, macro := range []string{"exists", "all", "exists_one"} {
				u.note(macro+"()", strings.Contains(source, "."+macro+"("))
			}
		}
	}
}
