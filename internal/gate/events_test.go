package gate_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// tested allows a deployment of what was tested, and none after three failures.
const tested = `
pdl: v1
kind: schema
name: s
agents: any
resources:
  service:
    environment?: {type: "enum(staging, production)", from: registry?}
actions:
  deploy: {resource: service, params: {version: string(..20)}}
events:
  tests_passed: {reporters: ["role:ci"], resource: service, params: {version: string(..20)}}
  incident: {reporters: ["principal:pager-001", "group:oncall"], resource: service}
facts:
  passes: {event: tests_passed, by: [resource.id, params.version], count: true, within: 1h}
  incidents: {event: incident, by: [agent.id], count: true, within: 1h}
  places: {event: incident, by: [resource.type], distinct: resource.environment, within: 1h}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: tested, match: {action: deploy}, when: facts.passes > 0 && facts.places < 2, effect: ALLOW}
  - {id: quiet, match: {action: deploy}, when: facts.incidents >= 3, effect: DENY}
`

// reporting is a house with the policy, a registry, and callers by name.
func reporting(t *testing.T) (h *house, callers map[string]kernel.Caller) {
	t.Helper()
	h = open(t, nil)
	files := []pdl.File{{Name: "b.yaml", Data: []byte(tested)}}
	if err := h.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
	tree, err := kernel.DecodeJSON([]byte(`{"registry":"v1",
		"services":{"ci-001":{"roles":["reporter","ci"]},"pager-001":{"roles":["reporter"]}},
		"people":{"person-001":{"roles":["reporter"],"groups":["oncall"]}},
		"resources":{"service":{"svc/known":{"environment":"production"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := registry.ReadDocument(tree)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Apply(t.Context(), admin, d, gate.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	callers = map[string]kernel.Caller{}
	for _, id := range []string{"ci-001", "pager-001", "person-001"} {
		secret, _, err := h.CreateToken(t.Context(), admin, token.Spec{Name: id, Role: kernel.RoleReporter, Principal: id})
		if err != nil {
			t.Fatal(err)
		}
		if callers[id], err = h.Authenticate(secret); err != nil {
			t.Fatal(err)
		}
	}
	return h, callers
}

func deployment(version string) gate.Ask {
	return gate.Ask{Request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "svc/checkout"},
		Params: map[string]any{"version": version},
	}}
}

func passed(version string) gate.Report {
	return gate.Report{
		Event: "tests_passed", Resource: kernel.Resource{Type: "service", ID: "svc/checkout"}, Params: map[string]any{"version": version}, Door: "events",
	}
}

func incident(agent, resource string) gate.Report {
	return gate.Report{Event: "incident", Agent: agent, Resource: kernel.Resource{Type: "service", ID: resource}, Door: "events"}
}

func (h *house) says(t *testing.T, version string, want kernel.Effect) {
	t.Helper()
	dev := kernel.Caller{Principal: "dev", Roles: []kernel.Role{kernel.RoleAdmin}}
	d, err := h.Decide(t.Context(), dev, deployment(version))
	if err != nil || d.Decision != want {
		t.Errorf("Decide(%s) = %v %s, %v, want %v", version, d.Decision, d.Reason, err, want)
	}
}

func TestReportedEventsAreCounted(t *testing.T) {
	h, callers := reporting(t)
	h.says(t, "1.4.2", kernel.Deny)
	r, err := h.Report(t.Context(), callers["ci-001"], passed("1.4.2"))
	if err != nil || r.Entry.Leaf == "" || !r.At.Equal(time.Unix(0, h.now.Load())) {
		t.Fatalf("Report = %+v, %v", r, err)
	}
	h.says(t, "1.4.2", kernel.Allow)
	h.says(t, "1.4.3", kernel.Deny)
	log := h.entries(t)
	if e := log[r.Entry.Seq]; e.Event == nil || e.Event.Event != "tests_passed" || e.Door != "events" || !strings.HasPrefix(e.Caller, "token:") {
		t.Errorf("it is recorded as %+v", e)
	}

	// The same after a restart, from the log; and it leaves the window.
	h.reopen(t, nil)
	if _, err := h.Continue(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.says(t, "1.4.2", kernel.Allow)
	h.pass(time.Hour)
	h.says(t, "1.4.2", kernel.Deny)

	for range 3 {
		if _, err := h.Report(t.Context(), callers["pager-001"], incident("agent-001", "svc/a")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Report(t.Context(), callers["ci-001"], passed("1.5.0")); err != nil {
		t.Fatal(err)
	}
	h.says(t, "1.5.0", kernel.Deny)
	report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
	if err != nil || !report.OK() {
		t.Errorf("Verify finds %v, %v", report.List, err)
	}
}

// TestAnEventIsCountedByWhatTheRegistryKnows, as a decision is.
func TestAnEventIsCountedByWhatTheRegistryKnows(t *testing.T) {
	h, callers := reporting(t)
	report := func(r gate.Report) {
		t.Helper()
		if _, err := h.Report(t.Context(), callers["person-001"], r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Report(t.Context(), callers["ci-001"], passed("1.4.2")); err != nil {
		t.Fatal(err)
	}
	report(incident("agent-009", "svc/known"))
	h.says(t, "1.4.2", kernel.Allow)
	other := incident("agent-009", "svc/other")
	other.Resource.Attributes = map[string]any{"environment": "staging"}
	report(other)
	h.says(t, "1.4.2", kernel.Deny) // two environments
	h.reopen(t, nil)
	if _, err := h.Continue(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.says(t, "1.4.2", kernel.Deny)
}

func TestWhoMayNotReportIsRefused(t *testing.T) {
	h, callers := reporting(t)
	size := h.Size()
	speaks := callers["ci-001"]
	speaks.Roles, speaks.SpeaksFor = []kernel.Role{kernel.RoleGateway, kernel.RoleReporter}, []string{"agent-*"}
	everybody := kernel.Caller{Principal: "dev", Roles: kernel.Roles(), SpeaksFor: []string{"*"}}
	nobody := kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleReporter}}
	stranger := kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleReporter}, StandsFor: "nobody-001"}
	agent := kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleReporter}, StandsFor: "agent-001"}
	for name, c := range map[string]struct {
		caller kernel.Caller
		report gate.Report
	}{
		"an agent":                   {agent1, passed("1")},
		"a gateway":                  {gateway, passed("1")},
		"an admin":                   {admin, passed("1")},
		"an auditor":                 {auditor, passed("1")},
		"a reporter that is gateway": {speaks, passed("1")},
		"everybody under --dev":      {everybody, passed("1")},
		"a token of nobody":          {nobody, passed("1")},
		"somebody unknown":           {stranger, passed("1")},
		"an agent's id":              {agent, passed("1")},
		"without the role":           {callers["pager-001"], passed("1")},
		"another's event":            {callers["ci-001"], incident("agent-001", "svc/a")},
	} {
		if _, err := h.Report(t.Context(), c.caller, c.report); !isCode(err, kernel.Forbidden) {
			t.Errorf("%s: Report = %v, want that it is forbidden", name, err)
		}
	}
	if h.Size() != size {
		t.Errorf("%d entries were written", h.Size()-size)
	}
	if err := h.SetStatus(t.Context(), admin, "ci-001", registry.Suspended, "odd"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Report(t.Context(), callers["ci-001"], passed("1")); !isCode(err, kernel.Forbidden) {
		t.Errorf("suspended: Report = %v, want that it is forbidden", err)
	}
}

func TestAnEventHasToFitTheSchema(t *testing.T) {
	h, callers := reporting(t)
	size := h.Size()
	change := func(set func(*gate.Report)) gate.Report {
		r := passed("1.4.2")
		set(&r)
		return r
	}
	attribute := func(r *gate.Report, id string, value any) {
		r.Resource.ID, r.Resource.Attributes = id, map[string]any{"environment": value}
	}
	for _, c := range []struct {
		report gate.Report
		path   string
	}{
		{change(func(r *gate.Report) { r.Event = "tests_pased" }), "$.event"},
		{change(func(r *gate.Report) { r.Event = "deploy" }), "$.event"},
		{change(func(r *gate.Report) { r.Resource.Type = "other" }), "$.resource.type"},
		{change(func(r *gate.Report) { r.Params = nil }), "$.params.version"},
		{change(func(r *gate.Report) { r.Params["version"] = int64(7) }), "$.params.version"},
		{change(func(r *gate.Report) { r.Params["more"] = "x" }), "$.params.more"},
		{change(func(r *gate.Report) { r.Params["version"] = strings.Repeat("1", 21) }), "$.params.version"},
		{change(func(r *gate.Report) { attribute(r, "svc/x", "moon") }), "$.resource.environment"},
		{change(func(r *gate.Report) { attribute(r, "svc/known", "staging") }), "$.resource.environment"},
		{change(func(r *gate.Report) { r.Resource.ID = "a\x00" }), "$.resource.id"},
		{incident("", "svc/a"), "$.agent"},
	} {
		caller := callers["ci-001"]
		if c.report.Event == "incident" {
			caller = callers["pager-001"]
		}
		_, err := h.Report(t.Context(), caller, c.report)
		if !isCode(err, kernel.Invalid) || !strings.HasPrefix(err.Error(), c.path+":") {
			t.Errorf("Report(%+v) = %v, want an error at %s", c.report, err, c.path)
		}
	}
	if h.Size() != size {
		t.Errorf("%d entries were written", h.Size()-size)
	}
}

// TestAnEventThatIsNotOnDiskCountsForNothing.
func TestAnEventThatIsNotOnDiskCountsForNothing(t *testing.T) {
	h, callers := reporting(t)
	h.store.Fail(storetest.Fault{Status: store.NotCommitted})
	if _, err := h.Report(t.Context(), callers["ci-001"], passed("1.4.2")); !isCode(err, kernel.Unavailable) {
		t.Fatalf("Report = %v, want that it is not recorded", err)
	}
	h.says(t, "1.4.2", kernel.Deny)
}

// TestAnActionOfTheNameOfAnOldEventDoesNotCountIt, nor the other way round: a
// schema that comes later may use a name otherwise.
func TestAnActionOfTheNameOfAnOldEventDoesNotCountIt(t *testing.T) {
	h, callers := reporting(t)
	if _, err := h.Report(t.Context(), callers["ci-001"], passed("1.4.2")); err != nil {
		t.Fatal(err)
	}
	later := strings.NewReplacer("tests_passed: {reporters: [\"role:ci\"], resource: service, params: {version: string(..20)}}\n", "other: {reporters: [\"role:ci\"], resource: service}\n",
		"actions:\n", "actions:\n  tests_passed: {resource: service, params: {version: string(..20)}}\n").Replace(tested)
	files := []pdl.File{{Name: "b.yaml", Data: []byte(later)}}
	if err := h.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
	h.says(t, "1.4.2", kernel.Deny)
}

func TestEventsOfOneBatchCountForTheDecisionsAfterThem(t *testing.T) {
	h, callers := reporting(t)
	release := h.block()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := h.Report(t.Context(), callers["pager-001"], incident("agent-001", "svc/a")); err != nil {
				t.Error(err)
			}
		})
	}
	release()
	all.Wait()
	log := h.entries(t)
	n := 0
	for _, e := range log {
		if e.Event != nil {
			n++
		}
	}
	if _, err := h.Report(t.Context(), callers["ci-001"], passed("1.4.2")); err != nil || n != 50 {
		t.Errorf("%d events are recorded, %v", n, err)
	}
	h.says(t, "1.4.2", kernel.Deny)
	last := h.entries(t)
	if got := last[len(last)-1].Decision.Facts["incidents"]; got != int64(50) {
		t.Errorf("facts.incidents = %v, want 50", got)
	}
}
