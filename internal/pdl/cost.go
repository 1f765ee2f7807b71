package pdl

import (
	"cmp"
	"math"
	"regexp/syntax"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// The cost of conditions is counted in steps, as the evaluator counts the work
// of one while it runs: an element that a loop visits, some bytes that a search
// reads, or one byte against one instruction of a pattern. What the evaluator
// does not count, because it is bounded by the length of the condition, counts
// here as so many steps that they take about as long.
const (
	nodeSteps    = 4  // an operator, a name, a literal
	momentSteps  = 40 // an address that is read, a calendar, a part of local time, a text that is built
	bytesPerStep = 32 // that a search or a comparison reads
	bytesCopied  = 4  // in a step, or counted as characters
)

// A Cost is the most that the conditions of all rules of an action can take for
// one request, by the lengths that the schema declares. It is never too little;
// that rules exclude each other is not considered.
type Cost struct {
	Action       string // an action, or a family: an action under it that is not named itself
	Rules        int    // that can match it and have a condition
	Steps        int64  // at most math.MaxInt64
	Dearest      string // the rule of the most steps
	DearestSteps int64
}

// Steps returns the most that a condition can take: see [Cost].
func (c *Condition) Steps() int64 { return c.steps }

// Time is about how long the steps take on one core of a server: BenchmarkSteps
// of package eval measures up to 3 ns for each. A text that is hostile to a
// pattern takes longer. A condition whose counted work exceeds the bound of the
// evaluator is given up before, and its request denied.
func (c Cost) Time() time.Duration {
	const step = 3 * time.Nanosecond
	return time.Duration(min(c.Steps, math.MaxInt64/int64(step))) * step
}

// Costs lists the costs of the actions that rules with conditions can match,
// the dearest first, then by name.
func (b *Bundle) Costs() []Cost {
	named := b.namedCosts()
	var list []Cost
	names := kernel.SortedKeys(named)
	for _, a := range b.Schema.Actions {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		cost := Cost{}
		if _, isFamily := Family(name); !isFamily {
			cost.add(named[name])
		}
		for family := range Families(name) {
			cost.add(named[family])
		}
		if cost.Action = name; cost.Rules > 0 {
			list = append(list, cost)
		}
	}
	slices.SortStableFunc(list, func(a, b Cost) int { return cmp.Compare(b.Steps, a.Steps) })
	return list
}

// namedCosts adds up the rules by the actions and families that they name.
func (b *Bundle) namedCosts() map[string]Cost {
	named := map[string]Cost{}
	for _, r := range b.Rules {
		if r.When == nil {
			continue
		}
		for _, name := range r.Actions {
			cost := named[name]
			cost.add(Cost{Rules: 1, Steps: r.When.steps, Dearest: r.Name, DearestSteps: r.When.steps})
			named[name] = cost
		}
	}
	return named
}

func (c *Cost) add(other Cost) {
	c.Rules += other.Rules
	c.Steps = sum(c.Steps, other.Steps)
	if other.DearestSteps > c.DearestSteps {
		c.Dearest, c.DearestSteps = other.Dearest, other.DearestSteps
	}
}

// Instructions is the size of a compiled pattern, which bounds the work of its
// automaton for each byte of a text.
func Instructions(pattern string) int {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return math.MaxInt32
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return math.MaxInt32
	}
	return len(prog.Inst)
}

// sum and product stop at the largest number; neither operand is negative.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func product(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
