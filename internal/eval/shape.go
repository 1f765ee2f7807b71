package eval

import (
	"fmt"

	"cel.dev/cel-go/common/types"

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

// addFields names what is in a section, and in the records in it.
func (sh *shape) addFields(sec *section) {
	for _, f := range sec.fields {
		sh.fields[sec.name+"."+f.Name] = f
		if f.inside != nil {
			sh.addFields(f.inside)
		}
	}
}

// A section is one object of the request: agent, resource, params or context,
// or a record in one of them.
type section struct {
	name    string   // its path: params.payment, params.files[]
	open    bool     // further members are taken, as JSON
	members []member // what requests fill, the required first; made once the rules are known
	fields  []*field // sorted by name
}

type field struct {
	pdl.Attribute
	slot   slot
	inside *section // of a record, or of the records of a list; else nil
	count  slot     // the size of a list of records, or of JSON
	column slot     // in the records of a list: the values of all of them
	there  slot     // and whether each has it
	under  bool     // a record around it is optional

	implied bool // not declared, and asked for
}

// mayLack reports that a request need not have it.
func (f *field) mayLack() bool { return f.Optional || f.under }

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
		sec.open = part.name == "params" && declared.Open
		sh.sections = append(sh.sections, sec)
		sh.addFields(sec)
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
	if err := l.addFields(sec, attributes, seen, false); err != nil {
		return nil, err
	}
	l.sections[key] = sec
	return sec, nil
}

// addFields lays out the attributes of a section, and of the records in it.
func (l *layout) addFields(sec *section, attributes []pdl.Attribute, seen map[string]bool, under bool) error {
	for _, a := range attributes {
		path := sec.name + "." + a.Name
		if seen[path] {
			return fmt.Errorf("attribute %s is declared twice or always there", path)
		}
		seen[path] = true
		slot, err := l.addTyped(path, a.Type)
		if err != nil {
			return err
		}
		f := &field{Attribute: a, slot: slot, under: under}
		switch {
		case a.Type.Kind == pdl.Record:
			f.inside = &section{name: path}
			err = l.addFields(f.inside, a.Type.Members, seen, f.mayLack())
		case a.Type.IsRecords():
			err = l.addColumns(f, path, seen)
		case a.Type.Kind == pdl.JSON:
			f.count = l.add(path+"#", types.IntKind, false)
		}
		if err != nil {
			return err
		}
		sec.fields = append(sec.fields, f)
	}
	return nil
}

// addColumns lays out a list of records: a list for each member of theirs.
func (l *layout) addColumns(f *field, path string, seen map[string]bool) error {
	f.count = l.add(path+"#", types.IntKind, false)
	f.inside = &section{name: path + "[]"}
	if err := l.addFields(f.inside, f.Type.Elem.Members, seen, false); err != nil {
		return err
	}
	for _, m := range f.inside.fields {
		m.column = l.add(f.inside.name+"."+m.Name, m.slot.kind, true)
		m.there = l.add(f.inside.name+"."+m.Name+"?", types.BoolKind, true)
	}
	return nil
}

// all lists a section and the records in it.
func (sec *section) all(list []*section) []*section {
	list = append(list, sec)
	for _, f := range sec.fields {
		if f.inside != nil {
			list = f.inside.all(list)
		}
	}
	return list
}
