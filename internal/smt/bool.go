package smt

import "slices"

// Not negates.
func (b *Builder) Not(t *Term) *Term {
	switch {
	case t == b.yes:
		return b.no
	case t == b.no:
		return b.yes
	case t.op == "not":
		return t.args[0]
	}
	return b.make("not", Bool, t)
}

// And is true when all terms are.
func (b *Builder) And(terms ...*Term) *Term { return b.junction("and", b.yes, b.no, terms) }

// Or is true when one of the terms is.
func (b *Builder) Or(terms ...*Term) *Term { return b.junction("or", b.no, b.yes, terms) }

// junction makes a conjunction or a disjunction, flat, without what changes
// nothing; an operand beside its negation decides it.
func (b *Builder) junction(op string, unit, zero *Term, terms []*Term) *Term {
	kept := make([]*Term, 0, len(terms))
	seen := make(map[*Term]bool, len(terms))
	decided := false
	var add func(list []*Term)
	add = func(list []*Term) {
		for _, t := range list {
			switch {
			case t == unit || seen[t]:
			case t == zero || t.op == "not" && seen[t.args[0]]:
				decided = true
			case t.op == op:
				add(t.args)
			default:
				if n := b.negation(t); n != nil && seen[n] {
					decided = true
				}
				seen[t] = true
				kept = append(kept, t)
			}
		}
	}
	add(terms)
	if !decided {
		if reduced, changed := b.propagate(op, kept, seen); changed {
			return b.junction(op, unit, zero, reduced)
		}
	}
	switch {
	case decided:
		return zero
	case len(kept) == 0:
		return unit
	case len(kept) == 1:
		return kept[0]
	}
	return b.make(op, Bool, kept...)
}

// propagate makes operands smaller by what stands beside them: of a ∧ (¬a ∨ b)
// only a ∧ b is left, of a ∧ (a ∨ b) only a; and so for ∨.
func (b *Builder) propagate(op string, kept []*Term, seen map[*Term]bool) (list []*Term, changed bool) {
	const most = 256 // operands; more are left to solvers
	if len(kept) > most {
		return kept, false
	}
	list = make([]*Term, 0, len(kept))
	for _, t := range kept {
		inner, parts := t.opposite(op)
		if inner == "" {
			list = append(list, t)
			continue
		}
		rest := make([]*Term, 0, len(parts))
		absorbed := false
		for _, p := range parts {
			not := b.negation(p)
			if t.op == "not" { // what it is of, negated
				p, not = not, p
			}
			absorbed = absorbed || p != nil && seen[p]
			if not == nil || !seen[not] {
				rest = append(rest, p)
			}
		}
		switch {
		case absorbed:
			changed = true
		case len(rest) == len(parts):
			list = append(list, t)
		default:
			changed = true
			list = append(list, b.rest(inner, t, parts, seen))
		}
	}
	return list, changed
}

// rest is an operand without the parts that what stands beside it decides.
func (b *Builder) rest(inner string, t *Term, parts []*Term, seen map[*Term]bool) *Term {
	var left []*Term
	for _, p := range parts {
		if t.op == "not" {
			p = b.Not(p)
		}
		if n := b.negation(p); n == nil || !seen[n] {
			left = append(left, p)
		}
	}
	if inner == "or" {
		return b.Or(left...)
	}
	return b.And(left...)
}

// opposite returns the parts of an operand that is a junction of the other
// kind, or the negation of one of the same kind, and which kind it then is.
func (t *Term) opposite(op string) (inner string, parts []*Term) {
	other := map[string]string{"and": "or", "or": "and"}[op]
	switch {
	case t.op == other:
		return other, t.args
	case t.op == "not" && t.args[0].op == op:
		return other, t.args[0].args
	}
	return "", nil
}

// negation returns the negation of a term where it has been made.
func (b *Builder) negation(t *Term) *Term {
	if t.op == "not" {
		return t.args[0]
	}
	return b.terms[negationKey(t)]
}

// Implies is true unless a is and c is not.
func (b *Builder) Implies(a, c *Term) *Term { return b.Or(b.Not(a), c) }

// Equal compares two terms of one sort.
func (b *Builder) Equal(x, y *Term) *Term {
	switch {
	case x == y:
		return b.yes
	case x.isConstant() && y.isConstant():
		return b.no // equal constants are one term
	case x.sort == Bool && x == b.yes:
		return y
	case x.sort == Bool && y == b.yes:
		return x
	case x.sort == Bool && x == b.no:
		return b.Not(y)
	case x.sort == Bool && y == b.no:
		return b.Not(x)
	case x.id > y.id:
		x, y = y, x
	}
	if x.isConstant() || y.isConstant() {
		if t := b.equalToChoice(x, y); t != nil {
			return t
		}
	}
	return b.make("=", Bool, x, y)
}

// equalToChoice pushes the comparison of a choice between constants with a
// constant into the choice; nil where it is none.
func (b *Builder) equalToChoice(x, y *Term) *Term {
	if x.isConstant() {
		x, y = y, x
	}
	const most = 32 // constants; more are left to solvers
	if x.op != "ite" || x.options > most {
		return nil
	}
	return b.If(x.args[0], b.Equal(x.args[1], y), b.Equal(x.args[2], y))
}

func (t *Term) isConstant() bool {
	return t.num != nil || t.text != nil || t.op == "true" || t.op == "false"
}

// If chooses between two terms of one sort.
func (b *Builder) If(test, then, otherwise *Term) *Term {
	switch {
	case test == b.yes || then == otherwise:
		return then
	case test == b.no:
		return otherwise
	case test.op == "not":
		return b.If(test.args[0], otherwise, then)
	case then.sort != Bool:
		return b.choice(test, then, otherwise)
	case then == b.yes:
		return b.Or(test, otherwise)
	case then == b.no:
		return b.And(b.Not(test), otherwise)
	case otherwise == b.yes:
		return b.Or(b.Not(test), then)
	case otherwise == b.no:
		return b.And(test, then)
	}
	return b.make("ite", Bool, test, then, otherwise)
}

// choice notes how many constants a term chooses between.
func (b *Builder) choice(test, then, otherwise *Term) *Term {
	t := b.make("ite", then.sort, test, then, otherwise)
	const many = 1 << 20
	of := func(t *Term) int {
		switch {
		case t.isConstant():
			return 1
		case t.op == "ite":
			return t.options
		}
		return many
	}
	t.options = min(of(then)+of(otherwise), many)
	return t
}

// Any is true when the term equals one of the constants.
func (b *Builder) Any(t *Term, constants []*Term) *Term {
	list := make([]*Term, len(constants))
	for i, c := range constants {
		list[i] = b.Equal(t, c)
	}
	return b.Or(list...)
}

// Uses reports whether a term mentions a variable out of a set.
func Uses(t *Term, set map[*Term]bool) bool {
	seen := map[*Term]bool{}
	var walk func(*Term) bool
	walk = func(t *Term) bool {
		if seen[t] {
			return false
		}
		seen[t] = true
		return set[t] || slices.ContainsFunc(t.args, walk)
	}
	return walk(t)
}
