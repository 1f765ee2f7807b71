package eval

// A candidate is a rule as the decisions of one action look at it: the checks
// of the action from one place to another, and the rule for when they hold.
type candidate struct {
	from, to int32
	*rule
}

// prepare makes the candidates of an action and the index that finds them.
// Shadow rules are none: they never decide.
func (a *action) prepare() {
	var keys [][]equality
	for _, r := range a.rules {
		if !enforced(r) {
			continue
		}
		from := len(a.checks)
		a.checks = append(a.checks, r.checks...)
		a.candidates = append(a.candidates, candidate{int32(from), int32(len(a.checks)), r})
		keys = append(keys, r.equalities)
	}
	a.index = newIndex(keys)
}

// holds decides a candidate: no, yes, or the fault of its condition.
func (sh *shape) holds(c *candidate, fr *frame, sets [][]uint32) tri {
	if !allHold(sh.checks[c.from:c.to], fr, sets) {
		return no
	}
	switch {
	case len(c.beats) > 0 && c.beaten(fr) != nil:
		return no
	case c.rest != nil:
		return c.rest(fr)
	}
	return yes
}
