package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/usage"
)

// A logUse reads what the log allowed, and decides it again by the policy of
// today.
type logUse struct {
	log          *Log
	program      *eval.Program
	today        *eval.Evaluator
	since, until time.Time
	programs     map[string]*eval.Program // that decided, by version
}

func newLogUse(log *Log, p *eval.Program, since, until time.Time) *logUse {
	return &logUse{log, p, p.NewEvaluator(eval.Config{}), since, until, map[string]*eval.Program{}}
}

// An allowed is one logged ALLOW.
type allowed struct {
	entry   ledger.Entry
	input   eval.Input
	verdict kernel.Verdict // of today's policy
	left    string         // why there is nothing to keep; "": there is
	unknown string         // why nobody can tell
}

// each calls f with every decision of the window that was allowed, in the
// order of the log, and seen with every decision. An entry that is not as it
// was written ends it.
func (l *logUse) each(ctx context.Context, seen func(ledger.Entry), f func(allowed) error) error {
	shards, err := l.log.Shards(ctx, nil)
	if err != nil {
		return err
	}
	var queries []store.Query
	for _, shard := range shards {
		queries = append(queries, store.Query{Shard: shard, Kind: string(ledger.KindDecision), Since: l.since.UnixNano(), Until: l.until.UnixNano(), Newest: true})
	}
	for row, err := range store.Merged(ctx, l.log.db, queries) {
		if err != nil {
			return err
		}
		e, err := ledger.Read(row)
		if err != nil {
			return kernel.Errorf(kernel.Internal, "entry %d of shard %d was changed after it was written: %v", row.Seq, row.Shard, err).
				WithHint("run \"kernel log verify\"; nothing is concluded from such a log")
		}
		if e.Decision == nil {
			continue
		}
		seen(e)
		if e.Decision.Verdict.Decision != kernel.Allow {
			continue
		}
		a, err := l.again(ctx, e, row)
		if err == nil {
			err = f(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// again decides a logged ALLOW by the policy of today, from what was recorded.
func (l *logUse) again(ctx context.Context, e ledger.Entry, row store.Entry) (allowed, error) {
	a := allowed{entry: e}
	request, err := ledger.RequestOf(row)
	if err != nil {
		a.unknown = "a request for " + e.Decision.Action + " was erased: nobody can tell what it needed"
		return a, nil
	}
	a.input = eval.Input{
		Request: request, Now: e.Instant, Standing: &e.Decision.Standing, Facts: e.Decision.Facts, Phase1: e.Decision.Phase1,
		Digest: kernel.Digest(row.Private.Request),
	}
	if version := e.Decision.Verdict.PolicyVersion; version != l.program.Version() {
		if a.unknown, err = l.carryOver(ctx, version, &a.input); err != nil || a.unknown != "" {
			return a, err
		}
	}
	var ours *kernel.Error
	a.verdict, err = l.today.Decide(a.input)
	switch {
	case errors.As(err, &ours) && ours.Code == kernel.Invalid:
		a.left = "today's schema does not take the request"
	case err != nil:
		return a, err
	case a.verdict.Decision == kernel.Deny:
		a.left = "today's policy denies it"
	case a.verdict.Decision == kernel.RequireApproval && e.Decision.Answers == "":
		a.left = "today's policy asks for approvals first"
	}
	return a, nil
}

// carryOver makes an input for today's policy of one that another version was
// given. What that one did not look at was not recorded.
func (l *logUse) carryOver(ctx context.Context, version string, in *eval.Input) (unknown string, err error) {
	old := l.programs[version]
	if old == nil {
		if old, err = gate.LoadProgram(ctx, l.log.db, version); err != nil {
			return "", err
		}
		l.programs[version] = old
	}
	action := in.Request.Action
	if l.program.Schema().ActionOf(action) == nil {
		return "", nil // which today's policy says of it
	}
	for _, a := range trusted(l.program.Schema(), in.Request.Resource.Type) {
		if !slices.Contains(trusted(old.Schema(), in.Request.Resource.Type), a) {
			return fmt.Sprintf("what the registry said of %s was not recorded for %s by an older policy", a, action), nil
		}
	}
	facts := map[string]any{}
	for _, name := range l.program.FactsOf(action) {
		if !slices.Contains(old.FactsOf(action), name) || !reflect.DeepEqual(factOf(l.program.Schema(), name), factOf(old.Schema(), name)) {
			return fmt.Sprintf("the fact %s was not recorded for %s by an older policy", name, action), nil
		}
		if v, there := in.Facts[name]; there {
			facts[name] = v
		}
	}
	in.Facts = facts
	return "", nil
}

// trusted lists the attributes whose values the registry gives.
func trusted(s *pdl.Schema, resourceType string) (paths []string) {
	add := func(root string, list []pdl.Attribute) {
		for i := range list {
			if list[i].From != pdl.FromRequest {
				paths = append(paths, root+list[i].Name)
			}
		}
	}
	add("agent.", s.Agent)
	for i := range s.Resources {
		if s.Resources[i].Name == resourceType {
			add("resource.", s.Resources[i].Attributes)
		}
	}
	return paths
}

func factOf(s *pdl.Schema, name string) *pdl.Fact {
	for i := range s.Facts {
		if s.Facts[i].Name == name {
			return &s.Facts[i]
		}
	}
	return nil
}

// learn shows the meter what was allowed, and counts.
func (m *minimizing) learn(ctx context.Context, meter *usage.Meter) error {
	left := map[string]*LeftOut{}
	kept := 0
	err := m.each(ctx, m.seen, func(a allowed) error {
		m.out.Allowed++
		if a.entry.Decision.Answers != "" {
			m.out.Approved++
		}
		if i, found := slices.BinarySearch(m.out.Versions, a.entry.Decision.Verdict.PolicyVersion); !found {
			m.out.Versions = slices.Insert(m.out.Versions, i, a.entry.Decision.Verdict.PolicyVersion)
		}
		switch {
		case a.unknown != "":
			meter.Block(a.entry.Decision.Action, a.unknown)
			kept++
		case a.left != "":
			if left[a.left] == nil {
				left[a.left] = &LeftOut{Why: a.left, Example: a.entry.Decision.ID}
			}
			left[a.left].Count++
		default:
			request := m.program.Narrow(*a.input.Standing, a.input.Request.Resource.Type).Know(a.input.Request)
			meter.Add(a.verdict.Rules, &request)
			kept++
		}
		return nil
	})
	for _, why := range kernel.SortedKeys(left) {
		m.out.Left = append(m.out.Left, *left[why])
	}
	if err == nil && kept == 0 {
		return kernel.Errorf(kernel.Invalid, "of %d decisions since %s none is an ALLOW that today's policy has to keep: there is nothing to learn from", m.out.Decisions, m.since.Format(time.RFC3339)).
			WithHint("name the log that the policy decided in with --data or --store, or begin earlier with --since")
	}
	return err
}

func (m *minimizing) seen(e ledger.Entry) {
	m.out.Decisions++
	at := e.Instant.UTC()
	if m.out.First.IsZero() || at.Before(m.out.First) {
		m.out.First = at
	}
	if at.After(m.out.Last) {
		m.out.Last = at
	}
}

// replay decides every logged ALLOW by the proposal. What differs from what
// today's policy says of it is said of the first.
func (m *minimizing) replay(ctx context.Context, p *eval.Program) (n int, differs string, err error) {
	next := p.NewEvaluator(eval.Config{})
	err = m.each(ctx, func(ledger.Entry) {}, func(a allowed) error {
		if a.left != "" || a.unknown != "" || differs != "" {
			return nil
		}
		v, err := next.Decide(a.input)
		if err != nil {
			return err
		}
		n++
		if v.Decision != a.verdict.Decision || v.ApprovalsRequired != a.verdict.ApprovalsRequired || v.RiskLevel != a.verdict.RiskLevel ||
			!slices.Equal(v.Workflows, a.verdict.Workflows) || len(v.Constraints)+len(a.verdict.Constraints) > 0 && !reflect.DeepEqual(v.Constraints, a.verdict.Constraints) {
			differs = fmt.Sprintf("decision %s was allowed, and would be %s", a.entry.Decision.ID, v.Decision)
		}
		return nil
	})
	return n, differs, err
}
