package eval

import (
	"cmp"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// An Asked is a workflow that a REQUIRE_APPROVAL asks.
type Asked struct {
	Workflow  string   // empty: that of rules that name none
	Needed    int      // votes: the most that one of its rules, or it itself, wants
	Automatic []string // principals whose votes nobody has to give, sorted
}

// A vote is an automatic vote, lowered.
type vote struct {
	as   string
	when cond
}

// automatic lowers the automatic votes of a rule's workflow.
func (l *lowerer) automatic(list []pdl.AutomaticVote) []vote {
	votes := make([]vote, 0, len(list))
	for _, v := range list {
		l.ast = v.When.AST
		votes = append(votes, vote{v.As, bounded(l.bools(v.When.AST.Expr()))})
	}
	return votes
}

// Asked lists the workflows that the verdict of the last Decide asks, by name.
// After any other verdict than REQUIRE_APPROVAL it means nothing. A condition
// without a value gives no vote.
func (e *Evaluator) Asked() []Asked {
	var list []Asked
	for _, r := range e.outcome.of(kernel.RequireApproval) {
		i, known := slices.BinarySearchFunc(list, r.Approval, func(a Asked, name string) int { return cmp.Compare(a.Workflow, name) })
		if !known {
			list = slices.Insert(list, i, Asked{Workflow: r.Approval})
		}
		list[i].Needed = max(list[i].Needed, r.needed)
		for _, v := range r.votes {
			if v.when(e.frame) == yes && !slices.Contains(list[i].Automatic, v.as) {
				list[i].Automatic = append(list[i].Automatic, v.as)
			}
		}
		slices.Sort(list[i].Automatic)
	}
	return list
}

// Workflow returns an approval document of the bundle.
func (p *Program) Workflow(name string) (pdl.Approval, bool) {
	w, known := p.workflows[name]
	return w, known
}
