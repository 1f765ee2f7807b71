package ledger

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A placed is an entry and where it is.
type placed struct {
	Entry
	seq   uint64
	shard int
}

// A consent is all that the log says of one approval.
type consent struct {
	asked   *placed  // the decision that asks
	changes []placed // as they were read
	answers []placed // the decisions that answer it
	glass   []placed // that somebody allowed it alone, and the reviews of that
}

// A was is what an entry says of a principal from an instant on.
type was struct {
	from  time.Time
	Kind  registry.Kind `json:"kind"`
	Owner string        `json:"owner"`
}

// people takes what an audit of approvals rests on.
func (a *audit) people(p placed) {
	if p.Registry != nil {
		a.fold.change(p.Entry)
	}
	switch {
	case p.Bundle != nil:
		a.written = append(a.written, author{KindBundle, p.Bundle.Version, p.Instant, p.Caller})
	case p.Policy != nil:
		a.written = append(a.written, author{KindPolicy, p.Policy.Version, p.Instant, p.Caller})
	case p.Registry != nil && p.Registry.Object == "principal":
		w := was{from: p.Instant}
		_ = json.Unmarshal(p.Registry.Value, &w) // what cannot be read, or was removed, is nobody who may vote
		a.principals[p.Registry.Key] = append(a.principals[p.Registry.Key], w)
	case p.Approval != nil:
		c := a.consentOf(p.Approval.Question.ID)
		c.changes = append(c.changes, p)
	case p.Glass != nil:
		c := a.consentOf(p.Glass.Glass.ID)
		c.glass = append(c.glass, p)
	case p.Decision != nil && p.Decision.Opened != nil:
		a.consentOf(p.Decision.ID).asked = &p
	case p.Decision != nil && p.Decision.Answers != "":
		c := a.consentOf(p.Decision.Answers)
		c.answers = append(c.answers, p)
	case p.Decision != nil && (p.Decision.Verdict.Code == kernel.CodeApproved || p.Decision.Verdict.Code == kernel.CodeBreakGlass):
		a.entry(p.shard, p.seq, "decision %s is allowed as approved, and answers no decision that asked", p.Decision.ID)
	}
}

func (a *audit) consentOf(id string) *consent {
	c := a.consents[id]
	if c == nil {
		c = &consent{}
		a.consents[id] = c
	}
	return c
}

// consent checks one approval: it was asked for, ended once, and every ALLOW
// that answers it was approved in time by votes enough.
func (a *audit) consent(id string, c *consent) {
	if c.asked == nil {
		p := slices.Concat(c.answers, c.changes, c.glass)[0]
		a.entry(p.shard, p.seq, "approval %s was never asked for", id)
		return
	}
	a.Approvals++
	var end *placed
	for i, p := range c.changes {
		q := p.Approval.Question
		a.voted(c, p)
		if q.State == approval.Pending {
			continue
		}
		if end != nil {
			a.entry(p.shard, p.seq, "approval %s was settled before, in entry %d", id, end.seq)
			continue
		}
		if end = &c.changes[i]; q.State == approval.Approved {
			a.approved(c, p)
		}
	}
	for i, p := range c.answers {
		switch q := settlement(end); {
		case i > 0:
			a.entry(p.shard, p.seq, "decision %s answers approval %s a second time", p.Decision.ID, id)
		case q.State != approval.Approved || q.Answer != p.Decision.ID || end.Batch != p.Batch:
			a.entry(p.shard, p.seq, "decision %s answers approval %s, which was not approved with it", p.Decision.ID, id)
		case p.Decision.Agent != c.asked.Decision.Agent || p.Decision.Action != c.asked.Decision.Action:
			a.entry(p.shard, p.seq, "decision %s answers approval %s, and is about something else", p.Decision.ID, id)
		case (p.Decision.Verdict.Code == kernel.CodeBreakGlass) != (q.Code == approval.GlassBroken):
			a.entry(p.shard, p.seq, "decision %s answers approval %s, and says otherwise whether people voted or one broke the glass", p.Decision.ID, id)
		}
	}
	a.glass(c, end)
}

func settlement(end *placed) (q approval.Question) {
	if end != nil {
		q = end.Approval.Question
	}
	return q
}

// approved checks the end of an approval that allows something.
func (a *audit) approved(c *consent, p placed) {
	q, opened := p.Approval.Question, c.asked.Decision.Opened
	if !p.Instant.Before(opened.Expires) {
		a.entry(p.shard, p.seq, "approval %s was approved after it expired at %s", q.ID, opened.Expires.Format(time.RFC3339))
	}
	if !slices.ContainsFunc(c.answers, func(d placed) bool { return d.Decision.ID == q.Answer }) {
		a.entry(p.shard, p.seq, "approval %s was approved, and no decision allows it", q.ID)
	}
	if q.Code == approval.GlassBroken {
		return // its votes do not count: the glass is looked at by itself
	}
	var voters []string
	machine := false // of automatic votes one counts
	for _, v := range q.Votes {
		if !v.Approve || slices.Contains(voters, v.By) || v.Automatic && machine {
			continue
		}
		machine = machine || v.Automatic
		voters = append(voters, v.By)
		if given := slices.ContainsFunc(c.changes, func(o placed) bool { return gives(o, v) }); !given {
			a.entry(p.shard, p.seq, "approval %s counts a vote of %s, and no entry says that it was given", q.ID, v.By)
		}
	}
	for _, n := range q.Needs {
		if len(voters) < n.Needed {
			a.entry(p.shard, p.seq, "approval %s was approved with %d votes of the %d that it takes", q.ID, len(voters), n.Needed)
		}
	}
}

// gives reports whether an entry is the one that says that a vote was given.
func gives(p placed, v approval.Vote) bool {
	votes := p.Approval.Question.Votes
	return p.Approval.Change == ChangeVoted && len(votes) > 0 && votes[len(votes)-1] == v
}

// voted checks an entry that says that somebody voted.
func (a *audit) voted(c *consent, p placed) {
	q := p.Approval.Question
	if p.Approval.Change != ChangeVoted || len(q.Votes) == 0 {
		return
	}
	v := q.Votes[len(q.Votes)-1]
	if !p.Instant.Before(c.asked.Decision.Opened.Expires) {
		a.entry(p.shard, p.seq, "%s voted on approval %s after it expired", v.By, q.ID)
	}
	caller, known := a.caller(p.Caller)
	switch {
	case v.Automatic: // nobody gives it
	case !known || !caller.Is(kernel.RoleApprover) || caller.StandsFor != v.By:
		a.entry(p.shard, p.seq, "approval %s has a vote of %s by %q, which does not stand for them", q.ID, v.By, p.Caller)
	}
	a.fit(c, p, v.By)
}

// fit checks that whoever voted was somebody who may, as far as entries alone
// say: what a workflow asks for is in the policy, with which [audit.again] looks.
func (a *audit) fit(c *consent, p placed, id string) {
	q := p.Approval.Question
	if always(a.asOf(id, p.Instant), func(w was) bool { return w.Kind != registry.Person && w.Kind != registry.Service }) {
		a.entry(p.shard, p.seq, "approval %s has a vote of %s, who is no person or service of the registry", q.ID, id)
	}
	if c.asked.Decision.Verdict.Constraints["no_self_approval"] != true {
		return
	}
	owners := a.asOf(q.Agent, p.Instant)
	if id == c.asked.Decision.Opened.Asker || len(owners) > 0 && always(owners, func(w was) bool { return w.Owner == id }) {
		a.entry(p.shard, p.seq, "approval %s has a vote of %s, who asked or owns the agent", q.ID, id)
	}
}

// asOf lists what the registry said of a principal at an instant: the latest
// before it, and all of that instant, whose order shards do not tell.
func (a *audit) asOf(id string, at time.Time) (list []was) {
	var before was
	for _, w := range a.principals[id] {
		switch {
		case w.from.Equal(at):
			list = append(list, w)
		case w.from.Before(at) && !w.from.Before(before.from):
			before = w
		}
	}
	if !before.from.IsZero() {
		list = append(list, before)
	}
	return list
}

func always(list []was, wrong func(was) bool) bool {
	return !slices.ContainsFunc(list, func(w was) bool { return !wrong(w) })
}
