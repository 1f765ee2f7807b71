package registry

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/canonical"
)

// Format is the member `registry` of every document: its version.
const Format = "v1"

// A Document is a registry as people write it down: who and what is to be
// registered. Kill switches and delegations are no part of it: they come and
// go with what happens.
type Document struct {
	Principals []Principal // sorted by ID; without a Status where none is said
	Resources  []Resource  // sorted by type and id
}

// sections are the members that hold principals, by kind.
var sections = []struct {
	member string
	kind   Kind
}{{"agents", Agent}, {"people", Person}, {"services", Service}}

// ReadDocument reads a document from a tree of nil, bool, int64, string,
// []any and map[string]any. The error is a *kernel.Error that names the JSON
// path.
func ReadDocument(tree any) (Document, error) {
	rd := reader{}
	top := rd.object("$", tree, "registry", "agents", "people", "services", "resources")
	if top != nil && top["registry"] != Format {
		rd.fail("$.registry", "write registry: v1", "the document says which format it is in")
	}
	var d Document
	for _, s := range sections {
		d.Principals = append(d.Principals, rd.section("$."+s.member, top[s.member], s.kind)...)
	}
	d.Resources = rd.resources("$.resources", top["resources"])
	slices.SortFunc(d.Principals, func(a, b Principal) int { return cmp.Compare(a.ID, b.ID) })
	for i := 1; i < len(d.Principals); i++ {
		if d.Principals[i].ID == d.Principals[i-1].ID {
			rd.fail("$", "an id is one agent, person or service", "%s is there twice", d.Principals[i].ID)
		}
	}
	if len(d.Principals)+len(d.Resources) > MaxChanges {
		rd.fail("$", "make several documents", "more than %d principals and resources in one document", MaxChanges)
	}
	return d, rd.err
}

func (rd *reader) section(at string, v any, kind Kind) (list []Principal) {
	for _, id := range rd.keys(at, v) {
		path := kernel.JoinPath(at, id)
		m := rd.object(path, v.(map[string]any)[id], "status", "owner", "attributes", "groups", "roles", "capabilities")
		p := rd.principal(path, id, m)
		p.Kind, p.Status = kind, Active
		if status, said := m["status"]; said {
			p.Status = Status(rd.text(path+".status", status))
		}
		rd.kind(path, &p)
		if _, said := m["status"]; !said {
			p.Status = ""
		}
		list = append(list, p)
	}
	return list
}

func (rd *reader) resources(at string, v any) (list []Resource) {
	for _, kind := range rd.keys(at, v) {
		path := kernel.JoinPath(at, kind)
		ids := v.(map[string]any)[kind]
		for _, id := range rd.keys(path, ids) {
			list = append(list, rd.resource(kernel.JoinPath(path, id), Target{kind, id}, ids.(map[string]any)[id]))
		}
	}
	return list
}

// keys returns the members of an object that may be absent.
func (rd *reader) keys(at string, v any) []string {
	if v == nil {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		rd.fail(at, "", "it is an object, by id")
		return nil
	}
	return kernel.SortedKeys(m)
}

// Plan returns the records that make the registry what a document says: what
// the document does not name stays as it is, or with prune goes, principals by
// being retired. A status that the document does not say is kept, and one that
// is retired stays so.
func (s *Snapshot) Plan(d Document, prune bool) (changes []Record, err error) {
	named := map[Key]bool{}
	add := func(r Record, err error) error {
		named[r.Key] = true
		changes = append(changes, r)
		return err
	}
	for _, p := range d.Principals {
		old, known := s.Principal(p.ID)
		switch {
		case known && old.Status == Retired && p.Status != "" && p.Status != Retired:
			return nil, kernel.Errorf(kernel.Invalid, "%s is retired, which is for ever", p.ID).WithHint("register another id")
		case known && old.Status == Suspended && p.Status == Active:
			return nil, kernel.Errorf(kernel.Invalid, "%s is suspended, and a document resumes nobody", p.ID).
				WithHint("leave its status out; kernel agents resume lets an agent act again")
		case known && old.Kind != p.Kind:
			return nil, kernel.Errorf(kernel.Invalid, "%s is a %s, and stays one", p.ID, old.Kind).WithHint("register another id")
		case p.Status == "" && known:
			p.Status = old.Status
		case p.Status == "":
			p.Status = Active
		}
		if err := add(p.Record()); err != nil {
			return nil, err
		}
	}
	for _, r := range d.Resources {
		if err := add(r.Record()); err != nil {
			return nil, err
		}
	}
	if prune {
		return append(changes, s.unnamed(named)...), nil
	}
	return changes, nil
}

// unnamed returns what goes because a document does not name it.
func (s *Snapshot) unnamed(named map[Key]bool) (changes []Record) {
	for _, r := range s.Records() {
		switch {
		case named[r.Key]:
		case r.Kind == RecordResource:
			changes = append(changes, Record{Key: r.Key})
		case r.Kind == RecordPrincipal:
			p := s.members[r.ID].Principal
			p.Status = Retired
			if gone, err := p.Record(); err == nil {
				changes = append(changes, gone)
			}
		}
	}
	return changes
}

// Document returns the tree of the document that describes the registry, as
// [ReadDocument] reads it. Its parts must not be changed.
func (s *Snapshot) Document() map[string]any {
	tree := map[string]any{"registry": Format}
	put := func(section, id string, v any) {
		if tree[section] == nil {
			tree[section] = map[string]any{}
		}
		tree[section].(map[string]any)[id] = v
	}
	for _, p := range s.Principals() {
		for _, sec := range sections {
			if sec.kind == p.Kind {
				m := p.tree()
				if p.Status != Active { // which is how it begins; said here it could resume somebody
					m["status"] = string(p.Status)
				}
				put(sec.member, p.ID, m)
			}
		}
	}
	for _, r := range s.Resources() {
		if tree["resources"] == nil {
			tree["resources"] = map[string]any{}
		}
		types := tree["resources"].(map[string]any)
		if types[r.Type] == nil {
			types[r.Type] = map[string]any{}
		}
		types[r.Type].(map[string]any)[r.ID] = objectOf(r.Attributes)
	}
	return tree
}

// A Difference is what a change makes of one object, for people.
type Difference struct {
	Change  string   `json:"change"` // add, change or remove
	Object  string   `json:"object"` // principal, resource, delegation or kill
	ID      string   `json:"id"`
	Details []string `json:"details"` // one line for each member that differs; never nil
}

// Compare says what some changes make of the registry. Those that change
// nothing are left out.
func (s *Snapshot) Compare(changes []Record) []Difference {
	list := []Difference{}
	for _, c := range changes {
		old, there := s.records[c.Key]
		d := Difference{Object: c.Kind, ID: shown(c.Key), Details: []string{}}
		switch {
		case c.Kind == RecordVersion || string(old.Value) == string(c.Value):
			continue
		case c.Value == nil:
			d.Change = "remove"
		case !there:
			d.Change, d.Details = "add", details("", nil, treeOf(c.Value), d.Details)
		default:
			d.Change, d.Details = "change", details("", treeOf(old.Value), treeOf(c.Value), d.Details)
		}
		list = append(list, d)
	}
	return list
}

// shown is an id for people: that of two parts with a space between.
func shown(k Key) string {
	if k.Kind != RecordResource && k.Kind != RecordKill {
		return k.ID
	}
	rd := reader{}
	t := rd.pair(k.Kind, k.ID)
	if t.ID == "" {
		return t.Type
	}
	return t.Type + " " + t.ID
}

func treeOf(value []byte) map[string]any {
	tree, _ := kernel.DecodeJSON(value)
	m, _ := tree.(map[string]any)
	return m
}

// details lists what differs between two objects, by path.
func details(at string, old, now map[string]any, list []string) []string {
	names := kernel.SortedKeys(now)
	for _, name := range kernel.SortedKeys(old) {
		if _, kept := now[name]; !kept {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before, had := old[name]
		after, has := now[name]
		path := name
		if at != "" {
			path = at + "." + name
		}
		x, nested := before.(map[string]any)
		y, still := after.(map[string]any)
		switch {
		case (nested || !had) && (still || !has) && (nested || still):
			list = details(path, x, y, list)
		case !has:
			list = append(list, fmt.Sprintf("%s: %s is removed", path, text(before)))
		case !had:
			list = append(list, fmt.Sprintf("%s: %s", path, text(after)))
		case text(before) != text(after):
			list = append(list, fmt.Sprintf("%s: %s becomes %s", path, text(before), text(after)))
		}
	}
	return list
}

func text(v any) string {
	data, _ := canonical.AppendValue(nil, v)
	return string(data)
}
