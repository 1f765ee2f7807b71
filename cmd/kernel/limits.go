package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/pflag"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// limitFlag adds the flag that limits the values of a capability.
func limitFlag(f *pflag.FlagSet, limits *[]string) {
	f.StringArrayVar(limits, "limit", nil, "what bounds a value, a `PATH={max: N}` as in a file: min, max, in or prefix; may be repeated")
}

// limitsTree reads limits, each written PATH={max: 100}, as in a file.
func limitsTree(flags []string) (map[string]any, error) {
	tree := map[string]any{}
	for _, text := range flags {
		path, bound, found := strings.Cut(text, "=")
		file, _ := pdl.ReadPlain(pdl.File{Name: "--limit", Data: []byte(bound)})
		if !found || file == nil {
			return nil, misuse("--limit %q is no PATH={max: N}", text).
				WithHint("write it as in a file: --limit 'params.amount_cents={max: 100}', or {min: N}, {in: [EUR, USD]}, {prefix: /srv/}")
		}
		if _, twice := tree[path]; twice {
			return nil, misuse("--limit %s is there twice", path).WithHint("write {min: 1, max: 100} for both bounds")
		}
		tree[path] = file.Value
	}
	return tree, nil
}

// limitsOf are the limits of flags for the client.
func limitsOf(flags []string) (limits map[string]client.Limit, err error) {
	tree, err := limitsTree(flags)
	if err != nil || len(tree) == 0 {
		return nil, err
	}
	data, ok := canonical.AppendValue(nil, tree)
	if !ok || json.Unmarshal(data, &limits) != nil {
		return nil, misuse("a --limit is {min: N}, {max: N}, {in: [EUR, USD]} or {prefix: /srv/}")
	}
	return limits, nil
}
