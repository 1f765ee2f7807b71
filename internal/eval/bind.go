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

// bind fills a new frame with the request, or says with code kernel.Invalid
// what does not fit the schema, where, and what would.
func (p *Program) bind(sh *shape, req kernel.Request, now instant) (*frame, error) {
	fr := p.layout.newFrame()
	always := func(path, text string) {
		s := sh.fields[path].slot
		fr.strings.values[s.at] = text
		fr.mark(s.bit)
	}
	always(pathAction, req.Action)
	always(pathAgentID, req.Agent.ID)
	always(pathResourceID, req.Resource.ID)
	always(pathResourceType, req.Resource.Type)
	fr.times.values[sh.fields[pathNow].slot.at] = now
	fr.mark(sh.fields[pathNow].slot.bit)
	if err := checkNames(req); err != nil {
		return nil, err
	}
	members := []map[string]any{req.Agent.Attributes, req.Resource.Attributes, req.Params, req.Context}
	for i, sec := range sh.sections {
		if err := sec.bind(fr, members[i]); err != nil {
			return nil, err
		}
	}
	return fr, nil
}

func checkNames(req kernel.Request) error {
	for _, n := range []struct{ path, value string }{{"$.agent.id", req.Agent.ID}, {"$.resource.id", req.Resource.ID}} {
		if n.value == "" {
			return kernel.Errorf(kernel.Invalid, "id is required").At(n.path)
		}
	}
	return nil
}

// bind puts the members of one object into their slots. Members that are not
// declared come first: a misspelt name explains a missing one.
func (sec section) bind(fr *frame, members map[string]any) error {
	known := 0
	for _, f := range sec.fields {
		if _, present := members[f.Name]; present {
			known++
		}
	}
	if known != len(members) {
		return sec.unknown(members)
	}
	for _, f := range sec.fields {
		v, present := members[f.Name]
		if !present {
			if !f.Optional {
				return kernel.Errorf(kernel.Invalid, "%s is required", f.Name).At(sec.path(f.Name)).WithHint("it is %s", expects(f.Type))
			}
			continue
		}
		if err := f.bind(fr, v, sec.path(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (sec section) path(name string) string { return kernel.JoinPath("$."+sec.name, name) }

// unknown explains the first member that is not declared.
func (sec section) unknown(members map[string]any) error {
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

func contains(fields []field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// bind checks a value against the declared type and stores it.
func (f field) bind(fr *frame, v any, path string) error {
	if problem, at := misfit(f.Type, v); problem != "" {
		return kernel.Errorf(kernel.Invalid, "%s", problem).At(path+at).WithHint("%s", hint(f.Type, v, at != ""))
	}
	if !f.family.store(fr, f.slot, v) {
		return fmt.Errorf("bind %s: %T passed its check as %v", path, v, f.Type.Kind)
	}
	fr.mark(f.slot.bit)
	return nil
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
