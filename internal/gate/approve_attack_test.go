package gate_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// caller is whom a new token of a role stands for.
func (h *house) caller(t *testing.T, role kernel.Role, principal string) kernel.Caller {
	t.Helper()
	return callerOf(t, h.Gate, role, principal)
}

func callerOf(t *testing.T, g *gate.Gate, role kernel.Role, principal string) kernel.Caller {
	t.Helper()
	spec := token.Spec{Name: "t", Role: role, Principal: principal}
	if role == kernel.RoleGateway {
		spec.SpeaksFor = []string{"agent-*"}
	}
	secret, _, err := g.CreateToken(t.Context(), admin, spec)
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.Authenticate(secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// allowsNothing makes sure that the log allows nothing, grants nothing, and
// verifies.
func (h *house) allowsNothing(t *testing.T) {
	t.Helper()
	for _, e := range h.entries(t) {
		if e.Decision != nil && e.Decision.Verdict.Decision == kernel.Allow || e.Grant != nil {
			t.Errorf("entry %d allows something", e.Seq)
		}
	}
	h.sound(t)
	h.audited(t)
}

func (h *house) audited(t *testing.T) {
	t.Helper()
	report, err := ledger.Audit(t.Context(), h.store, func(version string) (*eval.Program, error) { return gate.LoadProgram(t.Context(), h.store, version) })
	// The callers of these tests are no tokens of the log.
	found := slices.DeleteFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(fmt.Sprint(f), "which does not stand for them") })
	if err != nil || len(found) > 0 {
		t.Errorf("Audit = %v, %v", found, err)
	}
}

// TestVotesThatDoNotCount: person-003 has voted; one vote more of an sre is the
// quorum.
func TestVotesThatDoNotCount(t *testing.T) {
	ballot := func(d kernel.Decision) gate.Ballot {
		return gate.Ballot{ID: d.ID, Digest: d.RequestDigest, Approve: true}
	}
	cast := func(h *house, c kernel.Caller, b gate.Ballot) error {
		a, err := h.Vote(context.Background(), c, b)
		if err == nil && a.State == "APPROVED" {
			return nil
		}
		return err
	}
	for _, c := range []struct {
		name   string
		attack func(t *testing.T, h *house, d kernel.Decision) error
		want   kernel.Code
	}{
		{"the same person again", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-003"), ballot(d))
		}, kernel.Conflict},
		{"a second token of the same person", func(t *testing.T, h *house, d kernel.Decision) error {
			return cast(h, h.caller(t, kernel.RoleApprover, "person-003"), ballot(d))
		}, kernel.Conflict},
		{"the owner of the agent", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-001"), ballot(d))
		}, kernel.Forbidden},
		{"the agent itself, as an approver", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("agent-001"), ballot(d))
		}, kernel.NotFound},
		{"a token of nobody", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleApprover}}, ballot(d))
		}, kernel.Forbidden},
		{"an admin", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, kernel.Caller{Principal: "token:x", Roles: []kernel.Role{kernel.RoleAdmin}, StandsFor: "person-002"}, ballot(d))
		}, kernel.Forbidden},
		{"somebody whom nobody asked", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-005"), ballot(d))
		}, kernel.NotFound},
		{"somebody whom the registry does not know", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-999"), ballot(d))
		}, kernel.NotFound},
		{"another digest", func(t *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-002"), gate.Ballot{ID: d.ID, Digest: h.ask(t, "other").RequestDigest, Approve: true})
		}, kernel.Conflict},
		{"no digest", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-002"), gate.Ballot{ID: d.ID, Approve: true})
		}, kernel.Invalid},
		{"a suspended principal", func(t *testing.T, h *house, d kernel.Decision) error {
			if err := h.SetStatus(t.Context(), admin, "person-002", registry.Suspended, "left"); err != nil {
				t.Fatal(err)
			}
			return cast(h, voter("person-002"), ballot(d))
		}, kernel.Forbidden},
		{"a principal whose role was removed", func(t *testing.T, h *house, d kernel.Decision) error {
			h.apply(t, strings.Replace(askingPeople, `"person-002": {"roles": ["approver", "sre"], "groups": ["payments"]}`, `"person-002": {"roles": ["approver"]}`, 1))
			return cast(h, voter("person-002"), ballot(d))
		}, kernel.NotFound},
		{"after it expired, to the instant", func(_ *testing.T, h *house, d kernel.Decision) error {
			h.pass(d.Approval.ExpiresAt.Sub(noon))
			return cast(h, voter("person-002"), ballot(d))
		}, kernel.Conflict},
		{"after it was withdrawn", func(t *testing.T, h *house, d kernel.Decision) error {
			if _, err := h.Cancel(t.Context(), admin, d.ID, ""); err != nil {
				t.Fatal(err)
			}
			return cast(h, voter("person-002"), ballot(d))
		}, kernel.Conflict},
		{"after a vote against", func(t *testing.T, h *house, d kernel.Decision) error {
			no := ballot(d)
			no.Approve = false
			if _, err := h.Vote(t.Context(), voter("person-002"), no); err != nil {
				t.Fatal(err)
			}
			return cast(h, voter("person-002"), ballot(d))
		}, kernel.Conflict},
		{"a decision of another kind", func(t *testing.T, h *house, _ kernel.Decision) error {
			if err := h.Kill(t.Context(), admin, registry.ScopeAction, "deploy", "incident"); err != nil {
				t.Fatal(err)
			}
			denied, err := h.Decide(t.Context(), dev, asking("agent-001", ""))
			if err != nil {
				t.Fatal(err)
			}
			return cast(h, voter("person-002"), ballot(denied))
		}, kernel.NotFound},
		{"a reason with a line break", func(_ *testing.T, h *house, d kernel.Decision) error {
			b := ballot(d)
			b.Reason = "fine\nevent: approval"
			return cast(h, voter("person-002"), b)
		}, kernel.Invalid},
		{"an id that is none", func(_ *testing.T, h *house, d kernel.Decision) error {
			return cast(h, voter("person-002"), gate.Ballot{ID: strings.ToLower(d.ID), Digest: d.RequestDigest, Approve: true})
		}, kernel.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openAsking(t, granting(t))
			d := h.ask(t, "")
			h.votes(t, d, "person-003")
			if err := c.attack(t, h, d); code(err) != c.want {
				t.Errorf("the vote: %v, want %s", err, c.want)
			}
			h.allowsNothing(t)
		})
	}
}

// TestAServiceOfAVoterHasNoVoteOfItsOwn, in whichever order they vote.
func TestAServiceOfAVoterHasNoVoteOfItsOwn(t *testing.T) {
	h := openAsking(t, granting(t))
	for _, order := range [][2]string{{"person-002", "svc-002"}, {"svc-002", "person-002"}} {
		d := h.ask(t, "")
		h.votes(t, d, order[0])
		_, err := h.vote(t, d, order[1])
		wantCode(t, err, kernel.Conflict, "voted already")
	}
	h.allowsNothing(t)
}

// TestWhoAskedThroughAGatewayDoesNotVote: it stands for a service of theirs.
func TestWhoAskedThroughAGatewayDoesNotVote(t *testing.T) {
	h := openAsking(t, granting(t))
	h.apply(t, adminsToo)
	d, err := h.Decide(t.Context(), h.caller(t, kernel.RoleGateway, "svc-002"), asking("agent-001", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"person-002", "svc-002"} {
		_, err = h.vote(t, d, who)
		wantCode(t, err, kernel.Forbidden, "whoever asked")
	}
	h.allowsNothing(t)
}

// TestVotesAtOnceAreOneEach: of 32 votes of two people at once two count, and
// one ALLOW comes of them.
func TestVotesAtOnceAreOneEach(t *testing.T) {
	h := openAsking(t, granting(t))
	d := h.ask(t, "")
	var wg sync.WaitGroup
	for i := range 32 {
		who := []string{"person-002", "person-003"}[i%2]
		wg.Go(func() {
			_, err := h.Vote(context.Background(), voter(who), gate.Ballot{ID: d.ID, Digest: d.RequestDigest, Approve: true})
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
	h.audited(t)
}

// adminsToo is the registry with people who may make policies, and a service
// that is a gateway.
var adminsToo = strings.NewReplacer(`["approver", "sre"]}`, `["approver", "sre", "gateway"]}`, `"person-001": {"roles": [`, `"person-001": {"roles": ["admin", `,
	`"person-002": {"roles": [`, `"person-002": {"roles": ["admin", `).Replace(askingPeople)

const authored = "separation_of_duty: [policy_author]"

func authoredBundle(text string) []pdl.File {
	policy := strings.Replace(askingPolicy, "separation_of_duty: [requester, agent.owner, delegator]", authored, 1)
	policy = strings.Replace(policy, "facts.tries >= 3", "facts.tries >= 1000", 1)
	return []pdl.File{{Name: "b.yaml", Data: []byte(askingSchema + strings.Replace(policy, "Too often.", text, 1))}}
}

// TestAuthorsOfAPolicyDoNotVoteOnAnyNode: one pushed it on one node, one made
// it the active one on another.
func TestAuthorsOfAPolicyDoNotVoteOnAnyNode(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		if _, err := nodes[0].Apply(t.Context(), admin, document(t, adminsToo), gate.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		pushes, activates := callerOf(t, nodes[0].Gate, kernel.RoleAdmin, "person-001"), callerOf(t, nodes[0].Gate, kernel.RoleAdmin, "person-002")
		before := nodes[0].PolicyVersion()
		r, err := nodes[0].Push(t.Context(), pushes, gate.Push{Files: authoredBundle("No.")})
		if err != nil {
			t.Fatal(err)
		}
		if err := nodes[1].ActivatePushed(t.Context(), activates, gate.Activation{Version: r.Version, Previous: before}); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			soon(t, "the policy is that of all nodes", func() bool { return n.PolicyVersion() == r.Version })
			d := patiently(t, n, asking("agent-001", ""))
			for _, who := range []string{"person-001", "person-002"} {
				_, err := n.Vote(t.Context(), voter(who), gate.Ballot{ID: d.ID, Digest: d.RequestDigest, Approve: true})
				wantCode(t, err, kernel.Forbidden, "the policy") // who is not known yet has no vote either
			}
		}
	})
}

// TestWhoMakesAPolicyTheActiveOneAgainIsItsAuthor, whoever was when it was
// asked for before.
func TestWhoMakesAPolicyTheActiveOneAgainIsItsAuthor(t *testing.T) {
	h := openAsking(t, nil)
	h.apply(t, adminsToo)
	first, second := h.caller(t, kernel.RoleAdmin, "person-001"), h.caller(t, kernel.RoleAdmin, "person-002")
	var versions []string
	for _, text := range []string{"No.", "Never."} {
		r, err := h.Push(t.Context(), first, gate.Push{Files: authoredBundle(text)})
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, r.Version)
	}
	makeActive := func(who kernel.Caller, version string) kernel.Decision {
		if err := h.ActivatePushed(t.Context(), who, gate.Activation{Version: version, Previous: h.PolicyVersion()}); err != nil {
			t.Fatal(err)
		}
		return h.ask(t, "")
	}
	makeActive(first, versions[0])
	makeActive(first, versions[1])
	d := makeActive(second, versions[0])
	_, err := h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Forbidden, "whoever pushed the policy")

	d = makeActive(first, versions[1])
	h.votes(t, d, "person-002")
	d = makeActive(second, versions[0])
	_, err = h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Forbidden, "whoever pushed the policy")
}

// forge replaces a record behind the gate's back.
func (h *house) forge(t *testing.T, kind, key string, old, forged string) {
	t.Helper()
	was, err := h.store.Record(t.Context(), store.RecordKey{Kind: kind, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(was.Value, []byte(old)) {
		t.Fatalf("%s is not in the record %s", old, was.Value)
	}
	head, err := h.store.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.store.Commit(t.Context(), &store.Batch{
		ID: "forged-" + key, PrevSize: head.Size, Next: head, Transitions: []store.Transition{
			{RecordKey: was.RecordKey, From: was.Version, Value: bytes.Replace(was.Value, []byte(old), []byte(forged), 1)},
		},
	})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

// TestAnApprovalIsNotProlongedInTheDatabase: when it ends the log says.
func TestAnApprovalIsNotProlongedInTheDatabase(t *testing.T) {
	h := openAsking(t, granting(t))
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	h.forge(t, "approval", d.ID, `"expires":"2026-11-23T16`, `"expires":"2027-11-23T16`)
	h.pass(5 * time.Hour)
	if _, err := h.vote(t, d, "person-002"); code(err) != kernel.Unavailable {
		t.Errorf("the vote: %v", err)
	}
	if n := h.allows(t, "deploy"); n != 0 {
		t.Errorf("%d decisions allow it", n)
	}
}

// TestAVoteThatWasPutIntoTheDatabaseCountsForNothing: no entry is about it.
func TestAVoteThatWasPutIntoTheDatabaseCountsForNothing(t *testing.T) {
	h := openAsking(t, granting(t))
	d := h.ask(t, "")
	h.forge(t, "approval", d.ID, `"state":"PENDING"`, `"state":"PENDING","votes":[{"approve":true,"at":"2026-11-23T12:00:00Z","by":"person-003"}]`)
	_, err := h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Unavailable, "is not what the log says became of it")
	if n := h.allows(t, "deploy"); n != 0 {
		t.Errorf("%d decisions allow it", n)
	}
	report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
	if err != nil || !strings.Contains(fmt.Sprint(report.List), "it is not what the entries say") {
		t.Errorf("Verify = %v, %v, and does not name the vote", report.List, err)
	}
}

// TestAnApprovalThatIsPutBackIsNotApprovedAgain, by whoever can write the
// database: neither after it was approved nor after it was refused.
func TestAnApprovalThatIsPutBackIsNotApprovedAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(h *house, d kernel.Decision) string
		want int // decisions that allow it
	}{
		{"approved", func(h *house, d kernel.Decision) string { return h.votes(t, d, "person-002") }, 1},
		{"rejected", func(h *house, d kernel.Decision) string {
			a, err := h.Vote(t.Context(), voter("person-002"), gate.Ballot{ID: d.ID, Digest: d.RequestDigest})
			if err != nil {
				t.Fatal(err)
			}
			return a.State
		}, 0},
		{"withdrawn", func(h *house, d kernel.Decision) string {
			a, err := h.Cancel(t.Context(), admin, d.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			return a.State
		}, 0},
	} {
		h := openAsking(t, granting(t))
		d := h.ask(t, "")
		h.votes(t, d, "person-003")
		var was [2]store.Record
		for i, kind := range []string{"approval", "approval_due"} {
			var err error
			if was[i], err = h.store.Record(t.Context(), store.RecordKey{Kind: kind, Key: d.ID}); err != nil {
				t.Fatal(err)
			}
		}
		if state := c.end(h, d); state == "PENDING" {
			t.Fatalf("%s: it is %s", c.name, state)
		}
		h.putBack(t, was[:]...)
		for _, restarted := range []bool{false, true} {
			if restarted {
				h.reopen(t, granting(t))
				activate(t, h, askingSchema+askingPolicy)
			}
			for _, who := range []string{"person-002", "svc-002"} {
				_, err := h.vote(t, d, who)
				wantCode(t, err, kernel.Unavailable, "is not what the log says became of it")
			}
			if n := h.allows(t, "deploy"); n != c.want {
				t.Errorf("%s: %d decisions allow it, want %d", c.name, n, c.want)
			}
		}
	}
}

// TestARestartForgetsNeitherVotesNorRedemptions: what was used before is used after.
func TestARestartForgetsNeitherVotesNorRedemptions(t *testing.T) {
	grants := granting(t)
	h := openAsking(t, grants)
	if err := h.KnowGrantKey(t.Context(), "folder-1"); err != nil {
		t.Fatal(err)
	}
	restart := func() {
		h.reopen(t, grants)
		activate(t, h, askingSchema+askingPolicy)
	}
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	restart()
	_, err := h.vote(t, d, "person-003")
	wantCode(t, err, kernel.Conflict, "voted already")
	waits, stop := context.WithCancel(t.Context())
	defer stop()
	answered := make(chan kernel.Decision, 1)
	go func() {
		answer, err := h.Await(waits, dev, d, time.Minute)
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	h.votes(t, d, "person-002")
	allow := <-answered
	if _, err := h.redeem(dev, allow); err != nil {
		t.Fatal(err)
	}
	restart()
	if _, err := h.redeem(dev, allow); code(err) != kernel.GrantRedeemed {
		t.Errorf("redeemed after a restart: %v", err)
	}
	_, err = h.vote(t, d, "svc-002")
	wantCode(t, err, kernel.Conflict, "APPROVED already")
	if n := h.allows(t, "deploy"); n != 1 {
		t.Errorf("%d decisions allow it, want 1", n)
	}
}

// putBack writes records as they were, behind the gate's back.
func (h *house) putBack(t *testing.T, list ...store.Record) {
	t.Helper()
	head, err := h.store.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{ID: "put-back-" + list[0].Key, PrevSize: head.Size, Next: head}
	for _, r := range list {
		change := store.Transition{RecordKey: r.RecordKey, Value: r.Value}
		if now, err := h.store.Record(t.Context(), r.RecordKey); err == nil {
			change.From = now.Version
		}
		b.Transitions = append(b.Transitions, change)
	}
	if out, err := h.store.Commit(t.Context(), b); err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

// TestABatchOpensNoMoreThanMayBePending.
func TestABatchOpensNoMoreThanMayBePending(t *testing.T) {
	h := openAsking(t, nil)
	activate(t, h, askingSchema+strings.Replace(askingPolicy, "facts.tries >= 3", "facts.tries >= 100000", 1))
	asks := make([]gate.Ask, 400)
	for i := range asks {
		asks[i] = asking("agent-001", "")
	}
	asked := 0
	for _, a := range h.DecideBatch(t.Context(), dev, asks) {
		if a.Err != nil || a.Decision.Decision != kernel.RequireApproval {
			t.Fatalf("%+v", a)
		}
		if a.Decision.Approval != nil {
			asked++
		}
	}
	if asked != 256 {
		t.Errorf("%d questions are pending, want 256", asked)
	}
	h.sound(t)
}

// TestPeopleAreNotAskedForWhatIsAllowedWithAGrantOnly where none can be handed out.
func TestPeopleAreNotAskedForWhatIsAllowedWithAGrantOnly(t *testing.T) {
	needy := strings.Replace(askingSchema, `deploy: {resource: service,`, `deploy: {grant: required, resource: service,`, 1) + askingPolicy
	h := openAsking(t, nil) // without a key
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	activate(t, h, needy)
	if _, err := h.Decide(t.Context(), dev, asking("agent-001", "")); code(err) != kernel.Unsupported {
		t.Errorf("Decide: %v", err)
	}
	if got := h.votes(t, d, "person-002"); got != "REJECTED" {
		t.Errorf("it is %s", got)
	}
	h.allowsNothing(t)

	h = openAsking(t, granting(t))
	phase1 := asking("agent-001", "")
	phase1.Phase1, phase1.Request.Resource.Attributes = true, map[string]any{"environment": "production"}
	d, err := h.Decide(t.Context(), dev, phase1)
	if err != nil || d.Approval == nil {
		t.Fatalf("Decide = %+v, %v", d, err)
	}
	h.votes(t, d, "person-003")
	activate(t, h, needy)
	if _, err := h.Decide(t.Context(), dev, phase1); code(err) != kernel.GrantMissing {
		t.Errorf("Decide: %v", err)
	}
	if got := h.votes(t, d, "person-002"); got != "REJECTED" {
		t.Errorf("it is %s", got)
	}
	h.allowsNothing(t)
}
