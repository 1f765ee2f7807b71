package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/approval"
)

// A tale is all that entries of several shards say of one approval, in whatever
// order they were read.
type tale struct {
	asked   *approval.Question
	steps   []step
	answers []answer // decisions that answer it
}

type step struct {
	approval.Question
	at    time.Time
	batch string
}

type answer struct {
	id, agent, action, caller, batch string
}

// tell takes an entry about an approval. Once what is known makes a whole, from
// the question to its end, it is forgotten; what is left in the end is wrong, or
// pending.
func (p *approvalPast) tell(e Entry) {
	q, asks := e.Question()
	switch {
	case asks:
		p.of(q.ID).asked = &q
	case e.Approval != nil:
		q = e.Approval.Question
		t := p.of(q.ID)
		t.steps = append(t.steps, step{q, e.Instant, e.Batch})
	case e.Decision != nil && e.Decision.Answers != "":
		q.ID = e.Decision.Answers
		t := p.of(q.ID)
		t.answers = append(t.answers, answer{e.Decision.ID, e.Decision.Agent, e.Decision.Action, e.Caller, e.Batch})
	default:
		return
	}
	if t := p.tales[q.ID]; t.ended() && len(t.wrong()) == 0 {
		delete(p.tales, q.ID)
	}
}

func (p *approvalPast) of(id string) *tale {
	t := p.tales[id]
	if t == nil {
		t = &tale{}
		p.tales[id] = t
	}
	return t
}

func (t *tale) ended() bool {
	return slices.ContainsFunc(t.steps, func(s step) bool { return s.State != approval.Pending })
}

// wrong lists what is wrong with an approval whose entries all were read.
func (t *tale) wrong() (problems []string) {
	if t.asked == nil {
		return []string{"entries are about it, and none says that it was asked, or it had ended before them"}
	}
	slices.SortStableFunc(t.steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.Far(), b.Far()), a.at.Compare(b.at), a.Due.Compare(b.Due))
	})
	last := step{Question: *t.asked}
	for _, s := range t.steps {
		if wrong := s.Follows(last.Question, s.at); wrong != "" {
			problems = append(problems, wrong)
		}
		last = s
	}
	return append(problems, t.answered(last)...)
}

func (t *tale) answered(last step) (problems []string) {
	if last.Answer != "" && len(t.answers) == 0 {
		problems = append(problems, fmt.Sprintf("it says that decision %s answers it, which does not", last.Answer))
	}
	for i, a := range t.answers {
		switch {
		case i > 0:
			problems = append(problems, fmt.Sprintf("decision %s answers it a second time", a.id))
		case a.agent != t.asked.Agent || a.action != t.asked.Action || a.caller != t.asked.Caller:
			problems = append(problems, fmt.Sprintf("decision %s answers it, and is about something else", a.id))
		case a.id != last.Answer || a.batch != last.batch:
			problems = append(problems, fmt.Sprintf("decision %s answers it, and no entry says that it was approved with it", a.id))
		}
	}
	return problems
}
