package approval_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// people is a registry whose names say what somebody is.
const people = `{"registry": "v1",
  "people": {
    "owner":   {"roles": ["sre"], "groups": ["payments"]},
    "lender":  {"roles": ["sre"], "groups": ["search"]},
    "author":  {"roles": ["sre"], "groups": ["tools"]},
    "asker":   {"roles": ["sre"], "groups": ["ads"]},
    "sre-1":   {"roles": ["sre", "approver"], "groups": ["payments"]},
    "sre-2":   {"roles": ["sre"], "groups": ["platform"]},
    "sre-3":   {"roles": ["sre"], "groups": ["payments", "platform"]},
    "dev-1":   {"groups": ["payments"]},
    "dev-2":   {"groups": ["payments"]},
    "lead":    {"roles": ["lead"]},
    "guest":   {"roles": ["no voter"], "groups": ["payments"]},
    "manager": {"owner": "sre-1", "roles": ["sre"]}},
  "services": {
    "bot-1": {}, "bot-2": {}, "sre-bot": {"roles": ["sre"]}, "owners-bot": {"owner": "owner", "roles": ["sre"]},
    "sre-1s-bot": {"owner": "sre-1", "roles": ["sre"]}, "deep-bot": {"owner": "owners-bot", "roles": ["sre"]},
    "pipeline": {"owner": "asker", "roles": ["sre"]}},
  "agents": {
    "agent-001": {"owner": "owner"}, "agent-002": {"owner": "lender"}, "agent-003": {"roles": ["sre"]},
    "agent-004": {"owner": "pipeline"}, "agents-own": {"owner": "agent-001", "roles": ["sre"]}}}`

// A world is a question that is asked, and all that it is looked at with.
type world struct {
	approval.Case
	q         approval.Question
	automatic map[string][]string
	workflows map[string]pdl.Approval
}

// everybodyMayVote gives the role that whoever votes has to all people and
// services, but those who are to be without.
func everybodyMayVote(tree any) {
	for _, kind := range []string{"people", "services"} {
		all, _ := tree.(map[string]any)[kind].(map[string]any)
		for _, one := range all {
			p := one.(map[string]any)
			roles, _ := p["roles"].([]any)
			if i := slices.Index(roles, any("no voter")); i >= 0 {
				p["roles"] = slices.Delete(roles, i, i+1)
				continue
			}
			if !slices.Contains(roles, any("approver")) {
				p["roles"] = append(roles, "approver")
			}
		}
	}
}

// snapshot is the registry of a text.
func snapshot(t *testing.T, text string) *registry.Snapshot {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	everybodyMayVote(tree)
	doc, err := registry.ReadDocument(tree)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := registry.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := empty.Plan(doc, false)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := empty.With(changes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// voters reads "role sre, principal lead".
func voters(text string) (list []pdl.Voter) {
	for _, one := range strings.Split(text, ", ") {
		kind, name, _ := strings.Cut(one, " ")
		list = append(list, pdl.Voter{Kind: kind, Name: name})
	}
	return list
}

// asking is agent-001's request, by a token that stands for asker, in one
// workflow w: two votes of any sre.
func asking(t *testing.T) *world {
	t.Helper()
	w := &world{automatic: map[string][]string{}, workflows: map[string]pdl.Approval{}}
	w.Case = approval.Case{
		Registry: snapshot(t, people), Now: noon, Authors: []string{"author"}, Chain: []string{"agent-002"},
		Workflow: func(name string) (pdl.Approval, bool) { a, ok := w.workflows[name]; return a, ok },
		Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001", Attributes: map[string]any{"owner": "owner"}}, Action: "deploy",
			Resource: kernel.Resource{Type: "service", ID: "svc/a", Attributes: map[string]any{"team": "payments"}},
		},
	}
	w.workflow("w", 2, "role sre")
	w.q = approval.Question{ID: "01KB000000000000000000000A", Agent: "agent-001", Action: "deploy", Caller: "token:T", Asker: "asker"}
	return w
}

// unrole takes the role of sre-2.
func (w *world) unrole(t *testing.T) {
	t.Helper()
	const has = `"sre-2":   {"roles": ["sre"], `
	if !strings.Contains(people, has) {
		t.Fatal("sre-2 has no role to take")
	}
	w.Registry = snapshot(t, strings.Replace(people, has, `"sre-2": {`, 1))
}

// workflow adds a workflow, or replaces it.
func (w *world) workflow(name string, quorum int, of string, apart ...string) {
	w.workflows[name] = pdl.Approval{Name: name, Quorum: quorum, Of: voters(of), Apart: apart, Expires: 4 * time.Hour}
}

func (w *world) apart(words ...string) {
	a := w.workflows["w"]
	a.Apart = words
	w.workflows["w"] = a
}

func (w *world) require(n int, of string) {
	a := w.workflows["w"]
	a.Require = append(a.Require, pdl.Required{Voter: voters(of)[0], Min: n})
	w.workflows["w"] = a
}

// open asks every workflow.
func (w *world) open(t *testing.T) {
	t.Helper()
	for _, name := range kernel.SortedKeys(w.workflows) {
		w.q.Needs = append(w.q.Needs, approval.Need{Workflow: name, Needed: max(w.workflows[name].Quorum, 1)})
	}
	var err error
	if w.q, err = w.Open(w.q); err != nil {
		t.Fatal(err)
	}
}

// say has somebody vote: "sre-1", "-sre-1" against it, "*bot-1" by itself. It
// settles the question as the kernel would, and returns why it was refused.
func (w *world) say(what string) (refused string) {
	who, against := strings.CutPrefix(what, "-")
	if bot, automatic := strings.CutPrefix(what, "*"); automatic {
		if !slices.Contains(w.q.Automatic(&w.Case, w.automatic), bot) {
			return "has no automatic vote"
		}
		w.q.Votes = append(w.q.Votes, approval.Vote{By: bot, Approve: true, Automatic: true, At: w.Now})
	} else {
		q, err := w.q.Cast(&w.Case, approval.Vote{By: who, Approve: !against, At: w.Now})
		if err != nil {
			return err.Error()
		}
		w.q = q
	}
	if w.q.State != approval.Pending {
		return ""
	}
	q, err := w.q.Conclude(&w.Case, w.automatic, kernel.Verdict{Decision: kernel.RequireApproval}, false)
	if err != nil {
		return err.Error()
	}
	w.q = q
	return ""
}

// outcome is the state of the question, and what is missing in each workflow.
func (w *world) outcome() string {
	if w.q.State != approval.Pending {
		return string(w.q.State)
	}
	var missing []string
	list, _ := w.q.Count(&w.Case, w.automatic)
	for _, t := range list {
		missing = append(missing, t.Missing...)
	}
	return strings.Join(missing, ", ")
}
