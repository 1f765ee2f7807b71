package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/proof"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// ProveConfig says how to prove.
type ProveConfig struct {
	Solver     string        // cvc5, z3, both, or a path; empty: what is installed
	Timeout    time.Duration // of one question; 0: the default
	Workers    int           // 0: one for each CPU
	CrossCheck bool          // both solvers have to agree
	Export     string        // a file for the questions that solvers were asked, in SMT-LIB
	Record     string        // a file for the proof record
	Sign       string        // a file with the key that signs the record; empty: nobody does
	FailOn     string        // of diff: what makes it fail
	Progress   func(done, total int)
}

// A Prover proves for the command line.
type Prover struct {
	config  ProveConfig
	solvers []solver.Binary
	prover  *prove.Prover
	scripts []prove.Script
	started time.Time
}

// NewProver finds the solvers. Without one the error is the caller's to mend
// (code [kernel.Invalid]) and says how to get one.
func NewProver(ctx context.Context, c ProveConfig) (*Prover, error) {
	p := &Prover{config: c, started: time.Now().UTC()}
	setting := c.Solver
	if setting == "" && c.CrossCheck {
		setting = "both"
	}
	var err error
	if p.solvers, err = solver.Find(ctx, setting); err != nil {
		return nil, mendable(err)
	}
	config := prove.Config{
		Solvers: p.solvers, CrossCheck: c.CrossCheck, Workers: c.Workers,
		Limits: solver.Limits{Timeout: c.Timeout}, Progress: c.Progress,
	}
	if c.Export != "" {
		config.Export = func(s prove.Script) { p.scripts = append(p.scripts, s) }
	}
	p.prover, err = prove.New(config)
	return p, mendable(err)
}

// mendable makes a missing solver an error of whoever runs the command: a
// kernel that cannot be reached is another thing.
func mendable(err error) error {
	var ours *kernel.Error
	if errors.As(err, &ours) && ours.Code == kernel.Unavailable {
		mended := *ours
		mended.Code = kernel.Invalid
		return &mended
	}
	return err
}

// policyOf prepares a bundle and notes it in the proof.
func (p *Proof) policyOf(source BundleSource) (*prove.Policy, error) {
	c, err := Compile(source)
	if err != nil {
		return nil, err
	}
	p.Bundles = append(p.Bundles, ProvedBundle{source.Name, c.Bundle.Version})
	return prove.NewPolicy(c.Bundle)
}

func (p *Prover) proof(task string) *Proof {
	return &Proof{Task: task, Outcome: Holds, Solvers: p.solvers, Questions: []Question{}, Bundles: []ProvedBundle{}}
}

// Properties proves the properties of bundles.
func (p *Prover) Properties(ctx context.Context, sources []BundleSource) (*Proof, error) {
	proof := p.proof("properties")
	for _, source := range sources {
		policy, err := proof.policyOf(source)
		if err != nil {
			return nil, err
		}
		if len(policy.Bundle().Properties) == 0 {
			return nil, kernel.Errorf(kernel.Invalid, "%s: there are no properties to prove", source.Name).
				WithHint("write a document of kind property; \"kernel prove lint\" needs none")
		}
		if err := p.propertiesOf(ctx, proof, source.Name, policy); err != nil {
			return nil, err
		}
	}
	return proof, nil
}

// propertiesOf also asks of each property whether there is a request that it
// speaks of: what is said of none is not proved.
func (p *Prover) propertiesOf(ctx context.Context, proof *Proof, name string, policy *prove.Policy) error {
	properties := policy.Bundle().Properties
	var asked []prove.Property
	for _, q := range properties {
		asked = append(asked, propertyToProve(q))
	}
	results, err := p.prover.Properties(ctx, policy, asked)
	if err != nil {
		return err
	}
	if err := p.vacuous(ctx, policy, properties, asked, results); err != nil {
		return err
	}
	for i, r := range results {
		q := questionOf(name, r, properties[i].Pos)
		q.Kind, q.Asked, q.Outcome = properties[i].Claim.String(), properties[i].Sentence(), outcomeOf(r.Verdict)
		proof.add(q)
	}
	return nil
}

// vacuous replaces the verdict of properties that were proved of no request.
func (p *Prover) vacuous(ctx context.Context, policy *prove.Policy, properties []*pdl.Property, asked []prove.Property, results []prove.Result) error {
	var some []prove.Property
	var of []int
	for i, r := range results {
		if r.Verdict == prove.Proved && properties[i].Claim != pdl.Reachable {
			q := asked[i]
			q.Claim, q.Then, q.Decisions, q.AtLeast, q.Approvals = prove.Reachable, nil, []kernel.Effect{kernel.Deny, kernel.RequireApproval, kernel.Allow}, false, 0
			some, of = append(some, q), append(of, i)
		}
	}
	if len(some) == 0 {
		return nil
	}
	found, err := p.prover.Properties(ctx, policy, some)
	if err != nil {
		return err
	}
	for j, r := range found {
		if r.Verdict != prove.Proved {
			results[of[j]] = r
			results[of[j]].Why = "the property speaks of no request: nothing is in its scope where assume and when are true"
			if r.Verdict != prove.Counterexample {
				results[of[j]].Why = "whether there is a request that the property speaks of was not decided: " + r.Why
			}
		}
	}
	return nil
}

// propertyToProve says a property in the terms of the prover.
func propertyToProve(q *pdl.Property) prove.Property {
	claims := map[pdl.Claim]prove.Claim{pdl.Never: prove.Never, pdl.Always: prove.Always, pdl.Implies: prove.Implies, pdl.Reachable: prove.Reachable}
	r := prove.Property{
		Name: q.Name, Scope: q.Match, Actions: q.Actions, Assume: q.Assume, When: q.When,
		Claim: claims[q.Claim], Then: q.Then, Pos: q.Pos,
	}
	least := -1
	for _, v := range q.Verdicts {
		if !slices.Contains(r.Decisions, v.Effect) {
			r.Decisions = append(r.Decisions, v.Effect)
		}
		if v.Effect == kernel.RequireApproval {
			if least < 0 || v.Approvals < least {
				least = v.Approvals
			}
			r.AtLeast = r.AtLeast || v.AtLeast
		}
	}
	r.Approvals = max(least, 0)
	return r
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Finish writes the files that were asked for.
func (p *Prover) Finish(found *Proof, version string) error {
	if p.config.Export != "" {
		if err := os.WriteFile(p.config.Export, []byte(p.export()), 0o644); err != nil {
			return fmt.Errorf("write the questions: %w", err)
		}
	}
	if p.config.Record == "" {
		return nil
	}
	record := ProofRecord{
		Record: proof.Format, Kernel: Version(version), At: p.started.Truncate(time.Second), TookMS: time.Since(p.started).Milliseconds(), Proof: *found,
		Options: ProofOptions{p.timeout().Milliseconds(), p.config.CrossCheck, p.config.FailOn},
	}
	data, err := json.Marshal(record, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encode the proof record: %w", err)
	}
	text := string(data) + "\n"
	if p.config.Sign != "" {
		key, err := ReadInput(p.config.Sign, maxKeyFile)
		if err != nil {
			return err
		}
		if text, err = proof.Sign(string(key), text); err != nil {
			return fmt.Errorf("%s: %w", p.config.Sign, err)
		}
	}
	return replaceFile(p.config.Record, []byte(text), 0o644)
}

func (p *Prover) timeout() time.Duration {
	if p.config.Timeout > 0 {
		return p.config.Timeout
	}
	return solver.DefaultTimeout
}

// export is one script for all questions: a solver prints one answer for each.
func (p *Prover) export() string {
	var b strings.Builder
	for i, s := range p.scripts {
		if i > 0 {
			b.WriteString("(reset)\n")
		}
		fmt.Fprintf(&b, "; %s\n; the answer was %s\n%s", oneLine(s.Question), s.Answer, s.Text)
	}
	return b.String()
}
