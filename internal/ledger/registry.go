package ledger

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	rfc8785 "github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

type wireRegistry struct {
	Key     string         `json:"key"`
	Object  string         `json:"object"`
	Reason  string         `json:"reason"`
	Value   jsontext.Value `json:"value"`
	Version uint64         `json:"version"`
}

type wireStanding struct {
	Agent      jsontext.Value  `json:"agent"`
	Capability string          `json:"capability"`
	Chain      []string        `json:"chain"`
	Killed     string          `json:"killed"`
	Limit      string          `json:"limit"`
	Resource   jsontext.Value  `json:"resource"`
	Status     registry.Status `json:"status"`
	Version    uint64          `json:"version"`
}

// standing writes what the registry said of a request. Entries of before there
// was one, and those about which it had nothing to say, have no such member.
func (c *canonical) standing(st registry.Standing) {
	if st.IsZero() {
		return
	}
	if st.Version > maxInteger {
		c.keep(fmt.Errorf("a version of the registry is beyond %d", maxInteger))
	}
	c.object("registry")
	c.values("agent", st.Agent)
	c.textIfAny("capability", st.Capability)
	if len(st.Chain) > 0 {
		texts(c, "chain", st.Chain)
	}
	c.textIfAny("killed", st.Killed)
	c.textIfAny("limit", st.Limit)
	c.values("resource", st.Resource)
	c.textIfAny("status", string(st.Status))
	c.integer("version", int64(st.Version))
	c.close('}')
}

// values writes trusted attributes, where there are any.
func (c *canonical) values(name string, m map[string]any) {
	if len(m) == 0 {
		return
	}
	c.name(name)
	var ok bool
	if c.buf, ok = rfc8785.AppendValue(c.buf, m); !ok {
		c.keep(fmt.Errorf("the attributes of %s hold what JSON cannot", name))
	}
}

func standingFromWire(w *wireStanding) (st registry.Standing, err error) {
	if w == nil {
		return st, nil
	}
	st = registry.Standing{Version: w.Version, Killed: w.Killed, Status: w.Status, Capability: w.Capability, Chain: w.Chain, Limit: w.Limit}
	if st.Agent, err = valuesFromWire(w.Agent); err == nil {
		st.Resource, err = valuesFromWire(w.Resource)
	}
	if err == nil && st.IsZero() {
		err = errors.New("what a registry has not to say is left out")
	}
	return st, err
}

func valuesFromWire(v jsontext.Value) (map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	tree, err := kernel.DecodeJSON(v)
	if err != nil {
		return nil, err
	}
	m, ok := tree.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, errors.New("attributes are an object with members")
	}
	return m, nil
}

func (c *canonical) registry(r *RegistryChange) {
	c.keep(checkRegistry(r))
	c.object("registry")
	c.text("key", r.Key)
	c.text("object", r.Object)
	c.textIfAny("reason", r.Reason)
	if r.Value != nil {
		c.name("value")
		c.buf = append(c.buf, r.Value...)
	}
	c.integer("version", int64(r.Version))
	c.close('}')
}

func checkRegistry(r *RegistryChange) error {
	switch {
	case r.Key == "" || r.Version == 0 || r.Version > maxInteger:
		return errors.New("a registry entry has a key and a version")
	case r.Object != registry.RecordPrincipal && r.Object != registry.RecordResource &&
		r.Object != registry.RecordDelegation && r.Object != registry.RecordKill:
		return fmt.Errorf("a registry entry is about a principal, a resource, a delegation or a kill, not %q", r.Object)
	case r.Value == nil:
		return nil
	}
	tree, err := kernel.DecodeJSON(r.Value)
	if err != nil {
		return err
	}
	again, ok := rfc8785.AppendValue(nil, tree)
	if _, object := tree.(map[string]any); !object || !ok || !bytes.Equal(again, r.Value) {
		return errors.New("the value of a registry entry is an object in canonical form")
	}
	return nil
}
