package prove

import (
	"context"

	"github.com/strixlabs/execution-kernel/internal/smt"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// maxCover is how many rules still explain something.
const maxCover = 8

// cover returns the fewest rules found one of which holds, or errs, whenever
// the rule with a number holds; nil where there are none, or many.
func (l *linter) cover(ctx context.Context, i int) ([]string, error) {
	r := &l.all.Rules[i]
	var idle []*smt.Term
	names := map[*smt.Term]string{}
	for j := range l.all.Rules {
		if other := &l.all.Rules[j]; j != i && other.Effect <= r.Effect {
			t := l.e.Not(l.e.Or(other.Holds, other.Errs))
			if names[t] == "" {
				idle = append(idle, t)
				names[t] = other.Name
			}
		}
	}
	core, err := l.core(ctx, l.e.And(l.e.Fits(0), r.Holds), idle)
	if err != nil || len(core) == 0 || len(core) > 2*maxCover {
		return nil, err
	}
	for j := 0; j < len(core); {
		rest := append(append([]*smt.Term{}, core[:j]...), core[j+1:]...)
		smaller, err := l.core(ctx, l.e.And(l.e.Fits(0), r.Holds), rest)
		if err != nil {
			return nil, err
		}
		if smaller == nil {
			j++
			continue
		}
		core = smaller
	}
	if len(core) > maxCover {
		return nil, nil
	}
	list := []string{}
	for _, t := range core {
		list = append(list, names[t])
	}
	return list, nil
}

// core returns assumptions under which a formula cannot hold; nil where it can,
// or nobody knows. Their order is that of the assumptions.
func (l *linter) core(ctx context.Context, f *smt.Term, assumptions []*smt.Term) ([]*smt.Term, error) {
	if len(assumptions) == 0 {
		return nil, nil
	}
	first := l.order()[0]
	s := l.sessions[first]
	if !l.begun[first] {
		s.Begin(l.e.Variables(), l.facts)
		l.begun[first] = true
	}
	a, err := s.CheckAssuming(ctx, f, assumptions)
	l.asked++
	if err != nil || a.Outcome != solver.Unsatisfiable {
		return nil, err
	}
	return a.Core, nil
}
