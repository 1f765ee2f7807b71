package kernel

import "github.com/strixlabs/execution-kernel/internal/canonical"

// appendRequest writes a request in the form of RFC 8785. It knows the values
// that attributes have; at any other it reports false, for the generic encoder
// to write it or to say what is wrong.
func appendRequest(dst []byte, r *Request) ([]byte, bool) {
	dst, ok := canonical.AppendString(append(dst, `{"action":`...), r.Action)
	if ok {
		dst, ok = canonical.AppendObject(append(dst, `,"agent":`...), r.Agent.Attributes, canonical.Member{Name: "id", Text: r.Agent.ID})
	}
	if ok {
		dst, ok = canonical.AppendObject(append(dst, `,"context":`...), r.Context)
	}
	if ok {
		dst, ok = canonical.AppendObject(append(dst, `,"params":`...), r.Params)
	}
	if ok {
		dst, ok = canonical.AppendObject(append(dst, `,"resource":`...), r.Resource.Attributes,
			canonical.Member{Name: "id", Text: r.Resource.ID}, canonical.Member{Name: "type", Text: r.Resource.Type})
	}
	return append(dst, '}'), ok
}
