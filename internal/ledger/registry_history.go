package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A registryPast is what the entries so far say of the registry.
type registryPast struct {
	version uint64
	changed string                    // the batch of the last change
	objects map[registry.Key][32]byte // hashes of the values of its records
}

func (h *history) registry(e Entry) (problems []string) {
	r := e.Registry
	key := registry.Key{Kind: r.Object, ID: r.Key}
	next := h.version + 1
	if h.changed == e.Batch {
		next = h.version
	}
	if r.Version != next {
		problems = append(problems, fmt.Sprintf("it makes the registry version %d, which was version %d", r.Version, h.version))
	}
	h.version, h.changed = r.Version, e.Batch
	if r.Value != nil {
		h.objects[key] = sha256.Sum256(r.Value)
		return problems
	}
	if _, there := h.objects[key]; !there {
		problems = append(problems, fmt.Sprintf("it removes the %s %q, which was not there", r.Object, r.Key))
	}
	delete(h.objects, key)
	return problems
}

// registryDifferences compares the records of the registry with the entries.
func (v *verification) registryDifferences(ctx context.Context) (problems []string, err error) {
	missing := maps.Clone(v.history.objects)
	if v.history.version > 0 {
		counter := registry.Key{Kind: registry.RecordVersion, ID: "version"}
		missing[counter] = sha256.Sum256(strconv.AppendUint(nil, v.history.version, 10))
	}
	for _, kind := range registry.RecordKinds() {
		for r, err := range v.reader.Records(ctx, kind, "") {
			if err != nil {
				return nil, err
			}
			if problem := compareObject(r, missing); problem != "" {
				problems = append(problems, fmt.Sprintf("the record of the %s %q: %s", kind, r.Key, problem))
			}
			delete(missing, registry.Key{Kind: kind, ID: r.Key})
		}
	}
	left := slices.SortedFunc(maps.Keys(missing), func(a, b registry.Key) int { return strings.Compare(a.Kind+a.ID, b.Kind+b.ID) })
	for _, key := range left {
		problems = append(problems, fmt.Sprintf("the record of the %s %q is missing", key.Kind, key.ID))
	}
	return problems, nil
}

func compareObject(r store.Record, want map[registry.Key][32]byte) string {
	hash, known := want[registry.Key{Kind: r.Kind, ID: r.Key}]
	switch {
	case !known:
		return "no entry says that it was set"
	case sha256.Sum256(r.Value) != hash:
		return "it is not what the entries say"
	case r.Expires != 0:
		return "it would be forgotten"
	}
	return ""
}
