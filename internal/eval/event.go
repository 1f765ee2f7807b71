package eval

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// CheckEvent says with code kernel.Invalid what of a reported event does not
// fit the schema, as a request would have to, where, and what would. The event
// is the action of the request; its agent has an id alone, or none.
func (p *Program) CheckEvent(r *kernel.Request, st registry.Standing) error {
	event := p.schema.EventOf(r.Action)
	if event == nil {
		return p.unknownEvent(r.Action)
	}
	if !slices.Contains(event.Resources, r.Resource.Type) {
		return kernel.Errorf(kernel.Invalid, "the event %s is not about a resource of this type", event.Name).
			At("$.resource.type").WithHint("it is one of %s", oneOf(event.Resources))
	}
	if r.Agent.ID == "" && p.countsAgents(event.Name) {
		return kernel.Errorf(kernel.Invalid, "whom the event %s is about is missing: the policy counts it by agent", event.Name).
			At("$.agent").WithHint(`say it as {"id": "agent-001"}`)
	}
	resource := unslotted("resource", p.resourceOf(r.Resource.Type).Attributes)
	if path := trust(resource, r.Resource.Attributes, st.Resource).conflict; path != "" {
		return kernel.Errorf(kernel.Invalid, "the registry says it, and not so").At(path).WithHint("leave it out: the kernel knows it")
	}
	if err := resource.excusing(st.Resource).problem(r.Resource.Attributes); err != nil {
		return err
	}
	return unslotted("params", event.Params).problem(r.Params)
}

func (p *Program) unknownEvent(name string) error {
	var names []string
	for _, e := range p.schema.Events {
		names = append(names, e.Name)
	}
	e := kernel.Errorf(kernel.Invalid, "the schema declares no event of this name").At("$.event")
	if near := suggest.DidYouMean(clip(name), names); near != "" {
		return e.WithHint("%s", near)
	}
	if len(names) == 0 {
		return e.WithHint("the active policy counts nothing that others report")
	}
	return e.WithHint("it is one of %s", oneOf(names))
}

// countsAgents reports whether some fact counts an event by its agent.
func (p *Program) countsAgents(event string) bool {
	return slices.ContainsFunc(p.schema.Facts, func(f pdl.Fact) bool {
		return f.Event == event && slices.ContainsFunc(f.By, func(path string) bool { return strings.HasPrefix(path, "agent.") })
	})
}

func (p *Program) resourceOf(name string) *pdl.ResourceType {
	i := slices.IndexFunc(p.schema.Resources, func(r pdl.ResourceType) bool { return r.Name == name })
	return &p.schema.Resources[i] // the compiler has checked that events name declared ones
}

// unslotted is a section to check values against, which no rule reads.
func unslotted(name string, attributes []pdl.Attribute) *section {
	sec := &section{name: name}
	for _, a := range attributes {
		f := &field{Attribute: a}
		switch {
		case a.Type.Kind == pdl.Record:
			f.inside = unslotted(name+"."+a.Name, a.Type.Members)
		case a.Type.IsRecords():
			f.inside = unslotted(name+"."+a.Name+"[]", a.Type.Elem.Members)
		}
		sec.fields = append(sec.fields, f)
	}
	return sec
}
