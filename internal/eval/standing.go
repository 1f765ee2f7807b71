package eval

import (
	"errors"
	"maps"
	"reflect"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// Narrow keeps of a standing what this program can look at: the attributes
// that its schema takes from the registry.
func (p *Program) Narrow(st registry.Standing, resourceType string) registry.Standing {
	st.Agent = trustedOf(p.schema.Agent, st.Agent)
	known := st.Resource
	st.Resource = nil
	for i := range p.schema.Resources {
		if r := &p.schema.Resources[i]; r.Name == resourceType {
			st.Resource = trustedOf(r.Attributes, known)
		}
	}
	return st
}

func trustedOf(declared []pdl.Attribute, known map[string]any) map[string]any {
	var kept map[string]any
	for i := range declared {
		a := &declared[i]
		v, has := known[a.Name]
		if !has || a.From == pdl.FromRequest {
			continue
		}
		if kept == nil {
			kept = make(map[string]any, len(known))
		}
		kept[a.Name] = v
	}
	return kept
}

// refuseStanding returns the verdict that hangs on who asks alone, or nil.
func (p *Program) refuseStanding(in *Input) *kernel.Verdict {
	st, agent := in.Standing, in.Request.Agent.ID
	switch {
	case st.Killed != "":
		return refusal(kernel.CodeKilled, "wait until an administrator lifts it", "a kill switch stops %s", clip(st.Killed))
	case st.Status == "" && p.schema != nil && p.schema.Registered:
		return refusal(kernel.CodeUnknownAgent, "ask an administrator to register it", "the registry knows no agent %q", clip(agent))
	case st.Status != "" && st.Status != registry.Active:
		return refusal(kernel.CodeAgentSuspended, "ask an administrator", "agent %q is %s", clip(agent), st.Status)
	}
	return nil
}

// bindStanding fills an empty frame with a request and what the registry knows
// of it. It returns the verdict that hangs on trusted attributes or on the
// capability, or the error of a request that does not fit the schema.
func (e *Evaluator) bindStanding(in *Input, now instant) (*kernel.Verdict, error) {
	sh, req := e.shape, in.Request
	agent := trust(sh.sections[0], req.Agent.Attributes, in.Standing.Agent)
	resource := trust(sh.sections[1], req.Resource.Attributes, in.Standing.Resource)
	if agent.refused() || resource.refused() {
		if err := sh.misshapen(&req, in.Standing); err != nil {
			return nil, err
		}
		return firstRefusal(agent, resource), nil
	}
	req.Agent.Attributes, req.Resource.Attributes = agent.values, resource.values
	if err := e.program.layout.bind(e.frame, sh, &req, now); err != nil {
		return nil, err
	}
	if e.program.schema.Registered && in.Standing.Capability == "" {
		return sh.uncovered(&req, in.Standing), nil
	}
	return nil, nil
}

// uncovered is the verdict on what no capability covers.
func (sh *shape) uncovered(req *kernel.Request, st *registry.Standing) *kernel.Verdict {
	hint, limit := "ask an administrator for a capability that covers it", ""
	if st.Limit != "" {
		hint, limit = "ask for less, or an administrator for a wider capability", ": "+st.Limit
	}
	return refusal(kernel.CodeCapabilityMissing, hint, "agent %q has no capability for %s on %s %q%s",
		clip(req.Agent.ID), sh.actionName, sh.resourceType, clip(req.Resource.ID), limit)
}

// A trusted is one object of the request with what the registry knows of it.
type trusted struct {
	values   map[string]any // to decide with
	conflict string         // path of the first attribute that the request may not say
	missing  string         // path of the first one that the registry does not say, or not so that it fits
	why      string         // with missing: why it does not fit; empty: there is none
}

func (t *trusted) refused() bool { return t.conflict != "" || t.missing != "" }

// trust puts the values of the registry beside those of the request.
func trust(sec *section, claimed, known map[string]any) trusted {
	t := trusted{values: claimed}
	cloned := false
	for _, f := range sec.fields {
		if f.From == pdl.FromRequest {
			continue
		}
		v, has := known[f.Name]
		w, says := claimed[f.Name]
		switch {
		case says && (has && !reflect.DeepEqual(v, w) || !has && f.From == pdl.FromRegistry):
			keepFirst(&t.conflict, sec.path(f.Name))
		case has:
			if path, problem := f.unfit(sec.path(f.Name), v); problem != "" && t.missing == "" {
				t.missing, t.why = path, problem
			}
			if !cloned {
				t.values, cloned = maps.Clone(claimed), true
			}
			if t.values == nil {
				t.values = make(map[string]any, len(known))
			}
			t.values[f.Name] = v
		case f.From == pdl.FromRegistry && !f.Optional:
			keepFirst(&t.missing, sec.path(f.Name))
		}
	}
	return t
}

// unfit says where and why a value of the registry does not fit; the problem
// is empty when it does.
func (f *field) unfit(path string, v any) (at, problem string) {
	problem, inList := misfit(f.Type, v)
	if problem != "" || f.inside == nil {
		return path + inList, problem
	}
	members, _ := v.(map[string]any)
	var e *kernel.Error
	if err := f.inside.problem(members); errors.As(err, &e) {
		return e.Path, e.Message
	}
	return path, ""
}

func keepFirst(s *string, path string) {
	if *s == "" {
		*s = path
	}
}

// misshapen says what of a request does not fit the schema, leaving out what
// the registry should have said: that is a verdict and no error.
func (sh *shape) misshapen(req *kernel.Request, st *registry.Standing) error {
	if err := checkNames(req); err != nil {
		return err
	}
	said := [...]map[string]any{req.Agent.Attributes, req.Resource.Attributes, req.Params, req.Context}
	known := [...]map[string]any{st.Agent, st.Resource, nil, nil}
	for i, sec := range sh.sections {
		if err := sec.excusing(known[i]).problem(said[i]); err != nil {
			return err
		}
	}
	return nil
}

// excusing returns the section as a request has to fill it beside what is known.
func (sec *section) excusing(known map[string]any) *section {
	excused := &section{name: sec.name}
	for _, f := range sec.fields {
		c := *f
		if _, has := known[f.Name]; has || f.From == pdl.FromRegistry {
			c.Optional = true
		}
		excused.fields = append(excused.fields, &c)
	}
	return excused
}

// firstRefusal says what of trusted attributes keeps a request from its rules:
// conflicts before what is missing, the agent's before the resource's.
func firstRefusal(agent, resource trusted) *kernel.Verdict {
	for _, t := range []*trusted{&agent, &resource} {
		if t.conflict != "" {
			return refusal(kernel.CodeAttributeConflict, "leave it out: the kernel knows it", "the request says %s otherwise than the registry", t.conflict[len("$."):])
		}
	}
	for _, t := range []*trusted{&agent, &resource} {
		if path := t.missing; path != "" && t.why != "" {
			return refusal(kernel.CodeAttributeMissing, "ask an administrator", "what the registry says of %s does not fit the schema: %s", path[len("$."):], t.why)
		}
		if path := t.missing; path != "" {
			return refusal(kernel.CodeAttributeMissing, "ask an administrator", "the registry does not say %s", path[len("$."):])
		}
	}
	return nil
}
