package eval

// A candidate is a rule as the decisions of one action look at it: the checks
// of the action from one place to another.
type candidate struct{ from, to int32 }

// prepare makes the candidates of an action and the index that finds them.
func (a *action) prepare() {
	keys := make([][]equality, len(a.rules))
	for i, r := range a.rules {
		from := len(a.checks)
		a.checks = append(a.checks, r.checks...)
		a.candidates = append(a.candidates, candidate{int32(from), int32(len(a.checks))})
		keys[i] = r.equalities
	}
	a.index = newIndex(keys)
}

// holds decides a candidate: no, yes, or the fault of its condition.
func (a *action) holds(at int32, fr *frame, sets [][]uint32) tri {
	c := a.candidates[at]
	if !allHold(a.checks[c.from:c.to], fr, sets) {
		return no
	}
	r := a.rules[at]
	switch {
	case len(r.beats) > 0 && r.beaten(fr) != nil:
		return no
	case r.rest != nil:
		return r.rest(fr)
	}
	return yes
}
