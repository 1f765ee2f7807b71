package eval

import (
	"fmt"
	"maps"
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
		sec := sh.sections[i]
		if fill(fr, sec, sh.members[i], values[i]) {
			continue
		}
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
func fill(fr *frame, sec *section, members []member, values map[string]any) bool {
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
	return known == len(values) || sec.open && sec.takes(values)
}

// takes reports that what is not declared of an open section is JSON.
func (sec *section) takes(values map[string]any) bool {
	for name, v := range maps.All(values) {
		if memberOf(sec.members, name) == nil && (!isText(name) || !isJSON(v, 0)) {
			return false
		}
	}
	return true
}

// problem says what keeps the members of one object from their slots. Members
// that are not declared come first: a misspelt name explains a missing one.
func (sec *section) problem(members map[string]any) error {
	return sec.problemAt("$."+sec.name, members)
}

// problemAt is problem for the object at a JSON path.
func (sec *section) problemAt(at string, members map[string]any) error {
	if err := sec.unknown(at, members); err != nil {
		return err
	}
	for _, f := range sec.fields {
		v, present := members[f.Name]
		if !present {
			if !f.Optional {
				return kernel.Errorf(kernel.Invalid, "%s is required", f.Name).At(kernel.JoinPath(at, f.Name)).WithHint("it is %s", expects(f.Type))
			}
			continue
		}
		path := kernel.JoinPath(at, f.Name)
		if problem, inside := misfit(f.Type, v); problem != "" {
			return kernel.Errorf(kernel.Invalid, "%s", problem).At(path+inside).WithHint("%s", hint(f.Type, v, inside != ""))
		}
		if err := f.problemInside(path, v); err != nil {
			return err
		}
	}
	return nil
}

// problemInside looks into a record, or the records of a list.
func (f *field) problemInside(path string, v any) error {
	if f.inside == nil {
		return nil
	}
	if record, ok := v.(map[string]any); ok {
		return f.inside.problemAt(path, record)
	}
	list, _ := v.([]any)
	for i, x := range list {
		record, _ := x.(map[string]any)
		if err := f.inside.problemAt(fmt.Sprintf("%s[%d]", path, i), record); err != nil {
			return err
		}
	}
	return nil
}

func (sec *section) path(name string) string { return kernel.JoinPath("$."+sec.name, name) }

// unknown explains the first member that is not declared.
func (sec *section) unknown(at string, members map[string]any) error {
	declared := sec.declared()
	for _, name := range kernel.SortedKeys(members) {
		if contains(sec.fields, name) {
			continue
		}
		path := kernel.JoinPath(at, clip(name))
		if sec.open {
			if err := openProblem(path, name, members[name]); err != nil {
				return err
			}
			continue
		}
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

// openProblem says what keeps an undeclared member from being taken as JSON.
func openProblem(path, name string, v any) error {
	problem, at := misfitJSON(v, 0)
	if !isText(name) {
		problem, at = "the name of a member is not valid UTF-8 or contains U+0000", ""
	}
	if problem == "" {
		return nil
	}
	return kernel.Errorf(kernel.Invalid, "%s", problem).At(path+at).WithHint("it is %s", expects(pdl.Type{Kind: pdl.JSON}))
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
	if inElement && t.Kind == pdl.List {
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
