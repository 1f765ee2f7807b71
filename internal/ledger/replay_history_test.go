package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// active is a log that begins with one policy entry for a version, and holds
// the decisions of a program.
func active(t *testing.T, version string, program *eval.Program) *storetest.Memory {
	t.Helper()
	b, err := ledger.Extend(0, store.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(ledger.Entry{
		Instant: time.Unix(1_700_000_000, 0).UTC(), Node: "node-1", Batch: "batch-0", Caller: "kernel",
		Policy: &ledger.PolicyChange{Change: "activated", Version: version},
	}, nil); err != nil {
		t.Fatal(err)
	}
	var s storetest.Memory
	out, err := s.Commit(t.Context(), &store.Batch{ID: "batch-0", Next: b.Head(), Entries: b.Entries()})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	decide(t, &s, program, nil)
	return &s
}

func TestReplayFollowsThePolicyEntriesAndMissesNoEntry(t *testing.T) {
	program := compile(t, "../../policies/shipping/*.yaml")
	n := len(questions())
	load := func(string) (*eval.Program, error) { return program, nil }
	only := func(seq uint64, change func(*store.Entry)) faulty {
		return faulty{entries: edit(func(e *store.Entry) bool {
			if e.Seq == seq {
				change(e)
			}
			return true
		})}
	}
	without := func(from, to uint64) faulty {
		return faulty{entries: edit(func(e *store.Entry) bool { return e.Seq < from || e.Seq > to })}
	}
	for _, c := range []struct {
		name    string
		version string // of the policy entry
		reader  faulty
		load    func(string) (*eval.Program, error)
		want    string // the first finding; "": there is none
		count   int
	}{
		{"as it should be", program.Version(), faulty{}, load, "", 0},
		{"another policy was active", "sha256:other", faulty{}, load, "entry 1: it was decided under policy " + program.Version() + ", but sha256:other was active", n},
		{"the policy entry is gone", program.Version(), without(0, 0), load, "entry 0: it is missing", n + 1},
		{"a decision is gone", program.Version(), without(3, 3), load, "entry 3: it is missing", 1},
		{"some are gone", program.Version(), without(3, 5), load, "entry 3: it is missing, as are all up to entry 5", 1},
		{"the tail is gone", program.Version(), without(uint64(n), 99), load, fmt.Sprintf("entry %d: it is missing", n), 1},
		{"a decision that calls itself an access", program.Version(), only(2, func(e *store.Entry) { e.Kind, e.Private = "access", nil }), load, "entry 2: its request is not there", 1},
		{"a body that is none", program.Version(), only(2, func(e *store.Entry) { e.Body = []byte("{}") }), load, "entry 2: its body cannot be read", 1},
		{"the request of another", program.Version(), only(2, func(e *store.Entry) {
			p := *e.Private
			p.Salt = slices.Repeat([]byte{9}, ledger.SaltSize)
			e.Private = &p
		}), load, "entry 2: request and salt are not what the entry is committed to", 1},
		{"the bundle is gone", program.Version(), faulty{}, func(string) (*eval.Program, error) { return nil, errors.New("not found") }, "entry 1: its policy cannot be loaded", n},
	} {
		c.reader.Store = active(t, c.version, program)
		report, err := ledger.Replay(t.Context(), c.reader, ledger.Policies{Entered: true, Load: c.load})
		if err != nil || report.Count != c.count || (c.want == "") != report.OK() {
			t.Errorf("%s: %d found: %v, %v, want %d", c.name, report.Count, report.List, err, c.count)
			continue
		}
		if c.want != "" && !strings.HasPrefix(report.List[0].String(), c.want) {
			t.Errorf("%s: found %q, want %q", c.name, report.List[0], c.want)
		}
	}
}
