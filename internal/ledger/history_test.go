package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// told is a log of one policy and one token, and what a test appends.
func told(t *testing.T, more ...ledger.Entry) *storetest.Memory {
	t.Helper()
	b, err := ledger.Extend(0, store.Head{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1_800_000_000, 0).UTC()
	entries := append([]ledger.Entry{
		{Policy: &ledger.PolicyChange{Change: "activated", Version: version}},
		{Token: &ledger.TokenChange{Change: "created", ID: "T1", Name: "n", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001", Hash: "h1"}},
	}, more...)
	for i, e := range entries {
		e.Instant, e.Node, e.Batch = start.Add(time.Duration(i)*time.Hour), "node-1", string(rune('a'+i))
		if e.Caller == "" {
			e.Caller = "kernel"
		}
		var private *store.Private
		if e.Decision != nil || e.Event != nil {
			_, private = sample()
		}
		if _, err := b.Append(e, private); err != nil {
			t.Fatal(err)
		}
	}
	var s storetest.Memory
	record := func(kind, key, value string) store.Transition {
		return store.Transition{RecordKey: store.RecordKey{Kind: kind, Key: key}, Value: []byte(value)}
	}
	out, err := s.Commit(t.Context(), &store.Batch{
		ID: "b", Next: b.Head(), Entries: b.Entries(), Transitions: []store.Transition{
			record("active", "policy", version),
			record("token", "h1", `{"id":"T1","hash":"h1","name":"n","role":"agent","agent":"agent-001","created":"2027-01-15T09:00:00Z"}`),
		},
	})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	return &s
}

func decidedBy(caller, agent, policy string) ledger.Entry {
	e, _ := sample()
	e.Caller, e.Decision.Agent, e.Decision.Verdict.PolicyVersion = caller, agent, policy
	return e
}

func TestDecisionsOfWhatWasNotInForceAreNamed(t *testing.T) {
	revoked := ledger.Entry{Token: &ledger.TokenChange{Change: "revoked", ID: "T1", Name: "n", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001", Hash: "h1"}}
	for _, c := range []struct {
		name string
		more []ledger.Entry
		want string // "": nothing is wrong
	}{
		{"as it should be", []ledger.Entry{decidedBy("token:T1", "agent-001", version)}, ""},
		{"without tokens", []ledger.Entry{decidedBy("dev", "agent-009", version)}, ""},
		{"a policy that was never active", []ledger.Entry{decidedBy("token:T1", "agent-001", "sha256:other")}, "entry 2: it was decided under policy sha256:other"},
		{"a token that nobody made", []ledger.Entry{decidedBy("token:T2", "agent-001", version)}, "entry 2: its caller is token T2, which no entry before it created"},
		{"no token", []ledger.Entry{decidedBy("nobody", "agent-001", version)}, `entry 2: its caller "nobody" is no token`},
		{"another's agent", []ledger.Entry{decidedBy("token:T1", "agent-002", version)}, `entry 2: its caller is token T1, which may not speak for agent "agent-002"`},
		{"a revoked token", []ledger.Entry{revoked, decidedBy("token:T1", "agent-001", version)}, "entry 3: its caller is token T1, which was revoked"},
		{"a revocation undone in the record", []ledger.Entry{revoked}, "disagree on whether it was revoked"},
		{"another policy in the record", []ledger.Entry{{Policy: &ledger.PolicyChange{Change: "activated", Version: "sha256:x", Previous: version}}}, "the record of the active policy says"},
		{"a token without its record", []ledger.Entry{{Token: &ledger.TokenChange{Change: "created", ID: "T3", Name: "n", Roles: []kernel.Role{kernel.RoleAdmin}, Hash: "h3"}}}, `the record of token "T3" is missing`},
	} {
		s := told(t, c.more...)
		err := ledger.CheckStart(t.Context(), s, nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: CheckStart = %v, want %q", c.name, err, c.want)
		}
		report, err := ledger.Verify(t.Context(), s, ledger.Trust{Records: true})
		named := slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(f.String(), c.want) })
		if err != nil || c.want != "" && !named {
			t.Errorf("%s: Verify finds %v, %v, want %q", c.name, report.List, err, c.want)
		}
	}
}

// What was signed is read without the requests beside it, of decisions and of
// events.
func TestAStartDoesNotMissRequestsThatItDidNotRead(t *testing.T) {
	event := ledger.Entry{Caller: "dev", Event: &ledger.Reported{Event: "tests_passed"}}
	s := told(t, event, decidedBy("token:T1", "agent-001", version))
	for signed := range uint64(5) {
		if err := ledger.CheckStart(t.Context(), s, map[int]uint64{0: signed}); err != nil {
			t.Errorf("CheckStart with %d entries signed = %v", signed, err)
		}
	}
}

func TestForgedRecordsAreNamed(t *testing.T) {
	for _, c := range []struct{ kind, key, value, want string }{
		{"token", "h2", `{"id":"T2","hash":"h2","name":"n","role":"admin","created":"2027-01-15T09:00:00Z"}`, `the record of token "T2": no entry says`},
		{"token", "h2", `{"id":"T1","hash":"h2","name":"n","role":"agent","agent":"agent-001","created":"2027-01-15T09:00:00Z"}`, `the record of token "T1": it is not the token`},
		{"request", `["token:T1","agent-001","r"]`, "99", "there is no entry 99"},
		{"request", `["token:T1","agent-001","r"]`, "0", "entry 0 is no decision of that caller"},
		{"bundle", "sha256:x", `[]`, "the bundle record sha256:x"},
		{"grant", "01KB000000000000000000000A", `{"id":"01KB000000000000000000000A","state":"issued"}`, `the record of grant "01KB000000000000000000000A": no entry says`},
		{"grantkey", "k", `{"public":"x","owner":"o"}`, `the record of the key of grants "k": no entry says`},
	} {
		s := told(t)
		head, err := s.Head(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Commit(t.Context(), &store.Batch{ID: "forged", PrevSize: 2, Next: head, Transitions: []store.Transition{
			{RecordKey: store.RecordKey{Kind: c.kind, Key: c.key}, Value: []byte(c.value)},
		}})
		if err != nil || out.Status != store.Committed {
			t.Fatal(out, err)
		}
		report, err := ledger.Verify(t.Context(), s, ledger.Trust{Records: true})
		if err != nil || !slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(f.String(), c.want) }) {
			t.Errorf("Verify finds %v, %v, want %q", report.List, err, c.want)
		}
	}
}

func TestNoAnswerIsMadeOfARowThatWasChanged(t *testing.T) {
	for name, spoil := range map[string]func(*store.Entry){
		"the leaf":   func(e *store.Entry) { e.Leaf[0]++ },
		"the seq":    func(e *store.Entry) { e.Seq++ },
		"the caller": func(e *store.Entry) { e.Caller = "x" },
		"the request": func(e *store.Entry) {
			e.Private = &store.Private{Request: []byte("{}"), Salt: e.Private.Salt, Digest: kernel.Digest([]byte("{}"))}
		},
		"the digest": func(e *store.Entry) { p := *e.Private; p.Digest = "sha256:00"; e.Private = &p },
	} {
		b, err := ledger.Extend(0, store.Head{})
		if err != nil {
			t.Fatal(err)
		}
		e, private := sample()
		row, err := b.Append(e, private)
		if err != nil {
			t.Fatal(err)
		}
		spoil(&row)
		if d, err := ledger.Decision(row); err == nil {
			t.Errorf("%s: Decision = %+v, want an error", name, d)
		}
	}
}
