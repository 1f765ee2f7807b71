package app

import "github.com/strixlabs/execution-kernel/internal/gate"

// CompileToServe makes of a bundle a program that a kernel may decide with.
// The error is a DiagnosticsError when the bundle is invalid, and when it
// needs what a kernel of this version does not have.
func CompileToServe(source BundleSource) (Compiled, error) {
	c, err := Compile(source)
	if err != nil {
		return Compiled{}, err
	}
	if refused := gate.Unmet(c.Bundle.Needs()); len(refused) > 0 {
		return Compiled{}, DiagnosticsError{Name: source.Name, Diagnostics: refused}
	}
	return c, nil
}
