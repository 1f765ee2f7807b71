package eval

import (
	"fmt"

	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A shape is what a request for one action on one resource type may contain.
type shape struct {
	name     string // for people: deploy_service on service
	sections []section
	fields   map[string]field // by path: agent.role
}

// A section is one object of the request: agent, resource, params or context.
type section struct {
	name   string
	fields []field // sorted by name
}

type field struct {
	pdl.Attribute
	slot   slot
	family family // of the value, or of the elements
}

func (l *layout) shape(s *pdl.Schema, a pdl.Action, r pdl.ResourceType) (*shape, error) {
	sh := &shape{name: a.Name + " on " + r.Name, fields: map[string]field{}}
	for _, path := range []string{pathAction, pathAgentID, pathResourceID, pathResourceType} {
		sh.fields[path] = field{slot: l.add(path, types.StringKind, false)}
	}
	sh.fields[pathNow] = field{slot: l.add(pathNow, types.TimestampKind, false)}
	for _, part := range []struct {
		name       string
		attributes []pdl.Attribute
	}{{"agent", s.Agent}, {"resource", r.Attributes}, {"params", a.Params}, {"context", s.Context}} {
		sec, err := l.section(sh, part.name, part.attributes)
		if err != nil {
			return nil, err
		}
		sh.sections = append(sh.sections, sec)
	}
	return sh, nil
}

func (l *layout) section(sh *shape, name string, attributes []pdl.Attribute) (section, error) {
	sec := section{name: name}
	for _, a := range attributes {
		path := name + "." + a.Name
		if _, taken := sh.fields[path]; taken {
			return section{}, fmt.Errorf("attribute %s is declared twice or always there", path)
		}
		slot, err := l.addTyped(path, a.Type)
		if err != nil {
			return section{}, err
		}
		f := field{Attribute: a, slot: slot, family: familyOf(slot.kind)}
		sec.fields = append(sec.fields, f)
		sh.fields[path] = f
	}
	return sec, nil
}
