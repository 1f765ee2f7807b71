package eval

import (
	"cmp"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// addImplied lays out the undeclared parameters that rules ask open actions
// for. It comes before any rule is lowered: the variables of loops lie behind
// the slots of attributes.
func (p *Program) addImplied(rules []*pdl.Rule) {
	for _, r := range rules {
		if r.When != nil {
			p.implyIn(r, r.When)
		}
		for _, v := range r.Votes {
			p.implyIn(r, v.When)
		}
	}
}

func (p *Program) implyIn(r *pdl.Rule, when *pdl.Condition) {
	shapes := p.shapesOf(r)
	ast.PreOrderVisit(when.AST.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind || e.AsSelect().Operand().AsIdent() != "params" {
			return
		}
		for _, sh := range shapes {
			p.layout.imply(sh, e.AsSelect().FieldName())
		}
	}))
}

// imply gives an open action a parameter that it does not declare.
func (l *layout) imply(sh *shape, name string) {
	const params = 2
	sec, path := sh.sections[params], "params."+name
	if !sec.open || sh.fields[path] != nil {
		return
	}
	i := slices.IndexFunc(sec.fields, func(f *field) bool { return f.Name == name })
	if i < 0 {
		a := pdl.Attribute{Name: name, Type: pdl.Type{Kind: pdl.JSON}, Optional: true}
		f := &field{Attribute: a, slot: l.add(path, types.OpaqueKind, false), count: l.add(path+"#", types.IntKind, false), implied: true}
		sec.fields, i = append(sec.fields, f), len(sec.fields)
	}
	sh.fields[path] = sec.fields[i]
	slices.SortFunc(sec.fields, func(a, b *field) int { return cmp.Compare(a.Name, b.Name) })
}

// declared lists the names that the schema has.
func (sec *section) declared() []string {
	var names []string
	for _, f := range sec.fields {
		if !f.implied {
			names = append(names, f.Name)
		}
	}
	return names
}
