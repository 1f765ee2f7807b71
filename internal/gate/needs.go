package gate

import (
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// unmet says of each need that no gate of this version meets why: the tools of
// the language take the bundle, a gate does not.
var unmet = []struct {
	kind   pdl.NeedKind
	reason string
}{
	{pdl.NeedKeeping, "this version of kernel serve keeps none"},
}

// Unmet returns as errors the needs that a gate cannot meet.
func Unmet(needs []pdl.Need) (refused pdl.Diagnostics) {
	for _, n := range needs {
		for _, u := range unmet {
			if u.kind == n.Kind {
				d := n.Found
				d.Severity, d.Message = pdl.Error, d.Message+": "+u.reason
				refused = append(refused, d)
			}
		}
	}
	return refused
}

// mayDecide refuses a program that a gate cannot give what it decides by, and
// one that its files are not the sources of.
func mayDecide(p *eval.Program, files []pdl.File) error {
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		return fmt.Errorf("the files of bundle %s do not compile: %s", p.Version(), diags[0])
	}
	if bundle.Version != p.Version() {
		return fmt.Errorf("the files are those of bundle %s, not of %s", bundle.Version, p.Version())
	}
	refused := Unmet(bundle.Needs())
	if len(refused) == 0 {
		return nil
	}
	d := refused[0]
	e := kernel.Errorf(kernel.Unsupported, "the bundle cannot be activated: %s:%d:%d: %s", d.File, d.Line, d.Col, d.Message)
	if d.Suggestion != "" {
		return e.WithHint("%s", d.Suggestion)
	}
	return e
}
