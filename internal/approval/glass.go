package approval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A Glass is what somebody allowed alone, and who has to look at it. Each
// workflow that was asked has a review of its own.
type Glass struct {
	ID      string    `json:"id"` // of the approval
	Agent   string    `json:"agent"`
	Action  string    `json:"action"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
	Answer  string    `json:"answer"` // the decision that allows it
	Reviews []Review  `json:"reviews"`
	Overdue bool      `json:"overdue,omitzero"` // it was recorded that a review is late
}

// A Review is what has to be said of a glass that was broken. Who may say it is
// as the policy had it then: whoever changes the policy changes no review.
type Review struct {
	Workflow  string     `json:"workflow"`
	Of        []Reviewer `json:"of"`
	Due       time.Time  `json:"due"` // the first instant at which it is overdue
	By        string     `json:"by,omitzero"`
	At        time.Time  `json:"at,omitzero"`
	Justified bool       `json:"justified,omitzero"`
	Note      string     `json:"note,omitzero"`
}

// A Reviewer is a [pdl.Voter] in a record.
type Reviewer struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// A Finding is what somebody says in a review.
type Finding struct {
	By        string
	Justified bool
	Note      string // for people; required
}

func (r Review) closed() bool { return r.By != "" }

// Closed reports whether every review was closed.
func (g Glass) Closed() bool {
	return !slices.ContainsFunc(g.Reviews, func(r Review) bool { return !r.closed() })
}

// Far orders what became of one glass: every review that was closed takes it
// farther, and so does that one is overdue.
func (g Glass) Far() (n int) {
	for _, r := range g.Reviews {
		if r.closed() {
			n += 2
		}
	}
	if g.Overdue {
		n++
	}
	return n
}

// Closes counts the reviews that a glass closes as what becomes of another.
func (g Glass) Closes(before Glass) (n int) {
	for i, r := range g.Reviews {
		if r.closed() && i < len(before.Reviews) && !before.Reviews[i].closed() {
			n++
		}
	}
	return n
}

// Late lists the workflows whose review is overdue at an instant.
func (g Glass) Late(now time.Time) (workflows []string) {
	for _, r := range g.Reviews {
		if !r.closed() && !now.Before(r.Due) {
			workflows = append(workflows, r.Workflow)
		}
	}
	return workflows
}

// MayReview says why somebody may close no review of a glass, or nil: it takes
// one that asks them. Whoever broke it may not, nor whoever asked or owns the
// agent.
func (g Glass) MayReview(c *Case, q Question, id string) error {
	if g.Closed() {
		return kernel.Errorf(kernel.Conflict, "the review of approval %s is closed already", g.ID)
	}
	why := g.unfit(c, q, id)
	if why == "" && !slices.ContainsFunc(g.Reviews, func(r Review) bool { return !r.closed() && r.asks(c, id) }) {
		why = "it is for others"
	}
	if why != "" {
		return kernel.Errorf(kernel.Forbidden, "%s may not review this: %s", id, why).WithHint("kernel approvals show says who may")
	}
	return nil
}

func (g Glass) unfit(c *Case, q Question, id string) string {
	if why := cmp.Or(c.nobody(id), c.unable(id)); why != "" {
		return why
	}
	if c.same(id, g.By) {
		return "whoever broke the glass does not review it"
	}
	return q.apart(c, "requester", id) + q.owns(c, id)
}

func (r Review) asks(c *Case, id string) bool {
	return slices.ContainsFunc(r.Of, func(v Reviewer) bool { return c.is(id, pdl.Voter(v)) })
}

// Asks reports whether a review is for somebody, whatever keeps them from it.
func (g Glass) Asks(c *Case, id string) bool {
	return slices.ContainsFunc(g.Reviews, func(r Review) bool { return r.asks(c, id) }) || g.By == id
}

// Asked says in words whom a review is for.
func (r Review) Asked(c *Case) []string {
	var list []string
	for _, v := range r.Of {
		list = append(list, c.describe(pdl.Voter(v)))
	}
	return list
}

// Review closes the open reviews that are for somebody.
func (g Glass) Review(c *Case, q Question, f Finding) (Glass, error) {
	if err := g.MayReview(c, q, f.By); err != nil {
		return g, err
	}
	if strings.TrimSpace(f.Note) == "" {
		return g, kernel.Errorf(kernel.Invalid, "a review says what was found").At("$.note")
	}
	g.Reviews = slices.Clone(g.Reviews)
	for i := range g.Reviews {
		if r := &g.Reviews[i]; !r.closed() && r.asks(c, f.By) {
			r.By, r.At, r.Justified, r.Note = f.By, c.Now, f.Justified, f.Note
		}
	}
	return g, nil
}

// Follows says what is wrong with a glass as what becomes of another at an
// instant, or "".
func (g Glass) Follows(before Glass, now time.Time) string {
	if g.ID != before.ID || g.Agent != before.Agent || g.Action != before.Action || g.By != before.By || g.Reason != before.Reason ||
		!g.At.Equal(before.At) || g.Answer != before.Answer || len(g.Reviews) != len(before.Reviews) {
		return "it changes what was done"
	}
	for i, r := range g.Reviews {
		was := before.Reviews[i]
		switch {
		case r.Workflow != was.Workflow || !r.Due.Equal(was.Due) || !slices.Equal(r.Of, was.Of):
			return "it changes who has to look at it, or when"
		case was.closed() && (r.By != was.By || !r.At.Equal(was.At) || r.Justified != was.Justified || r.Note != was.Note):
			return "it changes a review that was closed"
		case !was.closed() && r.closed() && !r.At.Equal(now):
			return "a review was closed at another instant than it says"
		}
	}
	return ""
}

// Encode returns the record of a glass: canonical JSON (RFC 8785).
func (g Glass) Encode() ([]byte, error) {
	data, err := json.Marshal(g, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode the record of a broken glass: %w", err)
	}
	value := jsontext.Value(data)
	return value, value.Canonicalize()
}

// DecodeGlass reads a record that Encode wrote. One that is only half
// understood is an error.
func DecodeGlass(record []byte) (Glass, error) {
	var g Glass
	if err := json.Unmarshal(record, &g, json.RejectUnknownMembers(true)); err != nil {
		return Glass{}, fmt.Errorf("decode the record of a broken glass: %w", err)
	}
	if g.ID == "" || g.By == "" || g.Reason == "" || g.Answer == "" || len(g.Reviews) == 0 {
		return Glass{}, fmt.Errorf("the record of the broken glass %q is not one", g.ID)
	}
	return g, nil
}
