package app

import "github.com/strixlabs/execution-kernel/internal/gate"

// CompileToServe makes of a bundle a program that a kernel may decide with.
// The error is a DiagnosticsError when the bundle is invalid, and when it
// needs what a kernel of this version does not have. That nobody can vote is a
// warning: what waits for votes is not allowed.
func CompileToServe(source BundleSource) (Compiled, error) {
	c, err := Compile(source)
	if err != nil {
		return Compiled{}, err
	}
	c.Warnings = append(c.Warnings, gate.Unvoted(c.Bundle.Needs())...)
	if refused := gate.Unmet(c.Bundle.Needs()); len(refused) > 0 {
		return Compiled{}, DiagnosticsError{Name: source.Name, Diagnostics: refused}
	}
	return c, nil
}
