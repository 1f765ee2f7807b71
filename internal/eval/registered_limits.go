package eval

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// limits looks for what no request can be within: values that the actions of a
// capability do not have, or have of another type.
func (w *warner) limits(at string, c *registry.Capability) {
	for i := range c.Limits {
		l := &c.Limits[i]
		path := kernel.JoinPath(at, l.Path)
		for j := range w.schema.Actions {
			a := &w.schema.Actions[j]
			if !slices.ContainsFunc(c.Actions, func(p string) bool { return registry.MatchesAny(p, []string{a.Name}) }) {
				continue
			}
			if w.limit(path, l, a, c) {
				break // of what several actions share one warning is enough
			}
		}
	}
}

// limit compares one limit with one action, and reports whether it said
// something.
func (w *warner) limit(at string, l *registry.Limit, a *pdl.Action, c *registry.Capability) (said bool) {
	section, name, _ := strings.Cut(l.Path, ".")
	if section == "params" {
		return w.limitOn(at, "action "+a.Name, l, name, a.Params, a.Open)
	}
	for _, r := range w.schema.Resources {
		covered := slices.ContainsFunc(c.Resources, func(t registry.Target) bool { return registry.MatchesAny(t.Type, []string{r.Name}) })
		if covered && slices.Contains(a.Resources, r.Name) && w.limitOn(at, "resource type "+r.Name, l, name, r.Attributes, false) {
			return true
		}
	}
	return false
}

func (w *warner) limitOn(at, what string, l *registry.Limit, name string, declared []pdl.Attribute, open bool) (said bool) {
	t, known := typeAt(declared, name)
	var names []string
	for _, d := range declared {
		names = append(names, d.Name)
	}
	first, _, _ := strings.Cut(name, ".")
	switch {
	case !known && open && !slices.Contains(names, first):
		return false
	case !known:
		w.add(at, what+" has no "+l.Path+": it is never covered", suggest.DidYouMean(name, names))
		return true
	}
	if t.Kind == pdl.List {
		t = *t.Elem
	}
	if problem := unmeetable(l, t); problem != "" {
		w.add(at, problem+": "+what+" is never covered", "")
		return true
	}
	return false
}

// typeAt finds the type of a value, however deep in records it lies.
func typeAt(declared []pdl.Attribute, path string) (pdl.Type, bool) {
	name, rest, deeper := strings.Cut(path, ".")
	for _, a := range declared {
		switch {
		case a.Name != name:
		case !deeper || a.Type.Kind == pdl.JSON:
			return a.Type, true
		default:
			return typeAt(a.Type.Members, rest)
		}
	}
	return pdl.Type{}, false
}

// unmeetable says why no value of a type is within a limit, or "".
func unmeetable(l *registry.Limit, t pdl.Type) string {
	switch {
	case t.Kind == pdl.JSON:
		return ""
	case len(l.In) > 0:
		problem := ""
		for _, v := range l.In {
			if problem, _ = misfit(t, v); problem == "" {
				return ""
			}
		}
		return problem
	case l.Prefix != "":
		switch t.Kind {
		case pdl.String, pdl.Timestamp, pdl.Duration:
			return ""
		case pdl.Enum:
			if slices.ContainsFunc(t.Values, func(v string) bool { return strings.HasPrefix(v, l.Prefix) }) {
				return ""
			}
			return "none of the declared values begins so"
		default:
		}
		return "prefix is for texts, and it is " + t.String()
	case t.Kind != pdl.Int:
		return "min and max are for integers, and it is " + t.String()
	case l.Max != nil && *l.Max < t.Min || l.Min != nil && *l.Min > t.Max:
		return "no " + t.String() + " is within it"
	}
	return ""
}
