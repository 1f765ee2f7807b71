package gate_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
	"github.com/strixlabs/execution-kernel/internal/token"
)

var (
	noon    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	admin   = kernel.Caller{Principal: "admin", Roles: []kernel.Role{kernel.RoleAdmin}}
	gateway = kernel.Caller{Principal: "gw", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"agent-*"}}
	agent1  = kernel.Caller{Principal: "a1", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001"}
	auditor = kernel.Caller{Principal: "au", Roles: []kernel.Role{kernel.RoleAuditor}}
)

// A house is a gate over a store in memory, with a clock the test sets.
type house struct {
	*gate.Gate
	store *storetest.Memory
	now   atomic.Int64
}

func open(t *testing.T, change func(*gate.Config)) *house {
	t.Helper()
	h := &house{store: &storetest.Memory{}}
	h.now.Store(noon.UnixNano())
	h.reopen(t, change)
	bundle, files := shipping(t)
	if err := h.Activate(t.Context(), admin, bundle, files); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) reopen(t *testing.T, change func(*gate.Config)) {
	t.Helper()
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := gate.Config{
		Store: h.store, Signer: signer, Rand: rand.Reader, Node: "node-1",
		Clock: func() time.Time { return time.Unix(0, h.now.Load()) }, Budget: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	if h.Gate, err = gate.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	g := h.Gate
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// block holds every commit until the function it returns is called.
func (h *house) block() (release func()) {
	gate := make(chan struct{})
	h.store.OnCommit(func(*store.Batch) { <-gate })
	return func() { close(gate) }
}

func (h *house) pass(d time.Duration) { h.now.Add(int64(d)) }

// entries returns the log.
func (h *house) entries(t *testing.T) []ledger.Entry {
	t.Helper()
	var log []ledger.Entry
	for row, err := range h.store.Entries(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := ledger.Decode(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, e)
	}
	return log
}

func (h *house) decisions(t *testing.T) (n int) {
	for _, e := range h.entries(t) {
		if e.Decision != nil {
			n++
		}
	}
	return n
}

func shipping(t testing.TB) (*eval.Program, []pdl.File) {
	t.Helper()
	names, err := filepath.Glob("../../policies/shipping/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	var files []pdl.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, pdl.File{Name: filepath.Base(name), Data: data})
	}
	return compile(t, files), files
}

func compile(t testing.TB, files []pdl.File) *eval.Program {
	t.Helper()
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		t.Fatal(diags)
	}
	p, err := eval.New(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ship(agent, environment, id string) gate.Ask {
	return gate.Ask{Door: "decisions", Request: kernel.Request{
		RequestID: id, Agent: kernel.Agent{ID: agent}, Action: "ship",
		Resource: kernel.Resource{Type: "webapp", ID: "storefront", Attributes: map[string]any{"environment": environment}},
	}}
}

func isCode(err error, code kernel.Code) bool {
	var e *kernel.Error
	return errors.As(err, &e) && e.Code == code
}

func TestADecisionIsTheEntryItNames(t *testing.T) {
	h := open(t, nil)
	d, err := h.Decide(t.Context(), agent1, ship("agent-001", "development", ""))
	if err != nil {
		t.Fatal(err)
	}
	if d.Decision != kernel.Allow || d.RequestDigest == "" || !d.DecidedAt.Equal(noon) {
		t.Errorf("Decide = %+v", d)
	}
	read, err := h.Decision(t.Context(), agent1, d.ID)
	if err != nil || fmt.Sprint(read) != fmt.Sprint(d) {
		t.Errorf("Decision(%s) = %+v, %v, want %+v", d.ID, read, err, d)
	}
	row, err := h.store.Entry(t.Context(), 0, d.Entry.Seq)
	if err != nil || row.ID != d.ID || fmt.Sprintf("%x", row.Leaf) != d.Entry.Leaf {
		t.Errorf("entry %d = %+v, %v", d.Entry.Seq, row, err)
	}
}

func TestACallerSpeaksOnlyForItsAgents(t *testing.T) {
	h := open(t, nil)
	for _, c := range []struct {
		caller kernel.Caller
		agent  string
		ok     bool
	}{
		{agent1, "agent-001", true},
		{agent1, "agent-002", false},
		{gateway, "agent-002", true},
		{gateway, "other", false},
		{admin, "other", true},
		{auditor, "agent-001", false},
		{kernel.Caller{}, "agent-001", false},
		{kernel.Caller{Principal: "x", Roles: []kernel.Role{kernel.RoleAgent}}, "", false},
	} {
		_, err := h.Decide(t.Context(), c.caller, ship(c.agent, "development", ""))
		if c.ok != (err == nil) || !c.ok && !isCode(err, kernel.Forbidden) {
			t.Errorf("%s for %q: %v", c.caller.Principal, c.agent, err)
		}
	}
}

func TestInstantsNeverGoBack(t *testing.T) {
	h := open(t, nil)
	decide := func() time.Time {
		d, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", ""))
		if err != nil {
			t.Fatal(err)
		}
		return d.DecidedAt
	}
	before := decide()
	h.pass(-30 * time.Second)
	if after := decide(); after.Before(before) {
		t.Errorf("instant %s after %s", after, before)
	}
	h.reopen(t, nil)
	program, files := shipping(t)
	if err := h.Activate(t.Context(), admin, program, files); err != nil {
		t.Fatal(err)
	}
	if after := decide(); after.Before(before) {
		t.Errorf("after a restart: instant %s after %s", after, before)
	}
}

func TestActivatingTheActiveVersionWritesNothing(t *testing.T) {
	h := open(t, nil)
	size := h.Size()
	program, files := shipping(t)
	h.reopen(t, nil)
	if err := h.Activate(t.Context(), admin, program, files); err != nil {
		t.Fatal(err)
	}
	if h.Size() != size || h.PolicyVersion() != program.Version() {
		t.Errorf("size %d, version %s, want %d, %s", h.Size(), h.PolicyVersion(), size, program.Version())
	}
	loaded, err := gate.LoadProgram(t.Context(), h.store, program.Version())
	if err != nil || loaded.Version() != program.Version() {
		t.Errorf("LoadProgram: %v", err)
	}
}

func TestReadingWhatIsNotOnesOwn(t *testing.T) {
	h := open(t, nil)
	own, err := h.Decide(t.Context(), agent1, ship("agent-001", "development", ""))
	if err != nil {
		t.Fatal(err)
	}
	agent2 := kernel.Caller{Principal: "a2", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-002"}
	for _, stranger := range []kernel.Caller{agent2, gateway, {}} {
		if _, err := h.Decision(t.Context(), stranger, own.ID); !isCode(err, kernel.NotFound) {
			t.Errorf("%q reads another's decision: %v", stranger.Principal, err)
		}
	}
	size := h.Size()
	if _, err := h.Decision(t.Context(), auditor, own.ID); err != nil {
		t.Error(err)
	}
	if log := h.entries(t); h.Size() != size+1 || log[size].Access == nil || log[size].Caller != "au" {
		t.Errorf("an auditor's reading left %+v", log[size:])
	}
}

func TestPagesFollowEachOtherWithoutGapOrOverlap(t *testing.T) {
	h := open(t, nil)
	const n = 25
	for range n {
		if _, err := h.Decide(t.Context(), agent1, ship("agent-001", "development", "")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Decide(t.Context(), gateway, ship("agent-002", "development", "")); err != nil {
		t.Fatal(err)
	}
	var seen []uint64
	for q := (gate.DecisionQuery{Limit: 10}); ; {
		page, err := h.Decisions(t.Context(), agent1, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Decisions {
			seen = append(seen, d.Entry.Seq)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			break
		}
	}
	if len(seen) != n || !slices.IsSortedFunc(seen, func(a, b uint64) int { return int(b) - int(a) }) {
		t.Errorf("saw %v", seen)
	}
	for _, bad := range []gate.DecisionQuery{{}, {Limit: 1001}, {Limit: 1, Cursor: "x"}, {Limit: 1, Cursor: "MA"}} {
		if _, err := h.Decisions(t.Context(), agent1, bad); !isCode(err, kernel.Invalid) {
			t.Errorf("Decisions(%+v): %v", bad, err)
		}
	}
}

func TestTokens(t *testing.T) {
	h := open(t, nil)
	spec := token.Spec{Name: "shop", Role: kernel.RoleAgent, Agent: "agent-001"}
	if _, _, err := h.CreateToken(t.Context(), gateway, spec); !isCode(err, kernel.Forbidden) {
		t.Errorf("a gateway makes a token: %v", err)
	}
	secret, tok, err := h.CreateToken(t.Context(), admin, spec)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := h.Authenticate(secret); err != nil || c.Agent != "agent-001" {
		t.Errorf("Authenticate = %+v, %v", c, err)
	}
	h.reopen(t, nil)
	if _, err := h.Authenticate(secret); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := h.RevokeToken(t.Context(), admin, tok.ID); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{secret, "", "kt_", secret + "x", strings.ToUpper(secret)} {
		if c, err := h.Authenticate(bad); !isCode(err, kernel.Unauthenticated) {
			t.Errorf("Authenticate(%q) = %+v, %v", bad, c, err)
		}
	}
	if err := h.RevokeToken(t.Context(), admin, "nobody"); !isCode(err, kernel.NotFound) {
		t.Errorf("revoking an unknown token: %v", err)
	}
	for _, e := range h.entries(t) {
		if strings.Contains(fmt.Sprint(e), secret) {
			t.Error("the secret is in the log")
		}
	}
}

func TestManyRefusalsOfOneCallerAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(c *gate.Config) { c.Clock = time.Now })
		for range 50 {
			if err := h.Refuse(t.Context(), agent1, gate.Refusal{Door: "decisions", Code: kernel.Malformed, Path: "$", Size: 10}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		var entries, counted int
		for _, e := range h.entries(t) {
			if e.Refusal != nil {
				entries++
				counted += e.Refusal.Count
			}
		}
		if entries != 11 || counted != 50 {
			t.Errorf("%d entries for %d refusals, want 11 for 50", entries, counted)
		}
		h.Close(t.Context())
	})
}

func TestCheckpointsGrowWithTheLog(t *testing.T) {
	var published []string
	h := open(t, func(c *gate.Config) {
		c.OnPublish = func(note string) error { published = append(published, note); return nil }
	})
	if _, err := h.Checkpoint(t.Context(), gateway); !isCode(err, kernel.Forbidden) {
		t.Errorf("a gateway signs: %v", err)
	}
	first, err := h.Checkpoint(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Checkpoint(t.Context(), admin); err != nil || again != first {
		t.Errorf("a second checkpoint of the same log: %q, %v", again, err)
	}
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); err != nil {
		t.Fatal(err)
	}
	second, err := h.Checkpoint(t.Context(), admin)
	if err != nil || second == first || len(published) != 2 {
		t.Errorf("after a decision: %q, %v; %d published", second, err, len(published))
	}
	if latest, err := h.LatestCheckpoint(t.Context(), nil); err != nil || latest != second {
		t.Errorf("LatestCheckpoint = %q, %v", latest, err)
	}
}

func TestARefusalRecordsWhereAndNotWhatWasSent(t *testing.T) {
	h := open(t, nil)
	for _, c := range []struct{ path, want string }{
		{"$.resource.environment", "$.resource.environment"},
		{"$.params.actions[3]", "$.params.actions[3]"},
		{"$.params.hunter2", "$.params.*"},
		{"$.params['pass word'].x", "$.params.*"},
		{`$.params['a\'b]']`, "$.params.*"},
		{"$.params.1abc", "$.params.*"},
		{"$", "$"},
		{"", ""},
		{"secret", ""},
		{"$secret", "$.*"},
		{"$[x]", "$.*"},
	} {
		h.pass(time.Second)
		if err := h.Refuse(t.Context(), agent1, gate.Refusal{Door: "decisions", Code: kernel.Invalid, Path: c.path}); err != nil {
			t.Fatal(err)
		}
		log := h.entries(t)
		if got := log[len(log)-1].Refusal.Path; got != c.want {
			t.Errorf("Refuse(%q) records %q, want %q", c.path, got, c.want)
		}
	}
}
