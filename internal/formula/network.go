package formula

import (
	"net/netip"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// What formulas know of an address is whether a text is one, and which of the
// ranges of a condition hold it: both are free where the text is.

// addressTest encodes isIP(text), cidr(…).containsIP(…) and the like.
func (c *coder) addressTest(x ast.Expr) Truth {
	call := x.AsCall()
	arg := call.Args()[0]
	name := call.FunctionName()
	if name == "isIP" || name == "isCIDR" {
		t := c.text(arg)
		if t.lit != nil {
			return c.e.truth(t.ok, c.e.Bool(isKind(name == "isIP", *t.lit)))
		}
		return c.e.truth(t.ok, c.isAddress(x, t, name == "isIP"))
	}
	inner := arg
	if arg.Kind() == ast.CallKind && contains([]string{"ip", "cidr"}, arg.AsCall().FunctionName()) {
		inner = arg.AsCall().Args()[0]
	}
	outer, okOuter := c.address(x, call.Target().AsCall().Args()[0], false)
	t, ok := c.address(x, inner, name == "containsIP")
	ok = c.e.And(okOuter, ok)
	if outer.lit != nil && t.lit != nil {
		return c.e.truth(ok, c.e.Bool(holds(*outer.lit, *t.lit, name == "containsIP")))
	}
	return c.e.truth(ok, c.e.anything(smt.Bool, name+" "+c.name(outer)+" "+c.name(t)))
}

func (c *coder) name(t text) string { return c.e.nameOf(element{txt: &t}) + string(rune(t.shift)) }

// address encodes ip(text) or cidr(text): the text, and when it is one.
func (c *coder) address(x, of ast.Expr, single bool) (text, *smt.Term) {
	t := c.text(of)
	if t.lit != nil {
		return t, c.e.And(t.ok, c.e.Bool(isKind(single, *t.lit)))
	}
	return t, c.e.And(t.ok, c.isAddress(x, t, single))
}

func (c *coder) isAddress(x ast.Expr, t text, single bool) *smt.Term {
	c.approximate(x, "texts that are network addresses")
	if single {
		return c.e.anything(smt.Bool, "isIP "+c.name(t))
	}
	return c.e.anything(smt.Bool, "isCIDR "+c.name(t))
}

func isKind(single bool, s string) bool {
	const most = 64
	if len(s) > most {
		return false
	}
	if single {
		a, err := netip.ParseAddr(s)
		return err == nil && a.Zone() == "" && !a.Is4In6()
	}
	p, err := netip.ParsePrefix(s)
	return err == nil && p.Addr().Zone() == "" && !p.Addr().Is4In6()
}

func holds(outer, inner string, single bool) bool {
	o, errO := netip.ParsePrefix(outer)
	if single {
		a, err := netip.ParseAddr(inner)
		return errO == nil && err == nil && o.Contains(a)
	}
	p, err := netip.ParsePrefix(inner)
	return errO == nil && err == nil && o.Bits() <= p.Bits() && o.Overlaps(p)
}

// sameAddress encodes the equality of two addresses or two ranges.
func (c *coder) sameAddress(x, a, b ast.Expr) Truth {
	single := a.Kind() == ast.CallKind && a.AsCall().FunctionName() == "ip"
	s, okS := c.address(x, a.AsCall().Args()[0], single)
	t, okT := c.address(x, b.AsCall().Args()[0], single)
	ok := c.e.And(okS, okT)
	if s.lit != nil && t.lit != nil {
		return c.e.truth(ok, c.e.Bool(sameLiteral(*s.lit, *t.lit, single)))
	}
	if c.name(s) == c.name(t) {
		return c.e.truth(ok, c.e.True())
	}
	return c.e.truth(ok, c.e.anything(smt.Bool, "== "+c.name(s)+" "+c.name(t)))
}

func sameLiteral(s, t string, single bool) bool {
	if single {
		a, errA := netip.ParseAddr(s)
		b, errB := netip.ParseAddr(t)
		return errA == nil && errB == nil && a == b
	}
	a, errA := netip.ParsePrefix(s)
	b, errB := netip.ParsePrefix(t)
	return errA == nil && errB == nil && a == b
}
