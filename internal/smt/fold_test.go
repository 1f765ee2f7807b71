package smt_test

import (
	"math/rand/v2"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A maker makes formulas over some variables, and says beside each what it is
// for values of them, without looking at what the builder made of it.
type maker struct {
	b    *smt.Builder
	vars []*smt.Term
	r    *rand.Rand
}

func (m *maker) formula(depth int) (*smt.Term, func(at []bool) bool) {
	if depth == 0 || m.r.IntN(8) == 0 {
		i := m.r.IntN(len(m.vars))
		return m.vars[i], func(at []bool) bool { return at[i] }
	}
	x, isX := m.formula(depth - 1)
	y, isY := m.formula(depth - 1)
	z, isZ := m.formula(depth - 1)
	switch m.r.IntN(6) {
	case 0:
		return m.b.Not(x), func(at []bool) bool { return !isX(at) }
	case 1:
		return m.b.And(x, y, z), func(at []bool) bool { return isX(at) && isY(at) && isZ(at) }
	case 2:
		return m.b.Or(x, y, z), func(at []bool) bool { return isX(at) || isY(at) || isZ(at) }
	case 3:
		return m.b.If(x, y, z), func(at []bool) bool { return isX(at) && isY(at) || !isX(at) && isZ(at) }
	case 4:
		return m.b.Equal(x, y), func(at []bool) bool { return isX(at) == isY(at) }
	}
	return m.b.Implies(x, y), func(at []bool) bool { return !isX(at) || isY(at) }
}

// TestFoldingKeepsTheMeaning compares what the builder makes of random formulas
// with what they mean, for all values of their variables.
func TestFoldingKeepsTheMeaning(t *testing.T) {
	m := &maker{b: smt.NewBuilder(), r: rand.New(rand.NewPCG(1, 2))}
	for _, name := range []string{"p", "q", "r", "s"} {
		m.vars = append(m.vars, m.b.Variable(smt.Bool, name))
	}
	for n := range 4000 {
		term, means := m.formula(1 + n%5)
		for bits := range 1 << len(m.vars) {
			at, values := make([]bool, len(m.vars)), map[*smt.Term]smt.Value{}
			for i, v := range m.vars {
				at[i] = bits>>i&1 == 1
				values[v] = smt.Value{Bool: at[i]}
			}
			if got, known := smt.NewEvaluator(values).Value(term); !known || got.Bool != means(at) {
				t.Fatalf("formula %d is %v (known %v) at %v, and means %v", n, got.Bool, known, at, means(at))
			}
		}
	}
}

// TestWhatStandsBesideFolds has formulas that no solver need be asked about.
func TestWhatStandsBesideFolds(t *testing.T) {
	b := smt.NewBuilder()
	p, q, r := b.Variable(smt.Bool, "p"), b.Variable(smt.Bool, "q"), b.Variable(smt.Bool, "r")
	for name, c := range map[string]struct{ got, want *smt.Term }{
		"a negation":            {b.And(p, b.Or(b.Not(p), q)), b.And(p, q)},
		"what is there already": {b.And(p, b.Or(p, q)), p},
		"nothing left":          {b.And(p, q, b.Not(b.And(p, q))), b.False()},
		"in a disjunction":      {b.Or(p, b.And(b.Not(p), q)), b.Or(p, q)},
		"all of it":             {b.Or(p, b.Not(p), r), b.True()},
		"a guard and its error": {b.And(b.Not(b.And(p, q)), p, b.Not(b.And(p, b.Not(q)))), b.False()},
	} {
		if c.got != c.want {
			t.Errorf("%s is left", name)
		}
	}
}
