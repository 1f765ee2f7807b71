package formula

import (
	"math"
	"math/big"
	"strconv"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

const (
	minInt = math.MinInt64
	maxInt = math.MaxInt64
)

// What CEL can represent: the seconds of the years 1 to 9999.
const (
	minUnix = -62135596800
	maxUnix = 253402300799
)

func itoa(i int) string { return strconv.Itoa(i) }

// number encodes an expression of type int, timestamp or duration.
func (c *coder) number(x ast.Expr) number {
	switch x.Kind() {
	case ast.LiteralKind:
		switch v := x.AsLiteral().(type) {
		case types.Int:
			return c.e.constant(int64(v))
		case types.Timestamp:
			return c.e.constant(v.UnixNano())
		case types.Duration:
			return c.e.constant(int64(v.Duration))
		}
	case ast.IdentKind, ast.SelectKind:
		return c.readNumber(x)
	case ast.CallKind:
		return c.numberCall(x)
	default: // no other form is a number
	}
	return c.unknownNumber(x, "this value")
}

func (c *coder) numberCall(x ast.Expr) number {
	call := x.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Conditional:
		return c.e.chooseNumber(c.bools(args[0]), c.number(args[1]), c.number(args[2]))
	case operators.Index:
		return c.pickNumber(x)
	case operators.Negate:
		return c.e.inRange(c.e.subtract(c.e.constant(0), c.number(args[0])))
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		return c.arithmetic(x, name, args[0], args[1])
	case "size":
		of := call.Target()
		if !call.IsMemberFunction() {
			of = args[0]
		}
		return c.size(x, of)
	case "timestamp":
		if v, ok := converted[types.Timestamp](args[0], types.TimestampType); ok {
			return c.e.constant(v.UnixNano())
		}
	case "duration":
		if v, ok := converted[types.Duration](args[0], types.DurationType); ok {
			return c.e.constant(int64(v.Duration))
		}
	default:
		return c.clockPart(x)
	}
	return c.unknownNumber(x, "this value")
}

// converted converts a literal as cel-go does.
func converted[T any](x ast.Expr, to *types.Type) (v T, ok bool) {
	if x.Kind() != ast.LiteralKind {
		return v, false
	}
	s, isString := x.AsLiteral().(types.String)
	if !isString {
		return v, false
	}
	v, ok = s.ConvertToType(to).(T)
	return v, ok
}

func (e *Encoding) add(a, b number) number {
	lo, hi := outward(a.lo+b.lo, a.hi+b.hi)
	return number{e.And(a.ok, b.ok), e.Add(a.term, b.term), lo, hi}
}

func (e *Encoding) subtract(a, b number) number {
	lo, hi := outward(a.lo-b.hi, a.hi-b.lo)
	return number{e.And(a.ok, b.ok), e.Sub(a.term, b.term), lo, hi}
}

// inRange has no value outside of 64 bits.
func (e *Encoding) inRange(n number) number {
	if n.fits(-safe, safe) {
		return n
	}
	n.ok = e.And(n.ok, e.Between(e.Int(minInt), n.term, e.Int(maxInt)))
	n.lo, n.hi = max(n.lo, minInt), min(n.hi, maxInt)
	return n
}

func (c *coder) arithmetic(x ast.Expr, operator string, left, right ast.Expr) number {
	e, a, b := c.e, c.number(left), c.number(right)
	if c.kind(left) == types.TimestampKind || c.kind(right) == types.TimestampKind {
		return e.moments(operator, a, b, c.kind(right))
	}
	switch operator {
	case operators.Add:
		return e.inRange(e.add(a, b))
	case operators.Subtract:
		return e.inRange(e.subtract(a, b))
	case operators.Multiply:
		corners := []float64{a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi}
		lo, hi := corners[0], corners[0]
		for _, v := range corners {
			lo, hi = min(lo, v), max(hi, v)
		}
		lo, hi = outward(lo, hi)
		return e.inRange(number{e.And(a.ok, b.ok), e.Mul(a.term, b.term), lo, hi})
	case operators.Divide, operators.Modulo:
		return e.divide(operator, a, b)
	}
	return c.unknownNumber(x, "this operator")
}

// divide rounds toward zero; what is left over has the sign of the dividend.
func (e *Encoding) divide(operator string, a, b number) number {
	q := e.truncated(a, b)
	ok := e.And(a.ok, b.ok, e.Not(e.Equal(b.term, e.Int(0))))
	if a.lo <= -safe && b.lo <= -1 && b.hi >= -1 {
		ok = e.And(ok, e.Not(e.And(e.Equal(a.term, e.Int(minInt)), e.Equal(b.term, e.Int(-1)))))
	}
	most := max(math.Abs(a.lo), math.Abs(a.hi))
	if operator == operators.Divide {
		return number{ok, q, -most, most}
	}
	if b.hi > 0 && b.lo > -1 || b.hi < 1 {
		most = min(most, max(math.Abs(b.lo), math.Abs(b.hi)))
	}
	lo, hi := -most, most
	if a.lo >= 0 {
		lo = 0
	}
	return number{ok, e.Sub(a.term, e.Mul(b.term, q)), lo, hi}
}

func (e *Encoding) truncated(a, b number) *smt.Term {
	positive := func(n number) (*smt.Term, *smt.Term) { // its size, and whether it is negative
		switch {
		case n.lo >= 0:
			return n.term, e.False()
		case n.hi <= 0:
			return e.Sub(e.Int(0), n.term), e.True()
		}
		negative := e.Less(n.term, e.Int(0))
		return e.If(negative, e.Sub(e.Int(0), n.term), n.term), negative
	}
	x, negativeX := positive(a)
	y, negativeY := positive(b)
	q := e.Quotient(x, y)
	return e.If(e.Equal(negativeX, negativeY), q, e.Sub(e.Int(0), q))
}

// moments computes with instants.
func (e *Encoding) moments(operator string, a, b number, by types.Kind) number {
	if operator == operators.Add {
		return e.inYears(e.add(a, b))
	}
	if by == types.DurationKind {
		sum := e.inYears(e.subtract(a, b))
		if b.lo <= -safe { // the least duration has no negative
			sum.ok = e.And(sum.ok, e.Not(e.Equal(b.term, e.Int(minInt))))
		}
		return sum
	}
	d := e.subtract(a, b)
	if d.fits(-safe, safe) {
		return d
	}
	// The evaluator multiplies the seconds first, which alone may overflow.
	seconds := e.Sub(e.Div(a.term, second), e.Div(b.term, second))
	d.ok = e.And(d.ok, e.Between(e.Int(minInt/second), seconds, e.Int(maxInt/second)))
	return e.inRange(d)
}

// inYears has no value outside of the years 1 to 9999.
func (e *Encoding) inYears(n number) number {
	if n.fits(minUnix*1e9*0.999, maxUnix*1e9*0.999) {
		return n
	}
	nanos := func(seconds, more int64) *smt.Term {
		v := new(big.Int).Mul(big.NewInt(seconds), big.NewInt(second))
		return e.Big(v.Add(v, big.NewInt(more)))
	}
	n.ok = e.And(n.ok, e.Between(nanos(minUnix, 0), n.term, nanos(maxUnix, second-1)))
	return n
}

// readNumber encodes a name.
func (c *coder) readNumber(x ast.Expr) number {
	e := c.e
	if v, ok := c.local(x); ok && v.num != nil {
		return *v.num
	}
	if places, ok := c.column(x); ok {
		return c.oneNumber(places)
	}
	path, ok := c.path(x)
	if d, isConstant := c.s.data[path]; ok && isConstant {
		if v, ok := constantNumber(d.Type, d.Value); ok {
			return e.constant(v)
		}
	}
	if m := c.s.members[path]; ok && m != nil {
		n := e.numberAt(path, path, m.typ)
		n.ok = e.there(c.s, path)
		return n
	}
	return c.unknownNumber(x, "this value")
}

// constantNumber reads a value as JSON spells it.
func constantNumber(t pdl.Type, v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		if t.Kind == pdl.Duration {
			d, ok := pdl.ParseDuration(v)
			return int64(d), ok
		}
		var at time.Time
		err := at.UnmarshalText([]byte(v))
		return at.UnixNano(), err == nil
	}
	return 0, false
}

// The instants that a timestamp may be, and the longest duration.
var (
	firstInstant = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	lastInstant  = time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	longest      = int64(100 * 365 * 24 * time.Hour)
)

// limits are the least and the greatest value of a type of numbers.
func limits(t pdl.Type) (lo, hi int64) {
	switch t.Kind {
	case pdl.Timestamp:
		return firstInstant, lastInstant
	case pdl.Duration:
		return -longest, longest
	default:
		return t.Min, t.Max
	}
}

// numberAt returns the variable of an attribute, or of a value in a list.
func (e *Encoding) numberAt(path, node string, t pdl.Type) number {
	v := e.variable(path, smt.Int, func(v *smt.Term) {
		e.fit(path, node, func(t pdl.Type) *smt.Term {
			lo, hi := limits(t)
			return e.Between(e.Int(lo), v, e.Int(hi))
		})
	})
	lo, hi := limits(t)
	least, most := outward(float64(lo), float64(hi))
	return number{e.True(), v, least, most}
}
