package registry

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/canonical"
)

// The kinds of records that a registry is kept in.
const (
	RecordPrincipal  = "principal"  // id: the principal's
	RecordResource   = "resource"   // id: the JSON array [type, id]
	RecordDelegation = "delegation" // id: the delegation's
	RecordKill       = "kill"       // id: the JSON array [scope, target]
	RecordVersion    = "registry"   // id "version"; value: how often the registry was changed
)

// RecordKinds lists the kinds of records.
func RecordKinds() []string {
	return []string{RecordDelegation, RecordKill, RecordPrincipal, RecordVersion, RecordResource}
}

// A Key names a record.
type Key struct{ Kind, ID string }

// A Record is one object of the registry as it is kept.
type Record struct {
	Key
	Version uint64 // of the record in its store; 0: it is not there yet
	Value   []byte // canonical JSON (RFC 8785); nil in a change: the object is removed

	object any // what Value decodes to, once it was
}

// layout is how instants are written.
const layout = "2006-01-02T15:04:05.000000000Z"

// Record returns the record of a principal.
func (p Principal) Record() (Record, error) {
	tree := p.tree()
	tree["kind"] = string(p.Kind)
	tree["status"] = string(p.Status)
	return encode(Key{RecordPrincipal, p.ID}, tree)
}

// Record returns the record of a resource.
func (r Resource) Record() (Record, error) {
	return encode(Target{r.Type, r.ID}.key(RecordResource), map[string]any{"attributes": objectOf(r.Attributes)})
}

// Record returns the record of a delegation.
func (d Delegation) Record() (Record, error) {
	tree := d.Capability.tree()
	tree["from"], tree["to"], tree["of"] = d.From, d.To, d.Of
	return encode(Key{RecordDelegation, d.ID}, tree)
}

// Record returns the record of a kill switch.
func (k Kill) Record() (Record, error) {
	return encode(Target{string(k.Scope), k.Target}.key(RecordKill),
		map[string]any{"by": k.By, "reason": k.Reason, "since": k.Since.UTC().Format(layout)})
}

// encode makes a record, and makes sure that it can be read again.
func encode(key Key, tree map[string]any) (Record, error) {
	value, ok := canonical.AppendValue(nil, tree)
	if !ok {
		return Record{}, kernel.Errorf(kernel.Invalid, "the %s %q holds what JSON cannot", key.Kind, key.ID)
	}
	r := Record{Key: key, Value: value}
	return r, r.read()
}

// key makes an id of two parts: an array, so that no two pairs share one.
func (t Target) key(kind string) Key {
	id, _ := canonical.AppendValue(nil, []any{t.Type, t.ID})
	return Key{kind, string(id)}
}

func (p Principal) tree() map[string]any {
	tree := map[string]any{}
	if p.Owner != "" {
		tree["owner"] = p.Owner
	}
	if len(p.Attributes) > 0 {
		tree["attributes"] = p.Attributes
	}
	if len(p.Groups) > 0 {
		tree["groups"] = listOf(p.Groups)
	}
	if len(p.Roles) > 0 {
		tree["roles"] = listOf(p.Roles)
	}
	if len(p.Capabilities) > 0 {
		all := map[string]any{}
		for _, c := range p.Capabilities {
			all[c.ID] = c.tree()
		}
		tree["capabilities"] = all
	}
	return tree
}

func (c Capability) tree() map[string]any {
	resources := make([]any, len(c.Resources))
	for i, t := range c.Resources {
		resources[i] = map[string]any{"type": t.Type, "id": t.ID}
	}
	tree := map[string]any{"actions": listOf(c.Actions), "resources": resources}
	if len(c.Limits) > 0 {
		tree["limits"] = limitsTree(c.Limits)
	}
	if !c.Expires.IsZero() {
		tree["expires"] = c.Expires.UTC().Format(time.RFC3339Nano)
	}
	if c.Lend > 0 {
		tree["lend"] = int64(c.Lend)
	}
	return tree
}

func objectOf(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// read decodes the record, unless it is decoded already.
func (r *Record) read() (err error) {
	if r.object == nil {
		r.object, err = decode(*r)
	}
	return err
}

// decode reads the object of a record: *Principal, *Resource, *Delegation,
// *Kill, or the version as a uint64.
func decode(r Record) (any, error) {
	tree, err := kernel.DecodeJSON(r.Value)
	if err != nil {
		return nil, err
	}
	if again, ok := canonical.AppendValue(nil, tree); !ok || !bytes.Equal(again, r.Value) {
		return nil, errors.New("its record is not in canonical form")
	}
	switch r.Kind {
	case RecordVersion:
		return decodeVersion(r, tree)
	case RecordPrincipal:
		return decodePrincipal(r.ID, tree)
	case RecordResource:
		return decodeResource(r.ID, tree)
	case RecordDelegation:
		return decodeDelegation(r.ID, tree)
	case RecordKill:
		return decodeKill(r.ID, tree)
	}
	return nil, fmt.Errorf("records of the kind %q are none of a registry's", r.Kind)
}

func decodeVersion(r Record, tree any) (any, error) {
	n, ok := tree.(int64)
	if !ok || n < 1 || r.ID != "version" {
		return nil, errors.New("it is no version of a registry")
	}
	return uint64(n), nil
}

func versionRecord(n, stored uint64) Record {
	return Record{Key: Key{RecordVersion, "version"}, Version: stored, Value: strconv.AppendUint(nil, n, 10)}
}

func decodePrincipal(id string, tree any) (any, error) {
	rd := reader{}
	top := rd.object("$", tree, "kind", "status", "owner", "attributes", "groups", "roles", "capabilities")
	p := rd.principal("$", id, top)
	p.Kind, p.Status = Kind(rd.text("$.kind", top["kind"])), Status(rd.text("$.status", top["status"]))
	rd.kind("$", &p)
	return &p, rd.err
}

func decodeResource(id string, tree any) (any, error) {
	rd := reader{}
	t := rd.pair(RecordResource, id)
	top := rd.object("$", tree, "attributes")
	r := rd.resource("$.attributes", t, top["attributes"])
	return &r, rd.err
}

// ReadDelegation reads what somebody wants to lend: a tree of from, to, of,
// actions, resources, limits, expires and lend. Its id is made when it is recorded.
func ReadDelegation(tree any) (Delegation, error) {
	rd := reader{}
	d := rd.lent(tree)
	rd.delegation(&d)
	return d, rd.err
}

func decodeDelegation(id string, tree any) (any, error) {
	rd := reader{}
	d := rd.lent(tree)
	d.ID = id
	if !ulidText.MatchString(id) {
		rd.fail("$", "", "%q is no id of a delegation", clip(id))
	}
	rd.delegation(&d)
	return &d, rd.err
}

func (rd *reader) lent(tree any) Delegation {
	top := rd.object("$", tree, "from", "to", "of", "actions", "resources", "limits", "expires", "lend")
	return Delegation{
		From: rd.id("$.from", top["from"]), To: rd.id("$.to", top["to"]), Of: rd.text("$.of", top["of"]),
		Capability: rd.capability("$", top),
	}
}

func decodeKill(id string, tree any) (any, error) {
	rd := reader{}
	t := rd.pair(RecordKill, id)
	top := rd.object("$", tree, "by", "reason", "since")
	since, err := time.Parse(layout, rd.text("$.since", top["since"]))
	if err != nil {
		rd.fail("$.since", "", "since is an instant in UTC with nine fractional digits")
	}
	k := Kill{
		Scope: Scope(t.Type), Target: t.ID, By: rd.text("$.by", top["by"]),
		Reason: rd.text("$.reason", top["reason"]), Since: since,
	}
	rd.killed(&k)
	return &k, rd.err
}
