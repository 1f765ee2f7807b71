package eval

import (
	"slices"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// noteFacts notes what the actions of a rule read of the history, shadow rules
// included: what they would say is recorded too.
func (p *Program) noteFacts(r *pdl.Rule) {
	if len(p.schema.Facts) == 0 {
		return
	}
	read := map[string]bool{}
	if r.When != nil {
		factsIn(r.When.AST.Expr(), read)
	}
	for _, v := range r.Votes {
		factsIn(v.When.AST.Expr(), read)
	}
	for i := range p.schema.Facts {
		f := &p.schema.Facts[i]
		if !read[f.Name] {
			continue
		}
		for _, name := range append([]string{f.Name}, f.AtMost...) { // an input without the wider one would be none that a history has
			for _, a := range p.coveredBy(r) {
				a.noteFact(name)
			}
		}
	}
}

func (a *action) noteFact(name string) {
	if i, noted := slices.BinarySearch(a.facts, name); !noted {
		a.facts = slices.Insert(a.facts, i, name)
	}
}

// factsIn notes the facts that an expression reads or asks for with has().
func factsIn(e ast.Expr, read map[string]bool) {
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind {
			return
		}
		if root := e.AsSelect().Operand(); root.Kind() == ast.IdentKind && root.AsIdent() == "facts" {
			read[e.AsSelect().FieldName()] = true
		}
	}))
}

// FactsOf names the facts that a decision about an action is made with, sorted:
// those that its rules read, and the wider ones that bound them. It is nil for
// an action that is not declared. It must not be changed.
func (p *Program) FactsOf(action string) []string {
	if a := p.of(action); a != nil {
		return a.facts
	}
	return nil
}
