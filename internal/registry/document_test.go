package registry_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

func read(t testing.TB, text string) (registry.Document, error) {
	t.Helper()
	tree, err := kernel.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return registry.ReadDocument(tree)
}

func plan(t testing.TB, s *registry.Snapshot, text string, prune bool) []registry.Record {
	t.Helper()
	d, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Plan(d, prune)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

const crew = `{"registry": "v1",
  "people": {"person-001": {"groups": ["b", "a"]}},
  "services": {"ci": {"owner": "person-001"}},
  "agents": {"agent-001": {"owner": "person-001", "attributes": {"role": "sre", "level": 7}, "capabilities": {
     "ship": {"actions": ["deploy"], "resources": [{"type": "service", "id": "*"}], "expires": "2027-01-01T00:00:00Z", "lend": 1}}},
     "agent-002": {"status": "suspended"}},
  "resources": {"service": {"svc/a": {"environment": "staging"}}}}`

func TestADocumentIsWrittenAsItIsRead(t *testing.T) {
	s := with(t, build(t), plan(t, build(t), crew, false))
	d, err := registry.ReadDocument(s.Document())
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Plan(d, true)
	if err != nil {
		t.Fatal(err)
	}
	if differences := s.Compare(again); len(differences) != 0 {
		t.Errorf("what was written and read again differs: %+v", differences)
	}
	if p, _ := s.Principal("person-001"); fmt.Sprint(p.Groups) != "[a b]" || p.Kind != registry.Person || p.Status != registry.Active {
		t.Errorf("person-001 is %+v", p)
	}
}

func TestWhatADocumentDoesNotSayStays(t *testing.T) {
	s := with(t, build(t), plan(t, build(t), crew, false))
	changes := plan(t, s, `{"registry": "v1", "agents": {"agent-002": {"attributes": {"role": "sre"}}}}`, false)
	want := []registry.Difference{{Change: "change", Object: "principal", ID: "agent-002", Details: []string{`attributes.role: "sre"`}}}
	if got := s.Compare(changes); !reflect.DeepEqual(got, want) {
		t.Errorf("Compare = %+v, want %+v: a document that says no status leaves a suspension", got, want)
	}
	active, err := read(t, `{"registry": "v1", "agents": {"agent-002": {"status": "active"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Plan(active, false); err == nil || !strings.Contains(err.Error(), "resumes nobody") {
		t.Errorf("a document that resumes a suspended agent: %v", err)
	}
	written, err := registry.ReadDocument(s.Document())
	if err != nil {
		t.Fatal(err)
	}
	suspended := with(t, s, []registry.Record{mustSuspend(t, s, "agent-001")})
	changes, err = suspended.Plan(written, false)
	if err != nil || len(suspended.Compare(changes)) > 0 {
		t.Errorf("what was exported before a suspension is %+v, %v, and resumes somebody", suspended.Compare(changes), err)
	}
	pruned := plan(t, s, `{"registry": "v1", "people": {"person-001": {"groups": ["a"]}}, "agents": {"agent-003": {}}}`, true)
	var lines []string
	for _, d := range s.Compare(pruned) {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", d.Change, d.Object, d.ID, strings.Join(d.Details, ", ")))
	}
	wantLines := []string{
		`add principal agent-003 kind: "agent", status: "active"`,
		`change principal person-001 groups: ["a","b"] becomes ["a"]`,
		`change principal agent-001 status: "active" becomes "retired"`,
		`change principal agent-002 status: "suspended" becomes "retired"`,
		`change principal ci status: "active" becomes "retired"`,
		`remove resource service svc/a `,
	}
	if !reflect.DeepEqual(lines, wantLines) {
		t.Errorf("with prune:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(wantLines, "\n"))
	}
	s = with(t, s, pruned)
	for _, text := range []string{
		`{"registry": "v1", "agents": {"agent-001": {"status": "active"}}}`,
		`{"registry": "v1", "people": {"agent-003": {}}}`,
	} {
		d, err := read(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Plan(d, false); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	if got := s.Compare(plan(t, s, `{"registry": "v1", "agents": {"agent-001": {}}}`, false)); len(got) != 1 || strings.Contains(fmt.Sprint(got), "status") {
		t.Errorf("a retired agent that a document names: %+v", got)
	}
}

func mustSuspend(t testing.TB, s *registry.Snapshot, id string) registry.Record {
	t.Helper()
	changes, err := s.SetStatus(id, registry.Suspended)
	if err != nil || len(changes) != 1 {
		t.Fatalf("SetStatus = %v, %v", changes, err)
	}
	return changes[0]
}

func TestDocumentsThatAreNotUnderstoodAreRefusedWhereTheyAreWrong(t *testing.T) {
	for text, path := range map[string]string{
		`[]`:                               "$",
		`{}`:                               "$.registry",
		`{"registry": "v2"}`:               "$.registry",
		`{"registry": "v1", "agent": {}}`:  "$.agent",
		`{"registry": "v1", "agents": []}`: "$.agents",
		`{"registry": "v1", "agents": {"a b": {}}}`:                                                                                 "$.agents['a b']",
		`{"registry": "v1", "agents": {"а": {}}}`:                                                                                   `$.agents['\u0430']`,
		`{"registry": "v1", "agents": {"a*": {}}}`:                                                                                  "$.agents['a*']",
		`{"registry": "v1", "agents": {"a": {"state": "active"}}}`:                                                                  "$.agents.a.state",
		`{"registry": "v1", "agents": {"a": {"status": "asleep"}}}`:                                                                 "$.agents.a.status",
		`{"registry": "v1", "agents": {"a": {"owner": "a"}}}`:                                                                       "$.agents.a.owner",
		`{"registry": "v1", "agents": {"a": {"roles": ["Lead"]}}}`:                                                                  "$.agents.a.roles[0]",
		`{"registry": "v1", "agents": {"a": {"roles": ["x", "x"]}}}`:                                                                "$.agents.a.roles",
		`{"registry": "v1", "people": {"p": {"capabilities": {"c": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}}}}`: "$.people.p.capabilities",
		`{"registry": "v1", "agents": {"a": {"capabilities": {"c": {"actions": ["*"], "resources": []}}}}}`:                         "$.agents.a.capabilities.c",
		`{"registry": "v1", "agents": {"a": {"capabilities": {"c": {"actions": ["*"], "resources": [{"type": "*"}]}}}}}`:            "$.agents.a.capabilities.c.resources[0].id",
		`{"registry": "v1", "agents": {"a": {"attributes": {"owner": "b"}}}}`:                                                       "$.agents.a.attributes.owner",
		`{"registry": "v1", "agents": {"a": {"attributes": {"x": null}}}}`:                                                          "$.agents.a.attributes.x",
		`{"registry": "v1", "resources": {"service": {"x": {"type": "y"}}}}`:                                                        "$.resources.service.x.type",
		`{"registry": "v1", "resources": {"service": {"x ": {}}}}`:                                                                  "$.resources.service['x ']",
		`{"registry": "v1", "agents": {"a": {}}, "people": {"a": {}}}`:                                                              "$",
	} {
		_, err := read(t, text)
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Invalid || e.Path != path {
			t.Errorf("%s: %v; want an error at %s", text, err, path)
		}
	}
}
