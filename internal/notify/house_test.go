package notify_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/link"
	"github.com/strixlabs/execution-kernel/internal/notify"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

const policy = `pdl: v1
kind: schema
name: s
resources: {service: {}}
actions:
  deploy: {resource: service, params: {"note?": string}}
---
pdl: v1
kind: approval
name: pair
quorum: 2
of: [{role: sre}]
expires: 4h
on_timeout: DENY
escalate: [{after: 30m, to: [{role: lead}]}]
break_glass: {of: [{role: lead}], min_reason: 12, expires: 1h, review: {of: [{role: auditor}], within: 24h}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: ask, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: pair, reason: Two look at it.}
`

const people = `{"registry": "v1", "people": {
  "person-001": {"roles": ["approver", "sre"]}, "person-002": {"roles": ["approver", "sre"]}, "person-003": {},
  "person-004": {"roles": ["approver", "lead"]}, "person-005": {"roles": ["auditor"]}},
  "agents": {"agent-001": {"owner": "person-003", "capabilities": {"ship": {"actions": ["deploy"], "resources": [{"type": "service", "id": "*"}]}}}}}`

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	admin = kernel.Caller{Principal: "admin", Roles: []kernel.Role{kernel.RoleAdmin}}
	asker = kernel.Caller{Principal: "gw", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"*"}}
)

const oneSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func secret(t testing.TB) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret(oneSecret)
	must(t, err)
	return s
}

// A house is a gate that asks people, over a store in memory, with a clock that
// the test sets.
type house struct {
	*gate.Gate
	t     *testing.T
	store *storetest.Memory
	now   atomic.Int64
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, store: &storetest.Memory{}}
	h.now.Store(noon.UnixNano())
	h.reopen()
	b, diags := pdl.Compile([]pdl.File{{Name: "p.yaml", Data: []byte(policy)}})
	if b == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(b)
	must(t, err)
	must(t, h.Activate(t.Context(), admin, program, []pdl.File{{Name: "p.yaml", Data: []byte(policy)}}))
	tree, err := kernel.DecodeJSON([]byte(people))
	must(t, err)
	document, err := registry.ReadDocument(tree)
	must(t, err)
	_, err = h.Apply(t.Context(), admin, document, gate.ApplyOptions{})
	must(t, err)
	return h
}

// reopen is another process over the same store.
func (h *house) reopen() {
	h.t.Helper()
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	must(h.t, err)
	signer, err := ledger.NewSigner(key)
	must(h.t, err)
	h.Gate, err = gate.New(h.t.Context(), gate.Config{
		Store: h.store, Signer: signer, Rand: rand.Reader, Node: "node-1", Clock: h.clock, Budget: 10 * time.Second,
		Links: link.New("https://kernel.example.org", []byte(strings.Repeat("k", 32))),
	})
	must(h.t, err)
	g := h.Gate
	h.t.Cleanup(func() { _ = g.Close(h.t.Context()) })
}

func (h *house) clock() time.Time { return time.Unix(0, h.now.Load()).UTC() }

func (h *house) pass(d time.Duration) { h.now.Add(int64(d)) }

func (h *house) ask() kernel.Decision {
	h.t.Helper()
	d, err := h.Decide(h.t.Context(), asker, gate.Ask{Door: "decisions", Request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "svc/a"},
		Params: map[string]any{"note": "a secret of the request"},
	}})
	must(h.t, err)
	if d.Approval == nil {
		h.t.Fatalf("Decide = %+v, want it to ask", d)
	}
	return d
}

func (h *house) vote(d kernel.Decision, who string, yes bool) {
	h.t.Helper()
	_, err := h.Vote(h.t.Context(), kernel.Caller{Principal: "token:" + who, Roles: []kernel.Role{kernel.RoleApprover}, StandsFor: who},
		gate.Ballot{ID: d.ID, Digest: d.RequestDigest, Approve: yes, Reason: "words of " + who})
	must(h.t, err)
}

// notifier tells endpoints.
func (h *house) notifier(endpoints ...notify.Endpoint) *notify.Notifier {
	h.t.Helper()
	n, err := notify.New(notify.Config{Kernel: h.Gate, Endpoints: endpoints, Clock: h.clock, Rand: rand.Reader})
	must(h.t, err)
	for _, e := range endpoints {
		h.turn(n, e.Name) // it begins here
	}
	return n
}

func (h *house) turn(n *notify.Notifier, endpoint string) {
	h.t.Helper()
	must(h.t, n.Turn(h.t.Context(), endpoint))
}

// view is what is kept of an endpoint.
func (h *house) view(endpoint string) gate.WebhookView {
	h.t.Helper()
	views, err := h.Webhooks(h.t.Context(), admin)
	must(h.t, err)
	i := slices.IndexFunc(views, func(v gate.WebhookView) bool { return v.Endpoint == endpoint })
	if i < 0 {
		h.t.Fatalf("there is no webhook %s among %v", endpoint, views)
	}
	return views[i]
}

// A receiver takes messages and checks each as a receiver has to.
type receiver struct {
	*httptest.Server
	t      *testing.T
	answer func(w http.ResponseWriter, n int) // nil: 204
	now    func() time.Time

	mu  sync.Mutex
	got []message
}

// A message as it was received.
type message struct {
	id   string
	kind string
	body string
	data map[string]any
}

func receive(t *testing.T, now func() time.Time) *receiver {
	t.Helper()
	r := &receiver{t: t, now: now}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	h := req.Header
	if err := webhook.Verify([]webhook.Secret{secret(r.t)}, h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature"), body, r.now()); err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	var m struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal(body, &m); err != nil || req.Method != http.MethodPost || h.Get("Content-Type") != "application/json" {
		r.t.Errorf("%s %s %v: %v", req.Method, body, h, err)
	}
	r.mu.Lock()
	r.got = append(r.got, message{h.Get("webhook-id"), m.Type, string(body), m.Data})
	n := len(r.got)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, n)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) messages() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// kinds lists the types that were received.
func (r *receiver) kinds() string {
	var list []string
	for _, m := range r.messages() {
		list = append(list, strings.TrimPrefix(m.kind, "approval."))
	}
	return strings.Join(list, " ")
}

func (r *receiver) endpoint(name string) notify.Endpoint {
	return notify.Endpoint{Name: name, URL: r.URL + "/hook", Secrets: []webhook.Secret{secret(r.t)}, Events: []string{"*"}}
}

func always(status int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) { w.WriteHeader(status) }
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
