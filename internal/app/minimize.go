package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/usage"
)

// MinimizeConfig says what of the log a policy has to go on allowing.
type MinimizeConfig struct {
	Since, Until time.Time // [Since, Until); the zero Until: up to now
	Values       int       // a rule is held to the values of a text where they are no more
}

// Minimized is what the log says that a policy could do without.
type Minimized struct {
	Since     time.Time       `json:"since"`
	Until     time.Time       `json:"until,omitzero"`
	First     time.Time       `json:"first,omitzero"` // of the decisions that were found
	Last      time.Time       `json:"last,omitzero"`
	Decisions int             `json:"decisions"`
	Allowed   int             `json:"allowed"`           // of them
	Approved  int             `json:"approved,omitzero"` // of those, after approvals
	Left      []LeftOut       `json:"left_out,omitzero"` // of those, what the policy of today has no ALLOW to keep for
	Versions  []string        `json:"policies"`          // that allowed them
	Rules     []MinimizedRule `json:"rules"`             // that allow, sorted; never nil
	Proposed  string          `json:"proposed,omitzero"` // the policy version of the proposal; "": nothing is proposed
	Patch     string          `json:"patch,omitzero"`    // in the unified format, from the bundle's folder on
	Tests     []string        `json:"tests,omitzero"`    // of the bundle, that pass now and fail then
	Unproved  []string        `json:"unproved,omitzero"` // properties of the bundle that are not proved of the proposal

	files []pdl.File
}

// LeftOut counts logged ALLOWs that a proposal need not keep, and says why.
type LeftOut struct {
	Why     string `json:"why"`
	Count   int    `json:"count"`
	Example string `json:"example"` // the id of one decision
}

// A MinimizedRule is what was seen of a rule, and what became of it.
type MinimizedRule struct {
	Rule      string          `json:"rule"`
	File      string          `json:"file"`
	Line      int             `json:"line"`
	Uses      int             `json:"uses"`
	Advice    usage.Advice    `json:"advice"`       // unused, narrower or kept
	Why       string          `json:"why,omitzero"` // of kept
	Dropped   bool            `json:"dropped"`      // the proposal was not proved, and is not made
	Actions   []string        `json:"actions,omitzero"`
	Resources []string        `json:"resources,omitzero"` // type and id, the first of them
	More      int             `json:"more,omitzero"`      // uses of other resources
	Seen      []SeenAttribute `json:"seen,omitzero"`
}

// A SeenAttribute is what was seen of one attribute.
type SeenAttribute struct {
	Path    string `json:"path"`
	Seen    string `json:"seen"`
	Narrows bool   `json:"narrows"` // the proposal holds the rule to it
}

// summary is one line for people.
func (m *Minimized) summary() string {
	count := map[usage.Advice]int{}
	dropped := 0
	for _, r := range m.Rules {
		if r.Dropped {
			dropped++
			continue
		}
		count[r.Advice]++
	}
	text := "nothing to propose"
	if m.Proposed != "" {
		text = fmt.Sprintf("proposed: %s removed, %d narrower, proved to be a subset", plural(count[usage.Unused], "rule"), count[usage.Narrower])
	}
	if dropped > 0 {
		text += fmt.Sprintf("; %d dropped", dropped)
	}
	return text
}

// WriteFiles writes the proposal into a folder, which is made and has to be
// empty.
func (m *Minimized) WriteFiles(folder string) error {
	if list, err := os.ReadDir(folder); err == nil && len(list) > 0 {
		return kernel.Errorf(kernel.Invalid, "%s: there is something in it already", folder).WithHint("name a folder that is not there yet")
	}
	for _, f := range m.files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write the proposal: %w", err)
		}
		if err := replaceFile(path, f.Data, 0o644); err != nil {
			return fmt.Errorf("write the proposal: %w", err)
		}
	}
	return nil
}

// A minimizing is one run of Minimize.
type minimizing struct {
	*logUse
	prover *Prover
	proof  *Proof
	source BundleSource
	old    Compiled
	policy *prove.Policy
	out    *Minimized
}

// Minimize proposes the narrowest rules that keep every ALLOW that is logged.
// What it proposes was evaluated for each of them, and is proved to allow
// nothing that the policy does not allow. Rules that deny or ask are left as
// they are. Without a logged ALLOW there is nothing to learn from: that is an
// error.
func (p *Prover) Minimize(ctx context.Context, log *Log, source BundleSource, c MinimizeConfig) (*Proof, error) {
	m := &minimizing{prover: p, proof: p.proof("minimize"), source: source, out: &Minimized{Since: c.Since, Until: c.Until, Rules: []MinimizedRule{}}}
	var err error
	if m.old, err = Compile(source); err != nil {
		return nil, err
	}
	if m.policy, err = m.proof.policyOf(source); err != nil {
		return nil, err
	}
	if c.Until.IsZero() {
		c.Until = p.started
	}
	m.proof.Minimized = m.out
	m.logUse = newLogUse(log, m.old.Program, c.Since, c.Until)
	meter := usage.New(m.old.Bundle, c.Values)
	if err := m.learn(ctx, meter); err != nil {
		return nil, err
	}
	settled, err := m.settle(ctx, meter.Proposals())
	if err != nil {
		return nil, err
	}
	return m.proof, m.conclude(ctx, settled)
}

// A settled is the part of the proposals that can be proved together.
type settled struct {
	proposals []usage.Proposal
	dropped   map[string]dropped // by rule
	accepted  []pdl.Narrowing
	compiled  Compiled
	results   []prove.Result
}

type dropped struct {
	verdict prove.Verdict
	why     string
	result  prove.Result
}

// settle proves all proposals together; of those that touch an action for which
// that fails, each by itself on top of the others.
func (m *minimizing) settle(ctx context.Context, proposals []usage.Proposal) (*settled, error) {
	s := &settled{proposals: proposals, dropped: map[string]dropped{}}
	var all []pdl.Narrowing
	rules := map[string]*usage.Rule{}
	for _, p := range proposals {
		if p.Advice != usage.Kept {
			all, rules[p.Name] = append(all, p.Narrowing), p.Rule
		}
	}
	doubtful, err := m.try(ctx, s, all)
	if err != nil || doubtful == nil {
		return s, err
	}
	var suspects []pdl.Narrowing
	for _, n := range all {
		if doubtful.touches(rules[n.Rule]) {
			suspects = append(suspects, n)
		}
	}
	base := slices.DeleteFunc(slices.Clone(all), func(n pdl.Narrowing) bool { return doubtful.touches(rules[n.Rule]) })
	if doubt, err := m.try(ctx, s, base); err != nil || doubt != nil {
		return s, cmpError(err, doubt)
	}
	for _, n := range suspects {
		doubt, err := m.try(ctx, s, append(slices.Clone(s.accepted), n))
		if err != nil {
			return s, err
		}
		if doubt != nil {
			s.dropped[n.Rule] = doubt.dropped
		}
	}
	return s, nil
}

// cmpError: what touches none of the actions in doubt was proved a moment ago,
// unless the solver had less time this time.
func cmpError(err error, d *doubt) error {
	if err != nil {
		return err
	}
	return kernel.Errorf(kernel.Invalid, "the proposals that were proved together are not proved by themselves: %s", d.why).
		WithHint("--timeout gives the solver longer")
}

// A doubt is why proposals cannot be made.
type doubt struct {
	dropped
	actions []string // that it is about; nil: all
}

func (d *doubt) touches(u *usage.Rule) bool {
	return d.actions == nil || slices.ContainsFunc(d.actions, func(a string) bool {
		return slices.ContainsFunc(u.Actions, func(name string) bool { return pdl.Covers(name, a) || pdl.Covers(a, name) })
	})
}

// try writes proposals and proves them; without a doubt they are accepted.
func (m *minimizing) try(ctx context.Context, s *settled, list []pdl.Narrowing) (*doubt, error) {
	if len(list) == 0 {
		s.accepted, s.results = nil, nil
		return nil, nil
	}
	compiled, err := m.narrowed(list)
	if err != nil {
		return &doubt{dropped: dropped{verdict: prove.Unsupported, why: "it cannot be written down: " + err.Error()}}, nil
	}
	policy, err := prove.NewPolicy(compiled.Bundle)
	if err != nil {
		return nil, err
	}
	results, err := m.prover.prover.Narrower(ctx, policy, m.policy)
	if err != nil {
		return nil, err
	}
	var d *doubt
	for _, r := range results {
		switch {
		case r.Verdict == prove.Proved:
		case d == nil:
			d = &doubt{dropped{r.Verdict, "it would let other rules decide " + r.Name + " otherwise", r}, []string{r.Name}}
			if r.Verdict != prove.Counterexample {
				d.why = "whether it only narrows " + r.Name + " was not decided: " + r.Why
			}
		default:
			d.actions = append(d.actions, r.Name)
		}
	}
	if d == nil {
		s.accepted, s.compiled, s.results = list, compiled, results
	}
	return d, nil
}

// narrowed compiles the bundle with narrowings, and makes sure that it has them.
func (m *minimizing) narrowed(list []pdl.Narrowing) (Compiled, error) {
	files, err := pdl.Narrow(m.source.Files, list)
	if err != nil {
		return Compiled{}, err
	}
	c, err := Compile(BundleSource{Name: m.source.Name, Files: files})
	var invalid DiagnosticsError
	if errors.As(err, &invalid) && len(invalid.Diagnostics) > 0 {
		return c, errors.New(firstLine(invalid.Diagnostics[0].String()))
	}
	return c, err
}

// conclude replays the log on what was settled, and says what came of it.
func (m *minimizing) conclude(ctx context.Context, s *settled) error {
	replay := m.question("replay", "is every logged ALLOW decided as before")
	if len(s.accepted) > 0 {
		replayed, differs, err := m.replay(ctx, s.compiled.Program)
		if err != nil {
			return err
		}
		replay.Why = fmt.Sprintf("%d logged decisions come out as before", replayed)
		if differs != "" {
			replay.Verdict, replay.Outcome, replay.Why = prove.Counterexample, Broken, differs
			for _, n := range s.accepted {
				s.dropped[n.Rule] = dropped{verdict: prove.Counterexample, why: differs}
			}
			s.accepted = nil
		}
	}
	m.report(s)
	switch {
	case replay.Outcome == Broken:
		m.proof.add(replay)
	case len(s.accepted) > 0:
		m.proof.add(replay)
		for _, r := range s.results {
			q := questionOf(m.source.Name, r, pdl.Pos{})
			q.Kind, q.Asked, q.Outcome = "subset", "is it a subset of today's policy that obliges to no less", outcomeOf(r.Verdict)
			m.proof.add(q)
		}
		return m.propose(ctx, s.compiled)
	case len(s.dropped) > 0:
		m.proof.Outcome = m.proof.Outcome.worse(allDropped(s.dropped))
	}
	return nil
}

// allDropped is what it means that nothing is left of the proposals.
func allDropped(list map[string]dropped) Outcome {
	for _, name := range kernel.SortedKeys(list) {
		if list[name].verdict == prove.Counterexample {
			return Broken
		}
	}
	return Undecided
}

func (m *minimizing) question(kind, asked string) Question {
	return Question{Bundle: m.source.Name, Name: m.source.Name, Kind: kind, Asked: asked, Verdict: prove.Proved, Outcome: Holds}
}

// report says of each rule what was seen, and what became of its proposal.
func (m *minimizing) report(s *settled) {
	for _, p := range s.proposals {
		d, isDropped := s.dropped[p.Name]
		r := MinimizedRule{
			Rule: p.Name, File: p.Pos.File, Line: p.Pos.Line, Uses: p.Uses, Advice: p.Advice, Why: p.Why, Dropped: isDropped,
			Actions: p.Used, Resources: p.Resources, More: p.More,
		}
		for _, seen := range p.Seen {
			r.Seen = append(r.Seen, SeenAttribute{seen.Path, seen.Text(), seen.Narrows})
		}
		m.out.Rules = append(m.out.Rules, r)
		if p.Advice == usage.Kept {
			continue
		}
		q := m.question(string(p.Advice), "what of it did the log need")
		q.Name, q.Outcome, q.Why = p.Name, Noted, adviceText(p)
		q.File, q.Line, q.Col = p.Pos.File, p.Pos.Line, p.Pos.Col
		if isDropped {
			q.Verdict, q.Why, q.Examples = d.verdict, "dropped: "+d.why, examplesOf(d.result, "otherwise")
		}
		m.proof.add(q)
	}
}

// adviceText is a proposal in words.
func adviceText(p usage.Proposal) string {
	if p.Advice == usage.Unused {
		return "it allowed nothing, and can be removed"
	}
	text := ""
	for _, a := range p.Narrowing.Match {
		text += ", " + a.Path + " " + inline(a.Values)
	}
	if p.Narrowing.When != "" {
		text += ", " + p.Narrowing.When
	}
	return fmt.Sprintf("%s needed no more than %s", plural(p.Uses, "use"), text[2:])
}

// propose makes the proposal: its files, the difference, and what else of the
// bundle speaks of what it removed.
func (m *minimizing) propose(ctx context.Context, c Compiled) error {
	m.out.Proposed, m.out.files = c.Bundle.Version, c.Source.kept()
	was := m.source.kept()
	for _, f := range was {
		i := slices.IndexFunc(m.out.files, func(n pdl.File) bool { return n.Name == f.Name })
		var now []byte
		if i >= 0 {
			now = m.out.files[i].Data
		}
		_, text, _ := strings.Cut(string(diff.Diff("a/"+f.Name, f.Data, "b/"+f.Name, now)), "\n") // its first line is a command
		m.out.Patch += text
	}
	before, after := eval.RunTests(m.old.Program, m.old.Bundle.Tests), eval.RunTests(c.Program, c.Bundle.Tests)
	for i, k := range after.Cases {
		if !k.Pass && before.Cases[i].Pass {
			m.out.Tests = append(m.out.Tests, k.Name)
		}
	}
	if len(c.Bundle.Properties) == 0 {
		return nil
	}
	policy, err := prove.NewPolicy(c.Bundle)
	if err != nil {
		return err
	}
	asked := m.prover.proof("properties")
	if err := m.prover.propertiesOf(ctx, asked, m.source.Name, policy); err != nil {
		return err
	}
	for _, q := range asked.Questions {
		if q.Outcome != Holds {
			m.out.Unproved = append(m.out.Unproved, q.Name)
		}
	}
	return nil
}
