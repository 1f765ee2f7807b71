package eval

import (
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A shape is what a request for one action on one resource type may contain.
type shape struct {
	actionName   string // of action, as the next ones
	resourceType string
	risk         kernel.Risk
	index        index
	candidates   []candidate
	checks       []check
	members      [4][]member // what agent, resource, params and context may hold
	silent       kernel.Verdict
	action       *action
	name         string // for people: deploy_service on service
	sections     []*section
	fields       map[string]*field
}

// A section is one object of the request: agent, resource, params or context.
type section struct {
	name    string
	members []member // what requests fill, the required first; made once the rules are known
	fields  []*field // sorted by name
}

type field struct {
	pdl.Attribute
	slot slot
}

func (l *layout) shape(s *pdl.Schema, a *action, declared pdl.Action, r pdl.ResourceType) (*shape, error) {
	sh := &shape{name: declared.Name + " on " + r.Name, action: a, actionName: a.name, risk: a.risk, resourceType: r.Name, fields: map[string]*field{}}
	for _, f := range l.always {
		sh.fields[f.Name] = f
	}
	for _, part := range []struct {
		name, owner string
		attributes  []pdl.Attribute
	}{{"agent", "", s.Agent}, {"resource", r.Name, r.Attributes}, {"params", declared.Name, declared.Params}, {"context", "", s.Context}} {
		sec, err := l.section(part.name, part.owner, part.attributes)
		if err != nil {
			return nil, err
		}
		sh.sections = append(sh.sections, sec)
		for _, f := range sec.fields {
			sh.fields[sec.name+"."+f.Name] = f
		}
	}
	return sh, nil
}

// section lays out the attributes of one owner: those of agent and context
// are the same in every shape.
func (l *layout) section(name, owner string, attributes []pdl.Attribute) (*section, error) {
	key := [2]string{name, owner}
	if sec, known := l.sections[key]; known {
		return sec, nil
	}
	sec := &section{name: name}
	seen := map[string]bool{}
	for _, f := range l.always {
		seen[f.Name] = true
	}
	for _, a := range attributes {
		path := name + "." + a.Name
		if seen[path] {
			return nil, fmt.Errorf("attribute %s is declared twice or always there", path)
		}
		seen[path] = true
		slot, err := l.addTyped(path, a.Type)
		if err != nil {
			return nil, err
		}
		sec.fields = append(sec.fields, &field{a, slot})
	}
	l.sections[key] = sec
	return sec, nil
}
