package pdl

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// maxComparisons bounds the pairs of rules that idleRules compares for one
// rule: what is beyond is not found.
const maxComparisons = 200

// idleRules warns of rules of policies that change no answer: another rule
// holds wherever they do, decides at least as strictly, and has all they add.
// Rules add more than their effect: risk, approvals, constraints, a reason.
func (c *compiler) idleRules() {
	if c.failed {
		return
	}
	wide := map[string][]*Rule{}
	for _, r := range c.bundle.Rules {
		if len(r.Beats) > 0 {
			continue // it holds in less than its match
		}
		for _, key := range r.footing() {
			wide[key] = append(wide[key], r)
		}
	}
	for _, r := range c.bundle.Rules {
		if !r.Row {
			c.idle(r, wide)
		}
	}
}

// footing lists the keys that a rule is found by: one of its actions with one
// value of its first atom, or alone.
func (r *Rule) footing() []string {
	var keys []string
	for _, action := range r.Actions {
		if len(r.Match) == 0 {
			keys = append(keys, action)
			continue
		}
		for _, v := range r.Match[0].Values {
			keys = append(keys, action+"\x00"+r.Match[0].Path+"\x00"+v)
		}
	}
	return keys
}

func (c *compiler) idle(r *Rule, wide map[string][]*Rule) {
	if len(r.Actions) == 0 {
		return
	}
	keys := []string{r.Actions[0]}
	for _, a := range r.Match {
		if len(a.Values) > 0 {
			keys = append(keys, r.Actions[0]+"\x00"+a.Path+"\x00"+a.Values[0])
		}
	}
	left := maxComparisons
	for _, key := range keys {
		for _, other := range wide[key] {
			if left--; left < 0 {
				return
			}
			if other != r && other.makesIdle(r) {
				c.warnf(c.ruleAt[r], "remove it, or make it differ", "%s", idleness(r, other))
				return
			}
		}
	}
}

func idleness(r, other *Rule) string {
	switch {
	case other.Effect < r.Effect:
		return fmt.Sprintf("the rule never matters: wherever it holds, %s says %s", other.Name, other.Effect)
	case r.Effect == other.Effect && r.Shadow == other.Shadow && r.covers(other):
		return fmt.Sprintf("the rule repeats %s", other.Name)
	}
	return fmt.Sprintf("the rule adds nothing to %s, which holds wherever it does", other.Name)
}

// makesIdle reports that a bundle with r answers the same without other. Of two
// that do so of each other the first one stays.
func (r *Rule) makesIdle(other *Rule) bool {
	return r.suffices(other) && (r.Name < other.Name || !other.suffices(r))
}

func (r *Rule) suffices(other *Rule) bool {
	switch {
	case r.Shadow && !other.Shadow || r.Effect > other.Effect || r.Risk < other.Risk || !r.covers(other):
		return false
	case r.Effect == kernel.Deny && other.Effect != kernel.Deny:
		return true // a DENY has neither approvals nor constraints
	case r.Effect < other.Effect:
		return r.obliges(other.Constraints)
	}
	return r.Approvals >= other.Approvals && r.Approval == other.Approval && r.obliges(other.Constraints) &&
		r.explains(other, r.Reason, other.Reason) && r.explains(other, r.Advice, other.Advice)
}

// covers reports that r holds wherever other does.
func (r *Rule) covers(other *Rule) bool {
	for _, a := range other.Actions {
		if !slices.Contains(r.Actions, a) {
			return false
		}
	}
	for _, atom := range r.Match {
		i := slices.IndexFunc(other.Match, func(a Atom) bool { return a.Path == atom.Path })
		if i < 0 || slices.ContainsFunc(other.Match[i].Values, func(v string) bool { return !contains(atom.Values, v) }) {
			return false
		}
	}
	return r.When == nil || other.When != nil && r.When.Source == other.When.Source &&
		(!strings.Contains(r.When.Source, "variables") || maps.Equal(r.When.Variables, other.When.Variables))
}

// obliges reports that r has all of these constraints, with these values.
func (r *Rule) obliges(list []Obligation) bool {
	return !slices.ContainsFunc(list, func(o Obligation) bool {
		return !slices.ContainsFunc(r.Constraints, func(own Obligation) bool { return reflect.DeepEqual(own, o) })
	})
}

// explains reports that the text of other is never shown: it has none, or r
// comes first.
func (r *Rule) explains(other *Rule, own, text string) bool {
	return text == "" || own != "" && r.Name < other.Name
}
