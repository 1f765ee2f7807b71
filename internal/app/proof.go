package app

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// A Proof is what one task of kernel prove found out.
type Proof struct {
	Task      string          `json:"task"`    // properties, lint, diff, equiv, subset or minimize
	Outcome   Outcome         `json:"outcome"` // the worst of the questions
	Bundles   []ProvedBundle  `json:"bundles"`
	Solvers   []solver.Binary `json:"solvers"`
	Questions []Question      `json:"questions"` // never nil

	Minimized *Minimized `json:"minimized,omitzero"` // of minimize
}

// An Outcome is what an answer means to whoever asked.
type Outcome string

// The outcomes, from the best. Only Holds exits 0.
const (
	Holds     Outcome = "holds"
	Noted     Outcome = "noted"     // worth knowing, and nothing wrong
	Undecided Outcome = "undecided" // nobody knows: never to be taken for Holds
	Broken    Outcome = "broken"
)

var outcomeRank = map[Outcome]int{Holds: 0, Noted: 1, Undecided: 2, Broken: 3}

// worse is the worse of two outcomes.
func (o Outcome) worse(other Outcome) Outcome {
	if outcomeRank[other] > outcomeRank[o] {
		return other
	}
	return o
}

// A ProvedBundle says which policy was looked at. Properties are no part of
// the policy version: a question holds what it asked.
type ProvedBundle struct {
	Name          string `json:"name"`
	PolicyVersion string `json:"policy_version"`
}

// A Question is one that was asked, and the answer.
type Question struct {
	Bundle    string         `json:"bundle"`             // the name of the policy it is about
	Name      string         `json:"name"`               // document/id of a property or rule, or an action
	Kind      string         `json:"kind"`               // never, always, implies, reachable; what lint found; what diff compared
	Asked     string         `json:"asked"`              // in words
	Verdict   prove.Verdict  `json:"verdict"`            // of the solver and the evaluator
	Outcome   Outcome        `json:"outcome"`            // what that means here
	Direction string         `json:"direction,omitzero"` // of diff
	Why       string         `json:"why,omitzero"`
	By        []string       `json:"by,omitzero"` // of lint: the rules, or the constraint, that make it so
	File      string         `json:"file,omitzero"`
	Line      int            `json:"line,omitzero"`
	Col       int            `json:"col,omitzero"`
	Examples  []ProofExample `json:"examples,omitzero"`
	Gaps      []ProofGap     `json:"gaps,omitzero"`
	Solvers   []string       `json:"solvers,omitzero"` // that decided; none where it took none
}

// A ProofGap is a construct that is not encoded as it is, and where it stands.
type ProofGap struct {
	What string `json:"what"`
	Rule string `json:"rule,omitzero"`
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// A ProofExample is a request that shows something, as the evaluator decides it.
type ProofExample struct {
	Shows   string         `json:"shows"`   // counterexample, example, looser or stricter
	Request jsontext.Value `json:"request"` // as kernel eval takes it, context.now included
	Facts   map[string]any `json:"facts,omitzero"`

	Verdict *kernel.Verdict `json:"verdict,omitzero"` // nil where the policy does not take the request
	Refused string          `json:"refused,omitzero"` // why not
	Other   *ExampleOther   `json:"other,omitzero"`   // of the second policy, where there are two

	Test string `json:"test,omitzero"` // a test document that expects what the policy says today; "" for a request that no test can hold
}

// An ExampleOther is what the second of two policies says.
type ExampleOther struct {
	Verdict *kernel.Verdict `json:"verdict,omitzero"`
	Refused string          `json:"refused,omitzero"`
}

// A ProofRecord is a proof as it is kept: who proved it, and when.
type ProofRecord struct {
	Record  string       `json:"record"` // kernel-proof/1
	Kernel  string       `json:"kernel"` // its version
	At      time.Time    `json:"at"`     // the start, UTC
	TookMS  int64        `json:"took_ms"`
	Options ProofOptions `json:"options"`
	Proof
}

// ProofOptions are what could have changed the answer.
type ProofOptions struct {
	TimeoutMS  int64  `json:"timeout_ms"` // of one question
	CrossCheck bool   `json:"cross_check"`
	FailOn     string `json:"fail_on,omitzero"`
}

// add appends a question and keeps the worst outcome.
func (p *Proof) add(q Question) {
	p.Questions = append(p.Questions, q)
	p.Outcome = p.Outcome.worse(q.Outcome)
}

// Count returns how many questions have an outcome.
func (p *Proof) Count(o Outcome) int {
	n := 0
	for _, q := range p.Questions {
		if q.Outcome == o {
			n++
		}
	}
	return n
}

// outcomeOf is what the verdict on a sentence that should hold means.
func outcomeOf(v prove.Verdict) Outcome {
	switch v {
	case prove.Proved:
		return Holds
	case prove.Counterexample:
		return Broken
	default:
		return Undecided
	}
}
