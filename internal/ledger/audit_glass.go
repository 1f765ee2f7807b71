package ledger

import (
	"cmp"
	"maps"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// glass checks what somebody allowed alone: once, with the end of its approval,
// by a token that stands for them, and every review of it by somebody else.
func (a *audit) glass(c *consent, end *placed) {
	q := settlement(end)
	broken := 0
	before := approval.Glass{}
	for _, p := range c.farther() {
		g := p.Glass.Glass
		if p.Glass.Change != GlassBroken {
			a.follows(p, before)
			a.reviewed(c, p)
			before = g
			continue
		}
		before = g
		broken++
		switch {
		case broken > 1:
			a.entry(p.shard, p.seq, "the glass of approval %s was broken before", g.ID)
		case q.Code != approval.GlassBroken || end.Batch != p.Batch || q.By != g.By || q.Reason != g.Reason || q.Answer != g.Answer:
			a.entry(p.shard, p.seq, "the glass of approval %s was broken, and it was not approved with that", g.ID)
		case g.Far() > 0:
			a.entry(p.shard, p.seq, "the glass of approval %s was broken with a review that was closed already", g.ID)
		default:
			a.fit(c, *end, g.By)
		}
		a.by(p, g.By, "the glass of approval %s was broken by %s with %q, which does not stand for them", g.ID)
	}
	if q.Code == approval.GlassBroken && broken == 0 {
		a.entry(end.shard, end.seq, "approval %s was approved as one whose glass was broken, and no entry says by whom", q.ID)
	}
}

// farther lists what became of a glass in the order in which it did, which shards
// do not tell: every review that is closed takes it farther.
func (c *consent) farther() []placed {
	list := slices.Clone(c.glass)
	slices.SortStableFunc(list, func(x, y placed) int {
		return cmp.Or(cmp.Compare(x.Glass.Glass.Far(), y.Glass.Glass.Far()), x.Instant.Compare(y.Instant))
	})
	return list
}

// follows checks that an entry is what may come after another about a glass.
func (a *audit) follows(p placed, before approval.Glass) {
	wrong := "no entry says that it was broken"
	if before.ID != "" {
		wrong = p.Glass.follows(before, p.Instant)
	}
	if wrong != "" {
		a.entry(p.shard, p.seq, "the glass of approval %s: %s", p.Glass.Glass.ID, wrong)
	}
}

// by checks that an entry was made with a token of an approver that stands for
// somebody.
func (a *audit) by(p placed, id, format, approval string) {
	caller, known := a.caller(p.Caller)
	if !known || !caller.Is(kernel.RoleApprover) || caller.StandsFor != id {
		a.entry(p.shard, p.seq, format, approval, id, p.Caller)
	}
}

// reviewed checks an entry that says that a review was closed, or is overdue.
func (a *audit) reviewed(c *consent, p placed) {
	g := p.Glass.Glass
	if p.Glass.Change == GlassOverdue {
		if len(g.Late(p.Instant)) == 0 {
			a.entry(p.shard, p.seq, "the review of approval %s is said to be overdue, and is not", g.ID)
		}
		return
	}
	for _, r := range g.Reviews {
		if r.By == "" || !r.At.Equal(p.Instant) {
			continue
		}
		a.by(p, r.By, "the review of approval %s was closed by %s with %q, which does not stand for them", g.ID)
		switch {
		case r.By == g.By, r.By == c.asked.Decision.Opened.Asker:
			a.entry(p.shard, p.seq, "the review of approval %s was closed by %s, who asked or broke the glass", g.ID, r.By)
		case always(a.asOf(r.By, p.Instant), func(w was) bool { return w.Kind != registry.Person && w.Kind != registry.Service }):
			a.entry(p.shard, p.seq, "the review of approval %s was closed by %s, who is no person or service of the registry", g.ID, r.By)
		}
	}
}

// glasses checks that nobody broke the glass of a workflow while a review of it
// was overdue, and counts what is open at the end.
func (a *audit) glasses() {
	last, broken := map[string]approval.Glass{}, []placed{}
	for _, id := range slices.Sorted(maps.Keys(a.consents)) {
		for _, p := range a.consents[id].glass {
			if p.Glass.Change == GlassBroken {
				broken = append(broken, p)
			}
			if g := p.Glass.Glass; last[id].ID == "" || g.Far() >= last[id].Far() {
				last[id] = g
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(last)) {
		g := last[id]
		a.Broken++
		if !g.Closed() {
			a.Open++
		}
		if len(g.Late(a.last)) > 0 {
			a.Overdue++
		}
		for _, p := range broken {
			if late := overdueFor(g, p); late != "" {
				a.entry(p.shard, p.seq, "the glass of %s was broken while the review of approval %s was overdue", late, g.ID)
			}
		}
	}
}

// overdueFor names a workflow whose glass an entry says was broken while a
// review of another was overdue, or "".
func overdueFor(g approval.Glass, p placed) string {
	for _, r := range g.Reviews {
		same := slices.ContainsFunc(p.Glass.Glass.Reviews, func(o approval.Review) bool { return o.Workflow == r.Workflow })
		if same && g.ID != p.Glass.Glass.ID && !p.Instant.Before(r.Due) && (r.By == "" || r.At.After(p.Instant.Add(nodeSkew))) {
			return r.Workflow
		}
	}
	return ""
}
