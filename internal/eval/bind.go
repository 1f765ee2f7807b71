package eval

import (
	"fmt"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// The instants a timestamp may be, so that no difference overflows.
var (
	firstInstant = instantOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
	lastInstant  = instantOf(time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC))
)

func inRange(i instant) bool { return i.compare(firstInstant) >= 0 && i.compare(lastInstant) <= 0 }

// bind fills an empty frame with the request, or says with code kernel.Invalid
// what does not fit the schema, where, and what would.
func (l *layout) bind(fr *frame, sh *shape, req *kernel.Request, now instant) error {
	if err := checkNames(req); err != nil {
		return err
	}
	l.begin(fr, &[...]string{
		alwaysAction: req.Action, alwaysAgentID: req.Agent.ID,
		alwaysResourceID: req.Resource.ID, alwaysResourceType: req.Resource.Type,
	}, now)
	values := [...]map[string]any{req.Agent.Attributes, req.Resource.Attributes, req.Params, req.Context}
	for i := range sh.members {
		if fill(fr, sh.members[i], values[i]) {
			continue
		}
		sec := sh.sections[i]
		if err := sec.problem(values[i]); err != nil {
			return err
		}
		return fmt.Errorf("bind %s of %s: it fits its check and not its slots", sec.name, sh.name)
	}
	return nil
}

// begin fills what every request has.
func (l *layout) begin(fr *frame, names *[alwaysNow]string, now instant) {
	for i, text := range names {
		name := &l.names[i]
		fr.strings.values[name.at] = text
		if name.watched {
			fr.ids[name.id] = fr.words[text]
		}
	}
	fr.times.values[l.names[alwaysNow].at] = now
	fr.present[0] |= 1<<(alwaysNow+1) - 1 // their bits are the first; see newLayout
}

func checkNames(req *kernel.Request) error {
	if req.Agent.ID == "" {
		return kernel.Errorf(kernel.Invalid, "id is required").At("$.agent.id")
	}
	if req.Resource.ID == "" {
		return kernel.Errorf(kernel.Invalid, "id is required").At("$.resource.id")
	}
	return nil
}

// fill puts the values of one object into their slots, and reports whether all
// of them fit and none is missing.
func fill(fr *frame, members []member, values map[string]any) bool {
	known := 0
	for i := range members {
		m := &members[i]
		if m.optional && known == len(values) {
			return true // nothing is left, and what comes is optional too
		}
		v, present := values[m.name]
		switch {
		case present && m.fill(fr, v):
			known++
		case present || !m.optional:
			return false
		}
	}
	return known == len(values)
}

// problem says what keeps the members of one object from their slots. Members
// that are not declared come first: a misspelt name explains a missing one.
func (sec *section) problem(members map[string]any) error {
	if err := sec.unknown(members); err != nil {
		return err
	}
	for _, f := range sec.fields {
		v, present := members[f.Name]
		if !present {
			if !f.Optional {
				return kernel.Errorf(kernel.Invalid, "%s is required", f.Name).At(sec.path(f.Name)).WithHint("it is %s", expects(f.Type))
			}
			continue
		}
		if problem, at := misfit(f.Type, v); problem != "" {
			return kernel.Errorf(kernel.Invalid, "%s", problem).At(sec.path(f.Name)+at).WithHint("%s", hint(f.Type, v, at != ""))
		}
		if f.inside != nil {
			if err := f.inside.problem(v.(map[string]any)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (sec *section) path(name string) string { return kernel.JoinPath("$."+sec.name, name) }

// unknown explains the first member that is not declared.
func (sec *section) unknown(members map[string]any) error {
	var declared []string
	for _, f := range sec.fields {
		declared = append(declared, f.Name)
	}
	for _, name := range kernel.SortedKeys(members) {
		if contains(sec.fields, name) {
			continue
		}
		path := sec.path(clip(name))
		if sec.name == "context" && name == "now" {
			return kernel.Errorf(kernel.Invalid, "context.now is the kernel's own clock; a request may not carry it").
				At(path).WithHint("leave it out")
		}
		e := kernel.Errorf(kernel.Invalid, "the schema declares no attribute %q here", clip(name)).At(path)
		if near := suggest.DidYouMean(clip(name), declared); near != "" {
			return e.WithHint("%s", near)
		}
		if len(declared) == 0 {
			return e.WithHint("%s takes no attributes here; leave it out", sec.name)
		}
		return e.WithHint("%s may have %s", sec.name, oneOf(declared))
	}
	return nil
}

func contains(fields []*field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// hint says what the value could have been, nearest first.
func hint(t pdl.Type, v any, inElement bool) string {
	if inElement {
		return "each element is " + expects(*t.Elem)
	}
	if text, ok := v.(string); ok && t.Kind == pdl.Enum {
		if near := suggest.DidYouMean(clip(text), t.Values); near != "" {
			return near + " it is " + expects(t)
		}
	}
	return "it is " + expects(t)
}

// oneOf joins words for people, at most twelve of them.
func oneOf(words []string) string {
	const limit = 12
	if len(words) > limit {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:limit], ", "), len(words)-limit)
	}
	return strings.Join(words, ", ")
}

// clip keeps a caller's text short enough to print, on a boundary of runes.
func clip(s string) string {
	const limit = 64
	n := 0
	for i := range s {
		if n++; n > limit {
			return s[:i] + "…"
		}
	}
	return s
}
