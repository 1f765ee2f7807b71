package eval

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A Trace is why a verdict is what it is: every rule that could have had a
// say, and every value its condition looked at.
type Trace struct {
	Verdict      kernel.Verdict     `json:"verdict"`
	Action       string             `json:"action"`
	ResourceType string             `json:"resource_type"`
	KeptBy       kernel.KeptBy      `json:"kept_by,omitzero"`  // who keeps its constraints, where the door does not
	Registry     *registry.Standing `json:"registry,omitzero"` // what the registry said of the request, as far as the program looks at it
	Candidates   []Candidate        `json:"candidates"`        // by rule name; never nil, empty for a verdict reached before the rules
	Shadow       *kernel.Verdict    `json:"shadow,omitzero"`   // with shadow rules enforced, when that differs
}

// A Candidate is one rule that covers the action.
type Candidate struct {
	Rule     string        `json:"rule"` // document/id
	Effect   kernel.Effect `json:"effect"`
	Mode     string        `json:"mode"`               // enforce or shadow
	Match    bool          `json:"match"`              // all its atoms hold, and no row goes first
	Failed   *FailedAtom   `json:"failed,omitzero"`    // the first atom that does not hold
	BeatenBy string        `json:"beaten_by,omitzero"` // the atoms of the table row that goes first
	When     string        `json:"when,omitzero"`      // the condition as written
	Result   Result        `json:"result"`
	Error    string        `json:"error,omitzero"` // with Failed: why the condition has no value
	Values   []Value       `json:"values,omitzero"`
}

// A FailedAtom is an equality of `match` that does not hold.
type FailedAtom struct {
	Path   string   `json:"path"`
	Wanted []string `json:"wanted"`
	Value  any      `json:"value"`
}

// A Result says what became of a rule.
type Result string

// The results. Without a condition a rule that matches is ResultTrue.
const (
	ResultTrue         Result = "true"
	ResultFalse        Result = "false"
	ResultError        Result = "error"
	ResultNotEvaluated Result = "not evaluated" // it does not match
)

// A Value is what one sub-expression of a condition evaluates to. Variables
// of the document stand as what they are short for.
type Value struct {
	Expression string `json:"expression"`
	Value      any    `json:"value"`          // null with an error
	Error      string `json:"error,omitzero"` // why there is no value
}

// Explain decides the request and says how. It fails where Decide fails, and
// its verdict is that of Decide.
func (p *Program) Explain(in Input) (Trace, error) {
	e := p.NewEvaluator(Config{Paranoid: true})
	verdict, err := e.own(in)
	if err != nil {
		return Trace{}, err
	}
	t := Trace{Verdict: verdict, Action: in.Request.Action, ResourceType: in.Request.Resource.Type, Candidates: []Candidate{}}
	if in.Standing != nil && !in.Standing.IsZero() {
		st := p.Narrow(*in.Standing, in.Request.Resource.Type)
		t.Registry = &st
	}
	if e.shape == nil {
		return t, nil // decided before the rules
	}
	t.KeptBy = p.KeptBy(verdict.Constraints)
	shadow := p.merge(&in, e.shape, e.scan(everyRule))
	shadow.RequestDigest = verdict.RequestDigest
	if !sameVerdict(shadow, verdict) {
		t.Shadow = &shadow
	}
	for _, r := range e.shape.action.rules {
		t.Candidates = append(t.Candidates, e.candidate(r))
	}
	return t, nil
}

// sameVerdict compares as a reader of the answer would: byte for byte.
func sameVerdict(a, b kernel.Verdict) bool {
	x, errX := json.Marshal(a, json.Deterministic(true))
	y, errY := json.Marshal(b, json.Deterministic(true))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// show turns a value of a frame into what JSON has for it.
func show(v any) any {
	switch v := v.(type) {
	case instant:
		return v.time().Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	}
	return v
}
