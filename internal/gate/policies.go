package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Policy is what the log says of one bundle.
type Policy struct {
	Version   string
	Active    bool           // its program decides here
	Pushed    *ledger.Pushed // nil: it was never pushed, but activated from a folder
	PushedBy  Event          // with Pushed
	Activated *Event         // the last time; nil: it never was
}

// An Event says who did something, when and why.
type Event struct {
	At     time.Time
	By     string
	Reason string // for people; empty where none was given
}

// Policies lists the bundles that can be activated, what happened last to them
// first. Only an admin or auditor may see them.
func (g *Gate) Policies(ctx context.Context, caller kernel.Caller) ([]Policy, error) {
	if err := mayReadPolicies(caller); err != nil {
		return nil, err
	}
	found := map[string]*Policy{}
	var order []string // of the entries, by version
	shards, err := g.shards(ctx)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		for _, kind := range []ledger.Kind{ledger.KindBundle, ledger.KindPolicy} {
			for row, err := range g.cfg.Store.Entries(ctx, store.Query{Shard: shard, Kind: string(kind), Bare: true}) {
				if err != nil {
					return nil, unavailable("the log could not be read")
				}
				e, err := ledger.Decode(row.Body)
				if err != nil {
					return nil, fmt.Errorf("entry %d of shard %d: %w", row.Seq, shard, err)
				}
				version := versionOf(e)
				if found[version] == nil {
					found[version] = &Policy{Version: version, Active: version == g.PolicyVersion()}
					order = append(order, version)
				}
				found[version].happened(e)
			}
		}
	}
	list := make([]Policy, 0, len(order))
	for _, version := range order {
		list = append(list, *found[version])
	}
	slices.SortStableFunc(list, func(a, b Policy) int { return b.last().Compare(a.last()) })
	return list, nil
}

// shards are those that anything was ever written to, by whichever node.
func (g *Gate) shards(ctx context.Context) ([]int, error) {
	leases, err := g.cfg.Store.Leases(ctx)
	if err != nil {
		return nil, unavailable("the log could not be read")
	}
	list := []int{0, g.shard()}
	for _, l := range leases {
		list = append(list, l.Shard)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func mayReadPolicies(caller kernel.Caller) error {
	if !caller.Is(kernel.RoleAdmin, kernel.RoleAuditor) {
		return kernel.Errorf(kernel.Forbidden, "only an auditor or admin may see policies")
	}
	return nil
}

func versionOf(e ledger.Entry) string {
	if e.Bundle != nil {
		return e.Bundle.Version
	}
	return e.Policy.Version
}

// happened takes an entry about the policy.
func (p *Policy) happened(e ledger.Entry) {
	if e.Bundle != nil {
		p.Pushed, p.PushedBy = e.Bundle, Event{e.Instant, e.Caller, e.Bundle.Reason}
		return
	}
	if p.Activated != nil && p.Activated.At.After(e.Instant) {
		return // by another node
	}
	p.Activated = &Event{e.Instant, e.Caller, e.Policy.Reason}
}

// last is when something happened to it last.
func (p *Policy) last() time.Time {
	if p.Activated != nil && p.Activated.At.After(p.PushedBy.At) {
		return p.Activated.At
	}
	return p.PushedBy.At
}

// PolicySource returns the files of a bundle that is kept. Only an admin or
// auditor may see them.
func (g *Gate) PolicySource(ctx context.Context, caller kernel.Caller, version string) ([]pdl.File, error) {
	if err := mayReadPolicies(caller); err != nil {
		return nil, err
	}
	_, files, err := g.bundle(ctx, version)
	return files, err
}

// A PolicyDifference is what activating another bundle would change.
type PolicyDifference struct {
	From, To string // versions; From is "" when nothing is active
	Files    []FileDifference
}

// A FileDifference is one file that is not the same in both bundles.
type FileDifference struct {
	Name   string `json:"name"`
	Change string `json:"change"` // add, change or remove
	Diff   string `json:"diff"`   // in the unified format
}

// PolicyDiff says what is different in the bundle `to`. An empty `from` means
// the active one. Only an admin or auditor may see it.
func (g *Gate) PolicyDiff(ctx context.Context, caller kernel.Caller, from, to string) (PolicyDifference, error) {
	d := PolicyDifference{From: from, To: to}
	after, err := g.PolicySource(ctx, caller, to)
	if err != nil {
		return d, err
	}
	if from == "" {
		active, err := recordOrNone(g.cfg.Store, activeKey())
		if err != nil {
			return d, err
		}
		d.From = string(active.Value)
	}
	var before []pdl.File
	if d.From != "" {
		if before, err = g.PolicySource(ctx, caller, d.From); err != nil {
			return d, err
		}
	}
	d.Files = compareFiles(before, after)
	return d, nil
}

// compareFiles compares files of the same name, in the order of their names.
func compareFiles(before, after []pdl.File) []FileDifference {
	was, is := byName(before), byName(after)
	names := append(kernel.SortedKeys(was), kernel.SortedKeys(is)...)
	slices.Sort(names)
	list := []FileDifference{}
	for _, name := range slices.Compact(names) {
		old, there := was[name]
		text, still := is[name]
		if there && still && old == text {
			continue
		}
		change := "change"
		if !there {
			change = "add"
		} else if !still {
			change = "remove"
		}
		list = append(list, FileDifference{Name: name, Change: change, Diff: unified(name, old, text)})
	}
	return list
}

func byName(files []pdl.File) map[string]string {
	m := make(map[string]string, len(files))
	for _, f := range files {
		m[f.Name] = string(f.Data)
	}
	return m
}

// unified writes the difference of two texts, without the line of a command
// that nobody gave.
func unified(name, before, after string) string {
	text := string(diff.Diff("a/"+name, []byte(before), "b/"+name, []byte(after)))
	if _, rest, found := strings.Cut(text, "\n"); found && strings.HasPrefix(text, "diff ") {
		return rest
	}
	return text
}

// isVersion reports whether a text has the form of a policy version.
func isVersion(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}
