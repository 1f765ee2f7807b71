package app

import (
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A CostReport is the most that the conditions of the rules of an action can
// take for one request; see [pdl.Cost].
type CostReport struct {
	Action       string `json:"action"`
	Rules        int    `json:"rules"` // with conditions
	Steps        int64  `json:"steps"`
	Microseconds int64  `json:"about_us"` // of one core
	Dearest      string `json:"dearest_rule"`
	DearestSteps int64  `json:"dearest_steps"`
}

func reportCosts(b *pdl.Bundle) []CostReport {
	var list []CostReport
	for _, c := range b.Costs() {
		list = append(list, CostReport{
			Action: c.Action, Rules: c.Rules, Steps: c.Steps, Microseconds: c.Time().Microseconds(),
			Dearest: c.Dearest, DearestSteps: c.DearestSteps,
		})
	}
	return list
}
