package gate_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// The search of the rules is in package approval. This one goes through what
// two real gates over one store do: after a deed or none, one works out a deed
// and, before it is written, the other does another. Every log that comes of it
// is audited.

// sharedWorld is what all worlds of the search have in common.
type sharedWorld struct {
	signer   *ledger.Signer
	key      *grant.Key
	programs map[string]*eval.Program
	files    map[string][]pdl.File
	people   map[string]registry.Document
}

const searchPeople = `{"registry": "v1",
  "people": {"person-001": {"roles": ["approver", "sre"]}, "sre-1": {"roles": ["approver", "sre"]}, "sre-2": {"roles": ["approver", "sre"]}, "sre-3": {"roles": ["approver", "sre"]}},
  "agents": {"agent-001": {"owner": "person-001", "capabilities": {"ship": {"actions": ["deploy"], "resources": [{"type": "service", "id": "*"}]}}}},
  "resources": {"service": {"svc/a": {"environment": "production", "owner_team": "payments"}}}}`

func newSharedWorld(t *testing.T) *sharedWorld {
	key, err := grant.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	s := &sharedWorld{
		signer: signerOf(t), key: key, programs: map[string]*eval.Program{}, files: map[string][]pdl.File{}, people: map[string]registry.Document{
			"":       document(t, searchPeople),
			"unrole": document(t, strings.Replace(searchPeople, `"sre-1": {"roles": ["approver", "sre"]}`, `"sre-1": {"roles": ["approver"]}`, 1)),
		},
	}
	for name, text := range map[string]string{
		"":     askingPolicy,
		"more": strings.Replace(askingPolicy, "quorum: 2", "quorum: 3", 1),
		"deny": strings.Replace(askingPolicy, "facts.tries >= 3", "true", 1),
	} {
		s.files[name] = []pdl.File{{Name: "b.yaml", Data: []byte(askingSchema + text)}}
		s.programs[name] = compile(t, s.files[name])
	}
	return s
}

// A twoNodes is a world of two gates over one store, and a question on which
// sre-1 has voted.
type twoNodes struct {
	*sharedWorld
	t     *testing.T
	store *storetest.Memory
	now   atomic.Int64
	gates [2]*gate.Gate
	doors [2]*meddled
	asked kernel.Decision
}

// A meddled store lets something happen before a commit that changes records.
type meddled struct {
	store.Store
	mu     sync.Mutex
	before func()
	wrong  string // a fault: records of this kind are written whatever is in them
}

func (m *meddled) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	if len(b.Transitions) > 0 {
		m.mu.Lock()
		before := m.before
		m.before = nil
		m.mu.Unlock()
		if before != nil {
			before()
		}
	}
	if m.wrong == "" {
		return m.Store.Commit(ctx, b)
	}
	changed := *b
	changed.Transitions = slices.Clone(b.Transitions)
	for i, t := range changed.Transitions {
		if strings.HasPrefix(t.Kind, m.wrong) {
			rec, _ := m.Record(ctx, t.RecordKey) // none has the version 0
			changed.Transitions[i].From = rec.Version
		}
	}
	return m.Store.Commit(ctx, &changed)
}

func (s *sharedWorld) world(t *testing.T, wrong string) *twoNodes {
	w := &twoNodes{sharedWorld: s, t: t, store: &storetest.Memory{}}
	w.now.Store(noon.UnixNano())
	w.node(0, wrong)
	w.must(w.gates[0].Activate(t.Context(), admin, s.programs[""], s.files[""]))
	w.must(w.gates[0].KnowGrantKey(t.Context(), "node-0"))
	_, err := w.gates[0].Apply(t.Context(), admin, s.people[""], gate.ApplyOptions{})
	w.must(err)
	w.node(1, wrong)
	_, err = w.gates[1].Continue(t.Context())
	w.must(err)
	w.asked, err = w.gates[0].Decide(t.Context(), dev, asking("agent-001", ""))
	w.must(err)
	w.vote(w.gates[0], "sre-1", true)
	return w
}

func (w *twoNodes) node(i int, wrong string) {
	name := fmt.Sprint("node-", i)
	lease, err := w.store.Acquire(w.t.Context(), i, name, 100*time.Hour)
	w.must(err)
	w.doors[i] = &meddled{Store: w.store, wrong: wrong}
	w.gates[i], err = gate.New(w.t.Context(), gate.Config{
		Store: w.doors[i], Signer: w.signer, Grants: w.key, Clock: func() time.Time { return time.Unix(0, w.now.Load()) },
		Rand: &counter{node: byte(i)}, Node: name, Lease: lease, Budget: 10 * time.Second,
	})
	w.must(err)
}

func (w *twoNodes) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *twoNodes) close() {
	for _, g := range w.gates {
		w.must(g.Close(context.WithoutCancel(w.t.Context())))
	}
}

func (w *twoNodes) vote(g *gate.Gate, who string, approve bool) {
	_, _ = g.Vote(w.t.Context(), voter(who), gate.Ballot{ID: w.asked.ID, Digest: w.asked.RequestDigest, Approve: approve}) // refused, or not: the log says
}

// redeem redeems what people allowed, if they did.
func (w *twoNodes) redeem(g *gate.Gate) {
	first, err := g.Decision(w.t.Context(), dev, w.asked.ID)
	w.must(err)
	if first.Approval.Decision == "" {
		return
	}
	d, err := g.Decision(w.t.Context(), dev, first.Approval.Decision)
	w.must(err)
	token, err := w.key.Sign(grant.Claims{
		Issuer: w.signer.Origin(), ID: d.ID, Agent: "agent-001", Action: "deploy", ResourceType: "service", ResourceID: "svc/a",
		Digest: d.RequestDigest, PolicyVersion: d.PolicyVersion, Constraints: d.Constraints, IssuedAt: d.DecidedAt, ExpiresAt: d.Grant.ExpiresAt,
	})
	w.must(err)
	_, _ = g.Redeem(w.t.Context(), dev, d.ID, gate.Redemption{Token: token})
}

// realDeeds are what a gate is told to do.
var realDeeds = []struct {
	name string
	do   func(w *twoNodes, g *gate.Gate)
}{
	{"sre-2 votes", func(w *twoNodes, g *gate.Gate) { w.vote(g, "sre-2", true) }},
	{"sre-3 votes", func(w *twoNodes, g *gate.Gate) { w.vote(g, "sre-3", true) }},
	{"sre-3 votes against", func(w *twoNodes, g *gate.Gate) { w.vote(g, "sre-3", false) }},
	{"withdrawn", func(w *twoNodes, g *gate.Gate) { _, _ = g.Cancel(w.t.Context(), admin, w.asked.ID, "") }},
	{"redeemed", func(w *twoNodes, g *gate.Gate) { w.redeem(g) }},
	{"a minute passes", func(w *twoNodes, g *gate.Gate) { w.now.Add(int64(time.Minute)); w.must(g.Due(w.t.Context())) }},
	{"it expires", func(w *twoNodes, g *gate.Gate) { w.now.Add(int64(4 * time.Hour)); w.must(g.Due(w.t.Context())) }},
	{"sre-1 has no role", func(w *twoNodes, g *gate.Gate) {
		_, err := g.Apply(w.t.Context(), admin, w.people["unrole"], gate.ApplyOptions{})
		w.must(err)
	}},
	{"sre-2 is suspended", func(w *twoNodes, g *gate.Gate) {
		w.must(g.SetStatus(w.t.Context(), admin, "sre-2", registry.Suspended, "left"))
	}},
	{"the policy asks for more", func(w *twoNodes, g *gate.Gate) {
		w.must(g.Activate(w.t.Context(), admin, w.programs["more"], w.files["more"]))
	}},
	{"the policy denies", func(w *twoNodes, g *gate.Gate) {
		w.must(g.Activate(w.t.Context(), admin, w.programs["deny"], w.files["deny"]))
	}},
}

// broken lists what the log of a world breaks.
func (w *twoNodes) broken() (list []string, approved, redeemed bool) {
	report, err := ledger.Audit(w.t.Context(), w.store, func(version string) (*eval.Program, error) {
		for _, p := range w.programs {
			if p.Version() == version {
				return p, nil
			}
		}
		return nil, store.ErrNotFound
	})
	w.must(err)
	for _, f := range report.List {
		if text := f.String(); !strings.Contains(text, "does not stand for them") && !strings.Contains(text, "no entry made a token of") {
			list = append(list, text) // whose callers are tokens; those of this test are none
		}
	}
	checked, err := ledger.Verify(w.t.Context(), w.store, ledger.Trust{Records: true})
	w.must(err)
	for _, f := range checked.List {
		if text := f.String(); !strings.Contains(text, "is no token") {
			list = append(list, text)
		}
	}
	return list, report.DecidedAgain > 0, report.Effects > 0
}

// counter is randomness that differs with every byte read, for each node.
type counter struct {
	node byte
	n    atomic.Uint64
}

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n.Add(1)*2654435761>>13) ^ c.node<<7
	}
	return len(p), nil
}

// after does deeds one after the other, and then one while another is under way.
func (s *sharedWorld) after(t *testing.T, wrong string, before []int, x, y int) (broken []string, approved, redeemed bool) {
	w := s.world(t, wrong)
	defer w.close()
	for n, d := range before {
		realDeeds[d].do(w, w.gates[n%2])
	}
	w.doors[1].before = func() { realDeeds[y].do(w, w.gates[0]) }
	realDeeds[x].do(w, w.gates[1])
	return w.broken()
}

// number is that of a deed.
func number(t *testing.T, name string) int {
	t.Helper()
	for i, d := range realDeeds {
		if d.name == name {
			return i
		}
	}
	t.Fatalf("there is no deed %q", name)
	return 0
}

func TestNoTwoGatesBreakAnApprovalOrItsGrant(t *testing.T) {
	s, worlds, approves, redeems := newSharedWorld(t), 0, 0, 0
	begins := [][]int{nil}
	if !testing.Short() {
		for _, name := range []string{"sre-2 votes", "a minute passes", "sre-1 has no role", "the policy asks for more"} {
			begins = append(begins, []int{number(t, name)})
		}
	}
	for _, before := range begins {
		for x := range realDeeds {
			for y := range realDeeds {
				broken, approved, redeemed := s.after(t, "", before, x, y)
				if worlds++; approved {
					approves++
				}
				if redeemed {
					redeems++
				}
				if len(broken) > 0 {
					t.Errorf("after %v, %q while %q: %q", before, realDeeds[y].name, realDeeds[x].name, broken)
				}
			}
		}
	}
	if approves == 0 || !testing.Short() && redeems == 0 {
		t.Errorf("of %d worlds %d approve and %d redeem something", worlds, approves, redeems)
	}
	t.Logf("%d worlds, %d approve, %d redeem something", worlds, approves, redeems)
}

// TestTheSearchOfGatesFindsRecordsThatAreNotCompared: the same worlds over a
// store that writes whatever is in a record.
func TestTheSearchOfGatesFindsRecordsThatAreNotCompared(t *testing.T) {
	s := newSharedWorld(t)
	for _, c := range []struct {
		wrong  string
		before []int
		x, y   string
		want   string
	}{
		{"approval", nil, "sre-2 votes", "sre-3 votes against", "was settled before, in entry"},
		{"approval", nil, "sre-2 votes", "withdrawn", "was settled before, in entry"},
		{"approval", nil, "sre-2 votes", "sre-3 votes", "a second time"},
		{"grant", []int{number(t, "sre-2 votes")}, "redeemed", "redeemed", "was redeemed before, in entry"},
	} {
		broken, _, _ := s.after(t, c.wrong, c.before, number(t, c.x), number(t, c.y))
		if !strings.Contains(fmt.Sprint(broken), c.want) {
			t.Errorf("%s while %s, over %s that is not compared: %q, want %q", c.y, c.x, c.wrong, broken, c.want)
		}
	}
}
