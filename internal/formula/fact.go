package formula

import (
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// otherFacts says which fact two bundles read and define differently: its two
// values have nothing to do with each other.
func (e *Encoding) otherFacts() string {
	if len(e.sides) < 2 {
		return ""
	}
	for i := range e.sides[0].bundle.Schema.Facts {
		f := &e.sides[0].bundle.Schema.Facts[i]
		other := e.sides[1].members["facts."+f.Name]
		if other == nil || !e.usage.facts[0][f.Name] || !e.usage.facts[1][f.Name] {
			continue
		}
		if g := other.fact; f.Measure != g.Measure || f.Of != g.Of || !sameEvents(f, g) {
			return "both read facts." + f.Name + ", and define it differently"
		}
	}
	return ""
}

// boundFacts adds to the facts that conditions of a side read those that bound
// them.
func (e *Encoding) boundFacts(i int) {
	s, needed := e.sides[i], e.usage.facts[i]
	for grown := true; grown; {
		grown = false
		for j := range s.bundle.Schema.Facts {
			f := &s.bundle.Schema.Facts[j]
			if !needed[f.Name] {
				continue
			}
			for _, wider := range f.AtMost {
				grown = grown || !needed[wider]
				needed[wider] = true
			}
		}
	}
}

// needFacts makes the variables of the facts that are needed, and notes what no
// history can be otherwise.
func (e *Encoding) needFacts(i int) {
	s, needed := e.sides[i], e.usage.facts[i]
	for j := range s.bundle.Schema.Facts {
		if f := &s.bundle.Schema.Facts[j]; needed[f.Name] && s.action != nil {
			e.fact(i, f)
		}
	}
	for j := range s.bundle.Schema.Facts {
		if f := &s.bundle.Schema.Facts[j]; needed[f.Name] && s.action != nil {
			e.factAxioms(s, f, needed)
		}
	}
}

// fact makes the variable of a fact.
func (e *Encoding) fact(i int, f *pdl.Fact) {
	path := "facts." + f.Name
	e.numberAt(path, path, f.Type)
	if f.Measure != pdl.Last {
		e.total(i, f, e.vars[path])
	}
}

// factAxioms says what no history contradicts.
func (e *Encoding) factAxioms(s *side, f *pdl.Fact, needed map[string]bool) {
	v := e.vars["facts."+f.Name]
	for _, wider := range f.AtMost {
		w := e.vars["facts."+wider]
		if f.Measure == pdl.Last {
			e.common = append(e.common, e.Implies(e.has("facts."+f.Name), e.And(e.has("facts."+wider), e.LessEqual(v, w))))
		} else {
			e.common = append(e.common, e.LessEqual(v, w))
		}
	}
	if f.Measure == pdl.Last {
		e.window(f, v)
		return
	}
	// Nothing happened: nothing adds up, and nothing differs.
	for j := range s.bundle.Schema.Facts {
		count := &s.bundle.Schema.Facts[j]
		if count.Measure == pdl.Count && f.Measure != pdl.Count && needed[count.Name] && sameEvents(count, f) {
			n := e.vars["facts."+count.Name]
			e.common = append(e.common, e.Implies(e.Equal(n, e.Int(0)), e.Equal(v, e.Int(0))))
			if f.Measure == pdl.Distinct {
				e.common = append(e.common, e.LessEqual(v, n))
			}
		}
	}
}

// sameEvents reports facts about the same events.
func sameEvents(a, b *pdl.Fact) bool {
	if a.Event != b.Event || a.Reported != b.Reported || a.Attempted != b.Attempted || a.Within.Length != b.Within.Length || len(a.By) != len(b.By) {
		return false
	}
	if (a.Within.Zone == nil) != (b.Within.Zone == nil) || a.Within.Zone != nil && a.Within.Zone.String() != b.Within.Zone.String() {
		return false
	}
	for i := range a.By {
		if a.By[i] != b.By[i] {
			return false
		}
	}
	return true
}

// window says that the last event lies in the window that ends now.
func (e *Encoding) window(f *pdl.Fact, v *smt.Term) {
	now := e.numberAt(pathNow, pathNow, pdl.Type{Kind: pdl.Timestamp}).term
	length := f.Within.Length
	if f.Within.Zone != nil {
		// The day of a zone: not exact, since its clocks may have changed.
		length = longestDay
		e.gap(Gap{Rule: "facts." + f.Name, What: "the day of a time zone as the window of a last event", Approximate: true})
	}
	inside := e.And(e.LessEqual(v, now), e.Less(e.Sub(now, e.Int(int64(length))), v))
	e.common = append(e.common, e.Implies(e.has("facts."+f.Name), inside))
}

const longestDay = 48 * time.Hour

// total says that the fact does not outgrow what can be counted: a request that
// would let it is denied before the rules.
func (e *Encoding) total(i int, f *pdl.Fact, v *smt.Term) {
	if !e.belongs(f.Event) || f.Measure == pdl.Distinct {
		return
	}
	amount := e.Int(1)
	if m := e.sides[i].members[f.Of]; f.Measure == pdl.Sum {
		if m == nil || m.typ.Kind != pdl.Int {
			return
		}
		amount = e.If(e.there(e.sides[i], f.Of), e.numberAt(f.Of, f.Of, m.typ).term, e.Int(0))
	}
	far := e.Less(e.Int(maxTotal/2), v)
	e.common = append(e.common, e.Not(e.And(far, e.Less(e.Sub(e.Int(maxTotal), v), amount))))
}
