package history

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A path is where an attribute of a request is.
type path struct {
	root  string // agent, resource, params or context
	names []string
	kind  pdl.Kind // Timestamp and Duration are compared as what they mean; 0: as they are
}

func newPath(s *pdl.Schema, event, text string) path {
	root, rest, _ := strings.Cut(text, ".")
	p := path{root: root, names: strings.Split(rest, ".")}
	p.kind = kindOf(s, event, root, p.names)
	return p
}

// kindOf finds the declared kind of an attribute. The compiler has checked that
// whatever declares it declares the same.
func kindOf(s *pdl.Schema, event, root string, names []string) pdl.Kind {
	var all [][]pdl.Attribute
	switch root {
	case "agent":
		all = append(all, s.Agent)
	case "context":
		all = append(all, s.Context)
	case "resource":
		for _, r := range s.Resources {
			all = append(all, r.Attributes)
		}
	case "params":
		if a := s.ActionOf(event); a != nil {
			all = append(all, a.Params)
		}
		if e := s.EventOf(event); e != nil {
			all = append(all, e.Params)
		}
	}
	for _, attributes := range all {
		if kind := memberKind(attributes, names); kind != 0 {
			return kind
		}
	}
	return 0
}

func memberKind(attributes []pdl.Attribute, names []string) pdl.Kind {
	i := slices.IndexFunc(attributes, func(a pdl.Attribute) bool { return a.Name == names[0] })
	switch {
	case i < 0:
		return 0
	case len(names) > 1:
		return memberKind(attributes[i].Type.Members, names[1:])
	}
	return attributes[i].Type.Kind
}

// value returns the attribute of a request, or nil where it has none.
func (p *path) value(r *kernel.Request) any {
	var members map[string]any
	switch p.root {
	case "agent":
		if p.names[0] == "id" {
			return r.Agent.ID
		}
		members = r.Agent.Attributes
	case "resource":
		switch p.names[0] {
		case "id":
			return r.Resource.ID
		case "type":
			return r.Resource.Type
		}
		members = r.Resource.Attributes
	case "params":
		members = r.Params
	case "context":
		members = r.Context
	}
	last := len(p.names) - 1
	for _, name := range p.names[:last] {
		members, _ = members[name].(map[string]any)
	}
	return members[p.names[last]]
}

// absent is how an attribute that a request lacks is written in a key. It is a
// value of its own: leaving the attribute out resets no counter.
const absent = "-"

// append writes the attribute so that two are written the same exactly when
// they are equal: a letter for the type, and texts with their length before.
func (p *path) append(key []byte, r *kernel.Request) []byte {
	switch v := p.value(r).(type) {
	case bool:
		if v {
			return append(key, 't')
		}
		return append(key, 'f')
	case int64:
		return binary.BigEndian.AppendUint64(append(key, 'i'), uint64(v))
	case string:
		return p.appendText(key, v)
	}
	return append(key, absent...)
}

func (p *path) appendText(key []byte, text string) []byte {
	switch p.kind {
	default: // texts are compared as they are
	case pdl.Timestamp:
		var at time.Time
		if at.UnmarshalText([]byte(text)) == nil {
			return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(append(key, 'T'), uint64(at.Unix())), uint32(at.Nanosecond()))
		}
	case pdl.Duration:
		if d, err := time.ParseDuration(text); err == nil {
			return binary.BigEndian.AppendUint64(append(key, 'D'), uint64(d))
		}
	}
	key = binary.BigEndian.AppendUint32(append(key, 's'), uint32(len(text)))
	return append(key, text...)
}

// key is what a fact counts an event or a request under.
func (f *fact) key(r *kernel.Request) string {
	key := make([]byte, 0, 64)
	for i := range f.by {
		key = f.by[i].append(key, r)
	}
	return short(key)
}

// unique is a key among those of all facts, as text: the hash of the fact's
// name, with its length before, and of the key.
func (f *fact) unique(of string) string {
	name := binary.BigEndian.AppendUint32(make([]byte, 0, 96), uint32(len(f.Name)))
	sum := sha256.Sum256(append(append(name, f.Name...), of...))
	return hex.EncodeToString(sum[:])
}

// short is a key, or what stands for a long one: memory is for many of them.
// No key begins with #.
func short(key []byte) string {
	const long = 64
	if len(key) <= long {
		return string(key)
	}
	sum := sha256.Sum256(key)
	return "#" + string(sum[:])
}
