// Package approval is what becomes of a decision that asks people: who may
// vote, when there are votes enough, and when it is too late.
//
// It promises that nothing is approved without the quorum of eligible and
// distinct principals that every asked workflow wants, and nothing after it
// expired. The zero Question is of no state, and nobody may vote on it.
package approval

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
)

// A State says what became of a question. Only a pending one changes.
type State string

// The states.
const (
	Pending   State = "PENDING"
	Approved  State = "APPROVED"
	Rejected  State = "REJECTED"
	Expired   State = "EXPIRED"
	Cancelled State = "CANCELLED"
)

// States lists every state.
func States() []State { return []State{Pending, Approved, Rejected, Expired, Cancelled} }

// MaxReason bounds what somebody says with a vote, in characters.
const MaxReason = 512

// A Question is a decision that asks people, and what they said. Its record is
// changed by compare-and-set only.
type Question struct {
	ID        string    `json:"id"` // of the decision
	State     State     `json:"state"`
	Agent     string    `json:"agent"`
	Action    string    `json:"action"`
	Caller    string    `json:"caller"`         // who asked, as the log names it
	Asker     string    `json:"asker,omitzero"` // the principal whose token asked; empty: it is nobody's
	Opened    time.Time `json:"opened"`
	Expires   time.Time `json:"expires"` // the first instant at which it is too late
	Due       time.Time `json:"due"`     // when something happens to it by itself; once settled it means nothing
	Needs     []Need    `json:"needs"`
	Votes     []Vote    `json:"votes,omitzero"`
	Escalated int       `json:"escalated,omitzero"` // steps of escalation that were recorded
	Settled   time.Time `json:"settled,omitzero"`
	By        string    `json:"by,omitzero"`     // who settled it; empty: the kernel
	Code      Code      `json:"code,omitzero"`   // why it is what it is, unless pending
	Reason    string    `json:"reason,omitzero"` // for people
	Answer    string    `json:"answer,omitzero"` // the decision that allows it
}

// A Need is a workflow that is asked, and for how many votes.
type Need struct {
	Workflow string `json:"workflow,omitzero"` // empty: that of rules that name none
	Needed   int    `json:"needed"`
}

// A Vote is what one principal said.
type Vote struct {
	By        string    `json:"by"`
	Approve   bool      `json:"approve"`
	Automatic bool      `json:"automatic,omitzero"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitzero"`
}

// A Code says why a question was settled.
type Code string

// The codes.
const (
	QuorumReached    Code = "QUORUM"            // APPROVED
	GlassBroken      Code = "BREAK_GLASS"       // APPROVED: by somebody alone
	VotedAgainst     Code = "VOTE"              // REJECTED: somebody who may vote said no
	PolicyChanged    Code = "POLICY_CHANGED"    // REJECTED: it is denied by what holds now
	RequesterRevoked Code = "REQUESTER_REVOKED" // REJECTED: the token that asked was revoked
	TooLate          Code = "TIMEOUT"           // EXPIRED
	Withdrawn        Code = "WITHDRAWN"         // CANCELLED
)

// Settle ends a pending question. It refuses what has ended, and an approval
// that comes too late.
func (q Question) Settle(to State, code Code, by, reason string, now time.Time) (Question, error) {
	switch {
	case q.State != Pending:
		return q, q.closed()
	case to == Approved && !now.Before(q.Expires), to == Expired && now.Before(q.Expires):
		return q, kernel.Errorf(kernel.Conflict, "it expires at %s", q.Expires.Format(time.RFC3339))
	case to == Pending:
		return q, kernel.Errorf(kernel.Conflict, "it is pending")
	}
	q.State, q.Code, q.By, q.Reason, q.Settled = to, code, by, reason, now
	return q, nil
}

// closed says that a question has ended.
func (q Question) closed() error {
	return kernel.Errorf(kernel.Conflict, "the approval is %s already", q.State).
		WithHint("kernel approvals show says what came of it; whoever needs another answer asks for a new decision")
}

// Cast adds a vote of somebody who may give it. A vote against settles the
// question; whether there are enough votes for it is for [Question.Count].
func (q Question) Cast(c *Case, v Vote) (Question, error) {
	if err := q.MayVote(c, v.By); err != nil {
		return q, err
	}
	q.Votes = append(q.Votes[:len(q.Votes):len(q.Votes)], v)
	if !v.Approve {
		return q.Settle(Rejected, VotedAgainst, v.By, v.Reason, c.Now)
	}
	return q, nil
}

// Encode returns the record of a question: canonical JSON (RFC 8785).
func (q Question) Encode() ([]byte, error) {
	data, err := json.Marshal(q, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode the record of an approval: %w", err)
	}
	value := jsontext.Value(data)
	return value, value.Canonicalize()
}

// Decode reads a record that Encode wrote. One that is only half understood is
// an error.
func Decode(record []byte) (Question, error) {
	var q Question
	if err := json.Unmarshal(record, &q, json.RejectUnknownMembers(true)); err != nil {
		return Question{}, fmt.Errorf("decode the record of an approval: %w", err)
	}
	if q.ID == "" || !known(q.State) || len(q.Needs) == 0 || !q.Opened.Before(q.Expires) {
		return Question{}, fmt.Errorf("the record of the approval %q is not one", q.ID)
	}
	return q, nil
}

func known(s State) bool {
	for _, k := range States() {
		if s == k {
			return true
		}
	}
	return false
}
