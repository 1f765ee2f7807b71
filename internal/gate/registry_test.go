package gate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/token"
)

const fleetBundle = `
pdl: v1
kind: schema
name: fleet
agent:
  role: "enum(junior, sre)"
  owner?: string
resources:
  service:
    environment: {type: "enum(staging, production)", from: registry}
actions:
  deploy: {resource: service}
  read: {resource: service}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: sre, match: {action: [deploy, read], agent.role: sre}, effect: ALLOW}
`

const fleetDocument = `{"registry": "v1",
  "people": {"person-001": {"roles": ["lead"]}},
  "agents": {
    "agent-001": {"owner": "person-001", "attributes": {"role": "sre"}, "capabilities": {
      "ship": {"actions": ["deploy", "read"], "resources": [{"type": "service", "id": "svc/*"}], "lend": 1}}},
    "agent-002": {"attributes": {"role": "sre"}},
    "agent-003": {"attributes": {"role": "junior"}, "capabilities": {
      "ship": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}], "expires": "2026-11-23T13:00:00Z"}}}},
  "resources": {"service": {"svc/a": {"environment": "staging"}, "other/b": {"environment": "production"}}}}`

// dev is the caller of a kernel without tokens, whom the log knows.
var dev = kernel.Caller{Principal: "dev", Roles: kernel.Roles()}

func document(t testing.TB, text string) registry.Document {
	t.Helper()
	tree, err := kernel.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := registry.ReadDocument(tree)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fleet(t testing.TB) (*eval.Program, []pdl.File) {
	files := []pdl.File{{Name: "fleet.yaml", Data: []byte(fleetBundle)}}
	return compile(t, files), files
}

// openFleet opens a gate whose agents are registered.
func openFleet(t *testing.T) *house {
	t.Helper()
	h := open(t, nil)
	p, files := fleet(t)
	if err := h.Activate(t.Context(), admin, p, files); err != nil {
		t.Fatal(err)
	}
	h.apply(t, fleetDocument)
	return h
}

func (h *house) apply(t *testing.T, text string) gate.Application {
	t.Helper()
	a, err := h.Apply(t.Context(), admin, document(t, text), gate.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func deploy(agent string) gate.Ask {
	return gate.Ask{Door: "decisions", Request: kernel.Request{
		Agent: kernel.Agent{ID: agent}, Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "svc/a"},
	}}
}

func (h *house) code(t *testing.T, ask gate.Ask) kernel.Code {
	t.Helper()
	d, err := h.Decide(t.Context(), dev, ask)
	if err != nil {
		t.Fatal(err)
	}
	return d.Code
}

// sound verifies the log with its records and replays every decision.
func (h *house) sound(t *testing.T) {
	t.Helper()
	report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
	if err != nil || len(report.List) > 0 {
		t.Errorf("Verify = %v, %v", report.List, err)
	}
	replayed, err := ledger.Replay(t.Context(), h.store, ledger.Policies{Entered: true, Load: func(version string) (*eval.Program, error) {
		return gate.LoadProgram(context.Background(), h.store, version)
	}})
	if err != nil || len(replayed.List) > 0 {
		t.Errorf("Replay = %v, %v", replayed.List, err)
	}
	if err := ledger.CheckStart(t.Context(), h.store, map[int]uint64{0: h.Size()}); err != nil {
		t.Errorf("CheckStart = %v", err)
	}
}

func TestARegisteredAgentIsDecidedByWhatTheRegistryKnows(t *testing.T) {
	h := openFleet(t)
	d, err := h.Decide(t.Context(), dev, deploy("agent-001"))
	if err != nil || d.Decision != kernel.Allow {
		t.Fatalf("Decide = %+v, %v", d, err)
	}
	log := h.entries(t)
	st := log[len(log)-1].Decision.Standing
	if st.Version != 1 || st.Capability != "ship" || fmt.Sprint(st.Agent) != "map[owner:person-001 role:sre]" || fmt.Sprint(st.Resource) != "map[environment:staging]" {
		t.Errorf("the entry says %+v", st)
	}
	elsewhere := deploy("agent-001")
	elsewhere.Request.Resource.ID = "other/b"
	unknown := deploy("agent-001")
	unknown.Request.Resource.ID = "svc/unknown"
	lie := deploy("agent-001")
	lie.Request.Resource.Attributes = map[string]any{"environment": "production"}
	for _, c := range []struct {
		name string
		ask  gate.Ask
		want kernel.Code
	}{
		{"nobody", deploy("agent-009"), kernel.CodeUnknownAgent},
		{"a person", deploy("person-001"), kernel.CodeUnknownAgent},
		{"without a capability", deploy("agent-002"), kernel.CodeCapabilityMissing},
		{"another resource", elsewhere, kernel.CodeCapabilityMissing},
		{"an unregistered resource", unknown, kernel.CodeAttributeMissing},
		{"a lie about the resource", lie, kernel.CodeAttributeConflict},
		{"what no rule allows", deploy("agent-003"), kernel.CodeNoMatchingRule},
	} {
		if got := h.code(t, c.ask); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	h.pass(time.Hour)
	if got := h.code(t, deploy("agent-003")); got != kernel.CodeCapabilityMissing {
		t.Errorf("after its capability ended: %s", got)
	}
	h.sound(t)
}

func TestTheRegistryIsThereAfterARestart(t *testing.T) {
	h := openFleet(t)
	if err := h.Kill(t.Context(), admin, registry.ScopeAction, "dep*", "incident"); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, nil)
	p, files := fleet(t)
	if err := h.Activate(t.Context(), admin, p, files); err != nil {
		t.Fatal(err)
	}
	if got := h.code(t, deploy("agent-001")); got != kernel.CodeKilled {
		t.Errorf("after a restart: %s", got)
	}
	if err := h.Lift(t.Context(), admin, registry.ScopeAction, "dep*", "over"); err != nil {
		t.Fatal(err)
	}
	if got := h.code(t, deploy("agent-001")); got != kernel.CodeRule {
		t.Errorf("after the switch was lifted: %s", got)
	}
	h.sound(t)
}

func TestOnlyAnAdminChangesTheRegistry(t *testing.T) {
	h := openFleet(t)
	for _, c := range []kernel.Caller{{}, agent1, gateway, auditor} {
		_, apply := h.Apply(t.Context(), c, document(t, fleetDocument), gate.ApplyOptions{})
		_, dry := h.Apply(t.Context(), c, document(t, fleetDocument), gate.ApplyOptions{DryRun: true})
		for name, err := range map[string]error{
			"Apply": apply, "Apply dry": dry,
			"SetStatus": h.SetStatus(t.Context(), c, "agent-001", registry.Retired, ""),
			"Kill":      h.Kill(t.Context(), c, registry.ScopeAll, "", ""),
			"Lift":      h.Lift(t.Context(), c, registry.ScopeAll, "", ""),
		} {
			if !isCode(err, kernel.Forbidden) {
				t.Errorf("%s by %q: %v", name, c.Principal, err)
			}
		}
	}
	if v := h.apply(t, fleetDocument).Version; v != 1 {
		t.Errorf("the registry is at version %d, want 1", v)
	}
}

func TestADocumentIsAppliedWholeOrNotAtAll(t *testing.T) {
	h := openFleet(t)
	before := h.Size()
	_, err := h.Apply(t.Context(), admin, document(t, `{"registry": "v1", "agents": {"agent-004": {}, "Agent-004": {}}}`), gate.ApplyOptions{})
	if !isCode(err, kernel.Invalid) || h.Size() != before {
		t.Errorf("Apply = %v, and %d entries", err, h.Size()-before)
	}
	a, err := h.Apply(t.Context(), admin, document(t, `{"registry": "v1", "agents": {"agent-004": {}}}`), gate.ApplyOptions{DryRun: true, Prune: true})
	if err != nil || h.Size() != before || len(a.Changes) != 7 || a.Version != 2 {
		t.Errorf("a dry run = %+v, %v, and %d entries", a, err, h.Size()-before)
	}
}

func TestManyChangesAtOnceAreEachRecorded(t *testing.T) {
	h := openFleet(t)
	release := h.block()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := h.Kill(t.Context(), admin, registry.ScopeAgent, fmt.Sprintf("x-%d", i), ""); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	release()
	wg.Wait()
	s, err := h.Registry(t.Context(), auditor)
	if err != nil || len(s.Kills()) != 20 || s.Version() != 21 {
		t.Errorf("%d switches, version %d, %v", len(s.Kills()), s.Version(), err)
	}
	h.sound(t)
}

// TestNothingIsAllowedOnceAKillReturned: 32 callers ask without a pause while
// everything is stopped, one way after the other.
func TestNothingIsAllowedOnceAKillReturned(t *testing.T) {
	h := openFleet(t)
	for _, stop := range []struct {
		name    string
		on, off func() error
		want    kernel.Code
	}{
		{"everything", func() error { return h.Kill(t.Context(), admin, registry.ScopeAll, "", "") },
			func() error { return h.Lift(t.Context(), admin, registry.ScopeAll, "", "") }, kernel.CodeKilled},
		{"the action", func() error { return h.Kill(t.Context(), admin, registry.ScopeAction, "deploy", "") },
			func() error { return h.Lift(t.Context(), admin, registry.ScopeAction, "deploy", "") }, kernel.CodeKilled},
		{"the agent", func() error { return h.Kill(t.Context(), admin, registry.ScopeAgent, "agent-001", "") },
			func() error { return h.Lift(t.Context(), admin, registry.ScopeAgent, "agent-001", "") }, kernel.CodeKilled},
		{"the agent's status", func() error { return h.SetStatus(t.Context(), admin, "agent-001", registry.Suspended, "") },
			func() error { return h.SetStatus(t.Context(), admin, "agent-001", registry.Active, "") }, kernel.CodeAgentSuspended},
	} {
		var stopped atomic.Bool
		var asking sync.WaitGroup
		before, after := atomic.Int64{}, atomic.Int64{}
		ctx, end := context.WithCancel(t.Context())
		for range 32 {
			asking.Go(func() {
				for ctx.Err() == nil {
					late := stopped.Load()
					d, err := h.Decide(t.Context(), dev, deploy("agent-001"))
					switch {
					case err != nil:
						t.Error(err)
						return
					case late && (d.Decision != kernel.Deny || d.Code != stop.want):
						t.Errorf("%s was stopped, and a call after it got %s %s", stop.name, d.Decision, d.Code)
					case late:
						after.Add(1)
					case d.Decision == kernel.Allow:
						before.Add(1)
					}
				}
			})
		}
		wait(t, &before)
		if err := stop.on(); err != nil {
			t.Fatal(err)
		}
		stopped.Store(true)
		wait(t, &after)
		end()
		asking.Wait()
		if err := stop.off(); err != nil {
			t.Fatal(err)
		}
		if got := h.code(t, deploy("agent-001")); got != kernel.CodeRule {
			t.Errorf("%s goes on, and the next call got %s", stop.name, got)
		}
	}
	h.sound(t)
}

func wait(t *testing.T, n *atomic.Int64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); n.Load() < 100; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is decided")
		}
	}
}

func TestAnAllowIsSpentWhenWhatItRestedOnChanges(t *testing.T) {
	for name, change := range map[string]func(*house) error{
		"killed":    func(h *house) error { return h.Kill(t.Context(), admin, registry.ScopeAll, "", "") },
		"suspended": func(h *house) error { return h.SetStatus(t.Context(), admin, "agent-001", registry.Suspended, "") },
		"poorer": func(h *house) error {
			h.apply(t, `{"registry": "v1", "agents": {"agent-001": {"attributes": {"role": "sre"}}}}`)
			return nil
		},
		"of another role": func(h *house) error {
			h.apply(t, `{"registry": "v1", "agents": {"agent-001": {"owner": "person-001", "attributes": {"role": "junior"}, "capabilities": {
				"ship": {"actions": ["deploy"], "resources": [{"type": "service", "id": "svc/*"}]}}}}}`)
			return nil
		},
		"of another environment": func(h *house) error {
			h.apply(t, `{"registry": "v1", "resources": {"service": {"svc/a": {"environment": "production"}}}}`)
			return nil
		},
	} {
		h := openFleet(t)
		ask := deploy("agent-001")
		ask.Request.RequestID = "once"
		if d, err := h.Decide(t.Context(), dev, ask); err != nil || d.Decision != kernel.Allow {
			t.Fatalf("%s: %+v, %v", name, d, err)
		}
		h.apply(t, `{"registry": "v1", "agents": {"agent-009": {}}}`)
		if d, err := h.Decide(t.Context(), dev, ask); err != nil || !d.Replayed {
			t.Errorf("another agent was registered, and the answer is %+v, %v", d, err)
		}
		if err := change(h); err != nil {
			t.Fatal(err)
		}
		if d, err := h.Decide(t.Context(), dev, ask); !isCode(err, kernel.Spent) {
			t.Errorf("%s, and the answer is %+v, %v", name, d, err)
		}
	}
}

func TestWhatWasLentIsAskedForUntilItIsRevoked(t *testing.T) {
	h := openFleet(t)
	d := registry.Delegation{From: "agent-001", To: "agent-002", Of: "ship", Capability: registry.Capability{
		Actions: []string{"deploy"}, Resources: []registry.Target{{Type: "service", ID: "svc/a"}}, Expires: noon.Add(time.Hour),
	}}
	if _, err := h.Lend(t.Context(), kernel.Caller{Principal: "a2", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-002"}, d); !isCode(err, kernel.Forbidden) {
		t.Errorf("agent-002 lends itself what agent-001 has: %v", err)
	}
	wider := d
	wider.Actions = []string{"*"}
	if _, err := h.Lend(t.Context(), agent1, wider); !isCode(err, kernel.Invalid) {
		t.Errorf("a wider capability was lent: %v", err)
	}
	lent, err := h.Lend(t.Context(), agent1, d)
	if err != nil || lent.ID == "" {
		t.Fatalf("Lend = %+v, %v", lent, err)
	}
	if got := h.code(t, deploy("agent-002")); got != kernel.CodeRule {
		t.Errorf("with what was lent: %s", got)
	}
	log := h.entries(t)
	if st := log[len(log)-1].Decision.Standing; st.Capability != lent.ID || fmt.Sprint(st.Chain) != "[agent-001]" {
		t.Errorf("the entry says %+v", st)
	}
	reading := deploy("agent-002")
	reading.Request.Action = "read"
	if got := h.code(t, reading); got != kernel.CodeCapabilityMissing {
		t.Errorf("what was not lent: %s", got)
	}
	if err := h.Revoke(t.Context(), gateway, "01KFG8XN3B2M4Q5R6S7T8V9WXY"); !isCode(err, kernel.NotFound) {
		t.Errorf("Revoke of none: %v", err)
	}
	if err := h.Revoke(t.Context(), kernel.Caller{Principal: "x"}, lent.ID); !isCode(err, kernel.NotFound) {
		t.Errorf("Revoke by nobody: %v", err)
	}
	if err := h.Revoke(t.Context(), agent1, lent.ID); err != nil {
		t.Fatal(err)
	}
	if got := h.code(t, deploy("agent-002")); got != kernel.CodeCapabilityMissing {
		t.Errorf("revoked: %s", got)
	}
	h.sound(t)
}

func TestRecordsOfTheRegistryThatSomebodyChangedAreFound(t *testing.T) {
	for name, tamper := range map[string]store.Transition{
		"a role":          {RecordKey: store.RecordKey{Kind: "principal", Key: "agent-003"}, From: 1, Value: []byte(`{"attributes":{"role":"sre"},"kind":"agent","status":"active"}`)},
		"one agent more":  {RecordKey: store.RecordKey{Kind: "principal", Key: "agent-007"}, Value: []byte(`{"kind":"agent","status":"active"}`)},
		"one agent less":  {RecordKey: store.RecordKey{Kind: "principal", Key: "agent-003"}, From: 1},
		"the version":     {RecordKey: store.RecordKey{Kind: "registry", Key: "version"}, From: 1, Value: []byte(`2`)},
		"a forged switch": {RecordKey: store.RecordKey{Kind: "kill", Key: `["all",""]`}, Value: []byte(`{"by":"","reason":"","since":"2026-11-24T12:00:00.000000000Z"}`)},
	} {
		h := openFleet(t)
		head, err := h.store.Head(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		out, err := h.store.Commit(t.Context(), &store.Batch{ID: "forged", PrevSize: head.Size, Next: head, Transitions: []store.Transition{tamper}})
		if err != nil || out.Status != store.Committed {
			t.Fatalf("%s: %v, %v", name, out, err)
		}
		report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
		if err != nil || len(report.List) != 1 {
			t.Errorf("%s: Verify finds %v, %v", name, report.List, err)
		}
		if err := ledger.CheckStart(t.Context(), h.store, nil); !errors.Is(err, ledger.ErrDiffers) {
			t.Errorf("%s: CheckStart = %v", name, err)
		}
	}
}

// TestWhatIsCountedByATrustedAttributeIsCountedByItsTrueValue: two agents of a
// team share a limit, whatever their requests say, also after a restart.
func TestWhatIsCountedByATrustedAttributeIsCountedByItsTrueValue(t *testing.T) {
	h := open(t, nil)
	files := []pdl.File{{Name: "team.yaml", Data: []byte(`
pdl: v1
kind: schema
name: team
agent: {team: string}
resources: {service: {}}
actions: {deploy: {resource: service}}
facts:
  deploys: {event: deploy, by: [agent.team], count: true, within: 1h}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: few, match: {action: deploy}, when: facts.deploys < 2, effect: ALLOW}
`)}}
	p := compile(t, files)
	if err := h.Activate(t.Context(), admin, p, files); err != nil {
		t.Fatal(err)
	}
	const all = `"capabilities": {"all": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}`
	h.apply(t, `{"registry": "v1", "agents": {
		"a": {"attributes": {"team": "one"}, `+all+`}, "b": {"attributes": {"team": "one"}, `+all+`}, "c": {"attributes": {"team": "two"}, `+all+`}}}`)
	for i, c := range []struct {
		agent string
		want  kernel.Effect
	}{{"a", kernel.Allow}, {"b", kernel.Allow}, {"a", kernel.Deny}, {"b", kernel.Deny}, {"c", kernel.Allow}} {
		if d, err := h.Decide(t.Context(), dev, deploy(c.agent)); err != nil || d.Decision != c.want {
			t.Errorf("call %d, of %s: %s %s, %v; want %s", i, c.agent, d.Decision, d.Reason, err, c.want)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, nil)
	if err := h.Activate(t.Context(), admin, p, files); err != nil {
		t.Fatal(err)
	}
	if d, err := h.Decide(t.Context(), dev, deploy("b")); err != nil || d.Decision != kernel.Deny {
		t.Errorf("after a restart: %s %s, %v", d.Decision, d.Reason, err)
	}
	h.sound(t)
}

func TestATokenIsWorthWhatItsPrincipalIs(t *testing.T) {
	h := openFleet(t)
	h.apply(t, `{"registry": "v1", "people": {"person-002": {"roles": ["auditor"]}}, "services": {"ci": {"roles": ["gateway"]}}}`)
	make := func(s token.Spec) (secret string, err error) {
		s.Name = "x"
		secret, _, err = h.CreateToken(t.Context(), admin, s)
		return secret, err
	}
	for _, s := range []token.Spec{
		{Role: kernel.RoleAdmin, Principal: "person-002"},
		{Role: kernel.RoleAuditor, Principal: "nobody"},
		{Role: kernel.RoleAuditor, Principal: "agent-001"},
		{Role: kernel.RoleAgent, Agent: "agent-001", Principal: "person-002"},
		{Role: kernel.RoleAgent, Agent: "person-002"},
	} {
		if _, err := make(s); !isCode(err, kernel.Invalid) {
			t.Errorf("CreateToken(%+v) = %v", s, err)
		}
	}
	laptop, err := make(token.Spec{Role: kernel.RoleAuditor, Principal: "person-002"})
	if err != nil {
		t.Fatal(err)
	}
	one, err := make(token.Spec{Role: kernel.RoleAgent, Agent: "agent-001"})
	if err != nil {
		t.Fatal(err)
	}
	works := func(secret string) bool {
		_, err := h.Authenticate(secret)
		if err != nil && !isCode(err, kernel.Unauthenticated) {
			t.Error(err)
		}
		return err == nil
	}
	status := func(id string, to registry.Status) {
		if err := h.SetStatus(t.Context(), admin, id, to, ""); err != nil {
			t.Fatal(err)
		}
	}
	if !works(laptop) || !works(one) {
		t.Error("fresh tokens are worth nothing")
	}
	status("person-002", registry.Suspended)
	status("agent-001", registry.Suspended)
	if works(laptop) || !works(one) {
		t.Errorf("suspended: person-002's token works %v, want not; the agent's works %v, so that its requests are denied and recorded", works(laptop), works(one))
	}
	status("person-002", registry.Active)
	if !works(laptop) {
		t.Error("resumed, person-002's token is worth nothing")
	}
	h.apply(t, `{"registry": "v1", "people": {"person-002": {"roles": ["lead"]}}}`)
	status("agent-001", registry.Retired)
	if works(laptop) || works(one) {
		t.Errorf("without its role, and retired: person-002's token works %v, the agent's %v", works(laptop), works(one))
	}
	h.sound(t)
}

func TestADocumentIsAppliedWithItsReasonAndOnlyToTheVersionExpected(t *testing.T) {
	h := openFleet(t)
	one, two := uint64(1), uint64(2)
	apply := func(role string, expect *uint64) (gate.Application, error) {
		d := document(t, `{"registry": "v1", "agents": {"agent-002": {"attributes": {"role": "`+role+`"}}}}`)
		return h.Apply(t.Context(), admin, d, gate.ApplyOptions{Reason: "ticket 7", Expect: expect})
	}
	if _, err := apply("junior", &two); !isCode(err, kernel.Conflict) {
		t.Errorf("with a version that is not there: %v", err)
	}
	a, err := apply("junior", &one)
	if err != nil || a.Version != 2 || len(a.Changes) != 1 || len(a.Warnings) != 0 {
		t.Errorf("Apply = %+v, %v", a, err)
	}
	all := h.entries(t)
	if e := all[len(all)-1]; e.Registry == nil || e.Registry.Reason != "ticket 7" {
		t.Errorf("recorded %+v", e)
	}
	if _, err := apply("sre", &one); !isCode(err, kernel.Conflict) || len(h.entries(t)) != len(all) {
		t.Errorf("with the version before: %v", err)
	}
	if a, err = apply("wizard", nil); err != nil || len(a.Warnings) != 1 {
		t.Errorf("a role that the schema does not have: %+v, %v, want a warning", a.Warnings, err)
	}
	if _, err := h.Apply(t.Context(), admin, document(t, fleetDocument), gate.ApplyOptions{Reason: "a\nb"}); !isCode(err, kernel.Invalid) {
		t.Errorf("a reason of two lines: %v", err)
	}
	h.sound(t)
}
