package prove

import (
	"slices"

	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A doubt is why one policy may allow more than another though their rules say
// the same; "": there is none. Formulas speak of what the rules are shown, and
// not of who said it.
type doubt func(cell formula.Cell) string

// believes is the doubt whether a policy takes from requests what another asks
// the registry about.
func believes(p, other *Policy) doubt {
	a, b := p.bundle.Schema, other.bundle.Schema
	return func(cell formula.Cell) string {
		if !a.Registered && b.Registered {
			return "agents that the registry does not know, and what no capability covers, are denied by one schema alone"
		}
		path := believed("agent.", a.Agent, b.Agent)
		if path == "" {
			path = believed("resource.", attributesOf(a, cell.ResourceType), attributesOf(b, cell.ResourceType))
		}
		if path == "" {
			return ""
		}
		return path + " is taken from requests where the other schema asks the registry"
	}
}

func attributesOf(s *pdl.Schema, resourceType string) []pdl.Attribute {
	i := slices.IndexFunc(s.Resources, func(r pdl.ResourceType) bool { return r.Name == resourceType })
	if i < 0 {
		return nil
	}
	return s.Resources[i].Attributes
}

// believed returns the first attribute that the first list takes from a weaker
// source than the other.
func believed(prefix string, list, other []pdl.Attribute) string {
	for i := range list {
		if slices.ContainsFunc(other, func(o pdl.Attribute) bool { return o.Name == list[i].Name && list[i].From < o.From }) {
			return prefix + list[i].Name
		}
	}
	return ""
}

// either is one doubt or the other.
func (d doubt) either(other doubt) doubt {
	return func(cell formula.Cell) string {
		if why := d(cell); why != "" {
			return why
		}
		return other(cell)
	}
}

// apply makes every so manyth proof of a cell one that cannot be given.
func (d doubt) apply(cell formula.Cell, results []Result, every int) {
	why := d(cell)
	if why == "" {
		return
	}
	for i := 0; i < len(results); i += every {
		if results[i].Verdict == Proved {
			results[i] = Result{Verdict: Unsupported, Why: why, Asked: results[i].Asked, Solvers: results[i].Solvers}
		}
	}
}
