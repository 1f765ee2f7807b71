package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

const glassClause = "break_glass: {of: [{role: lead}], min_reason: 12, expires: 1h, review: {of: [{role: auditor}, {team_of: resource.owner_team}], within: 24h}}\n"

// glassPolicy is the policy that asks people, with a glass to break.
var glassPolicy = strings.Replace(askingPolicy, "auto: [", glassClause+"auto: [", 1)

// glassPeople has two leads, one of whom owns the agent, and people who review.
var glassPeople = strings.NewReplacer(
	`"person-001": {"roles": ["approver", "sre"]}`, `"person-001": {"roles": ["approver", "sre", "lead", "auditor"]}`,
	`"person-004": {"roles": ["approver", "lead"]}`, `"person-004": {"roles": ["approver", "lead", "auditor"]}, "person-006": {"roles": ["approver", "auditor"]}`,
).Replace(askingPeople)

const why = "the site is down, nobody answers"

func openGlass(t *testing.T, change func(*gate.Config)) *house {
	t.Helper()
	h := open(t, change)
	activate(t, h, askingSchema+glassPolicy)
	h.apply(t, glassPeople)
	return h
}

func (h *house) breaks(t *testing.T, d kernel.Decision, who, reason string) (*kernel.Approval, error) {
	t.Helper()
	return h.BreakGlass(t.Context(), voter(who), gate.Breaking{ID: d.ID, Digest: d.RequestDigest, Reason: reason})
}

func (h *house) review(t *testing.T, d kernel.Decision, who string) error {
	t.Helper()
	_, err := h.Review(t.Context(), voter(who), gate.Review{ID: d.ID, Justified: true, Note: "It was right."})
	return err
}

func TestOnePersonBreaksTheGlassAndAnotherReviewsIt(t *testing.T) {
	var log bytes.Buffer
	changes := ""
	h := openGlass(t, func(c *gate.Config) {
		granting(t)(c)
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.OnGlass = func(change string) { changes += change + " " }
	})
	d := h.ask(t, "")
	v, err := h.Approval(t.Context(), voter("person-004"), d.ID)
	if err != nil || v.BreakGlass == nil || !v.BreakGlass.May || v.BreakGlass.MinReason != 12 || !v.BreakGlass.Until.Equal(noon.Add(time.Hour)) || fmt.Sprint(v.BreakGlass.Asks) != "[the role lead]" {
		t.Errorf("Approval = %+v, %v", v.BreakGlass, err)
	}
	a, err := h.breaks(t, d, "person-004", why)
	if err != nil || a.State != "APPROVED" || a.Code != "BREAK_GLASS" || a.Reason != why {
		t.Fatalf("BreakGlass = %+v, %v", a, err)
	}
	answer := h.answer(t, d)
	if answer.Decision != kernel.Allow || answer.Code != kernel.CodeBreakGlass || answer.Answers != d.ID || answer.RequestDigest != d.RequestDigest || answer.Grant == nil || !strings.HasPrefix(answer.Reason, "break glass: ") {
		t.Errorf("the answer is %+v", answer)
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "broke the glass") || !strings.Contains(text, why) {
		t.Errorf("the log says %s", text)
	}
	h.sound(t)
	list, err := h.Approvals(t.Context(), voter("person-006"), gate.ApprovalQuery{Review: gate.ReviewOpen, Mine: true, Limit: 10})
	if err != nil || len(list) != 1 || list[0].Broken.By != "person-004" || list[0].Broken.Overdue || !list[0].Broken.MayReview {
		t.Errorf("Approvals = %+v, %v", list, err)
	}
	for who, want := range map[string]int{"person-006": 1, "person-004": 0} {
		if mine, err := h.Approvals(t.Context(), voter(who), gate.ApprovalQuery{Mine: true, Limit: 10}); err != nil || len(mine) != want || want == 1 && !mine[0].Broken.MayReview {
			t.Errorf("what is for %s: %+v, %v, want %d", who, mine, err, want)
		}
	}
	if list, err = h.Approvals(t.Context(), admin, gate.ApprovalQuery{Review: gate.ReviewOverdue, Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("Approvals = %+v, %v", list, err)
	}
	if err := h.review(t, d, "person-006"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.review(t, d, "person-006"), kernel.Conflict, "closed already")
	if v, err = h.Approval(t.Context(), voter("person-006"), d.ID); err != nil || v.Broken == nil || v.Broken.Reviews[0].By != "person-006" || !*v.Broken.Reviews[0].Justified {
		t.Errorf("Approval = %+v, %v", v.Broken, err)
	}
	if list, err = h.Approvals(t.Context(), admin, gate.ApprovalQuery{Review: gate.ReviewOpen, Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("Approvals = %+v, %v", list, err)
	}
	if changes != "broken reviewed " {
		t.Errorf("it was told of %s", changes)
	}
	h.sound(t)
	h.audited(t)
}

// TestGlassesThatDoNotBreak: whatever is tried, nothing is allowed.
func TestGlassesThatDoNotBreak(t *testing.T) {
	breaks := func(h *house, who string, b gate.Breaking) error {
		_, err := h.BreakGlass(context.Background(), voter(who), b)
		return err
	}
	with := func(d kernel.Decision, reason string) gate.Breaking {
		return gate.Breaking{ID: d.ID, Digest: d.RequestDigest, Reason: reason}
	}
	for _, c := range []struct {
		name   string
		attack func(t *testing.T, h *house, d kernel.Decision) error
		want   kernel.Code
	}{
		{"without a reason", func(_ *testing.T, h *house, d kernel.Decision) error { return breaks(h, "person-004", with(d, "")) }, kernel.Invalid},
		{"with a reason of blanks", func(_ *testing.T, h *house, d kernel.Decision) error {
			return breaks(h, "person-004", with(d, "because"+strings.Repeat(" ", 20)))
		}, kernel.Invalid},
		{"the owner of the agent, a lead", func(_ *testing.T, h *house, d kernel.Decision) error { return breaks(h, "person-001", with(d, why)) }, kernel.Forbidden},
		{"whoever asked", func(t *testing.T, h *house, _ kernel.Decision) error {
			h.apply(t, strings.Replace(glassPeople, `"person-004": {"roles": [`, `"person-004": {"roles": ["gateway", `, 1))
			d, err := h.Decide(t.Context(), h.caller(t, kernel.RoleGateway, "person-004"), asking("agent-001", ""))
			if err != nil {
				t.Fatal(err)
			}
			return breaks(h, "person-004", with(d, why))
		}, kernel.Forbidden},
		{"a voter whom break_glass does not name", func(_ *testing.T, h *house, d kernel.Decision) error { return breaks(h, "person-002", with(d, why)) }, kernel.Forbidden},
		{"somebody whom nobody asked", func(_ *testing.T, h *house, d kernel.Decision) error { return breaks(h, "person-005", with(d, why)) }, kernel.NotFound},
		{"the agent itself", func(_ *testing.T, h *house, d kernel.Decision) error { return breaks(h, "agent-001", with(d, why)) }, kernel.NotFound},
		{"a token of nobody", func(_ *testing.T, h *house, d kernel.Decision) error {
			_, err := h.BreakGlass(context.Background(), kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleApprover}}, with(d, why))
			return err
		}, kernel.Forbidden},
		{"an admin", func(_ *testing.T, h *house, d kernel.Decision) error {
			_, err := h.BreakGlass(context.Background(), kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleAdmin}, StandsFor: "person-004"}, with(d, why))
			return err
		}, kernel.Forbidden},
		{"another digest", func(t *testing.T, h *house, d kernel.Decision) error {
			return breaks(h, "person-004", gate.Breaking{ID: d.ID, Digest: h.ask(t, "other").RequestDigest, Reason: why})
		}, kernel.Conflict},
		{"no digest", func(_ *testing.T, h *house, d kernel.Decision) error {
			return breaks(h, "person-004", gate.Breaking{ID: d.ID, Reason: why})
		}, kernel.Invalid},
		{"a decision that is DENY", func(t *testing.T, h *house, _ kernel.Decision) error {
			if err := h.Kill(t.Context(), admin, registry.ScopeAction, "deploy", "incident"); err != nil {
				t.Fatal(err)
			}
			denied, err := h.Decide(t.Context(), dev, asking("agent-001", ""))
			if err != nil {
				t.Fatal(err)
			}
			return breaks(h, "person-004", with(denied, why))
		}, kernel.NotFound},
		{"after a vote against", func(t *testing.T, h *house, d kernel.Decision) error {
			if _, err := h.Vote(t.Context(), voter("person-002"), gate.Ballot{ID: d.ID, Digest: d.RequestDigest}); err != nil {
				t.Fatal(err)
			}
			return breaks(h, "person-004", with(d, why))
		}, kernel.Conflict},
		{"after it was withdrawn", func(t *testing.T, h *house, d kernel.Decision) error {
			if _, err := h.Cancel(t.Context(), admin, d.ID, ""); err != nil {
				t.Fatal(err)
			}
			return breaks(h, "person-004", with(d, why))
		}, kernel.Conflict},
		{"after the glass expired, to the instant", func(_ *testing.T, h *house, d kernel.Decision) error {
			h.pass(time.Hour)
			return breaks(h, "person-004", with(d, why))
		}, kernel.Forbidden},
		{"a suspended lead", func(t *testing.T, h *house, d kernel.Decision) error {
			if err := h.SetStatus(t.Context(), admin, "person-004", registry.Suspended, "left"); err != nil {
				t.Fatal(err)
			}
			return breaks(h, "person-004", with(d, why))
		}, kernel.Forbidden},
		{"a lead who is none any more", func(t *testing.T, h *house, d kernel.Decision) error {
			h.apply(t, strings.Replace(glassPeople, `"person-004": {"roles": ["approver", "lead", "auditor"]}`, `"person-004": {"roles": ["approver", "sre"]}`, 1))
			return breaks(h, "person-004", with(d, why))
		}, kernel.Forbidden},
		{"a workflow that lets nobody any more", func(t *testing.T, h *house, d kernel.Decision) error {
			activate(t, h, askingSchema+askingPolicy)
			h.pass(31 * time.Minute) // person-004 may vote by now
			return breaks(h, "person-004", with(d, why))
		}, kernel.Forbidden},
		{"beside another workflow that lets nobody", func(t *testing.T, h *house, d kernel.Decision) error {
			activate(t, h, askingSchema+strings.Replace(glassPolicy, "  - {id: enough", "  - {id: too, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: other}\n  - {id: enough", 1)+
				"---\npdl: v1\nkind: approval\nname: other\nof: [{role: lead}]\n")
			return breaks(h, "person-004", with(d, why))
		}, kernel.Forbidden},
		{"a policy that obliges to no_self_approval, the owner", func(t *testing.T, h *house, d kernel.Decision) error {
			policy := strings.Replace(glassPolicy, "separation_of_duty: [requester, agent.owner, delegator]\n", "", 1)
			policy = strings.Replace(policy, "effect: REQUIRE_APPROVAL, approval: pair", "effect: REQUIRE_APPROVAL, constraints: {no_self_approval: true}, approval: pair", 1)
			activate(t, h, strings.Replace(askingSchema, "facts:", "constraints: {no_self_approval: flag}\nfacts:", 1)+policy)
			return breaks(h, "person-001", with(d, why))
		}, kernel.Forbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openGlass(t, granting(t))
			d := h.ask(t, "")
			if err := c.attack(t, h, d); code(err) != c.want {
				t.Errorf("the glass: %v, want %s", err, c.want)
			}
			h.allowsNothing(t)
		})
	}
}

// TestABrokenGlassIsStillDenied by what holds then.
func TestABrokenGlassIsStillDenied(t *testing.T) {
	h := openGlass(t, granting(t))
	d := h.ask(t, "")
	if err := h.Kill(t.Context(), admin, registry.ScopeAction, "deploy", "incident"); err != nil {
		t.Fatal(err)
	}
	a, err := h.breaks(t, d, "person-004", why)
	if err != nil || a.State != "REJECTED" || a.Code != "POLICY_CHANGED" {
		t.Errorf("BreakGlass = %+v, %v", a, err)
	}
	h.allowsNothing(t)
}

func TestWhoReviewsIsSomebodyElse(t *testing.T) {
	h := openGlass(t, nil)
	d := h.ask(t, "")
	if _, err := h.breaks(t, d, "person-004", why); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.review(t, d, "person-004"), kernel.Forbidden, "whoever broke the glass")
	wantCode(t, h.review(t, d, "person-001"), kernel.Forbidden, "owns the agent")
	wantCode(t, h.review(t, d, "person-005"), kernel.NotFound, "no approval")
	_, err := h.Review(t.Context(), admin, gate.Review{ID: d.ID, Note: "fine"})
	wantCode(t, err, kernel.Forbidden, "only an approver")
	_, err = h.Review(t.Context(), voter("person-006"), gate.Review{ID: d.ID, Note: " "})
	wantCode(t, err, kernel.Invalid, "what was found")
	// Another policy changes neither who reviews nor until when.
	activate(t, h, askingSchema+askingPolicy)
	if err := h.review(t, d, "person-003"); err != nil { // of the team that owns the resource
		t.Fatal(err)
	}
	wantCode(t, h.review(t, h.ask(t, ""), "person-003"), kernel.Conflict, "nobody broke the glass")
	h.sound(t)
	h.audited(t)
}

func TestNobodyBreaksTheGlassWhileAReviewIsOverdue(t *testing.T) {
	overdue := 0
	h := openGlass(t, func(c *gate.Config) { c.OnReviews = func(_, late int) { overdue = late } })
	first := h.ask(t, "")
	if _, err := h.breaks(t, first, "person-004", why); err != nil {
		t.Fatal(err)
	}
	h.pass(24*time.Hour - time.Minute)
	second, third := h.ask(t, ""), h.ask(t, "")
	if _, err := h.breaks(t, second, "person-004", why); err != nil { // not overdue yet
		t.Fatal(err)
	}
	h.pass(time.Minute)
	_, err := h.breaks(t, third, "person-004", why)
	wantCode(t, err, kernel.Conflict, "overdue: that of approval "+first.ID)
	for range 2 { // it is recorded once
		if err := h.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.Approvals(t.Context(), admin, gate.ApprovalQuery{Review: gate.ReviewOverdue, Limit: 10})
	if err != nil || len(list) != 1 || list[0].ID != first.ID || !list[0].Broken.Overdue || overdue != 1 {
		t.Errorf("Approvals = %+v, %v; %d overdue", list, err, overdue)
	}
	if err := h.review(t, first, "person-006"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.breaks(t, third, "person-004", why); err != nil {
		t.Error(err)
	}
	changes := ""
	for _, e := range h.entries(t) {
		if e.Glass != nil {
			changes += e.Glass.Change + " "
		}
	}
	if changes != "broken broken overdue reviewed broken " {
		t.Errorf("the log says %s", changes)
	}
	h.sound(t)
	h.audited(t)
}

// TestManyBreakOneGlassAtOnce: one does, and one ALLOW comes of it.
func TestManyBreakOneGlassAtOnce(t *testing.T) {
	h := openGlass(t, granting(t))
	h.apply(t, strings.Replace(glassPeople, `"person-005": {"roles": ["approver"]}`, `"person-005": {"roles": ["approver", "lead"]}`, 1))
	d := h.ask(t, "")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			who := []string{"person-004", "person-005"}[i%2]
			_, err := h.BreakGlass(context.Background(), voter(who), gate.Breaking{ID: d.ID, Digest: d.RequestDigest, Reason: why})
			if err != nil && code(err) != kernel.Conflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.allows(t, "deploy"); n != 1 {
		t.Errorf("%d decisions allow it, want 1", n)
	}
	h.sound(t)
}

// TestNoFieldOfABrokenGlassIsInert: each changes what comes of the same steps.
func TestNoFieldOfABrokenGlassIsInert(t *testing.T) {
	base := whatBreaks(t, glassPolicy)
	for field, change := range map[string][2]string{
		"break_glass":   {glassClause, ""},
		"of":            {"of: [{role: lead}], min", "of: [{role: lead}, {role: sre}], min"},
		"min_reason":    {"min_reason: 12", "min_reason: 40"},
		"expires":       {"expires: 1h, review", "expires: 3h, review"},
		"review.of":     {"{role: auditor}, ", ""},
		"review.within": {"within: 24h", "within: 1h"},
	} {
		policy := strings.Replace(glassPolicy, change[0], change[1], 1)
		if policy == glassPolicy {
			t.Fatalf("%s: %q is not there", field, change[0])
		}
		if got := whatBreaks(t, policy); got == base {
			t.Errorf("%s changes nothing:\n%s", field, got)
		}
	}
}

func whatBreaks(t *testing.T, policy string) string {
	t.Helper()
	h := open(t, nil)
	activate(t, h, askingSchema+policy)
	h.apply(t, glassPeople)
	first, second, third := h.ask(t, ""), h.ask(t, ""), h.ask(t, "")
	var said []string
	say := func(what string, err error) {
		var e *kernel.Error
		if errors.As(err, &e) {
			what += " " + string(e.Code)
		}
		said = append(said, what)
	}
	_, err := h.breaks(t, first, "person-002", why)
	say("an sre", err)
	_, err = h.breaks(t, second, "person-004", why)
	say("a lead", err)
	h.pass(2 * time.Hour)
	_, err = h.breaks(t, third, "person-004", why)
	say("late", err)
	fourth, err := h.Decide(t.Context(), dev, asking("agent-001", "other"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.breaks(t, fourth, "person-004", why)
	say("another", err)
	say("a review", h.review(t, second, "person-006"))
	return strings.Join(said, "\n")
}

// TestAReviewIsNeitherHiddenNorTakenOverInTheDatabase: who reviews, and that it
// is overdue, the log says.
func TestAReviewIsNeitherHiddenNorTakenOverInTheDatabase(t *testing.T) {
	h := openGlass(t, nil)
	first := h.ask(t, "")
	if _, err := h.breaks(t, first, "person-004", why); err != nil {
		t.Fatal(err)
	}
	h.forge(t, "breakglass_open", first.ID, `"name":"auditor"`, `"name":"approver"`)
	wantCode(t, h.review(t, first, "person-002"), kernel.Unavailable, "is not what the log says became of it")
	h.pass(25 * time.Hour)
	h.forge(t, "breakglass_open", first.ID, `"due":"2026-11-24`, `"due":"2027-11-24`)
	second := h.ask(t, "")
	_, err := h.breaks(t, second, "person-004", why)
	wantCode(t, err, kernel.Conflict, "overdue")
	report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
	if err != nil || !strings.Contains(fmt.Sprint(report.List), "the record of the broken glass of approval "+first.ID) {
		t.Errorf("Verify = %v, %v, and does not name the record", report.List, err)
	}
}

// TestAWebhookIsToldOfGlasses, without what was written with them.
func TestAWebhookIsToldOfGlasses(t *testing.T) {
	h := openGlass(t, nil)
	box, err := h.Outbox(t.Context(), "pager", func(event string) bool { return strings.HasPrefix(event, "breakglass.") })
	if err != nil {
		t.Fatal(err)
	}
	d := h.ask(t, "")
	if _, err := h.breaks(t, d, "person-004", why); err != nil {
		t.Fatal(err)
	}
	h.pass(24 * time.Hour)
	if err := h.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.review(t, d, "person-006"); err != nil {
		t.Fatal(err)
	}
	if _, err := box.TakeUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, _, err := box.Claim(t.Context(), 10, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var told []string // messages are in no order
	for _, one := range list {
		n, err := h.Notice(t.Context(), one, true)
		if err != nil || n.Data.Glass == nil || n.Data.Glass.By != "person-004" || n.Data.Glass.Approval != d.ID {
			t.Fatalf("Notice = %+v, %v", n, err)
		}
		text, err := json.Marshal(n)
		if err != nil || strings.Contains(string(text), why) || strings.Contains(string(text), "It was right") {
			t.Errorf("it tells %s, %v", text, err)
		}
		told = append(told, n.Type)
	}
	slices.Sort(told)
	if want := []string{"breakglass.broken", "breakglass.overdue", "breakglass.reviewed"}; !slices.Equal(told, want) {
		t.Errorf("it was told of %q, want %q", told, want)
	}
}

// TestAnOverdueReviewBlocksEveryNode, until it is closed on any.
func TestAnOverdueReviewBlocksEveryNode(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		policy := strings.Replace(glassPolicy, "within: 24h", "within: 1ms", 1)
		nodes := f.nodes(t, askingSchema+strings.Replace(policy, "facts.tries >= 3", "facts.tries >= 1000", 1))
		if _, err := nodes[0].Apply(t.Context(), admin, document(t, glassPeople), gate.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		soon(t, "the registry is that of all nodes", func() bool {
			d, err := nodes[1].Decide(t.Context(), dev, asking("agent-001", ""))
			return err == nil && d.Approval != nil
		})
		first, second := patiently(t, nodes[0], asking("agent-001", "")), patiently(t, nodes[1], asking("agent-001", ""))
		breaks := func(n *node, d kernel.Decision) error {
			_, err := n.BreakGlass(t.Context(), voter("person-004"), gate.Breaking{ID: d.ID, Digest: d.RequestDigest, Reason: why})
			return err
		}
		if err := breaks(nodes[0], first); err != nil {
			t.Fatal(err)
		}
		soon(t, "the review is overdue", func() bool {
			list, err := nodes[1].Listed(t.Context(), admin, gate.ApprovalQuery{Review: gate.ReviewOverdue, Limit: 1})
			return err == nil && len(list) == 1
		})
		wantCode(t, breaks(nodes[1], second), kernel.Conflict, "overdue")
		if _, err := nodes[1].Review(t.Context(), voter("person-006"), gate.Review{ID: first.ID, Note: "seen"}); err != nil {
			t.Fatal(err)
		}
		if err := breaks(nodes[0], second); err != nil {
			t.Error(err)
		}
		report, err := ledger.Audit(t.Context(), f.open(), nil)
		if err != nil || report.Broken != 2 {
			t.Errorf("Audit = %+v, %v", report, err)
		}
		verified, err := ledger.Verify(t.Context(), f.open(), ledger.Trust{Records: true})
		wrong := slices.DeleteFunc(verified.List, func(f ledger.Finding) bool { return strings.Contains(f.String(), "is no token") }) // callers of these tests
		if err != nil || len(wrong) > 0 {
			t.Errorf("Verify = %v, %v", wrong, err)
		}
	})
}
