package registry_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/registry"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// everything is a capability that may be lent on n times.
func everything(id string, n int) registry.Capability {
	return registry.Capability{ID: id, Actions: []string{"*"}, Resources: []registry.Target{{Type: "*", ID: "*"}}, Lend: n}
}

func agent(id string, c ...registry.Capability) registry.Principal {
	return registry.Principal{ID: id, Kind: registry.Agent, Status: registry.Active, Capabilities: c}
}

type recorder interface {
	Record() (registry.Record, error)
}

func records(t testing.TB, objects ...recorder) []registry.Record {
	t.Helper()
	var list []registry.Record
	for _, o := range objects {
		r, err := o.Record()
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		list = append(list, r)
	}
	return list
}

func build(t testing.TB, objects ...recorder) *registry.Snapshot {
	t.Helper()
	s, err := registry.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	return with(t, s, records(t, objects...))
}

func with(t testing.TB, s *registry.Snapshot, changes []registry.Record) *registry.Snapshot {
	t.Helper()
	next, _, err := s.With(changes)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func ask(agent, action string) registry.Question {
	return registry.Question{Agent: agent, Action: action, ResourceType: "service", ResourceID: "svc/a", Now: noon}
}

func TestTheZeroSnapshotStopsEverything(t *testing.T) {
	for _, s := range []*registry.Snapshot{nil, {}} {
		if st := s.Standing(ask("a", "deploy")); st.Killed == "" || st.Status != "" || st.Capability != "" {
			t.Errorf("the zero snapshot says %+v; it stops everything", st)
		}
		if _, _, err := s.With(nil); err == nil {
			t.Error("the zero snapshot was changed; nothing was read")
		}
	}
}

func TestAnEmptyRegistryKnowsNobodyAndStopsNothing(t *testing.T) {
	if st := build(t).Standing(ask("a", "deploy")); !st.IsZero() {
		t.Errorf("an empty registry says %+v, want nothing", st)
	}
}

func TestWhatIsTrustedOfAnAgentAndAResource(t *testing.T) {
	a := agent("agent-001", everything("all", 0))
	a.Attributes, a.Owner = map[string]any{"role": "sre", "level": int64(7)}, "person-001"
	a.Groups, a.Roles = []string{"shipping"}, []string{"deployer"}
	s := build(t, a, registry.Principal{ID: "person-001", Kind: registry.Person, Status: registry.Active},
		registry.Resource{Type: "service", ID: "svc/a", Attributes: map[string]any{"environment": "production"}})
	st := s.Standing(ask("agent-001", "deploy"))
	want := registry.Standing{
		Version: 1, Status: registry.Active, Capability: "all",
		Agent: map[string]any{
			"role": "sre", "level": int64(7), "owner": "person-001", "groups": []any{"shipping"}, "roles": []any{"deployer"},
		},
		Resource: map[string]any{"environment": "production"},
	}
	if !reflect.DeepEqual(st, want) {
		t.Errorf("Standing = %+v\nwant %+v", st, want)
	}
	for _, id := range []string{"person-001", "Agent-001", "agent-001 ", "аgent-001", "agent-001\x00", ""} {
		if st := s.Standing(ask(id, "deploy")); st.Status != "" || st.Capability != "" || st.Agent != nil {
			t.Errorf("the registry knows %q as an agent: %+v", id, st)
		}
	}
}

func TestKillSwitches(t *testing.T) {
	kill := func(scope registry.Scope, target string) registry.Kill {
		return registry.Kill{Scope: scope, Target: target, By: "token:x", Since: noon}
	}
	cases := []struct {
		kill          registry.Kill
		agent, action string
		want          string
	}{
		{kill(registry.ScopeAll, ""), "a", "deploy", "everything"},
		{kill(registry.ScopeAction, "deploy"), "a", "deploy", "action deploy"},
		{kill(registry.ScopeAction, "deploy"), "a", "deploy_all", ""},
		{kill(registry.ScopeAction, "dep*"), "a", "deploy_all", "action dep*"},
		{kill(registry.ScopeAgent, "a"), "a", "deploy", "agent a"},
		{kill(registry.ScopeAgent, "a"), "A", "deploy", ""},
		{kill(registry.ScopeAgent, "nobody registered"), "nobody registered", "deploy", "agent nobody registered"},
	}
	for _, c := range cases {
		s := build(t, c.kill)
		if got := s.Standing(ask(c.agent, c.action)).Killed; got != c.want {
			t.Errorf("%s %q: %s of %s is stopped by %q, want %q", c.kill.Scope, c.kill.Target, c.action, c.agent, got, c.want)
		}
		off, err := s.Lift(c.kill.Scope, c.kill.Target)
		if err != nil {
			t.Fatal(err)
		}
		if got := with(t, s, off).Standing(ask(c.agent, c.action)).Killed; got != "" {
			t.Errorf("lifted, it still stops %q", got)
		}
	}
}

func TestACapabilityEndsAtItsInstant(t *testing.T) {
	c := everything("all", 0)
	c.Expires = noon
	s := build(t, agent("a", c))
	before, at := ask("a", "deploy"), ask("a", "deploy")
	before.Now = noon.Add(-1)
	if got := s.Standing(before).Capability; got != "all" {
		t.Errorf("a nanosecond before its end the capability is %q", got)
	}
	if got := s.Standing(at).Capability; got != "" {
		t.Errorf("at its end the capability is %q", got)
	}
}

func TestRecordsAreReadAsTheyAreWrittenAndNothingElse(t *testing.T) {
	good := records(t, agent("a", everything("all", 1)), registry.Resource{Type: "s", ID: "x"},
		registry.Kill{Scope: registry.ScopeAll, Since: noon},
		registry.Principal{ID: "p", Kind: registry.Person, Status: registry.Retired})
	s := build(t)
	s = with(t, s, good)
	again, err := registry.Build(s.Records())
	if err != nil || again.Version() != 1 || !reflect.DeepEqual(again.Principals(), s.Principals()) {
		t.Fatalf("read again: %v, version %d", err, again.Version())
	}
	bad := []registry.Record{
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"kind":"agent", "status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"kind":"agent","status":"asleep"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"kind":"agent","status":"active","super":true}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"kind":"agent","status":"active","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a b"}, Value: []byte(`{"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"attributes":{"id":"b"},"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"attributes":{"x":null},"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"attributes":{"x":1.5},"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"capabilities":{"c":{"actions":[],"resources":[]}},"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"capabilities":{"c":{"actions":["a*b"],"resources":[{"id":"*","type":"*"}]}},"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"capabilities":{"c":{"actions":["*"],"limits":{},"resources":[{"id":"*","type":"*"}]}},"kind":"agent","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "p"}, Value: []byte(`{"capabilities":{"c":{"actions":["*"],"resources":[{"id":"*","type":"*"}]}},"kind":"person","status":"active"}`)},
		{Key: registry.Key{Kind: "principal", ID: "a"}, Value: []byte(`{"kind":"agent","owner":"nobody","status":"active"}`)},
		{Key: registry.Key{Kind: "resource", ID: `["s"]`}, Value: []byte(`{"attributes":{}}`)},
		{Key: registry.Key{Kind: "resource", ID: `["s", "x"]`}, Value: []byte(`{"attributes":{}}`)},
		{Key: registry.Key{Kind: "resource", ID: `["s","x "]`}, Value: []byte(`{"attributes":{}}`)},
		{Key: registry.Key{Kind: "kill", ID: `["all","x"]`}, Value: []byte(`{"by":"","reason":"","since":"2026-11-24T12:00:00.000000000Z"}`)},
		{Key: registry.Key{Kind: "kill", ID: `["agents","x"]`}, Value: []byte(`{"by":"","reason":"","since":"2026-11-24T12:00:00.000000000Z"}`)},
		{Key: registry.Key{Kind: "delegation", ID: "x"}, Value: []byte(`{}`)},
		{Key: registry.Key{Kind: "registry", ID: "version"}, Value: []byte(`0`)},
		{Key: registry.Key{Kind: "token", ID: "x"}, Value: []byte(`{}`)},
	}
	for _, r := range bad {
		if _, err := registry.Build([]registry.Record{r}); err == nil {
			t.Errorf("the %s %q with %s was taken", r.Kind, r.ID, r.Value)
		}
	}
}

func TestIdsThatDifferInCaseAloneAreRefused(t *testing.T) {
	s := build(t, agent("agent-001"))
	if _, _, err := s.With(records(t, agent("Agent-001"))); err == nil || !strings.Contains(err.Error(), "case alone") {
		t.Errorf("Agent-001 beside agent-001: %v", err)
	}
}

func TestChangesThatChangeNothingMakeNoVersion(t *testing.T) {
	s := build(t, agent("a"))
	next, changed, err := s.With(records(t, agent("a")))
	if err != nil || next != s || len(changed) != 0 {
		t.Errorf("With the same = %v changes, version %d, %v", changed, next.Version(), err)
	}
	next, changed, err = s.With(records(t, agent("b"), registry.Resource{Type: "s", ID: "x"}))
	if err != nil || next.Version() != 2 || len(changed) != 3 || changed[2].Kind != registry.RecordVersion || changed[2].Version != 1 {
		t.Errorf("With two more = %v, version %d, %v", changed, next.Version(), err)
	}
	if s.Version() != 1 || len(s.Principals()) != 1 {
		t.Errorf("the snapshot before was changed: %v", s.Principals())
	}
}

func TestRetiredIsForEver(t *testing.T) {
	s := build(t, agent("a"))
	retired, err := s.SetStatus("a", registry.Retired)
	if err != nil {
		t.Fatal(err)
	}
	s = with(t, s, retired)
	if st := s.Standing(ask("a", "x")); st.Status != registry.Retired {
		t.Errorf("the status is %q", st.Status)
	}
	if _, err := s.SetStatus("a", registry.Active); err == nil {
		t.Error("a retired agent was resumed")
	}
	if _, err := s.SetStatus("b", registry.Active); err == nil {
		t.Error("an unknown agent was resumed")
	}
}

func id(n int) string { return fmt.Sprintf("01KFG8XN3B2M4Q5R6S7T8V9W%02d", n) }

func lend(t testing.TB, s *registry.Snapshot, d registry.Delegation) *registry.Snapshot {
	t.Helper()
	r, err := s.Lend(d, noon)
	if err != nil {
		t.Fatalf("%s lends to %s: %v", d.From, d.To, err)
	}
	return with(t, s, r)
}

func narrowed(c registry.Capability, lend int, actions ...string) registry.Capability {
	c.Actions, c.Lend, c.Expires = actions, lend, noon.Add(time.Hour)
	return c
}

func TestAChainOfDelegationsHoldsAsLongAsEachLinkDoes(t *testing.T) {
	all := everything("all", 2)
	s := build(t, agent("a", all), agent("b"), agent("c"))
	s = lend(t, s, registry.Delegation{ID: id(1), From: "a", To: "b", Of: "all", Capability: narrowed(all, 1, "deploy*")})
	s = lend(t, s, registry.Delegation{ID: id(2), From: "b", To: "c", Of: id(1), Capability: narrowed(all, 0, "deploy")})
	st := s.Standing(ask("c", "deploy"))
	if st.Capability != id(2) || fmt.Sprint(st.Chain) != "[a b]" {
		t.Fatalf("c may deploy by %q of %v", st.Capability, st.Chain)
	}
	holds := func(s *registry.Snapshot) bool { return s.Standing(ask("c", "deploy")).Capability != "" }
	status := func(id string, to registry.Status) *registry.Snapshot {
		r, err := s.SetStatus(id, to)
		if err != nil {
			t.Fatal(err)
		}
		return with(t, s, r)
	}
	poorer := all
	poorer.Actions = []string{"read"}
	shorter := all
	shorter.Lend = 1
	revoked, err := s.Revoke(id(1))
	if err != nil || len(revoked) != 2 {
		t.Fatalf("Revoke = %v, %v; want the delegation and what was lent on", revoked, err)
	}
	for name, s := range map[string]*registry.Snapshot{
		"the first lender is suspended":   status("a", registry.Suspended),
		"the second lender is retired":    status("b", registry.Retired),
		"the first lender is stopped":     with(t, s, records(t, registry.Kill{Scope: registry.ScopeAgent, Target: "a", Since: noon})),
		"the root has fewer actions now":  with(t, s, records(t, agent("a", poorer))),
		"the root may be lent once now":   with(t, s, records(t, agent("a", shorter))),
		"the root is gone":                with(t, s, records(t, agent("a"))),
		"the first delegation is revoked": with(t, s, revoked),
		"only the first record is gone":   with(t, s, revoked[:1]),
	} {
		if holds(s) {
			t.Errorf("%s, and c may still deploy", name)
		}
	}
	late := ask("c", "deploy")
	late.Now = noon.Add(time.Hour)
	if got := s.Standing(late).Capability; got != "" {
		t.Errorf("after its end the delegation %s still holds", got)
	}
}

// What is over gives its place to what is lent next.
func TestDelegationsThatEndedHoldNoPlace(t *testing.T) {
	all := registry.Capability{ID: "all", Actions: []string{"*"}, Resources: []registry.Target{{Type: "*", ID: "*"}}, Lend: 2}
	s := build(t, agent("a", all), agent("b"))
	short := narrowed(all, 0, "deploy")
	short.ID = ""
	for i := range registry.MaxCapabilities {
		s = lend(t, s, registry.Delegation{ID: id(i), From: "a", To: "b", Of: "all", Capability: short})
	}
	later := short
	later.Expires = noon.Add(9 * time.Hour)
	changes, err := s.Lend(registry.Delegation{ID: id(99), From: "a", To: "b", Of: "all", Capability: later}, noon.Add(time.Hour))
	if err != nil || len(changes) != registry.MaxCapabilities+1 {
		t.Fatalf("Lend = %d changes, %v, want the ended ones removed and one added", len(changes), err)
	}
	late := ask("b", "deploy")
	late.Now = noon.Add(2 * time.Hour)
	if got := with(t, s, changes).Standing(late).Capability; got == "" {
		t.Error("what was lent anew does not hold")
	}
}

func TestNobodyLendsWhatTheyDoNotHave(t *testing.T) {
	own := registry.Capability{
		ID: "ship", Actions: []string{"deploy_*", "read"}, Resources: []registry.Target{{Type: "service", ID: "svc/*"}},
		Expires: noon.Add(time.Hour), Lend: 1,
	}
	s := build(t, agent("a", own), agent("b"), registry.Principal{ID: "p", Kind: registry.Person, Status: registry.Active})
	fits := func() registry.Delegation {
		c := own
		c.ID, c.Lend = "", 0
		return registry.Delegation{ID: id(1), From: "a", To: "b", Of: "ship", Capability: c}
	}
	lend(t, s, fits())
	for name, change := range map[string]func(*registry.Delegation){
		"another action":           func(d *registry.Delegation) { d.Actions = []string{"delete"} },
		"a wider action":           func(d *registry.Delegation) { d.Actions = []string{"deploy*"} },
		"every action":             func(d *registry.Delegation) { d.Actions = []string{"*"} },
		"a prefix of an exact one": func(d *registry.Delegation) { d.Actions = []string{"read*"} },
		"another type":             func(d *registry.Delegation) { d.Resources = []registry.Target{{Type: "database", ID: "svc/a"}} },
		"every type":               func(d *registry.Delegation) { d.Resources = []registry.Target{{Type: "*", ID: "svc/a"}} },
		"wider ids":                func(d *registry.Delegation) { d.Resources = []registry.Target{{Type: "service", ID: "svc*"}} },
		"a later end":              func(d *registry.Delegation) { d.Expires = own.Expires.Add(1) },
		"no end":                   func(d *registry.Delegation) { d.Expires = time.Time{} },
		"an end that has passed":   func(d *registry.Delegation) { d.Expires = noon },
		"as often lent on":         func(d *registry.Delegation) { d.Lend = 1 },
		"to itself":                func(d *registry.Delegation) { d.To = "a" },
		"to a person":              func(d *registry.Delegation) { d.To = "p" },
		"to nobody":                func(d *registry.Delegation) { d.To = "z" },
		"from nobody":              func(d *registry.Delegation) { d.From = "z" },
		"from another":             func(d *registry.Delegation) { d.From, d.To = "b", "a" },
		"what there is not":        func(d *registry.Delegation) { d.Of = "other" },
	} {
		d := fits()
		change(&d)
		if r, err := s.Lend(d, noon); err == nil {
			t.Errorf("%s was lent: %s", name, r[0].Value)
		}
	}
}

// TestWhateverTheChildMayTheParentMay draws capabilities, some within others,
// and requests: a structural yes must hold for every request.
func TestWhateverTheChildMayTheParentMay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	patterns := []string{"*", "a*", "ab*", "abc", "ab", "a", "b", "b*", "bc"}
	texts := []string{"a", "ab", "abc", "abcd", "b", "bc", "bcd", "c"}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	number := func() *int64 {
		if n := int64(random.IntN(8)); n < 6 {
			return &n
		}
		return nil
	}
	limit := func(path string) registry.Limit {
		switch random.IntN(4) {
		case 0:
			return registry.Limit{Path: path, In: []any{int64(random.IntN(3)), int64(3 + random.IntN(3))}}
		case 1:
			return registry.Limit{Path: path, In: []any{pick(texts)}}
		case 2:
			return registry.Limit{Path: path, Prefix: pick(texts)}
		}
		l := registry.Limit{Path: path, Min: number(), Max: number()}
		if l.Min == nil && l.Max == nil || l.Min != nil && l.Max != nil && *l.Min > *l.Max {
			l.Min, l.Max = nil, new(int64)
		}
		return l
	}
	draw := func() (c registry.Capability) {
		for range 1 + random.IntN(3) {
			c.Actions = append(c.Actions, pick(patterns))
			c.Resources = append(c.Resources, registry.Target{Type: pick(patterns), ID: pick(patterns)})
		}
		for _, path := range []string{"params.x", "params.y"} {
			if random.IntN(3) == 0 {
				c.Limits = append(c.Limits, limit(path))
			}
		}
		c.Lend, c.Expires = random.IntN(4), noon.Add(time.Duration(1+random.IntN(4))*time.Minute)
		return c
	}
	lent := 0
	for range 20_000 {
		parent, child := draw(), draw()
		if random.IntN(2) == 0 {
			child.Actions, child.Resources = parent.Actions, parent.Resources // what is left to differ are the limits
		}
		parent.ID = "p"
		s := build(t, agent("a", parent), agent("b"))
		r, err := s.Lend(registry.Delegation{ID: id(1), From: "a", To: "b", Of: "p", Capability: child}, noon)
		if err != nil {
			continue
		}
		lent++
		s = with(t, s, r)
		for range 30 {
			q := registry.Question{
				Agent: "b", Action: pick(texts), ResourceType: pick(texts), ResourceID: pick(texts),
				Now: noon.Add(time.Duration(random.IntN(300)) * time.Second),
			}
			q.Params = map[string]any{"x": int64(random.IntN(7)), "y": pick(texts)}
			if random.IntN(2) == 0 {
				q.Params["x"], q.Params["y"] = pick(texts), []any{int64(random.IntN(7)), int64(random.IntN(7))}
			}
			may := s.Standing(q).Capability != ""
			if q.Agent = "a"; may && s.Standing(q).Capability == "" {
				t.Fatalf("b may %+v by %+v, and a, who lent it, may not by %+v", q, child, parent)
			}
		}
	}
	if lent < 200 {
		t.Errorf("only %d of the capabilities drawn were within another: the test proves little", lent)
	}
}
