package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/approval"
)

type wireOpened struct {
	Asker   string     `json:"asker"`
	Due     string     `json:"due"`
	Expires string     `json:"expires"`
	Needs   []wireNeed `json:"needs"`
}

type wireNeed struct {
	Needed   int    `json:"needed"`
	Workflow string `json:"workflow"`
}

type wireApproval struct {
	Change   string         `json:"change"`
	Question jsontext.Value `json:"question"`
}

// opened writes what a decision asks people. Decisions of before anybody was
// asked have no such member.
func (c *canonical) opened(o *Opened) {
	expires, err := formatInstant(o.Expires)
	c.keep(err)
	if len(o.Needs) == 0 {
		c.keep(errors.New("an approval asks one workflow at least"))
	}
	c.object("approval")
	c.textIfAny("asker", o.Asker)
	due, err := formatInstant(o.Due)
	c.keep(err)
	c.text("due", due)
	c.text("expires", expires)
	c.name("needs")
	c.buf = append(c.buf, '[')
	for _, n := range o.Needs {
		if n.Needed < 1 {
			c.keep(fmt.Errorf("the workflow %q is asked for %d votes", n.Workflow, n.Needed))
		}
		c.comma()
		c.buf = append(c.buf, '{')
		c.integer("needed", int64(n.Needed))
		c.textIfAny("workflow", n.Workflow)
		c.close('}')
	}
	c.close(']')
	c.close('}')
}

func openedFromWire(w *wireOpened) (*Opened, error) {
	if w == nil {
		return nil, nil
	}
	expires, err := parseInstant(w.Expires)
	if err != nil {
		return nil, err
	}
	due, err := parseInstant(w.Due)
	o := &Opened{Asker: w.Asker, Expires: expires, Due: due}
	for _, n := range w.Needs {
		o.Needs = append(o.Needs, approval.Need{Workflow: n.Workflow, Needed: n.Needed})
	}
	return o, err
}

// changes are what becomes of a question.
var changes = []string{ChangeVoted, ChangeEscalated, ChangeSettled}

// The changes of a question.
const (
	ChangeVoted     = "voted"     // one vote more; with a vote against, it settles the question too
	ChangeEscalated = "escalated" // others are asked from here on
	ChangeSettled   = "settled"   // it is not pending any more
)

func (c *canonical) approval(a *ApprovalChange) {
	value, err := a.Question.Encode()
	c.keep(err)
	if !slices.Contains(changes, a.Change) {
		c.keep(fmt.Errorf("an approval entry says that somebody voted, that it escalated or was settled, not %q", a.Change))
	}
	c.object("approval")
	c.text("change", a.Change)
	c.name("question")
	c.buf = append(c.buf, value...)
	c.close('}')
}

func approvalFromWire(w *wireApproval) (*ApprovalChange, error) {
	q, err := approval.Decode(w.Question)
	return &ApprovalChange{Change: w.Change, Question: q}, err
}

// Question is what a decision that asks people opens, as its record begins.
func (e Entry) Question() (q approval.Question, ok bool) {
	d := e.Decision
	if d == nil || d.Opened == nil {
		return q, false
	}
	return approval.Question{
		ID: d.ID, State: approval.Pending, Agent: d.Agent, Action: d.Action, Caller: e.Caller, Asker: d.Opened.Asker,
		Opened: e.Instant.UTC().Round(0), Expires: d.Opened.Expires.UTC(), Due: d.Opened.Due.UTC(), Needs: d.Opened.Needs,
	}, true
}
