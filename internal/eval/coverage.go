package eval

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A FullCoverage is how much of a bundle its tests show, and what they do not.
// A point is a rule that held, an enforced rule that held with the effect that
// was decided, and for each branch of a condition that it was true and that it
// was false.
type FullCoverage struct {
	Points  int     `json:"points"`
	Covered int     `json:"covered"`
	Percent float64 `json:"percent"` // rounded down to one decimal; 100 without points

	NeverMatched  []string `json:"never_matched"`  // rules; never nil
	NeverWon      []string `json:"never_won"`      // rows of tables; never nil
	NeverDecisive []string `json:"never_decisive"` // enforced rules and rows that held; never nil
	Branches      []Branch `json:"branches"`       // those that were not both true and false; never nil
}

// A Branch is a part of a condition (see [pdl.Branch]) that no case has shown
// to be true, or to be false. A part counts in the cases that its rule matches
// and, inside ?:, that choose its arm.
type Branch struct {
	Rule       string `json:"rule"`
	File       string `json:"file"`
	Line       int    `json:"line"`
	Col        int    `json:"col"`
	Source     string `json:"source"`
	NeverTrue  bool   `json:"never_true,omitzero"`
	NeverFalse bool   `json:"never_false,omitzero"`
}

// seen is what the cases have shown of a branch.
type seen struct{ true, false bool }

// CoverFully runs the tests of a bundle and measures what they show.
func CoverFully(p *Program, tests []*pdl.Test) FullCoverage {
	brief := RunTests(p, tests).Coverage
	f := FullCoverage{NeverMatched: []string{}, NeverWon: []string{}, NeverDecisive: brief.NeverDecisive, Branches: []Branch{}}
	branches, shown := map[string][]pdl.Branch{}, map[string][]seen{}
	for _, r := range p.rules {
		if r.When != nil && !r.Row { // what decides that a row wins, nobody wrote
			when, err := r.packed.condition()
			if err != nil {
				continue
			}
			branches[r.Name] = when.Branches()
			shown[r.Name] = make([]seen, len(branches[r.Name]))
		}
	}
	for _, t := range tests {
		in, err := InputOf(t)
		if err != nil {
			continue
		}
		trace, err := p.Explain(in)
		if err != nil {
			continue // the case has failed for it
		}
		for _, c := range trace.Candidates {
			look(c, branches[c.Rule], shown[c.Rule])
		}
	}
	for _, r := range p.rules {
		_, unmatched := slices.BinarySearch(brief.NeverMatched, r.Name) // by name, as the rules are
		_, idle := slices.BinarySearch(brief.NeverDecisive, r.Name)
		f.rule(r, !unmatched, !idle, branches[r.Name], shown[r.Name])
	}
	f.Percent = 100
	if f.Points > 0 {
		f.Percent = float64(1000*f.Covered/f.Points) / 10
	}
	return f
}

// look notes what the branches of a rule were in one case.
func look(c Candidate, branches []pdl.Branch, shown []seen) {
	values := map[string]any{}
	for _, v := range c.Values {
		values[v.Expression] = v.Value // nil with an error
	}
	for i, b := range branches {
		chosen := !slices.ContainsFunc(b.Guards, func(g pdl.Guard) bool { return valueOf(g.Test, values) != any(g.Value) })
		if value, ok := valueOf(b.Expr, values).(bool); ok && chosen {
			shown[i].true = shown[i].true || value
			shown[i].false = shown[i].false || !value
		}
	}
}

// valueOf returns what a part of a condition was, or nil.
func valueOf(e ast.Expr, values map[string]any) any {
	if v, ok := literal(e); ok {
		return v.Value()
	}
	if v, known := values[render(e)]; known {
		return v
	}
	// A variable that is short for a chain of && or || stands in an explanation
	// as its operands, when the chain around it is of the same kind.
	for _, operator := range []string{operators.LogicalAnd, operators.LogicalOr} {
		if !isCall(e, operator) {
			continue
		}
		decides := operator == operators.LogicalOr
		var result any = !decides
		for _, x := range chain(e, operator, nil) {
			switch v, ok := valueOf(x, values).(bool); {
			case !ok:
				result = nil
			case v == decides:
				return decides
			}
		}
		return result
	}
	return nil
}

func (f *FullCoverage) rule(r *rule, matched, decisive bool, branches []pdl.Branch, shown []seen) {
	f.point(matched)
	switch {
	case !matched && r.Row:
		f.NeverWon = append(f.NeverWon, r.Name)
	case !matched:
		f.NeverMatched = append(f.NeverMatched, r.Name)
	}
	if !r.Shadow {
		f.point(matched && decisive)
	}
	for i, b := range branches {
		f.point(shown[i].true)
		f.point(shown[i].false)
		if !shown[i].true || !shown[i].false {
			f.Branches = append(f.Branches, Branch{
				Rule: r.Name, File: b.Pos.File, Line: b.Pos.Line, Col: b.Pos.Col, Source: b.Text,
				NeverTrue: !shown[i].true, NeverFalse: !shown[i].false,
			})
		}
	}
}

func (f *FullCoverage) point(covered bool) {
	f.Points++
	if covered {
		f.Covered++
	}
}
