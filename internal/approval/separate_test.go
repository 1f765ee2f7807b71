package approval_test

import (
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A duty is a case of separation of duty: what is asked, who votes in which
// order, whose vote is refused and why, and what comes of it.
type duty struct {
	name    string
	set     func(*world)
	votes   string            // as [world.say] reads them
	refused map[string]string // by vote: a part of why; every other is taken
	want    string
}

const (
	isAsker  = "whoever asked may not vote"
	isOwner  = "whoever owns the agent may not vote"
	isLender = "whoever lent the capability"
	isAuthor = "whoever pushed the policy"
	again    = "voted already"
	others   = "the workflow asks others"
)

func apart(words ...string) func(*world) { return func(w *world) { w.apart(words...) } }

func duties() []duty {
	var list []duty
	for _, part := range [][]duty{dutiesOfAskers(), dutiesOfOwners(), dutiesOfLendersAndAuthors(), dutiesOfGroups(), dutiesOfRequired(), dutiesOfMachines(), dutiesOfSeveral()} {
		list = append(list, part...)
	}
	return list
}

func dutiesOfAskers() []duty {
	return []duty{
		{"without separation whoever asked votes", nil, "asker sre-2", nil, "APPROVED"},
		{"whoever asked may not vote", apart("requester"), "asker sre-1 sre-2", map[string]string{"asker": isAsker}, "APPROVED"},
		{"nor as the last", apart("requester"), "sre-1 asker", map[string]string{"asker": isAsker}, "1 more vote"},
		{"nor against", apart("requester"), "-asker", map[string]string{"-asker": isAsker}, "2 more votes"},
		{"nor what they own", apart("requester"), "pipeline sre-1", map[string]string{"pipeline": isAsker}, "1 more vote"},
		{"nor who owns the service that asked", func(w *world) { w.apart("requester"); w.q.Asker = "pipeline" }, "asker sre-1", map[string]string{"asker": isAsker}, "1 more vote"},
		{"agents do not vote", nil, "agent-003 sre-1", map[string]string{"agent-003": "agents do not vote"}, "1 more vote"},
		{"nor do those that another agent owns", apart("requester"), "agents-own", map[string]string{"agents-own": "agents do not vote"}, "2 more votes"},
		{"a token that is nobody's bars nobody else", func(w *world) { w.apart("requester"); w.q.Asker = "" }, "asker sre-1", nil, "APPROVED"},
	}
}

func dutiesOfOwners() []duty {
	return []duty{
		{"the owner of the agent may not vote", apart("agent.owner"), "owner sre-1", map[string]string{"owner": isOwner}, "1 more vote"},
		{"the owner is no requester", apart("requester"), "owner sre-1", nil, "APPROVED"},
		{"nor may what the owner owns", apart("agent.owner"), "owners-bot deep-bot sre-1", map[string]string{"owners-bot": isOwner, "deep-bot": isOwner}, "1 more vote"},
		{"nor the owner that the request alone says", func(w *world) {
			w.apart("agent.owner")
			w.Request.Agent.Attributes = map[string]any{"owner": "sre-1"}
		}, "sre-1 owner sre-2", map[string]string{"sre-1": isOwner, "owner": isOwner}, "1 more vote"},
		{"the owner of the agent's service may not vote", func(w *world) {
			w.apart("agent.owner")
			w.Request.Agent.ID, w.Request.Agent.Attributes = "agent-004", nil
		}, "asker pipeline sre-1", map[string]string{"asker": isOwner, "pipeline": isOwner}, "1 more vote"},
		{"where nobody knows the owner nobody votes", func(w *world) {
			w.apart("agent.owner")
			w.Request.Agent.ID, w.Request.Agent.Attributes = "agent-003", nil
		}, "sre-1", map[string]string{"sre-1": "nobody knows who owns the agent"}, "2 more votes"},
		{"no_self_approval bars both in every workflow", func(w *world) { w.NoSelf = true }, "asker owner sre-1", map[string]string{"asker": isAsker, "owner": isOwner}, "1 more vote"},
	}
}

func dutiesOfLendersAndAuthors() []duty {
	return []duty{
		{"who owns the lender may not vote", apart("delegator"), "lender sre-1", map[string]string{"lender": isLender}, "1 more vote"},
		{"of a longer chain none of the lenders", func(w *world) { w.apart("delegator"); w.Chain = []string{"agent-001", "agent-002"} }, "owner lender sre-1",
			map[string]string{"owner": isLender, "lender": isLender}, "1 more vote"},
		{"where nothing was lent nobody is barred", func(w *world) { w.apart("delegator"); w.Chain = nil }, "lender sre-1", nil, "APPROVED"},
		{"whoever made the policy may not vote", apart("policy_author"), "author sre-1", map[string]string{"author": isAuthor}, "1 more vote"},
		{"nor the second of its authors", func(w *world) { w.apart("policy_author"); w.Authors = []string{"author", "sre-2"} }, "sre-2 sre-1", map[string]string{"sre-2": isAuthor}, "1 more vote"},
		{"where nobody knows the author nobody votes", func(w *world) { w.apart("policy_author"); w.Authors = nil }, "sre-1", map[string]string{"sre-1": "nobody knows who made the policy"}, "2 more votes"},
		{"all words at once", apart("requester", "agent.owner", "delegator", "policy_author"), "asker owner lender author sre-1 sre-2",
			map[string]string{"asker": isAsker, "owner": isOwner, "lender": isLender, "author": isAuthor}, "APPROVED"},
	}
}

func dutiesOfGroups() []duty {
	return []duty{
		{"everybody has one vote", nil, "sre-1 sre-1", map[string]string{}, "1 more vote"},
		{"and none by what they own", nil, "sre-1 sre-1s-bot", map[string]string{"sre-1s-bot": again}, "1 more vote"},
		{"nor in the other order", nil, "sre-1s-bot sre-1", map[string]string{"sre-1": again}, "1 more vote"},
		{"nor by two services of one owner", nil, "owners-bot deep-bot", map[string]string{"deep-bot": again}, "1 more vote"},
		{"a person who has a manager has a vote beside them", nil, "sre-1 manager", nil, "APPROVED"},
		{"two of one group count once", apart("distinct_groups"), "sre-1 owner", nil, "1 more vote"},
		{"who is in both groups counts beside neither", apart("distinct_groups"), "sre-3 sre-1 sre-2", nil, "1 more vote"},
		{"and of different groups each counts", apart("distinct_groups"), "sre-1 owner sre-2", nil, "APPROVED"},
		{"the owner takes no group's place", apart("distinct_groups", "agent.owner"), "owner sre-1 sre-2", map[string]string{"owner": isOwner}, "APPROVED"},
	}
}

func dutiesOfRequired() []duty {
	team := func(w *world) { w.workflow("w", 2, "team_of resource.team, role sre"); w.require(1, "role sre") }
	return []duty{
		{"a quorum without the role waits", team, "dev-1 dev-2", nil, "1 more vote of the role sre"},
		{"and the role comes third", team, "dev-1 dev-2 sre-2", nil, "APPROVED"},
		{"whoever is required is barred like others", func(w *world) { team(w); w.apart("agent.owner") }, "dev-1 owner", map[string]string{"owner": isOwner}, "1 more vote, 1 more vote of the role sre"},
		{"one who is both counts for both", func(w *world) { team(w); w.require(1, "group payments") }, "sre-1 dev-1", nil, "APPROVED"},
		{"the team is that of the request", func(w *world) { w.workflow("w", 1, "team_of resource.team") }, "sre-2", map[string]string{"sre-2": others}, "1 more vote"},
		{"a team that the request does not name is nobody", func(w *world) { w.workflow("w", 1, "team_of resource.other") }, "dev-1", map[string]string{"dev-1": others}, "1 more vote"},
		{"who is named votes, and nobody else", func(w *world) { w.workflow("w", 1, "principal lead") }, "sre-1 lead", map[string]string{"sre-1": others}, "APPROVED"},
		{"who is named and owns the agent does not", func(w *world) { w.workflow("w", 1, "principal owner", "agent.owner") }, "owner", map[string]string{"owner": isOwner}, "1 more vote"},
		{"who is not registered does not vote", func(w *world) { w.workflow("w", 1, "principal nobody") }, "nobody", map[string]string{"nobody": "asks others"}, "1 more vote"},
		{"who is suspended does not vote", func(w *world) { w.suspend("sre-1") }, "sre-1", map[string]string{"sre-1": "active in the registry"}, "2 more votes"},
	}
}

func dutiesOfMachines() []duty {
	bots := func(list ...string) func(*world) { return func(w *world) { w.automatic["w"] = list } }
	return []duty{
		{"an automatic vote is a vote", bots("bot-1"), "*bot-1 sre-1", nil, "APPROVED"},
		{"of two automatic votes one counts", bots("bot-1", "bot-2"), "*bot-1 *bot-2", nil, "1 more vote"},
		{"before or after a person's", bots("bot-1", "bot-2"), "*bot-1 sre-1", nil, "APPROVED"},
		{"it is none of those that are required", func(w *world) { w.automatic["w"] = []string{"sre-bot"}; w.require(1, "role sre"); w.workflow2("dev-1") }, "*sre-bot dev-1", nil, "1 more vote of the role sre"},
		{"nobody gives it", bots("bot-1"), "bot-1", map[string]string{"bot-1": others}, "2 more votes"},
		{"it is given once", bots("bot-1"), "*bot-1 *bot-1", map[string]string{}, "1 more vote"},
		{"what the owner owns has none", func(w *world) { w.automatic["w"] = []string{"owners-bot"}; w.apart("agent.owner") }, "*owners-bot", map[string]string{"*owners-bot": "no automatic vote"}, "2 more votes"},
		{"it counts for the workflow that has it alone", func(w *world) {
			w.workflow("w", 1, "role sre")
			w.workflow("x", 1, "role sre")
			w.automatic["w"] = []string{"bot-1"}
		}, "*bot-1", nil, "1 more vote"},
		{"and not beside its owner's", func(w *world) { w.automatic["w"] = []string{"sre-1s-bot"} }, "*sre-1s-bot sre-1", map[string]string{"sre-1": again}, "1 more vote"},
		{"nor when it comes second", func(w *world) { w.automatic["w"] = []string{"sre-1s-bot"} }, "sre-1 *sre-1s-bot", nil, "1 more vote"},
	}
}

func dutiesOfSeveral() []duty {
	two := func(w *world) { w.workflow("w", 1, "role sre", "agent.owner"); w.workflow("x", 1, "role lead") }
	return []duty{
		{"every workflow has to be satisfied", two, "sre-1", nil, "1 more vote"},
		{"by whom it asks", two, "sre-1 lead", nil, "APPROVED"},
		{"in any order", two, "lead sre-1", nil, "APPROVED"},
		{"one vote counts wherever it is asked for", func(w *world) { w.workflow("w", 1, "role sre"); w.workflow("x", 1, "principal sre-1") }, "sre-1", nil, "APPROVED"},
		{"who is barred in one votes in the other", func(w *world) { w.workflow("w", 1, "role sre", "agent.owner"); w.workflow("x", 1, "role sre") }, "owner", nil, "1 more vote"},
		{"one vote against ends both", two, "sre-1 -lead", nil, "REJECTED"},
		{"after the end nobody votes", two, "-lead sre-1", map[string]string{"sre-1": "REJECTED already"}, "REJECTED"},
		{"rules that name no workflow ask approvers", func(w *world) { delete(w.workflows, "w"); w.workflow("", 1, "role lead") }, "guest sre-1", map[string]string{"guest": others}, "APPROVED"},
	}
}

// workflow2 lets one more principal vote.
func (w *world) workflow2(id string) {
	a := w.workflows["w"]
	a.Of = append(a.Of, pdl.Voter{Kind: "principal", Name: id})
	w.workflows["w"] = a
}

func (w *world) suspend(id string) {
	changes, err := w.Registry.SetStatus(id, registry.Suspended)
	if err != nil {
		panic(err)
	}
	if w.Registry, _, err = w.Registry.With(changes); err != nil {
		panic(err)
	}
}

// TestWhoLostTheRoleOfVotersHasNoVote: whatever else a workflow asks for, whoever
// votes, breaks a glass or reviews has the role approver when that counts.
func TestWhoLostTheRoleOfVotersHasNoVote(t *testing.T) {
	w := asking(t)
	w.workflow("w", 2, "group payments")
	w.open(t)
	if why := w.say("guest"); !strings.Contains(why, "has the role approver") {
		t.Errorf("who never had it is refused with %q", why)
	}
	if why := w.say("dev-1"); why != "" {
		t.Fatal(why)
	}
	w.Registry = snapshot(t, strings.Replace(people, `"dev-1":   {`, `"dev-1":   {"roles": ["no voter"], `, 1))
	if why := w.say("dev-2"); why != "" || w.outcome() != "1 more vote" {
		t.Errorf("with a vote of somebody who has it no more it is %q, %q", w.outcome(), why)
	}
	if why := w.say("sre-1"); why != "" || w.outcome() != "APPROVED" {
		t.Errorf("with one more it is %q, %q", w.outcome(), why)
	}
}

func TestSeparationOfDuty(t *testing.T) {
	for _, c := range duties() {
		t.Run(c.name, func(t *testing.T) {
			w := asking(t)
			if c.set != nil {
				c.set(w)
			}
			w.open(t)
			given := map[string]bool{}
			for _, vote := range strings.Fields(c.votes) {
				why, want := w.say(vote), c.refused[vote]
				if given[vote] && strings.HasPrefix(vote, "*") {
					want = "no automatic vote"
				} else if given[vote] {
					want = again
				}
				given[vote] = true
				if (why == "") != (want == "") || !strings.Contains(why, want) {
					t.Errorf("the vote %s is refused with %q, want %q", vote, why, want)
				}
			}
			if got := w.outcome(); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
		})
	}
	if n := len(duties()); n < 40 {
		t.Errorf("%d cases, want 40 at least", n)
	}
}
