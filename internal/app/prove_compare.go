package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/prove"
)

// What diff can be told to fail on.
const (
	FailOnMorePermissive = "more-permissive"
	FailOnAny            = "any"
)

// Lint looks at the rules and the actions of bundles.
func (p *Prover) Lint(ctx context.Context, sources []BundleSource) (*Proof, error) {
	proof := p.proof("lint")
	for _, source := range sources {
		policy, err := proof.policyOf(source)
		if err != nil {
			return nil, err
		}
		findings, err := p.prover.Lint(ctx, policy)
		if err != nil {
			return nil, err
		}
		for _, f := range findings {
			q := questionOf(source.Name, f.Result, f.Pos)
			q.Name, q.Kind, q.By, q.Why, q.Outcome = f.Rule, string(f.Kind), f.By, f.Message, outcomeOfFinding(f.Kind, isRow(policy.Bundle(), f.Rule))
			q.Asked = askedByLint[f.Kind]
			if q.Name == "" {
				q.Name = f.Action
			}
			proof.add(q)
		}
	}
	return proof, nil
}

var askedByLint = map[prove.Kind]string{
	prove.CanErr: "can its condition err", prove.NeverMatches: "can it hold", prove.Overridden: "does it ever decide",
	prove.Redundant: "does removing it change any verdict", prove.Conflict: "can constraints that rules set exclude each other",
	prove.NeverAllowed: "can anybody be allowed it", prove.OnlyDefault: "is a request denied because no rule matches",
	prove.Undecided: "was everything decided",
}

// outcomeOfFinding: that the default denies is what a default is for, and a row
// that changes nothing is there because a table has all its rows.
func outcomeOfFinding(k prove.Kind, row bool) Outcome {
	switch {
	case k == prove.OnlyDefault, k == prove.Redundant && row:
		return Noted
	case k == prove.Undecided:
		return Undecided
	default:
		return Broken
	}
}

func isRow(b *pdl.Bundle, name string) bool {
	i, ok := slices.BinarySearchFunc(b.Rules, name, func(r *pdl.Rule, name string) int { return strings.Compare(r.Name, name) })
	return ok && b.Rules[i].Row
}

// Diff says how a newer policy differs from an older one.
func (p *Prover) Diff(ctx context.Context, older, newer BundleSource) (*Proof, error) {
	proof := p.proof("diff")
	a, b, err := proof.both(older, newer)
	if err != nil {
		return nil, err
	}
	changes, err := p.prover.Diff(ctx, a, b)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		q := questionOf(newer.Name, c.Looser, pdl.Pos{})
		q.Name, q.Kind, q.Direction, q.Asked = c.Action, string(c.Aspect), string(c.Direction), "is the newer policy looser or stricter in "+string(c.Aspect)
		q.Examples = append(examplesOf(c.Looser, "looser"), examplesOf(c.Stricter, "stricter")...)
		q.Outcome = p.outcomeOfChange(c)
		proof.add(q)
	}
	return proof, nil
}

// outcomeOfChange is what a change means to --fail-on. Without it every change
// is only noted.
func (p *Prover) outcomeOfChange(c prove.Change) Outcome {
	broken := c.Looser.Verdict == prove.Counterexample
	if p.config.FailOn == FailOnAny {
		broken = broken || c.Stricter.Verdict == prove.Counterexample
	}
	open := c.Looser.Verdict != prove.Proved || p.config.FailOn != FailOnMorePermissive && c.Stricter.Verdict != prove.Proved
	switch {
	case c.Direction == prove.Equivalent:
		return Holds
	case p.config.FailOn == "":
		return Noted
	case broken:
		return Broken
	case open:
		return Undecided
	default:
		return Noted
	}
}

// Equiv says whether two policies decide the same.
func (p *Prover) Equiv(ctx context.Context, a, b BundleSource) (*Proof, error) {
	return p.compare(ctx, "equiv", "do both decide the same", a, b, p.prover.Equiv)
}

// Subset says whether a child stays within its parent.
func (p *Prover) Subset(ctx context.Context, child, parent BundleSource) (*Proof, error) {
	return p.compare(ctx, "subset", "does the child allow no more than the parent, for no fewer and no easier approvals", child, parent, p.prover.Subset)
}

func (p *Prover) compare(ctx context.Context, task, asked string, a, b BundleSource, ask func(context.Context, *prove.Policy, *prove.Policy) ([]prove.Result, error)) (*Proof, error) {
	proof := p.proof(task)
	one, other, err := proof.both(a, b)
	if err != nil {
		return nil, err
	}
	results, err := ask(ctx, one, other)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		q := questionOf(a.Name, r, pdl.Pos{})
		q.Kind, q.Asked, q.Outcome = task, asked, outcomeOf(r.Verdict)
		proof.add(q)
	}
	return proof, nil
}

func (p *Proof) both(a, b BundleSource) (*prove.Policy, *prove.Policy, error) {
	one, err := p.policyOf(a)
	if err != nil {
		return nil, nil, err
	}
	other, err := p.policyOf(b)
	return one, other, err
}

// Summary is one line for people.
func (p *Proof) Summary() string {
	switch p.Task {
	case "diff":
		return p.directions()
	case "minimize":
		return p.Minimized.summary()
	}
	n, broken, open := len(p.Questions), p.Count(Broken), p.Count(Undecided)
	text := fmt.Sprintf("%d of %d hold", p.Count(Holds), n)
	switch {
	case p.Task == "lint":
		text = plural(broken, "finding")
		if noted := p.Count(Noted); noted > 0 {
			text += ", " + plural(noted, "note")
		}
	case broken > 0:
		text += fmt.Sprintf(", %d broken", broken)
	}
	if open > 0 {
		text += fmt.Sprintf(", %d undecided", open)
	}
	return text
}

// directions counts the ways in which something changed.
func (p *Proof) directions() string {
	var parts []string
	for _, d := range []prove.Direction{prove.Looser, prove.Incomparable, prove.Undetermined, prove.Stricter, prove.Equivalent} {
		n := 0
		for _, q := range p.Questions {
			if q.Direction == string(d) {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, d))
		}
	}
	return strings.Join(parts, ", ")
}
