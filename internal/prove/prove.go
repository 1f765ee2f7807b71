// Package prove answers questions about all requests at once.
//
// What it calls proved holds for every request, every history and every
// instant of its scope, as the evaluator decides them. A counterexample is
// shown only when the evaluator agrees with it. Everything else says what was
// not decided, and why.
package prove

import (
	"context"
	"runtime"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// A Verdict is the answer to a question.
type Verdict string

// The verdicts. Only Proved is one to build on.
const (
	Proved         Verdict = "PROVED"
	Counterexample Verdict = "COUNTEREXAMPLE" // the evaluator agrees with the example
	Possible       Verdict = "POSSIBLE"       // what was over-approximated may be an example; the evaluator did not confirm one
	Unknown        Verdict = "UNKNOWN"        // the solver gave up
	Unsupported    Verdict = "UNSUPPORTED"    // a construct is outside the verifiable fragment
)

// A Config says how to prove. It needs a solver; the rest has defaults.
type Config struct {
	Solvers    []solver.Binary // see [solver.Find]; the first that decides answers
	CrossCheck bool            // all of them are asked, and must agree
	Workers    int             // processes at a time; 0: one for each CPU
	Limits     solver.Limits   // of one question

	// Progress is told how many of the parts of a task are done; one call at
	// a time.
	Progress func(done, total int)

	// Export is given every question that a solver is asked, as a script
	// that it can be asked again with, and what was answered. One call at a
	// time; the order is the same for any number of workers.
	Export func(script Script)
}

// A Script is one question in SMT-LIB 2.
type Script struct {
	Question string // in words
	Text     string
	Answer   string // sat, unsat or unknown
}

// A Prover asks solvers about policies. It is for one task at a time.
type Prover struct {
	config Config
}

// New returns a prover. Without a solver it is refused with the code
// [kernel.Unavailable] and a hint how to get one.
func New(c Config) (*Prover, error) {
	if len(c.Solvers) == 0 {
		return nil, kernel.Errorf(kernel.Unavailable, "proving needs a solver").WithHint("%s", solver.Hint)
	}
	if c.CrossCheck && len(c.Solvers) < 2 {
		return nil, kernel.Errorf(kernel.Unavailable, "a cross-check needs two solvers, and there is %s alone", c.Solvers[0].Name).WithHint("%s", solver.Hint)
	}
	if c.Limits.Timeout <= 0 {
		c.Limits.Timeout = solver.DefaultTimeout
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	return &Prover{c}, nil
}

// A Policy is a bundle to prove something of.
type Policy struct {
	bundle  *pdl.Bundle
	program *eval.Program
	source  *formula.Source
}

// NewPolicy prepares a bundle that [pdl.Compile] has checked.
func NewPolicy(b *pdl.Bundle) (*Policy, error) {
	p, err := eval.New(b)
	if err != nil {
		return nil, err
	}
	return &Policy{b, p, formula.Of(b)}, nil
}

// Bundle returns the bundle.
func (p *Policy) Bundle() *pdl.Bundle { return p.bundle }

// A Claim is what a property says of the decisions in its scope.
type Claim uint8

// The claims.
const (
	Never     Claim = iota + 1 // no request is decided so
	Always                     // every request is
	Reachable                  // some request is
	Implies                    // of every request that is decided so, Then holds
)

// A Property is what must be so for every request, every history and every
// instant in its scope. The verdict it speaks of is that of the rules: the
// registry, capabilities and kill switches only deny more.
type Property struct {
	Name  string     // document/id
	Scope []pdl.Atom // equalities that requests of the scope satisfy; an attribute that is absent equals nothing. Not `action`.

	Actions []string // actions and families of the scope; empty: all that the schema declares

	Assume *pdl.Condition // of the requests looked at; nil: nothing
	When   *pdl.Condition // likewise
	Claim  Claim

	// Decisions are what the claim is about. With AtLeast a decision that is
	// stricter than the strictest of them counts as well, and DENY counts as
	// one that asks for any number of approvals.
	Decisions []kernel.Effect
	AtLeast   bool
	Approvals int            // with REQUIRE_APPROVAL among Decisions: at least so many votes; 0: any number
	Workflows []string       // with REQUIRE_APPROVAL among Decisions: all of these are asked
	Then      *pdl.Condition // with Implies

	Pos pdl.Pos
}

// A Result is the answer to one question.
type Result struct {
	Name    string
	Verdict Verdict
	Why     string   // a sentence: what is not so, or what was not decided
	Example *Example // with Counterexample, and of what is Reachable and Proved
	Gaps    []Gap    // with Possible and Unsupported: what was not encoded as it is
	Solvers []string // that decided, sorted; empty: it took none
	Asked   int      // questions that solvers were asked
}

// A Gap is a construct that is not encoded as it is, and where it stands.
type Gap struct {
	Rule string // document/id, or the name of the property
	What string // regular expressions with \b
	Pos  pdl.Pos
}

// An Example is a request with its history and its instant, as small as it
// was found to be, and what the evaluator says of it.
type Example struct {
	Input   eval.Input     // the whole input: Request, Facts, Now; of two policies the last's, with the facts of both
	First   eval.Input     // what the first policy is shown of it
	Verdict kernel.Verdict // of the policy; of the old one in a Diff, of the first in Equiv, of the child in Subset
	Other   *kernel.Verdict

	Refused      string // why the first policy does not take the request at all; Verdict is then DENY
	OtherRefused string
}

// Properties proves properties, in the order given. It fails when the context
// ends or a solver cannot be run; what a solver cannot decide is a Result.
func (p *Prover) Properties(ctx context.Context, policy *Policy, properties []Property) ([]Result, error) {
	return p.properties(ctx, policy, properties)
}

// A Kind is what is the matter with a rule or an action.
type Kind string

// The kinds of findings.
const (
	CanErr       Kind = "can-err"       // its condition has no value for some request, which is then denied
	NeverMatches Kind = "never-matches" // no request satisfies it
	Overridden   Kind = "overridden"    // whenever it holds, other rules decide
	Redundant    Kind = "redundant"     // without it every verdict is the same
	Conflict     Kind = "conflict"      // constraints that no value satisfies deny what rules allow
	NeverAllowed Kind = "never-allowed" // nobody can be allowed the action, not even with approvals
	OnlyDefault  Kind = "only-default"  // some request is denied because no rule matches
	Undecided    Kind = "undecided"     // a question about it was not decided: see Result
)

// A Finding is one thing to know about a policy.
type Finding struct {
	Kind    Kind
	Rule    string   // document/id; "" for findings about an action
	Action  string   // an action or a family; "" for findings about a rule
	Effect  string   // of the rule
	By      []string // Overridden, Redundant: rules one of which holds whenever this one does, where few do; Conflict: the constraint
	Pos     pdl.Pos
	Message string // a sentence
	Result         // the question behind it: Example of CanErr, Conflict and OnlyDefault
}

// Lint looks at every rule by itself against all others, and at every action.
// The findings are sorted by rule, then by action, then by kind.
func (p *Prover) Lint(ctx context.Context, policy *Policy) ([]Finding, error) {
	return p.lint(ctx, policy)
}

// A Direction is how a newer policy changes what an older one says.
type Direction string

// The directions.
const (
	Equivalent   Direction = "equivalent"
	Stricter     Direction = "stricter"
	Looser       Direction = "looser"
	Incomparable Direction = "incomparable" // stricter for some requests, looser for others
	Undetermined Direction = "undetermined" // it was not decided: see the Results
)

// An Aspect is what two policies are compared by.
type Aspect string

// The aspects.
const (
	Allowing  Aspect = "allow"    // what is allowed at once
	Approving Aspect = "approval" // what is allowed at once or after approvals
	Quorum    Aspect = "quorum"   // how many approvals it takes
	Voters    Aspect = "voters"   // whose approvals, and how soon; where a bundle has approval documents

	BreakingGlass Aspect = "break_glass" // what somebody may allow alone; where a workflow of either lets somebody
)

// A Change says how one aspect of one action changed.
type Change struct {
	Action    string // an action or a family
	Aspect    Aspect
	Direction Direction
	Looser    Result // is nothing looser? Proved, or with an example
	Stricter  Result // is nothing stricter?
}

// Diff compares a newer policy with an older one, action by action, for every
// request that either takes. A request that one of them refuses as invalid is
// denied by it; an attribute that one does not declare it is not shown.
func (p *Prover) Diff(ctx context.Context, older, newer *Policy) ([]Change, error) {
	return p.diff(ctx, older, newer)
}

// MorePermissive reports whether a change allows more, or may do so: what is
// undetermined counts.
func (c Change) MorePermissive() bool { return c.Looser.Verdict != Proved }

// Equiv proves action by action that two policies decide the same: decision,
// workflows, counts and constraints, who may vote, and what somebody may allow
// alone.
func (p *Prover) Equiv(ctx context.Context, a, b *Policy) ([]Result, error) {
	return p.equiv(ctx, a, b)
}

// Subset proves action by action that a child stays within its parent: what it
// allows the parent allows, what it allows after approvals the parent allows
// so too, for no fewer of them, which are no easier to get, and alone only whom
// the parent lets.
func (p *Prover) Subset(ctx context.Context, child, parent *Policy) ([]Result, error) {
	return p.subset(ctx, child, parent)
}

// Narrower proves action by action that what a child does not deny it decides
// as its parent does: it is a subset that also obliges to no less. It allows
// nothing that the parent does not allow, and asks where the parent asks, the
// same people and as many.
func (p *Prover) Narrower(ctx context.Context, child, parent *Policy) ([]Result, error) {
	return p.narrower(ctx, child, parent)
}

// Worst returns the verdict of many: the first of Counterexample, Possible,
// Unsupported, Unknown that one has, else Proved.
func Worst(verdicts ...Verdict) Verdict {
	for _, bad := range []Verdict{Counterexample, Possible, Unsupported, Unknown} {
		for _, v := range verdicts {
			if v == bad {
				return bad
			}
		}
	}
	return Proved
}
