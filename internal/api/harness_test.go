package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/link"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
	"github.com/strixlabs/execution-kernel/internal/token"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const publicURL = "https://kernel.example.org"

// links makes the links of every house: one is good at another.
var links = link.New(publicURL, bytes.Repeat([]byte{9}, 32))

var admin = kernel.Caller{Principal: "admin", Roles: []kernel.Role{kernel.RoleAdmin}}

// A house is a real gate over a store in memory, served on a real listener.
// Its clock is the test's, its randomness the same every time.
type house struct {
	*server
	gate    *gate.Gate
	store   *storetest.Memory
	secrets map[kernel.Role]string

	mu    sync.Mutex
	clock time.Time
}

func newHouse(t *testing.T, change func(*api.Config)) *house {
	t.Helper()
	h := &house{store: &storetest.Memory{}, clock: noon, secrets: map[kernel.Role]string{}}
	random := &source{rand: rand.NewChaCha8([32]byte{1})}
	key, _, err := ledger.GenerateKey("kernel.example/log", random)
	must(t, err)
	signer, err := ledger.NewSigner(key)
	must(t, err)
	metrics := api.NewMetrics("test")
	grants, err := grant.NewKey(bytes.Repeat([]byte{7}, 32))
	must(t, err)
	h.gate, err = gate.New(t.Context(), gate.Config{
		Store: h.store, Signer: signer, Grants: grants, Clock: h.now, Rand: random, Node: "node-1", OnCommit: metrics.Commit,
		Links: links,
	})
	must(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		must(t, h.gate.Close(ctx))
		h.audit(ctx)
	})
	must(t, h.gate.KnowGrantKey(t.Context(), "test"))
	program, files := bundle(t)
	must(t, h.gate.Activate(t.Context(), admin, program, files))
	for _, spec := range []token.Spec{
		{Name: "operations", Role: kernel.RoleAdmin},
		{Name: "pipeline", Role: kernel.RoleGateway, SpeaksFor: []string{"agent-*", "anonymous"}},
		{Name: "agent-001", Role: kernel.RoleAgent, Agent: "agent-001"},
		{Name: "revision", Role: kernel.RoleAuditor},
	} {
		h.secrets[spec.Role], _, err = h.gate.CreateToken(t.Context(), admin, spec)
		must(t, err)
	}
	h.server = serve(t, api.Config{Kernel: h.gate, Metrics: metrics, Origin: publicURL}, change)
	return h
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// audit checks the log that a test leaves, and decides every decision again.
func (h *house) audit(ctx context.Context) {
	report, err := ledger.Verify(ctx, h.store, ledger.Trust{})
	must(h.t, err)
	if !report.OK() {
		h.t.Errorf("the log does not verify: %v", report.List)
	}
	load := func(version string) (*eval.Program, error) { return gate.LoadProgram(ctx, h.store, version) }
	kept, err := ledger.Audit(ctx, h.store, load)
	must(h.t, err)
	if !kept.OK() {
		h.t.Errorf("the log breaks promises: %v", kept.List)
	}
	again, err := ledger.Replay(ctx, h.store, ledger.Policies{Entered: true, Load: load})
	must(h.t, err)
	if !again.OK() {
		h.t.Errorf("decisions come out otherwise: %v", again.List)
	}
}

// as returns a request with the token of a role.
func (h *house) as(role kernel.Role, method, path, body string) *http.Request {
	h.t.Helper()
	r := h.request(method, path, body)
	r.Header.Set("Authorization", "Bearer "+h.secrets[role])
	return r
}

// last returns the newest entry of the log.
func (h *house) last() ledger.Entry {
	h.t.Helper()
	head, err := h.store.Head(h.t.Context(), 0)
	must(h.t, err)
	row, err := h.store.Entry(h.t.Context(), 0, head.Size-1)
	must(h.t, err)
	e, err := ledger.Decode(row.Body)
	must(h.t, err)
	return e
}

func (h *house) size() uint64 {
	h.t.Helper()
	head, err := h.store.Head(h.t.Context(), 0)
	must(h.t, err)
	return head.Size
}

// everything returns all that is stored, as text.
func (h *house) everything() string {
	h.t.Helper()
	var all bytes.Buffer
	for row, err := range h.store.Entries(h.t.Context(), store.Query{}) {
		must(h.t, err)
		all.Write(row.Body)
		if row.Private != nil {
			all.Write(row.Private.Request)
		}
	}
	return all.String()
}

func bundle(t testing.TB) (*eval.Program, []pdl.File) {
	t.Helper()
	data, err := os.ReadFile("testdata/bundle.yaml")
	must(t, err)
	files := []pdl.File{{Name: "bundle.yaml", Data: data}}
	b, diags := pdl.Compile(files)
	if b == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(b)
	must(t, err)
	return program, files
}

// A source of randomness that is the same every time.
type source struct {
	mu   sync.Mutex
	rand *rand.ChaCha8
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Read(p)
}

// A server is the door on a real listener. Every request and answer of its
// client is held against the contract.
type server struct {
	t      *testing.T
	addr   string
	client *http.Client
	log    *record
	door   http.Handler // for calls that no client would make
}

func serve(t *testing.T, cfg api.Config, change func(*api.Config)) *server {
	t.Helper()
	log := &record{}
	cfg.Hosts, cfg.Now = api.LoopbackHosts(), time.Now
	cfg.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if change != nil {
		change(&cfg)
	}
	handler, err := api.New(cfg)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- api.Serve(ctx, api.NewServer(handler, cfg.Limits, cfg.Log), listener, 10*time.Second) }()
	transport := &http.Transport{}
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
		transport.CloseIdleConnections()
	})
	return &server{t: t, addr: listener.Addr().String(), log: log, door: handler, client: &http.Client{
		Transport:     newChecker(t, transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// request returns a request without a token; an empty body is none.
func (s *server) request(method, path, body string) *http.Request {
	s.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, reader)
	must(s.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// An answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(r *http.Request) answer {
	s.t.Helper()
	resp, err := s.client.Do(r)
	must(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// into decodes a JSON answer.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

// A problem as clients read it.
type problem struct {
	Type, Title string
	Status      int
	Code        kernel.Code
	Detail      string
	Path        string
	Parameter   string
	Hint        string
	Decision    string
}

// isProblem checks status and code of a refusal.
func isProblem(t testing.TB, what string, a answer, status int, code kernel.Code) problem {
	t.Helper()
	if a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s: %d %s %s, want a problem", what, a.status, a.header.Get("Content-Type"), a.body)
	}
	p := into[problem](t, a)
	if a.status != status || p.Status != status || p.Code != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
	return p
}

// A record is a log that tests read.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func decodeAny(text string) (any, error) { return jsonschema.UnmarshalJSON(strings.NewReader(text)) }

// grep returns the lines of a text that hold a word.
func grep(text, word string) string {
	var found strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found.WriteString(line)
		}
	}
	return found.String()
}
