package formula

import (
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// Slice returns everything that decisions about a cell look at, as written. Two
// bundles with equal slices decide alike.
func Slice(from *Source, cell Cell) any {
	b, s := from.bundle, newSide(from, cell)
	type ruleText struct {
		Rule pdl.Rule
		When string
		Vars map[string]string
	}
	var rules []ruleText
	for _, r := range b.Rules {
		if r.Shadow || !covers(r, cell) {
			continue
		}
		t := ruleText{Rule: *r}
		if r.When != nil {
			t.When, t.Vars = r.When.Source, r.When.Variables
		}
		t.Rule.When, t.Rule.Pos, t.Rule.Actions = nil, pdl.Pos{}, nil
		rules = append(rules, t)
	}
	return []any{s.action, s.resource, b.Schema.Agent, b.Schema.Context, b.Schema.Facts, b.Schema.Constraints, rules, b.Data, b.Calendars, b.Approvals, b.TZData}
}
