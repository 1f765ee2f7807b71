package registry_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// limited reads limits as a document writes them.
func limited(t testing.TB, limits string) []registry.Limit {
	t.Helper()
	list, err := readLimits(t, limits)
	if err != nil {
		t.Fatalf("%s: %v", limits, err)
	}
	return list
}

func readLimits(t testing.TB, limits string) ([]registry.Limit, error) {
	t.Helper()
	tree, err := kernel.DecodeJSON([]byte(`{"registry": "v1", "agents": {"a": {"capabilities": {"c": {
		"actions": ["*"], "resources": [{"type": "*", "id": "*"}], "limits": ` + limits + `}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := registry.ReadDocument(tree)
	if err != nil {
		return nil, err
	}
	return d.Principals[0].Capabilities[0].Limits, nil
}

func params(t testing.TB, text string) map[string]any {
	t.Helper()
	tree, err := kernel.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tree.(map[string]any)
}

func refund(t testing.TB, agent, with string) registry.Question {
	q := ask(agent, "refund")
	q.Params = params(t, with)
	return q
}

func TestLimitsBoundWhatIsCovered(t *testing.T) {
	staging := registry.Resource{Type: "service", ID: "svc/a", Attributes: map[string]any{"environment": "staging", "tier": map[string]any{"level": int64(2)}}}
	for _, c := range []struct{ limits, within, beyond string }{
		{`{"params.n": {"max": 5}}`, `{"n": 5}|{"n": -1}`, `{"n": 6}|{"n": "5"}|{"n": true}|{"n": null}|{"n": {}}|{"n": []}|{}|{"N": 5}|{"n": [5, 6]}`},
		{`{"params.n": {"min": 1}}`, `{"n": 1}|{"n": [1, 9007199254740991]}`, `{"n": 0}|{"n": -9007199254740991}`},
		{`{"params.n": {"min": 0, "max": 0}}`, `{"n": 0}`, `{"n": 1}|{"n": -1}|{"n": ""}|{"n": false}`},
		{`{"params.currency": {"in": ["EUR", "USD"]}}`, `{"currency": "USD"}|{"currency": ["USD", "EUR"]}`, `{"currency": "eur"}|{"currency": "EUR "}|{"currency": ["EUR", "GBP"]}|{"currency": [["EUR"]]}|{}`},
		{`{"params.n": {"in": [1, 2]}}`, `{"n": 2}`, `{"n": "2"}|{"n": 3}`},
		{`{"params.dry": {"in": [true]}}`, `{"dry": true}`, `{"dry": false}|{"dry": "true"}|{"dry": 1}`},
		{`{"params.path": {"prefix": "/srv/"}}`, `{"path": "/srv/"}|{"path": "/srv/a"}`, `{"path": "/srv"}|{"path": "/SRV/a"}|{"path": " /srv/a"}|{"path": 1}`},
		{`{"params.max-size": {"max": 5}}`, `{"max-size": 5}`, `{"max_size": 5}|{"max": {"size": 5}}`},
		{`{"params.card.limit": {"max": 5}}`, `{"card": {"limit": 5}}`, `{"card": {}}|{"card": 5}|{"card": [{"limit": 5}]}|{"card.limit": 5}`},
		{`{"resource.environment": {"in": ["staging"]}}`, `{}`, ``},
		{`{"resource.tier.level": {"max": 2}}`, `{"tier": {"level": 9}}`, ``},
		{`{"resource.environment": {"in": ["production"]}}`, ``, `{}|{"environment": "production"}`},
		{`{"resource.owner": {"in": ["x"]}}`, ``, `{}`},
		{`{"params.n": {"max": 5}, "params.m": {"max": 5}}`, `{"n": 1, "m": 1}`, `{"n": 1}|{"m": 1}|{"n": 9, "m": 1}`},
	} {
		capability := everything("c", 0)
		capability.Limits = limited(t, c.limits)
		s := build(t, agent("a", capability), staging)
		for _, text := range split(c.within) {
			if st := s.Standing(refund(t, "a", text)); st.Capability != "c" || st.Limit != "" {
				t.Errorf("%s on %s: %+v, want it covered", c.limits, text, st)
			}
		}
		for _, text := range split(c.beyond) {
			if st := s.Standing(refund(t, "a", text)); st.Capability != "" || !strings.HasPrefix(st.Limit, "by c, ") {
				t.Errorf("%s on %s: %+v, want it beyond the limit", c.limits, text, st)
			}
		}
	}
}

func split(texts string) []string {
	if texts == "" {
		return nil
	}
	return strings.Split(texts, "|")
}

func TestALimitIsNamedOnlyWhereItAloneIsInTheWay(t *testing.T) {
	small, gone := everything("small", 0), everything("gone", 0)
	small.Limits = limited(t, `{"params.n": {"max": 5}, "params.unit": {"in": ["EUR", "USD"]}}`)
	gone.Limits, gone.Expires = limited(t, `{"params.n": {"max": 7}}`), noon
	s := build(t, agent("a", gone, small), agent("b"))
	for text, want := range map[string]string{
		`{"n": 6}`:                  "by small, params.n is at most 5",
		`{"n": 5}`:                  `by small, params.unit is there, and "EUR" or "USD"`,
		`{"n": 5, "unit": "GBP"}`:   `by small, params.unit is "EUR" or "USD"`,
		`{"n": 5, "unit": "EUR"}`:   "",
		`{"n": "5", "unit": "EUR"}`: "by small, params.n is at most 5",
	} {
		if got := s.Standing(refund(t, "a", text)).Limit; got != want {
			t.Errorf("%s: the limit is %q, want %q", text, got, want)
		}
	}
	if got := s.Standing(refund(t, "b", `{"n": 6}`)).Limit; got != "" {
		t.Errorf("b has no capability, and is told of the limit %q", got)
	}
	wide := everything("wide", 0)
	s = build(t, agent("a", small, wide))
	if st := s.Standing(refund(t, "a", `{"n": 6}`)); st.Capability != "wide" || st.Limit != "" {
		t.Errorf("another capability covers it: %+v", st)
	}
}

func TestLimitsThatAreNoneAreRefused(t *testing.T) {
	for _, limits := range []string{
		`{}`, `[]`, `null`, `5`, `{"params.n": {}}`, `{"params.n": null}`, `{"params.n": 5}`, `{"params.n": {"maximum": 5}}`, `{"params.n": {"max": "5"}}`,
		`{"params.n": {"max": null}}`, `{"params.n": {"min": 2, "max": 1}}`, `{"params.n": {"max": 1, "in": [1]}}`, `{"params.n": {"in": [], "max": 1}}`,
		`{"params.n": {"in": ["a"], "prefix": "a"}}`, `{"params.n": {"in": []}}`, `{"params.n": {"in": "EUR"}}`, `{"params.n": {"in": [1, "1"]}}`,
		`{"params.n": {"in": [null]}}`, `{"params.n": {"in": [[1]]}}`, `{"params.n": {"in": [{}]}}`, `{"params.n": {"in": [1, 1]}}`,
		`{"params.n": {"prefix": ""}}`, `{"params.n": {"prefix": 1}}`, `{"n": {"max": 1}}`, `{"params": {"max": 1}}`, `{"params.": {"max": 1}}`,
		`{"params.n.": {"max": 1}}`, `{"params..n": {"max": 1}}`, `{"context.n": {"max": 1}}`, `{"agent.n": {"max": 1}}`, `{"Params.n": {"max": 1}}`,
		`{"params.a b": {"max": 1}}`, `{"params.-a": {"max": 1}}`, `{" params.n": {"max": 1}}`, `{"params.n": {"max": 1}, "params.N\u0000": {"max": 1}}`,
	} {
		if list, err := readLimits(t, limits); err == nil {
			t.Errorf("%s was read as %+v", limits, list)
		}
	}
	if (&registry.Limit{Path: "params.n"}).Allows(int64(0)) {
		t.Error("the zero limit allows something")
	}
}

func TestLimitsAreWrittenAsTheyWereRead(t *testing.T) {
	const limits = `{"params.n":{"max":0,"min":-3},"params.unit":{"in":["USD","EUR"]},"params.path":{"prefix":"/srv/"},"resource.live":{"in":[false]}}`
	c := everything("c", 2)
	c.Limits = limited(t, limits)
	s := build(t, agent("a", c))
	data, err := json.Marshal(s.Document())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := kernel.DecodeJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	d, err := registry.ReadDocument(tree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Plan(d, true)
	if err != nil || len(s.Compare(changes)) != 0 {
		t.Errorf("what was exported changes %v, %v", s.Compare(changes), err)
	}
	c.Limits = limited(t, strings.Replace(limits, `"max":0`, `"max":9`, 1))
	if diff := s.Compare(records(t, agent("a", c))); len(diff) != 1 || strings.Join(diff[0].Details, "") != "capabilities.c.limits.params.n.max: 0 becomes 9" {
		t.Errorf("a limit that was raised is shown as %+v", diff)
	}
}

// lender has every kind of limit.
const lender = `{"params.n": {"min": 1, "max": 100}, "params.unit": {"in": ["EUR", "USD"]}, "params.path": {"prefix": "/srv/"}, "params.dry": {"in": [true]}, "resource.environment": {"in": ["staging"]}}`

func TestWhatIsLentIsWithinTheLimits(t *testing.T) {
	own := everything("c", 1)
	own.Limits = limited(t, lender)
	s := build(t, agent("a", own), agent("b"))
	lend := func(change map[string]string) error {
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(lender), &all); err != nil {
			t.Fatal(err)
		}
		for path, limit := range change {
			if delete(all, path); limit != "" {
				all[path] = json.RawMessage(limit)
			}
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		c := narrowed(everything("", 0), 0, "refund")
		if c.Limits = nil; len(all) > 0 {
			c.Limits = limited(t, string(text))
		}
		_, err = s.Lend(registry.Delegation{ID: id(1), From: "a", To: "b", Of: "c", Capability: c}, noon)
		return err
	}
	for _, narrower := range []map[string]string{
		{},
		{"params.n": `{"min": 2, "max": 99}`},
		{"params.n": `{"in": [1, 100]}`},
		{"params.unit": `{"in": ["USD"]}`},
		{"params.path": `{"prefix": "/srv/a"}`},
		{"params.path": `{"in": ["/srv/a", "/srv/b"]}`},
		{"params.extra": `{"max": 1}`},
	} {
		if err := lend(narrower); err != nil {
			t.Errorf("%v: %v, want it lent", narrower, err)
		}
	}
	for _, wider := range []map[string]string{
		{"params.n": ""},
		{"params.n": `{"min": 1, "max": 101}`},
		{"params.n": `{"min": 0, "max": 100}`},
		{"params.n": `{"max": 100}`},
		{"params.n": `{"min": 1}`},
		{"params.n": `{"in": [1, 101]}`},
		{"params.n": `{"in": ["1"]}`},
		{"params.n": `{"in": [true]}`},
		{"params.n": `{"prefix": "1"}`},
		{"params.unit": ""},
		{"params.unit": `{"in": ["EUR", "GBP"]}`},
		{"params.unit": `{"in": ["eur"]}`},
		{"params.unit": `{"prefix": "EUR"}`},
		{"params.unit": `{"max": 1}`},
		{"params.path": ""},
		{"params.path": `{"prefix": "/srv"}`},
		{"params.path": `{"prefix": "/"}`},
		{"params.path": `{"prefix": "/Srv/"}`},
		{"params.path": `{"in": ["/srv/a", "/etc/passwd"]}`},
		{"params.dry": ""},
		{"params.dry": `{"in": [true, false]}`},
		{"params.dry": `{"in": ["true"]}`},
		{"resource.environment": ""},
		{"resource.environment": `{"in": ["staging", "production"]}`},
		{"resource.environment": "", "params.environment": `{"in": ["staging"]}`},
		{"params.n": "", "params.N": `{"min": 1, "max": 100}`},
		{"params.n": "", "params.n.n": `{"min": 1, "max": 100}`},
		{"params.n": "", "params.unit": "", "params.path": "", "params.dry": "", "resource.environment": ""},
	} {
		if err := lend(wider); err == nil || !strings.Contains(err.Error(), "the limit ") {
			t.Errorf("%v: %v, want it refused for a limit", wider, err)
		}
	}
}

// What is put beside a chain, or changed in the middle of it, widens nothing:
// every link is looked at when it is asked.
func TestEveryLinkOfAChainLimits(t *testing.T) {
	link := func(from, to, of string, n, lend int, limits string) registry.Delegation {
		c := narrowed(everything("", 0), lend, "refund")
		c.Limits = limited(t, limits)
		return registry.Delegation{ID: id(n), From: from, To: to, Of: of, Capability: c}
	}
	root := everything("c", 2)
	root.Limits = limited(t, `{"params.n": {"max": 100}}`)
	s := build(t, agent("a", root), agent("b"), agent("c"))
	s = lend(t, s, link("a", "b", "c", 1, 1, `{"params.n": {"max": 50}}`))
	s = lend(t, s, link("b", "c", id(1), 2, 0, `{"params.n": {"max": 10}}`))
	most := func(s *registry.Snapshot) int {
		n := 0
		for _, tried := range []int{1, 5, 10, 50, 100, 1000} {
			q := ask("c", "refund")
			if q.Params = map[string]any{"n": int64(tried)}; s.Standing(q).Capability != "" {
				n = tried
			}
		}
		return n
	}
	smaller, free := root, root
	smaller.Limits, free.Limits = limited(t, `{"params.n": {"max": 5}}`), nil
	for name, c := range map[string]struct {
		changes []registry.Record
		want    int
	}{
		"as lent":                           {nil, 10},
		"the root has less":                 {records(t, agent("a", smaller)), 5},
		"the root has no limit":             {records(t, agent("a", free)), 10},
		"a forged last link":                {records(t, link("b", "c", id(1), 2, 0, `{"params.n": {"max": 1000}}`)), 50},
		"a forged link without its limit":   {records(t, link("b", "c", id(1), 2, 0, `{"params.m": {"max": 1000}}`)), 0},
		"both links forged":                 {records(t, link("a", "b", "c", 1, 1, `{"params.n": {"max": 1000}}`), link("b", "c", id(1), 2, 0, `{"params.n": {"max": 1000}}`)), 100},
		"a second delegation beside it":     {records(t, link("b", "c", id(1), 3, 0, `{"params.n": {"max": 50}}`)), 50},
		"a delegation of what is not there": {records(t, link("b", "c", "other", 3, 0, `{"params.n": {"max": 1000}}`)), 10},
	} {
		if got := most(with(t, s, c.changes)); got != c.want {
			t.Errorf("%s: c may refund %d, want %d", name, got, c.want)
		}
	}
	q := ask("c", "refund")
	q.Params = map[string]any{"n": int64(70)}
	if got, want := s.Standing(q).Limit, "by "+id(2)+", params.n is at most 10"; got != want {
		t.Errorf("the limit is %q, want %q", got, want)
	}
	q.Now = noon.Add(2 * time.Hour)
	if got := s.Standing(q).Limit; got != "" {
		t.Errorf("the chain has ended, and its limit is named: %q", got)
	}
}
