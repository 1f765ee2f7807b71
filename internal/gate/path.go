package gate

import (
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// contractNames are the members that requests of any door have by contract.
var contractNames = []string{
	"requests", "request_id", "agent", "action", "resource", "params", "context", "wait", "grant", "id", "type", "now", "event",
	"artifact_type", "environment", "actions", "agent_id", "timestamp",
}

// step is one step of a JSON path: .name, [3] or ['any name'].
var step = regexp.MustCompile(`\.[A-Za-z0-9_]+|\[[0-9]+\]|\['(?:[^'\\]|\\.)*'\]|.`)

// known returns a JSON path with every name that is neither in the contract
// nor in the schema replaced by *. A member's name may be a secret that
// somebody sent in the wrong place, and entries are for ever.
func (g *Gate) known(path string) string {
	rest, rooted := strings.CutPrefix(path, "$")
	if !rooted {
		return ""
	}
	var names []string
	if p := g.program.Load(); p != nil {
		names = declaredNames(p.Schema())
	}
	out := "$"
	for _, s := range step.FindAllString(rest, -1) {
		name := strings.TrimPrefix(s, ".")
		switch {
		case len(s) > 1 && s[0] == '[' && s[1] >= '0' && s[1] <= '9':
			out += s
		case s[0] == '.' && (slices.Contains(contractNames, name) || slices.Contains(names, name)):
			out += s
		default:
			return out + ".*" // nothing below it can be known either
		}
	}
	return out
}

func declaredNames(s *pdl.Schema) []string {
	var names []string
	var add func(attributes []pdl.Attribute)
	add = func(attributes []pdl.Attribute) {
		for _, a := range attributes {
			names = append(names, a.Name)
			add(a.Type.Members)
			if a.Type.Elem != nil {
				add(a.Type.Elem.Members)
			}
		}
	}
	add(s.Agent)
	add(s.Context)
	for _, r := range s.Resources {
		add(r.Attributes)
	}
	for _, a := range s.Actions {
		add(a.Params)
	}
	for _, e := range s.Events {
		add(e.Params)
	}
	return names
}
