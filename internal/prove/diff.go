package prove

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A pair is two policies on one cell, in formulas.
type pair struct {
	policies []*Policy
	e        *formula.Encoding
	a, b     formula.Decision
	desk     *desk
	cell     formula.Cell
}

// sit has a desk look at two policies. The result is nil when they can be
// compared.
func (d *desk) sitPair(cell formula.Cell, cells []formula.Cell, a, b *Policy) (*pair, *Result) {
	e, reason := formula.New(cell, cells, formula.Config{}, a.source, b.source)
	if e == nil {
		return nil, &Result{Verdict: Unsupported, Why: "the bundles cannot be compared: " + reason, Gaps: []Gap{{What: reason}}}
	}
	rulesA, rulesB := e.Rules(0), e.Rules(1)
	p := &pair{policies: []*Policy{a, b}, e: e, desk: d, cell: cell}
	p.a, p.b = e.Decide(0, rulesA, e.Fits(0)), e.Decide(1, rulesB, e.Fits(1))
	d.sit(e)
	return p, nil
}

func (p *pair) search(ctx context.Context, words string, f *smt.Term, holds func(a, b kernel.Verdict) bool) (Result, error) {
	return p.desk.search(ctx, question{
		words: fmt.Sprintf("%s: %v", words, p.cell), formula: f, policies: p.policies,
		holds: func(s *situation) (bool, error) {
			return (s.refused[0] == "" || s.refused[1] == "") && holds(s.seen[0].Verdict, s.seen[1].Verdict), nil
		},
	})
}

// compare answers the questions about the cells of each action, and puts
// together the answers for one action. What a doubt is about is every so manyth
// question, from the first on.
func (p *Prover) compare(ctx context.Context, a, b *Policy, questions int, d doubt, every int, ask func(context.Context, *pair) ([]Result, error)) (actions []string, answers [][]Result, err error) {
	cells := formula.Cells(a.bundle, b.bundle)
	results := make([][]Result, len(cells))
	err = p.parallel(ctx, len(cells), func(ctx context.Context, d *desk, part int) (err error) {
		if same(a, b, cells[part]) {
			results[part] = slices.Repeat([]Result{{Verdict: Proved}}, questions)
			return nil
		}
		pair, cannot := d.sitPair(cells[part], cells, a, b)
		if cannot != nil {
			results[part] = slices.Repeat([]Result{*cannot}, questions)
			return nil
		}
		results[part], err = ask(ctx, pair)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i, cell := range cells {
		d.apply(cell, results[i], every)
		if n := len(actions); n == 0 || actions[n-1] != cell.Action {
			actions, answers = append(actions, cell.Action), append(answers, results[i])
			continue
		}
		last := answers[len(answers)-1]
		for j := range last {
			last[j] = worse(last[j], results[i][j])
		}
	}
	return actions, answers, nil
}

// worse joins the answers to one question about two cells.
func worse(a, b Result) Result {
	asked, solvers := a.Asked+b.Asked, append(slices.Clone(a.Solvers), b.Solvers...)
	slices.Sort(solvers)
	if a.Verdict == Proved || a.Verdict != Worst(a.Verdict, b.Verdict) {
		a, b = b, a
	}
	a.Asked, a.Solvers = asked, slices.Compact(solvers)
	return a
}

// same reports that two policies say the same of a cell because they are
// written alike: everything that a decision about it looks at is.
func same(a, b *Policy, cell formula.Cell) bool {
	return a.bundle == b.bundle || reflect.DeepEqual(formula.Slice(a.source, cell), formula.Slice(b.source, cell))
}

func (p *Prover) diff(ctx context.Context, older, newer *Policy) ([]Change, error) {
	aspects := []Aspect{Allowing, Approving, Quorum}
	if votes(older, newer) {
		aspects = append(aspects, Voters)
	}
	for _, k := range used(older, newer) {
		aspects = append(aspects, k.aspect)
	}
	actions, answers, err := p.compare(ctx, older, newer, 2*len(aspects), believes(newer, older), 2, func(ctx context.Context, p *pair) ([]Result, error) { return p.differences(ctx) })
	if err != nil {
		return nil, err
	}
	var changes []Change
	for i, action := range actions {
		for j, aspect := range aspects {
			c := Change{Action: action, Aspect: aspect, Looser: answers[i][2*j], Stricter: answers[i][2*j+1]}
			switch aspect {
			case Voters:
				c.describe(newPoll(older, newer).changes())
			case BreakingGlass:
				c.describe(glassChanges(older, newer))
			default: // solvers say what changed
			}
			c.Direction = direction(c.Looser.Verdict, c.Stricter.Verdict)
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func direction(looser, stricter Verdict) Direction {
	switch {
	case looser == Counterexample && stricter == Counterexample:
		return Incomparable
	case looser == Proved && stricter == Proved:
		return Equivalent
	case looser == Counterexample && stricter == Proved:
		return Looser
	case looser == Proved && stricter == Counterexample:
		return Stricter
	}
	return Undetermined
}

// describe says of a change of workflows what has changed: verdicts have names
// of them alone.
func (c *Change) describe(what string) {
	for _, r := range []*Result{&c.Looser, &c.Stricter} {
		if r.Verdict == Counterexample {
			r.Why = what
		}
	}
}

// A difference is a question about two verdicts, the older policy's first.
type difference struct {
	words string
	f     *smt.Term
	holds func(older, newer kernel.Verdict) bool
}

// differences asks, aspect by aspect, whether the newer policy is looser, and
// whether it is stricter.
func (p *pair) differences(ctx context.Context) ([]Result, error) {
	e := p.e
	both := e.And(p.a.Ask, p.b.Ask)
	questions := []difference{
		{"allowed now and not before", e.And(p.b.Allow, e.Not(p.a.Allow)), func(o, n kernel.Verdict) bool { return is(n, kernel.Allow) && !is(o, kernel.Allow) }},
		{"allowed before and not now", e.And(p.a.Allow, e.Not(p.b.Allow)), func(o, n kernel.Verdict) bool { return is(o, kernel.Allow) && !is(n, kernel.Allow) }},
		{"denied before and not now", e.And(p.a.Deny, e.Not(p.b.Deny)), func(o, n kernel.Verdict) bool { return is(o, kernel.Deny) && !is(n, kernel.Deny) }},
		{"denied now and not before", e.And(p.b.Deny, e.Not(p.a.Deny)), func(o, n kernel.Verdict) bool { return is(n, kernel.Deny) && !is(o, kernel.Deny) }},
		{"fewer approvals than before", e.And(both, p.fewer(p.b, p.a)), func(o, n kernel.Verdict) bool { return bothAsk(o, n) && n.ApprovalsRequired < o.ApprovalsRequired }},
		{"more approvals than before", e.And(both, p.fewer(p.a, p.b)), func(o, n kernel.Verdict) bool { return bothAsk(o, n) && n.ApprovalsRequired > o.ApprovalsRequired }},
	}
	if votes(p.policies...) {
		questions = append(questions, p.voters()...)
	}
	questions = append(questions, p.shorter()...)
	results := make([]Result, len(questions))
	for i, q := range questions {
		var err error
		if results[i], err = p.search(ctx, q.words, q.f, q.holds); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// votes reports that there are documents that say who may vote.
func votes(policies ...*Policy) bool {
	return slices.ContainsFunc(policies, func(p *Policy) bool { return len(p.bundle.Approvals) > 0 })
}

// voters asks whether whom the newer policy asks is looser, or stricter.
func (p *pair) voters() []difference {
	poll := newPoll(p.policies[0], p.policies[1])
	return []difference{
		{"easier to satisfy than before", p.looser(poll.older, poll.newer, p.a, p.b), func(o, n kernel.Verdict) bool { return isLooser(poll.older, poll.newer, o, n) }},
		{"harder to satisfy than before", p.looser(poll.newer, poll.older, p.b, p.a), func(o, n kernel.Verdict) bool { return isLooser(poll.newer, poll.older, n, o) }},
	}
}

func is(v kernel.Verdict, e kernel.Effect) bool { return v.Decision == e }

func bothAsk(a, b kernel.Verdict) bool {
	return is(a, kernel.RequireApproval) && is(b, kernel.RequireApproval)
}

// fewer holds when a asks for fewer approvals than b.
func (p *pair) fewer(a, b formula.Decision) *smt.Term {
	var any []*smt.Term
	for _, n := range formula.Levels(a, b) {
		any = append(any, p.e.And(p.e.AtLeast(b, n), p.e.Not(p.e.AtLeast(a, n))))
	}
	return p.e.Or(any...)
}

func (p *Prover) equiv(ctx context.Context, a, b *Policy) ([]Result, error) {
	return p.byAction(ctx, a, b, believes(a, b).either(believes(b, a)), func(ctx context.Context, p *pair) (Result, error) {
		differ, short := p.e.Differ(p.e.View(0, p.a, false, p.b), p.e.View(1, p.b, false, p.a)), append(p.shorter(), p.voters()...)
		for _, d := range short {
			differ = p.e.Or(differ, d.f)
		}
		return p.described(p.search(ctx, "decided differently", differ, func(a, b kernel.Verdict) bool {
			return differs(a, b) || slices.ContainsFunc(short, func(d difference) bool { return d.holds(a, b) })
		}))
	})
}

// narrower also holds a child to what its parent obliges to: a rule that is
// narrowed may have set a constraint beside another that allows as well.
func (p *Prover) narrower(ctx context.Context, child, parent *Policy) ([]Result, error) {
	return p.byAction(ctx, child, parent, believes(child, parent), func(ctx context.Context, p *pair) (Result, error) {
		e := p.e
		differ := e.Differ(e.View(0, p.a, true, p.b), e.View(1, p.b, true, p.a))
		return p.search(ctx, "not denied, and decided otherwise than before", e.And(e.Not(p.a.Deny), differ), func(child, parent kernel.Verdict) bool {
			return !is(child, kernel.Deny) && (differs(child, parent) || child.RiskLevel != parent.RiskLevel)
		})
	})
}

func differs(a, b kernel.Verdict) bool {
	return a.Decision != b.Decision || a.ApprovalsRequired != b.ApprovalsRequired || !slices.Equal(a.Workflows, b.Workflows) ||
		!sameConstraints(a.Constraints, b.Constraints)
}

func sameConstraints(a, b map[string]any) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// described says what has changed where two verdicts do not tell.
func (p *pair) described(r Result, err error) (Result, error) {
	if x := r.Example; x != nil && x.Other != nil && !differs(x.Verdict, *x.Other) {
		r.Why = strings.Trim(newPoll(p.policies[0], p.policies[1]).changes()+"; "+glassChanges(p.policies[0], p.policies[1]), "; ")
	}
	return r, err
}

func (p *Prover) subset(ctx context.Context, child, parent *Policy) ([]Result, error) {
	return p.byAction(ctx, child, parent, believes(child, parent), func(ctx context.Context, p *pair) (Result, error) {
		e, easier := p.e, p.voters()[1] // for the child than for its parent
		beyond := e.Or(easier.f, e.And(p.a.Allow, e.Not(p.b.Allow)), e.And(p.a.Ask, p.b.Deny), e.And(p.a.Ask, p.b.Ask, p.fewer(p.a, p.b)))
		shortcuts := used(p.policies...)
		for _, k := range shortcuts {
			beyond = e.Or(beyond, p.beyond(&k, 0, 1))
		}
		return p.described(p.search(ctx, "beyond the parent", beyond, func(child, parent kernel.Verdict) bool {
			return easier.holds(child, parent) || slices.ContainsFunc(shortcuts, func(k shortcut) bool { return p.isBeyond(&k, 0, 1, child, parent) }) || is(child, kernel.Allow) && !is(parent, kernel.Allow) || is(child, kernel.RequireApproval) && is(parent, kernel.Deny) ||
				bothAsk(child, parent) && child.ApprovalsRequired < parent.ApprovalsRequired
		}))
	})
}

// byAction answers one question for every action.
func (p *Prover) byAction(ctx context.Context, a, b *Policy, d doubt, ask func(context.Context, *pair) (Result, error)) ([]Result, error) {
	actions, answers, err := p.compare(ctx, a, b, 1, d, 1, func(ctx context.Context, p *pair) ([]Result, error) {
		r, err := ask(ctx, p)
		return []Result{r}, err
	})
	results := make([]Result, len(actions))
	for i, action := range actions {
		results[i] = answers[i][0]
		results[i].Name = action
	}
	return results, err
}
