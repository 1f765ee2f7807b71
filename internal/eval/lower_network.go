package eval

import (
	"net/netip"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// Names of the types of addresses and ranges, as cel-go's network extension
// and pdl call them.
const (
	typeAddress = "net.IP"
	typeRange   = "net.CIDR"
)

func (l *lowerer) isType(e ast.Expr, name string) bool {
	t := l.ast.GetType(e.ID())
	return t.Kind() == types.OpaqueKind && t.TypeName() == name
}

// addresses lowers an expression of type ip: only ip(text) is one.
func (l *lowerer) addresses(e ast.Expr) expr[netip.Addr] {
	if !isCall(e, "ip") || e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) != 1 {
		return refuse[netip.Addr](l, e, "this address is not part of the language")
	}
	return parsing(l, e.AsCall().Args()[0], addressOf)
}

// ranges lowers an expression of type cidr: only cidr(text) is one.
func (l *lowerer) ranges(e ast.Expr) expr[netip.Prefix] {
	if !isCall(e, "cidr") || e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) != 1 {
		return refuse[netip.Prefix](l, e, "this range is not part of the language")
	}
	return parsing(l, e.AsCall().Args()[0], rangeOf)
}

// parsing lowers the conversion of a text: at once where it is a literal.
func parsing[T any](l *lowerer, text ast.Expr, parse func(string) (T, bool)) expr[T] {
	if lit, ok := literal(text); ok {
		s, _ := lit.(types.String)
		v, ok := parse(string(s))
		if !ok {
			return refuse[T](l, text, "it is no IP address or range")
		}
		return constant(v)
	}
	from := l.strings(text)
	return func(fr *frame) (zero T, _ fault) {
		s, f := from(fr)
		if f != 0 {
			return zero, f
		}
		if !fr.spend(moment) {
			return zero, faultWork
		}
		v, ok := parse(s)
		if !ok {
			return zero, faultAddress
		}
		return v, 0
	}
}

// maxAddress is more than the text of any address or range has.
const maxAddress = 64

// addressOf is strict as cel-go's: no zones, no IPv4 inside IPv6.
func addressOf(s string) (netip.Addr, bool) {
	if len(s) > maxAddress {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == "" && !a.Is4In6()
}

func rangeOf(s string) (netip.Prefix, bool) {
	if len(s) > maxAddress {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil && p.Addr().Zone() == "" && !p.Addr().Is4In6()
}

// addressTest lowers `isIP(text)`, `cidr(…).containsIP(…)` and the like.
func (l *lowerer) addressTest(call ast.CallExpr) cond {
	arg := call.Args()[0]
	switch name := call.FunctionName(); {
	case name == "isIP":
		return toCond(pricedPure(l.strings(arg), momentary, func(s string) bool { _, ok := addressOf(s); return ok }))
	case name == "isCIDR":
		return toCond(pricedPure(l.strings(arg), momentary, func(s string) bool { _, ok := rangeOf(s); return ok }))
	case name == "containsIP" && l.kind(arg) == types.StringKind:
		return test(l.ranges(call.Target()), parsing(l, arg, addressOf), netip.Prefix.Contains)
	case name == "containsIP":
		return test(l.ranges(call.Target()), l.addresses(arg), netip.Prefix.Contains)
	case name == "containsCIDR" && l.kind(arg) == types.StringKind:
		return test(l.ranges(call.Target()), parsing(l, arg, rangeOf), holdsRange)
	}
	return test(l.ranges(call.Target()), l.ranges(arg), holdsRange)
}

func holdsRange(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Overlaps(inner)
}

// addressEquality lowers `==` of addresses or of ranges.
func (l *lowerer) addressEquality(e, a, b ast.Expr) cond {
	switch {
	case l.isType(a, typeAddress) && l.isType(b, typeAddress):
		return test(l.addresses(a), l.addresses(b), func(x, y netip.Addr) bool { return x == y })
	case l.isType(a, typeRange) && l.isType(b, typeRange):
		return test(l.ranges(a), l.ranges(b), func(x, y netip.Prefix) bool { return x == y })
	}
	return l.refuseBool(e, "values of type %v cannot be compared", l.ast.GetType(a.ID()))
}
