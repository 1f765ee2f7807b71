package eval

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A Report is the result of a bundle's own tests.
type Report struct {
	Cases    []CaseResult `json:"cases"` // in the order of the tests; never nil
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"`
	Coverage Coverage     `json:"coverage"`
}

// OK reports whether every case passed.
func (r Report) OK() bool { return r.Failed == 0 }

// A CaseResult is what became of one case.
type CaseResult struct {
	Name    string          `json:"name"` // document/case
	Pos     pdl.Pos         `json:"-"`    // where the case is written
	Pass    bool            `json:"pass"`
	Verdict *kernel.Verdict `json:"verdict,omitzero"` // absent when there is none
	Diff    []Difference    `json:"diff,omitzero"`    // what differs from the expectation, in the order of a verdict's members
	Error   string          `json:"error,omitzero"`   // why there is no verdict
}

// A Difference is one member of the verdict that is not as expected. Both
// sides are JSON.
type Difference struct {
	Member string `json:"member"`
	Want   string `json:"want"`
	Have   string `json:"have"`
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: want %s, have %s", d.Member, d.Want, d.Have)
}

// Coverage lists what no case showed, by name; never nil.
type Coverage struct {
	// NeverMatched are the rules, shadow rules included, that held in no case.
	NeverMatched []string `json:"never_matched"`
	// NeverDecisive are the enforced rules that held in some case, but never
	// with the effect that was decided: no test shows what they are for.
	NeverDecisive []string `json:"never_decisive"`
}

// testInstant is context.now of a case that gives none: tests do not depend
// on the day they run.
func testInstant() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// RunTests decides every case and compares the verdict with what the case
// expects. A case without an instant is decided for 2026-01-01T00:00:00Z.
func RunTests(p *Program, tests []*pdl.Test) Report {
	report := Report{Cases: []CaseResult{}}
	matched, decisive := map[string]bool{}, map[string]bool{}
	e := p.NewEvaluator(Config{Paranoid: true})
	for _, t := range tests {
		c := e.runTest(t, matched, decisive)
		if c.Pass {
			report.Passed++
		} else {
			report.Failed++
		}
		report.Cases = append(report.Cases, c)
	}
	report.Coverage = p.coverage(matched, decisive)
	return report
}

func (e *Evaluator) runTest(t *pdl.Test, matched, decisive map[string]bool) CaseResult {
	c := CaseResult{Name: t.Name, Pos: t.Pos}
	in, err := InputOf(t)
	if err != nil {
		c.Error = err.Error()
		return c
	}
	v, err := e.own(in)
	if err != nil {
		c.Error = sentence(err)
		return c
	}
	c.Verdict, c.Diff = &v, differences(t.Expect, v)
	if c.Pass = len(c.Diff) == 0; expectsNothing(t.Expect) {
		c.Pass, c.Error = false, "the case expects nothing"
	}
	e.cover(v, matched, decisive)
	return c
}

// InputOf returns what a case decides about.
func InputOf(t *pdl.Test) (Input, error) {
	in := Input{Request: t.Request, Now: testInstant(), Facts: t.Facts}
	if t.Now != "" {
		if err := in.Now.UnmarshalText([]byte(t.Now)); err != nil {
			return Input{}, fmt.Errorf("context.now %q is no RFC 3339 timestamp", clip(t.Now))
		}
	}
	return in, nil
}

// sentence is the error with its hint, as a person would be told.
func sentence(err error) string {
	var e *kernel.Error
	if errors.As(err, &e) && e.Hint != "" {
		return e.Error() + "; " + e.Hint
	}
	return err.Error()
}

// cover notes which rules this case showed at work.
func (e *Evaluator) cover(v kernel.Verdict, matched, decisive map[string]bool) {
	if e.shape == nil {
		return // decided before the rules
	}
	o := e.scan(everyRule)
	for _, x := range slices.Concat(o.erred, o.held) {
		matched[x.Name] = true
	}
	for _, x := range o.erred {
		decisive[x.Name] = true
	}
	for _, x := range o.held {
		// A conflict is decided by whoever set the constraint, whatever its effect.
		if x.Effect == v.Decision || v.Code == kernel.CodeConstraintConflict && len(x.Constraints) > 0 {
			decisive[x.Name] = true
		}
	}
}

func (p *Program) coverage(matched, decisive map[string]bool) Coverage {
	c := Coverage{NeverMatched: []string{}, NeverDecisive: []string{}}
	for _, r := range p.rules {
		switch {
		case !matched[r.Name]:
			c.NeverMatched = append(c.NeverMatched, r.Name)
		case !decisive[r.Name] && !r.Shadow:
			c.NeverDecisive = append(c.NeverDecisive, r.Name)
		}
	}
	return c
}
