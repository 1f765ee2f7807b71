package eval

import (
	"errors"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// maxWarnings bounds what is said of one document.
const maxWarnings = 100

// A Warning says what of a registry document this program never reads, or
// denies for.
type Warning struct {
	Path    string `json:"path"` // JSON path in the document
	Message string `json:"message"`
}

// Warn compares a registry document with the schema: attributes that it does
// not declare or that do not fit, resource types and actions that it does not
// have, limits that no request can be within, and attributes that only the
// registry may say and does not. It returns the first 100.
func (p *Program) Warn(d registry.Document) []Warning {
	w := warner{schema: p.schema, layout: p.layout}
	for i := range d.Principals {
		if a := &d.Principals[i]; a.Kind == registry.Agent {
			w.agent(kernel.JoinPath("$.agents", a.ID), a)
		}
	}
	for i := range d.Resources {
		r := &d.Resources[i]
		w.resource(kernel.JoinPath("$.resources", r.Type), r)
	}
	return w.list
}

type warner struct {
	schema *pdl.Schema
	layout *layout
	list   []Warning
}

func (w *warner) add(path, message, hint string) {
	if hint != "" {
		message += "; " + hint
	}
	if len(w.list) < maxWarnings {
		w.list = append(w.list, Warning{path, message})
	}
}

func (w *warner) agent(at string, a *registry.Principal) {
	if sec := w.layout.sections[[2]string{"agent", ""}]; sec != nil {
		w.attributes(at+".attributes", sec, a.Attributes)
		w.missing(at+".attributes", sec, a.Trusted())
	}
	var actions, types []string
	for _, x := range w.schema.Actions {
		actions = append(actions, x.Name)
	}
	for _, x := range w.schema.Resources {
		types = append(types, x.Name)
	}
	for i := range a.Capabilities {
		c := &a.Capabilities[i]
		path := kernel.JoinPath(at+".capabilities", c.ID)
		for _, x := range c.Actions {
			if !registry.MatchesAny(x, actions) {
				w.add(path+".actions", "the schema has no action "+x, suggest.DidYouMean(x, actions))
			}
		}
		for _, x := range c.Resources {
			if !registry.MatchesAny(x.Type, types) {
				w.add(path+".resources", "the schema has no resource type "+x.Type, suggest.DidYouMean(x.Type, types))
			}
		}
		w.limits(path+".limits", c)
	}
}

func (w *warner) resource(at string, r *registry.Resource) {
	var types []string
	for _, x := range w.schema.Resources {
		types = append(types, x.Name)
	}
	if !registry.MatchesAny(r.Type, types) {
		w.add(at, "the schema has no resource type "+r.Type, suggest.DidYouMean(r.Type, types))
		return
	}
	if sec := w.layout.sections[[2]string{"resource", r.Type}]; sec != nil {
		w.attributes(kernel.JoinPath(at, r.ID), sec, r.Attributes)
		w.missing(kernel.JoinPath(at, r.ID), sec, r.Attributes)
	}
}

// attributes looks at the values that a document gives.
func (w *warner) attributes(at string, sec *section, given map[string]any) {
	declared := map[string]*field{}
	for _, f := range sec.fields {
		if !f.implied {
			declared[f.Name] = f
		}
	}
	for _, name := range kernel.SortedKeys(given) {
		f, path := declared[name], kernel.JoinPath(at, name)
		switch {
		case f == nil:
			w.add(path, "the schema declares no such attribute: nothing reads it", suggest.DidYouMean(name, kernel.SortedKeys(declared)))
			continue
		case f.From == pdl.FromRequest:
			w.add(path, "the schema takes it from the request: this value is not read", "")
			continue
		}
		problem, inList := misfit(f.Type, given[name])
		var e *kernel.Error
		if problem != "" {
			w.add(path+inList, problem+": requests are denied", hint(f.Type, given[name], inList != ""))
		} else if errors.As(f.problemInside(path, given[name]), &e) {
			w.add(e.Path, e.Message+": requests are denied", e.Hint)
		}
	}
}

// missing looks for the values that a document should give.
func (w *warner) missing(at string, sec *section, given map[string]any) {
	for _, f := range sec.fields {
		if _, has := given[f.Name]; !has && f.From == pdl.FromRegistry && !f.Optional {
			w.add(kernel.JoinPath(at, f.Name), "the registry alone may say it, and does not: requests are denied", "")
		}
	}
}
