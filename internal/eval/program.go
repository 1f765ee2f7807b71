// Package eval runs a compiled policy on a request.
//
// The same Program and Input give the same Verdict, byte for byte, on every
// machine and for ever. That is what lets a log be replayed.
package eval

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A Program is a bundle lowered to closures. It is immutable and safe for
// concurrent use. The zero Program knows no action, so it denies everything.
type Program struct {
	version string
	schema  *pdl.Schema
	layout  *layout
	chronology
	names
	meets     map[string]pdl.Meet
	workflows map[string]pdl.Approval // by name
	data      map[string]pdl.Datum
	facts     *section // nil when the schema declares none
	rules     []*rule  // every rule once, sorted by name
}

// An action is an action or a family with everything a decision about it needs.
type action struct {
	risk       kernel.Risk
	shapes     []*shape // by resource type, sorted
	index      index    // of candidates
	candidates []candidate
	checks     []check
	rules      []*rule  // sorted by name, as the candidates are
	name       string   // deploy, or mcp.github.*
	family     bool     // it stands for every action under it that is none itself
	origin     string   // what the schema declares it as: its name, or a family around it
	types      []string // of shapes
	facts      []string // that its rules read, and those that bound them; sorted
}

// shape returns that of a resource type, or nil.
func (a *action) shape(resourceType string) *shape {
	for _, sh := range a.shapes {
		if sh.resourceType == resourceType {
			return sh
		}
	}
	return nil
}

// An Input is everything a verdict depends on besides the program.
type Input struct {
	Request kernel.Request
	Now     time.Time // the decision instant, context.now; 1900-01-01 to 2190-01-01

	// Facts are what rules read of the history, by name: int64, and RFC 3339
	// text for the last of something. Counts and sums that are absent are 0.
	Facts map[string]any

	// Standing is what the registry says of the request. Nil: there is no
	// registry, and the request is the whole input, trusted attributes
	// included, as it is in tests.
	Standing *registry.Standing

	// Phase1 says that the request came through the Phase 1 door: an artifact
	// type or environment that is absent or not declared is then a DENY and
	// never an error, and its reason begins with "No policy matched".
	Phase1 bool

	// Digest is that of the request, where the caller has it: see
	// [kernel.Request.Digest]. The verdict carries it; nobody checks it.
	Digest string
}

// New lowers a bundle. An error names the rule and the expression it cannot
// lower: a program never holds a rule that it would silently read as false.
func New(b *pdl.Bundle) (*Program, error) {
	if b == nil || b.Schema == nil || b.Version == "" {
		return nil, errors.New("a bundle needs a schema and a version; compile it with pdl.Compile")
	}
	p := &Program{
		version: b.Version, schema: b.Schema, layout: newLayout(), chronology: newChronology(b),
		meets: map[string]pdl.Meet{}, workflows: map[string]pdl.Approval{}, data: map[string]pdl.Datum{},
	}
	for _, c := range b.Schema.Constraints {
		if c.Meet < pdl.Flag || c.Meet > pdl.SetUnion {
			return nil, fmt.Errorf("constraint %s: unknown meet %d", c.Name, c.Meet)
		}
		if c.By > pdl.Caller {
			return nil, fmt.Errorf("constraint %s: unknown keeper %d", c.Name, c.By)
		}
		p.meets[c.Name] = c.Meet
	}
	for _, a := range b.Approvals {
		p.workflows[a.Name] = a
	}
	for _, d := range b.Data {
		p.data[d.Path] = d
	}
	if err := p.addActions(b.Rules); err != nil {
		return nil, err
	}
	p.addImplied(b.Rules)
	for _, r := range slices.SortedStableFunc(slices.Values(b.Rules), func(a, b *pdl.Rule) int { return cmp.Compare(a.Name, b.Name) }) {
		if err := p.addRule(r); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
	}
	p.seal()
	return p, nil
}

// Version returns the policy version of the bundle: sha256:….
func (p *Program) Version() string { return p.version }

// Schema returns the schema of the bundle. It must not be changed.
func (p *Program) Schema() *pdl.Schema { return p.schema }
