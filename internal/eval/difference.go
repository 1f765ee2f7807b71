package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func expectsNothing(e pdl.Expectation) bool {
	return e.Decision == nil && e.RiskLevel == nil && e.ApprovalsRequired == nil && e.Workflows == nil && e.Constraints == nil &&
		e.Code == nil && e.Reason == nil && e.Advice == nil && e.Rules == nil && e.RulesInclude == nil
}

// differences compares the members an expectation speaks of.
func differences(e pdl.Expectation, v kernel.Verdict) []Difference {
	var d []Difference
	compare := func(member string, want, have any) {
		if w, h := written(want), written(have); w != h {
			d = append(d, Difference{Member: member, Want: w, Have: h})
		}
	}
	if e.Decision != nil {
		compare("decision", *e.Decision, v.Decision)
	}
	if e.RiskLevel != nil {
		compare("risk_level", *e.RiskLevel, v.RiskLevel)
	}
	if e.ApprovalsRequired != nil {
		compare("approvals_required", *e.ApprovalsRequired, v.ApprovalsRequired)
	}
	if e.Workflows != nil {
		compare("workflows", e.Workflows, v.Workflows)
	}
	if e.Constraints != nil {
		compare("constraints", e.Constraints, v.Constraints)
	}
	if e.Reason != nil {
		compare("reason", *e.Reason, v.Reason)
	}
	if e.Code != nil {
		compare("code", *e.Code, v.Code)
	}
	if e.Advice != nil {
		compare("advice", *e.Advice, v.Advice)
	}
	if e.Rules != nil {
		compare("rules", slices.Sorted(slices.Values(e.Rules)), slices.Sorted(slices.Values(v.Rules)))
	}
	if missing := without(e.RulesInclude, v.Rules); len(missing) > 0 {
		d = append(d, Difference{Member: "rules", Want: "at least " + written(e.RulesInclude), Have: written(v.Rules)})
	}
	return d
}

func without(words, others []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(others, w) })
}

// written is the deterministic JSON of a value.
func written(v any) string {
	data, err := json.Marshal(v, json.Deterministic(true), jsontext.EscapeForHTML(false), json.FormatNilSliceAsNull(false))
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	return strings.TrimSpace(string(data))
}
