package approval

import (
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A Tally is how far one workflow of a question is.
type Tally struct {
	Need
	Counted []string // whose votes count, in the order they were given
	Missing []string // what it takes yet, for people; empty: nothing
}

// Count counts the votes for a question: each is counted only if whoever gave
// it may vote now. It says for each workflow what is missing; nothing missing
// anywhere is the quorum. automatic lists by workflow whose votes are given by
// themselves now.
func (q Question) Count(c *Case, automatic map[string][]string) (list []Tally, quorum bool) {
	quorum = len(q.Needs) > 0
	for _, n := range q.Needs {
		t := q.tally(c, n, automatic[n.Workflow])
		quorum = quorum && len(t.Missing) == 0
		list = append(list, t)
	}
	return list, quorum
}

func (q Question) tally(c *Case, n Need, automatic []string) Tally {
	t := Tally{Need: n}
	w, ok := c.workflow(n.Workflow)
	if !ok || n.Needed < 1 {
		t.Missing = []string{fmt.Sprintf("the approval document %q", n.Workflow)}
		return t
	}
	var people []string
	machine := false // at most one automatic vote counts
	for _, v := range q.Votes {
		fits := q.barred(c, n.Workflow, v.By) == ""
		if v.Automatic {
			fits = !machine && slices.Contains(automatic, v.By) && q.unfit(c, w, v.By) == ""
		}
		if !v.Approve || !fits || !c.besides(w, v.By, t.Counted) {
			continue
		}
		t.Counted = append(t.Counted, v.By)
		if machine = machine || v.Automatic; !v.Automatic {
			people = append(people, v.By)
		}
	}
	if short := n.Needed - len(t.Counted); short > 0 {
		t.Missing = append(t.Missing, votes(short))
	}
	for _, r := range w.Require {
		if short := r.Min - c.among(people, r.Voter); short > 0 {
			t.Missing = append(t.Missing, votes(short)+" of "+c.describe(r.Voter))
		}
	}
	return t
}

// besides reports whether a vote counts beside others: it is of somebody else,
// and where the workflow wants distinct groups it is of another group.
func (c *Case) besides(w pdl.Approval, id string, counted []string) bool {
	return !slices.ContainsFunc(counted, func(other string) bool {
		return c.same(id, other) || slices.Contains(w.Apart, "distinct_groups") && c.shared(id, other) != ""
	})
}

func (c *Case) among(people []string, v pdl.Voter) (n int) {
	for _, id := range people {
		if c.is(id, v) {
			n++
		}
	}
	return n
}

func votes(n int) string {
	if n == 1 {
		return "1 more vote"
	}
	return fmt.Sprintf("%d more votes", n)
}

// describe says in words whom a voter stands for.
func (c *Case) describe(v pdl.Voter) string {
	switch v.Kind {
	case "principal":
		return v.Name
	case "team_of":
		if team, _ := c.attribute(v.Name).(string); team != "" {
			return "the team " + team
		}
		return "the team that " + v.Name + " names"
	}
	return "the " + v.Kind + " " + v.Name
}

// Asked says in words whom a workflow asks now.
func (q Question) Asked(c *Case, workflow string) []string {
	w, ok := c.workflow(workflow)
	if !ok {
		return nil
	}
	var list []string
	for _, v := range q.voters(c, w) {
		if words := c.describe(v); !slices.Contains(list, words) {
			list = append(list, words)
		}
	}
	return list
}
