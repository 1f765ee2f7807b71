package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// again looks again at every approval that allows something: with the policy
// and the registry of then, would those who voted have been enough, or might
// one have broken the glass, and would the request have been allowed at all? Both are made of the entries, and of
// the bundles that they name; nothing that a record says of it is believed.
func (a *audit) again(ctx context.Context, r store.Reader, load func(version string) (*eval.Program, error)) error {
	if load == nil {
		return nil
	}
	if err := a.fold.begin(); err != nil {
		return err
	}
	p := replay{Policies: Policies{Load: load}, evaluators: map[string]*eval.Evaluator{}, failed: map[string]error{}}
	for _, c := range a.approvedInOrder() {
		d := c.answers[0]
		row, err := r.EntryByID(ctx, d.Decision.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		a.DecidedAgain++
		if err := a.decidedAgain(c, row, &p); err != nil {
			a.entry(d.shard, d.seq, "decision %s answers approval %s: %v", d.Decision.ID, c.asked.Decision.ID, err)
		}
	}
	return a.reviewers(ctx, r)
}

// approvedInOrder lists the approvals that one decision answers, by when it did.
func (a *audit) approvedInOrder() (list []*consent) {
	for _, id := range slices.Sorted(maps.Keys(a.consents)) {
		if c := a.consents[id]; c.asked != nil && len(c.answers) > 0 && c.ended().State == approval.Approved {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(x, y *consent) int {
		return cmp.Or(x.answers[0].Instant.Compare(y.answers[0].Instant), cmp.Compare(x.answers[0].seq, y.answers[0].seq))
	})
	return list
}

// ended is the question as its end has it; the zero Question while it is pending.
func (c *consent) ended() (q approval.Question) {
	for _, p := range c.changes {
		if p.Approval.Question.State != approval.Pending {
			return p.Approval.Question
		}
	}
	return q
}

func (a *audit) decidedAgain(c *consent, row store.Entry, p *replay) error {
	e := c.answers[0].Entry
	if row.Private == nil {
		return errors.New("its request is not there, so nobody can tell who might vote on it")
	}
	if err := CheckPrivate(e.Decision.Commitment, row.Private); err != nil {
		return err
	}
	request, err := requestOf(row.Private.Request)
	if err != nil {
		return err
	}
	evaluator, err := p.evaluator(e.Decision.Verdict.PolicyVersion)
	if err != nil {
		return err
	}
	verdict, err := evaluator.Decide(eval.Input{
		Request: request, Now: e.Instant, Standing: &e.Decision.Standing, Facts: e.Decision.Facts, Phase1: e.Decision.Phase1,
		Digest: kernel.Digest(row.Private.Request),
	})
	if err != nil {
		return err
	}
	if verdict.Decision == kernel.Deny {
		return fmt.Errorf("it was denied by then: %s", verdict.Reason)
	}
	the, err := a.caseOf(c, request, verdict, evaluator.Program())
	if err != nil {
		return err
	}
	q, automatic := c.ended(), map[string][]string{}
	q.State = approval.Pending
	if verdict.Decision == kernel.RequireApproval {
		q.Needs = nil
		for _, asked := range evaluator.Asked() {
			q.Needs = append(q.Needs, approval.Need{Workflow: asked.Workflow, Needed: asked.Needed})
			automatic[asked.Workflow] = asked.Automatic
		}
	}
	if q.Code == approval.GlassBroken {
		return c.brokenAgain(the, q, verdict)
	}
	return lacks(q.Count(the, automatic))
}

// brokenAgain says why a glass could not be broken as it was, or nil: somebody
// who may, with a reason, and with the reviews that the policy of then asks for.
// Whether a review was overdue is looked at apart.
func (c *consent) brokenAgain(the *approval.Case, q approval.Question, verdict kernel.Verdict) error {
	_, due, err := q.Break(the, q.By, q.Reason, nil, verdict, false)
	if err != nil {
		return err
	}
	due.Answer = q.Answer
	for _, p := range c.glass {
		if p.Glass.Change != GlassBroken {
			continue
		}
		if wrong := p.Glass.Glass.Follows(due, p.Instant); wrong != "" {
			return fmt.Errorf("the policy of then has its glass otherwise: %s", wrong)
		}
	}
	return nil
}

// lacks says what the workflows of a question lack.
func lacks(list []approval.Tally, quorum bool) error {
	if quorum {
		return nil
	}
	var missing []string
	for _, t := range list {
		if len(t.Missing) > 0 {
			missing = append(missing, fmt.Sprintf("the workflow %q lacked %s", t.Workflow, strings.Join(t.Missing, " and ")))
		}
	}
	return fmt.Errorf("by the policy and the registry of then it had no quorum: %s", strings.Join(missing, "; "))
}

// caseOf is what an approval was looked at with when it was answered.
func (a *audit) caseOf(c *consent, request kernel.Request, now kernel.Verdict, program *eval.Program) (*approval.Case, error) {
	e, asked := c.answers[0].Entry, c.asked.Decision
	from, to := a.fold.inForce(e)
	snapshot, err := a.fold.at(min(max(e.Decision.Standing.Version, from), to))
	if err != nil {
		return nil, err
	}
	const noSelf = "no_self_approval"
	return &approval.Case{
		Registry: snapshot, Workflow: program.Workflow, Request: e.Decision.Standing.Know(request), Now: e.Instant,
		Chain:   slices.Concat(e.Decision.Standing.Chain, asked.Standing.Chain),
		Authors: a.authors(program.Version(), e.Instant),
		NoSelf:  asked.Verdict.Constraints[noSelf] == true || now.Constraints[noSelf] == true,
	}, nil
}

// An author is who an entry says pushed a version of the policy, or made it the
// active one.
type author struct {
	kind    Kind
	version string
	from    time.Time
	caller  string
}

// authors are the principals behind a version at an instant; none where one of
// them is nobody that the registry knows.
func (a *audit) authors(version string, at time.Time) (list []string) {
	for _, kind := range []Kind{KindBundle, KindPolicy} {
		var last author
		for _, w := range a.written {
			if w.kind == kind && w.version == version && !w.from.After(at) && !w.from.Before(last.from) {
				last = w
			}
		}
		caller, _ := a.caller(last.caller)
		switch {
		case last.kind == "" && kind == KindBundle: // it came from a folder
			continue
		case caller.StandsFor == "":
			return nil
		}
		list = append(list, caller.StandsFor)
	}
	return list
}
