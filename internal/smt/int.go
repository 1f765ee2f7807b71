package smt

import (
	"math/big"
	"strconv"
)

func negationKey(t *Term) string { return "not " + strconv.FormatInt(int64(t.id), 36) }

// Add adds numbers.
func (b *Builder) Add(terms ...*Term) *Term {
	sum := new(big.Int)
	var rest []*Term
	for _, t := range terms {
		if t.num != nil {
			sum.Add(sum, t.num)
		} else {
			rest = append(rest, t)
		}
	}
	if sum.Sign() != 0 || len(rest) == 0 {
		rest = append(rest, b.Big(sum))
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return b.make("+", Int, rest...)
}

// Sub subtracts.
func (b *Builder) Sub(x, y *Term) *Term {
	switch {
	case x.num != nil && y.num != nil:
		return b.Big(new(big.Int).Sub(x.num, y.num))
	case y.num != nil && y.num.Sign() == 0:
		return x
	case x == y:
		return b.Int(0)
	}
	return b.make("-", Int, x, y)
}

// Mul multiplies.
func (b *Builder) Mul(x, y *Term) *Term {
	one := func(t *Term) bool { return t.num != nil && t.num.IsInt64() && t.num.Int64() == 1 }
	switch {
	case x.num != nil && y.num != nil:
		return b.Big(new(big.Int).Mul(x.num, y.num))
	case one(x):
		return y
	case one(y):
		return x
	}
	return b.make("*", Int, x, y)
}

// Div divides and rounds toward minus infinity; the divisor is positive.
func (b *Builder) Div(x *Term, by int64) *Term {
	if by == 1 {
		return x
	}
	return b.Quotient(x, b.Int(by))
}

// Quotient is SMT-LIB's div: what is left over is never negative.
func (b *Builder) Quotient(x, y *Term) *Term {
	if x.num != nil && y.num != nil && y.num.Sign() != 0 {
		q, _ := new(big.Int).DivMod(x.num, y.num, new(big.Int)) // Euclid's, as SMT-LIB's
		return b.Big(q)
	}
	return b.make("div", Int, x, y)
}

// Mod is what Div leaves; the divisor is positive.
func (b *Builder) Mod(x *Term, by int64) *Term {
	if x.num != nil {
		return b.Big(new(big.Int).Mod(x.num, big.NewInt(by)))
	}
	return b.make("mod", Int, x, b.Int(by))
}

// Less compares numbers.
func (b *Builder) Less(x, y *Term) *Term {
	switch {
	case x.num != nil && y.num != nil:
		return b.Bool(x.num.Cmp(y.num) < 0)
	case x == y:
		return b.no
	}
	return b.make("<", Bool, x, y)
}

// LessEqual compares numbers.
func (b *Builder) LessEqual(x, y *Term) *Term { return b.Not(b.Less(y, x)) }

// Between is true when lo ≤ x ≤ hi.
func (b *Builder) Between(lo, x, hi *Term) *Term {
	return b.And(b.LessEqual(lo, x), b.LessEqual(x, hi))
}

// Count is how many of the terms are true.
func (b *Builder) Count(terms ...*Term) *Term {
	list := make([]*Term, len(terms))
	for i, t := range terms {
		list[i] = b.If(t, b.Int(1), b.Int(0))
	}
	return b.Add(list...)
}
