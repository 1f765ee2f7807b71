package pdl

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	rfc8785 "github.com/strixlabs/execution-kernel/internal/canonical"
)

// version returns the digest of the RFC 8785 form of every document but tests
// and properties, sorted by kind and name, with values as their readers typed them. Where time
// zones have a say, so has the release of their database.
func (c *compiler) version() string {
	documents := []any{}
	for _, d := range c.documents { // sorted by kind and name
		if d.kind != "test" && d.kind != "property" {
			documents = append(documents, canonical(d.root))
		}
	}
	meaning := map[string]any{"pdl": "v1", "documents": documents}
	if c.bundle.TZData != "" {
		meaning["tzdata"] = c.bundle.TZData
	}
	return kernel.Digest(encode(meaning))
}

// canonical returns a node as JSON values: what a reader typed, else text.
// Lists whose order has no meaning are sorted by their own canonical form.
func canonical(n *node) any {
	switch {
	case n.kind == mapping:
		m := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			m[p.key.text] = canonical(p.value)
		}
		return m
	case n.kind == scalar && n.typed != nil:
		return n.typed
	case n.kind == scalar:
		return n.text
	}
	list := make([]any, len(n.items))
	for i, item := range n.items {
		list[i] = canonical(item)
		if n.unordered {
			list[i] = rfc8785.Raw(encode(list[i]))
		}
	}
	if n.unordered {
		slices.SortFunc(list, func(a, b any) int { return slices.Compare(a.(rfc8785.Raw), b.(rfc8785.Raw)) })
	}
	return list
}

// encode writes the RFC 8785 form of nodes: no integer in them exceeds 2^53−1,
// so that nothing is rounded.
func encode(v any) []byte {
	if data, ok := rfc8785.AppendValue(nil, v); ok {
		return data
	}
	data := jsontext.Value(must(json.Marshal(v, json.Deterministic(true))))
	must(0, data.Canonicalize())
	return data
}
