package pdl

import (
	"net/netip"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"
)

// The types of addresses and ranges are those of cel-go's network extension;
// no attribute has them.
var (
	ipType   = types.NewOpaqueType("net.IP")
	cidrType = types.NewOpaqueType("net.CIDR")
)

// networkFunctions declares ip(), cidr() and what asks them.
func networkFunctions() []*decls.FunctionDecl {
	return []*decls.FunctionDecl{
		declare("isIP", decls.Overload("is_ip", []*types.Type{types.StringType}, types.BoolType)),
		declare("isCIDR", decls.Overload("is_cidr", []*types.Type{types.StringType}, types.BoolType)),
		declare("ip", decls.Overload("string_to_ip", []*types.Type{types.StringType}, ipType)),
		declare("cidr", decls.Overload("string_to_cidr", []*types.Type{types.StringType}, cidrType)),
		declare("containsIP",
			decls.MemberOverload("cidr_contains_ip_ip", []*types.Type{cidrType, ipType}, types.BoolType),
			decls.MemberOverload("cidr_contains_ip_string", []*types.Type{cidrType, types.StringType}, types.BoolType)),
		declare("containsCIDR",
			decls.MemberOverload("cidr_contains_cidr", []*types.Type{cidrType, cidrType}, types.BoolType),
			decls.MemberOverload("cidr_contains_cidr_string", []*types.Type{cidrType, types.StringType}, types.BoolType)),
	}
}

func declare(name string, overloads ...decls.FunctionOpt) *decls.FunctionDecl {
	return must(decls.NewFunction(name, overloads...))
}

// addressLiteral refuses texts in quotes that are no address or no range.
func (w *weaver) addressLiteral(s signature, arg ast.Expr) {
	text, ok := textOf(arg)
	if !ok {
		return
	}
	switch s.name {
	case "ip", "containsIP":
		if !isAddress(text) {
			w.fail(w.spotOf(arg), `write ip("10.0.0.1") or ip("2001:db8::1")`, "%q is no IP address", clip(text))
		}
	case "cidr", "containsCIDR":
		if !isRange(text) {
			w.fail(w.spotOf(arg), `write cidr("10.0.0.0/8") or cidr("2001:db8::/32")`, "%q is no range of IP addresses", clip(text))
		}
	}
}

// isAddress reports what ip() takes: no zones, no IPv4 inside IPv6.
func isAddress(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && a.Zone() == "" && !a.Is4In6()
}

// isRange reports what cidr() takes; host bits may be set.
func isRange(text string) bool {
	p, err := netip.ParsePrefix(text)
	return err == nil && p.Addr().Zone() == "" && !p.Addr().Is4In6()
}
