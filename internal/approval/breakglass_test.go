package approval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const because = "the site is down, nobody answers"

// glass lets somebody break the glass of the workflow w within an hour.
func (w *world) glass(of, review string) {
	a := w.workflows["w"]
	a.BreakGlass = &pdl.BreakGlass{Of: voters(of), MinReason: 10, Expires: time.Hour, Review: pdl.Review{Of: voters(review), Within: 24 * time.Hour}}
	w.workflows["w"] = a
}

var asks = kernel.Verdict{Decision: kernel.RequireApproval}

func (w *world) breaks(who string, open ...approval.Glass) (approval.Glass, string) {
	q, g, err := w.q.Break(&w.Case, who, because, open, asks, false)
	if err != nil {
		return g, err.Error()
	}
	w.q, w.q.Answer, g.Answer = q, "01KB000000000000000000000B", "01KB000000000000000000000B"
	return g, ""
}

// TestSeparationHoldsForGlasses: who may break one, and who may review it.
func TestSeparationHoldsForGlasses(t *testing.T) {
	for _, c := range []struct {
		name    string
		world   func(w *world)
		breaks  string
		refused string // of the breaking
		reviews string
		not     string // of the review
	}{
		{"a lead, and another sre", nil, "lead", "", "sre-2", ""},
		{"an sre, whom the glass does not name", nil, "sre-2", "lets others", "", ""},
		{"nobody of the registry", nil, "person-999", "lets others", "", ""},
		{"whoever asked", func(w *world) { w.glass("principal asker", "role sre"); w.apart("requester") }, "asker", "whoever asked", "", ""},
		{"whoever owns the agent", func(w *world) { w.glass("principal owner", "role sre"); w.apart("agent.owner") }, "owner", "owns the agent", "", ""},
		{"a bot of whoever owns it", func(w *world) { w.glass("principal owners-bot", "role sre"); w.apart("agent.owner") }, "owners-bot", "owns the agent", "", ""},
		{"whoever owns it, where a policy obliges", func(w *world) { w.glass("principal owner", "role sre"); w.NoSelf = true }, "owner", "owns the agent", "", ""},
		{"whoever lent the capability", func(w *world) { w.glass("principal lender", "role sre"); w.apart("delegator") }, "lender", "lent the capability", "", ""},
		{"whoever wrote the policy", func(w *world) { w.glass("principal author", "role sre"); w.apart("policy_author") }, "author", "pushed the policy", "", ""},
		{"an agent", func(w *world) { w.glass("principal agent-003", "role sre") }, "agent-003", "agents do not vote", "", ""},
		{"who has not the role of voters", func(w *world) { w.glass("principal guest", "role sre") }, "guest", "has the role approver", "", ""},
		{"reviewed by who has not the role of voters", func(w *world) { w.glass("role lead", "principal guest") }, "lead", "", "guest", "has the role approver"},
		{"with a second workflow that lets them", func(w *world) {
			w.workflows["v"] = w.workflows["w"]
		}, "lead", "", "sre-2", ""},
		{"with a second workflow that lets nobody", func(w *world) { w.workflow("v", 1, "role sre") }, "lead", "the workflow v lets nobody", "", ""},
		{"beside a rule that names no workflow", func(w *world) { w.workflows[""] = w.workflows["w"] }, "lead", "rules that name no workflow", "", ""},
		{"reviewed by themselves", func(w *world) { w.glass("role lead", "role lead") }, "lead", "", "lead", "whoever broke the glass"},
		{"reviewed by their own bot", func(w *world) { w.glass("principal sre-1", "role sre") }, "sre-1", "", "sre-1s-bot", "whoever broke the glass"},
		{"reviewed by whoever asked", nil, "lead", "", "asker", "whoever asked"},
		{"reviewed by whoever owns the agent", nil, "lead", "", "owner", "owns the agent"},
		{"reviewed by whom it does not ask", nil, "lead", "", "dev-1", "it is for others"},
		{"reviewed by an agent", nil, "lead", "", "agent-003", "agents do not vote"},
		{"reviewed by the team of an attribute", func(w *world) { w.glass("role lead", "team_of resource.team") }, "lead", "", "dev-1", ""},
	} {
		w := asking(t)
		w.glass("role lead", "role sre")
		if c.world != nil {
			c.world(w)
		}
		w.open(t)
		g, why := w.breaks(c.breaks)
		if c.refused == "" && why != "" || c.refused != "" && !strings.Contains(why, c.refused) {
			t.Errorf("%s: %q, want %q", c.name, why, c.refused)
		}
		if c.reviews == "" || why != "" {
			continue
		}
		// Who reviews is as it was, whatever the policy says by then.
		delete(w.workflows, "w")
		after, err := g.Review(&w.Case, w.q, approval.Finding{By: c.reviews, Note: "seen"})
		if c.not == "" && (err != nil || !after.Closed()) || c.not != "" && (err == nil || !strings.Contains(err.Error(), c.not)) {
			t.Errorf("%s: the review: %v, want %q", c.name, err, c.not)
		}
	}
}

func TestEachWorkflowHasAReviewOfItsOwn(t *testing.T) {
	w := asking(t)
	w.glass("role lead", "group payments")
	w.workflows["v"] = w.workflows["w"]
	w.glass("role lead", "group platform")
	w.open(t)
	g, why := w.breaks("lead")
	if why != "" {
		t.Fatal(why)
	}
	for _, c := range []struct {
		who  string
		late string // workflows whose review is open, a day later
	}{{"dev-1", "[w]"}, {"sre-2", "[]"}} {
		var err error
		if g, err = g.Review(&w.Case, w.q, approval.Finding{By: c.who, Note: "seen"}); err != nil {
			t.Fatal(err)
		}
		if late := fmt.Sprint(g.Late(w.Now.Add(24 * time.Hour))); late != c.late {
			t.Errorf("after %s reviewed, overdue are %s, want %s", c.who, late, c.late)
		}
	}
	if !g.Closed() {
		t.Error("it is open")
	}
}

// A glassPlace is a question and its glass in a search.
type glassPlace struct {
	q approval.Question
	g *approval.Glass
}

func (p glassPlace) String() string {
	q, _ := p.q.Encode()
	if p.g == nil {
		return string(q)
	}
	g, _ := p.g.Encode()
	return string(q) + string(g)
}

// glassDeeds are done in every order; those with a sign are what happens around.
var glassDeeds = []string{"sre-1", "sre-2", "-sre-3", "cancel", "expire", "break lead", "break sre-1", "review sre-2", "review lead", "+hour", "+day", "+deny", "+suspend"}

// TestNoOrderBreaksAGlass goes through every order of votes, breaking, reviews
// and what happens around them, and checks each step against what is promised.
func TestNoOrderBreaksAGlass(t *testing.T) {
	seen, ends := map[string]bool{}, map[string]int{}
	var visit func(p glassPlace, done int)
	visit = func(p glassPlace, done int) {
		if name := fmt.Sprint(done, " ", p); seen[name] {
			return
		} else {
			seen[name] = true
		}
		for d, deed := range glassDeeds {
			if done>>d&1 == 1 {
				continue
			}
			next, ok := p, true
			if deed[0] != '+' {
				next, ok = glassStep(t, p, deed, done)
			}
			if ok {
				visit(next, done|1<<d)
			}
		}
		if p.q.State != approval.Pending {
			ends[fmt.Sprint(p.q.State, " ", p.q.Code, " ", p.g != nil && p.g.Closed())]++
		}
	}
	w := glassWorld(t, 0)
	w.open(t)
	visit(glassPlace{q: w.q}, 0)
	for _, end := range []string{"APPROVED BREAK_GLASS false", "APPROVED BREAK_GLASS true", "APPROVED QUORUM false", "REJECTED POLICY_CHANGED false", "EXPIRED TIMEOUT false"} {
		if ends[end] == 0 {
			t.Errorf("no order ends with %s: %v", end, ends)
		}
	}
}

func happened(done int, turn string) bool {
	for d, deed := range glassDeeds {
		if deed == turn {
			return done>>d&1 == 1
		}
	}
	panic("no " + turn)
}

var glassWorlds = map[string]*world{}

// glassWorld is the world in which some of the turns have happened.
func glassWorld(t *testing.T, done int) *world {
	t.Helper()
	name := fmt.Sprint(happened(done, "+hour"), happened(done, "+day"), happened(done, "+suspend"))
	w := glassWorlds[name]
	if w == nil {
		w = asking(t)
		w.glass("role lead", "role sre")
		if happened(done, "+hour") {
			w.Now = noon.Add(time.Hour)
		}
		if happened(done, "+day") {
			w.Now = noon.Add(25 * time.Hour)
		}
		if happened(done, "+suspend") {
			w.suspend("lead")
		}
		glassWorlds[name] = w
	}
	return w
}

// glassStep does a deed, and checks what came of it without the code that did it.
func glassStep(t *testing.T, p glassPlace, deed string, done int) (glassPlace, bool) {
	t.Helper()
	w, v := glassWorld(t, done), asks
	if happened(done, "+deny") {
		v.Decision = kernel.Deny
	}
	before, verb := p, strings.Fields(deed)
	var err error
	switch {
	case deed == "cancel":
		p.q, err = p.q.Settle(approval.Cancelled, approval.Withdrawn, "asker", "", w.Now)
	case deed == "expire":
		p.q, err = p.q.Settle(approval.Expired, approval.TooLate, "", "", w.Now)
	case verb[0] == "break":
		var g approval.Glass
		if p.q, g, err = p.q.Break(&w.Case, verb[1], because, nil, v, false); err == nil && p.q.State == approval.Approved {
			p.q.Answer, g.Answer = "01KB000000000000000000000B", "01KB000000000000000000000B"
			p.g = &g
		}
	case verb[0] == "review":
		if p.g == nil {
			return p, false
		}
		var g approval.Glass
		g, err = p.g.Review(&w.Case, p.q, approval.Finding{By: verb[1], Note: "seen"})
		p.g = &g
	default:
		if p.q, err = p.q.Cast(&w.Case, approval.Vote{By: strings.TrimPrefix(deed, "-"), Approve: deed[0] != '-', At: w.Now}); err == nil && p.q.State == approval.Pending {
			p.q, err = p.q.Conclude(&w.Case, nil, v, false)
		}
		if p.q.State == approval.Approved {
			p.q.Answer = "01KB000000000000000000000B"
		}
	}
	if err != nil {
		return p, false
	}
	if verb[0] == "review" {
		if verb[1] != "sre-2" || before.g.Closed() || p.g.Follows(*before.g, w.Now) != "" || p.g.Follows(*before.g, w.Now.Add(1)) == "" || before.g.Follows(*p.g, w.Now) == "" {
			t.Errorf("%s reviews %v", verb[1], before)
		}
		return p, true
	}
	broken := p.q.Code == approval.GlassBroken
	switch {
	case before.q.State != approval.Pending:
		t.Errorf("%s: a second outcome of %v", deed, before)
	case p.q.Follows(before.q, w.Now) != "":
		t.Errorf("%s: %s", deed, p.q.Follows(before.q, w.Now))
	case broken != (p.g != nil), broken && deed != "break lead", broken && p.q.Reason == "":
		t.Errorf("%s breaks the glass of %v", deed, before)
	case broken && (happened(done, "+hour") || happened(done, "+day") || happened(done, "+suspend")):
		t.Errorf("%s breaks a glass too late, or while suspended", deed)
	case p.q.State == approval.Approved && (happened(done, "+deny") || happened(done, "+day")):
		t.Errorf("%s allows what is denied, or over", deed)
	}
	return roundTrip(t, p), true
}

// roundTrip is what is left of a place when its records are written and read.
func roundTrip(t *testing.T, p glassPlace) glassPlace {
	t.Helper()
	value, err := p.q.Encode()
	if err == nil {
		p.q, err = approval.Decode(value)
	}
	if err == nil && p.g != nil {
		var g approval.Glass
		if value, err = p.g.Encode(); err == nil {
			g, err = approval.DecodeGlass(value)
		}
		p.g = &g
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAGlassThatIsHalfThereIsNone: what is left out of a record is an error.
func TestAGlassThatIsHalfThereIsNone(t *testing.T) {
	w := asking(t)
	w.glass("role lead", "role sre")
	w.open(t)
	g, why := w.breaks("lead")
	if why != "" {
		t.Fatal(why)
	}
	for name, change := range map[string]func(*approval.Glass){
		"nobody's": func(g *approval.Glass) { g.By = "" }, "without a reason": func(g *approval.Glass) { g.Reason = "" },
		"that allows nothing": func(g *approval.Glass) { g.Answer = "" }, "without a review": func(g *approval.Glass) { g.Reviews = nil },
	} {
		half := g
		change(&half)
		value, err := half.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := approval.DecodeGlass(value); err == nil {
			t.Errorf("a glass %s was read", name)
		}
		if half.Follows(g, w.Now) == "" && name != "without a review" {
			t.Errorf("a glass %s follows it", name)
		}
	}
	if _, err := approval.DecodeGlass([]byte(`{"id":"a","more":1}`)); err == nil {
		t.Error("a member that nobody knows was read")
	}
}
