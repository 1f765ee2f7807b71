package app

import "github.com/strixlabs/execution-kernel/internal/pdl"

// unmet says of each need that no kernel of this version meets why: check,
// test and eval take the bundle, serve refuses it.
var unmet = []struct {
	kind   pdl.NeedKind
	reason string
}{
	{pdl.NeedRegistry, "this version of kernel serve has no registry"},
	{pdl.NeedGrants, "this version of kernel serve hands out no grants"},
	{pdl.NeedFacts, "this version of kernel serve cannot resolve facts from history yet"},
	{pdl.NeedAutomaticVotes, "this version of kernel serve gives none"},
	{pdl.NeedEscalation, "this version of kernel serve does not"},
}

// CompileToServe makes of a bundle a program that a kernel may decide with.
// The error is a DiagnosticsError when the bundle is invalid, and when it
// needs what a kernel of this version does not have. That nobody can vote is a
// warning: what waits for votes is not allowed.
func CompileToServe(source BundleSource) (Compiled, error) {
	c, err := Compile(source)
	if err != nil {
		return Compiled{}, err
	}
	var refused pdl.Diagnostics
	for _, n := range c.Bundle.Needs() {
		if n.Kind == pdl.NeedVotes {
			d := n.Found
			d.Message += ": this version of kernel serve collects no votes, so nobody can approve"
			c.Warnings = append(c.Warnings, d)
		}
		for _, u := range unmet {
			if u.kind == n.Kind {
				d := n.Found
				d.Severity, d.Message = pdl.Error, d.Message+": "+u.reason
				refused = append(refused, d)
			}
		}
	}
	if len(refused) > 0 {
		return Compiled{}, DiagnosticsError{Name: source.Name, Diagnostics: refused}
	}
	return c, nil
}
