package approval

import (
	"slices"
	"time"
)

// Next is the next instant at which something happens to a pending question by
// itself: it expires, or asks others.
func (q Question) Next(c *Case) time.Time {
	due := q.Expires
	for _, at := range q.escalations(c) {
		if at.After(c.Now) && at.Before(due) {
			due = at
		}
	}
	return due
}

// Escalate notes the steps of escalation that are due, and says how many are
// new.
func (q Question) Escalate(c *Case) (Question, int) {
	steps := 0
	for _, at := range q.escalations(c) {
		if !at.After(c.Now) {
			steps++
		}
	}
	more := max(0, steps-q.Escalated)
	q.Escalated += more
	return q, more
}

// escalations lists the instants at which workflows ask others.
func (q Question) escalations(c *Case) []time.Time {
	var list []time.Time
	for _, n := range q.Needs {
		w, _ := c.workflow(n.Workflow)
		for _, e := range w.Escalate {
			list = append(list, q.Opened.Add(e.After))
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}

// Automatic returns who votes by itself now and has not yet: who is named,
// active, and kept from it by no separation. automatic lists them by workflow.
func (q Question) Automatic(c *Case, automatic map[string][]string) []string {
	var list []string
	for _, n := range q.Needs {
		w, ok := c.workflow(n.Workflow)
		if !ok {
			continue
		}
		for _, id := range automatic[n.Workflow] {
			voted := slices.ContainsFunc(q.Votes, func(v Vote) bool { return v.By == id })
			if !voted && !slices.Contains(list, id) && q.unfit(c, w, id) == "" {
				list = append(list, id)
			}
		}
	}
	return list
}
