package prove

import (
	"errors"
	"maps"
	"reflect"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
)

// A situation is an input, and what evaluators say of it: one for each policy
// that is looked at, each shown what its schema declares.
type situation struct {
	inputs  []formula.Input
	seen    []eval.Trace
	refused []string // why a policy does not take the input; "" when it does
}

// look has the policies decide inputs, one for each of them. It fails when an
// evaluator does for another reason than that the input is none of its own.
func look(policies []*Policy, inputs []formula.Input) (situation, error) {
	s := situation{inputs: inputs, seen: make([]eval.Trace, len(policies)), refused: make([]string, len(policies))}
	for i, p := range policies {
		trace, err := p.program.Explain(evalInput(inputs[i]))
		var problem *kernel.Error
		switch {
		case errors.As(err, &problem) && problem.Code == kernel.Invalid:
			s.refused[i] = problem.Error()
			s.seen[i].Verdict = kernel.Verdict{Decision: kernel.Deny, RiskLevel: kernel.Critical}
		case err != nil:
			return s, err
		default:
			s.seen[i] = trace
		}
	}
	return s, nil
}

func evalInput(in formula.Input) eval.Input {
	return eval.Input{Request: in.Request, Facts: in.Facts, Now: in.Now}
}

// taken reports that the policies take the input.
func (s *situation) taken() bool {
	for _, why := range s.refused {
		if why != "" {
			return false
		}
	}
	return true
}

// candidate returns what became of a rule of the first policy.
func (s *situation) candidate(rule string) eval.Result {
	for _, c := range s.seen[0].Candidates {
		if c.Rule == rule {
			if !c.Match {
				return eval.ResultFalse
			}
			return c.Result
		}
	}
	return eval.ResultFalse
}

// same reports that all policies are shown the same input.
func (s *situation) same() bool {
	for _, in := range s.inputs[1:] {
		if !reflect.DeepEqual(in, s.inputs[0]) {
			return false
		}
	}
	return true
}

// example shows a situation to people.
func (s *situation) example() *Example {
	last := len(s.inputs) - 1
	x := &Example{Input: evalInput(s.inputs[last]), First: evalInput(s.inputs[0]), Verdict: s.seen[0].Verdict, Refused: s.refused[0]}
	if last > 0 {
		x.Input.Facts = map[string]any{}
		maps.Copy(x.Input.Facts, s.inputs[0].Facts)
		maps.Copy(x.Input.Facts, s.inputs[last].Facts)
		x.Other, x.OtherRefused = &s.seen[last].Verdict, s.refused[last]
	}
	return x
}
