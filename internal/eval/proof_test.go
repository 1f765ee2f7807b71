package eval_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// guards are tests that let more be proved of what stands behind them.
var guards = []string{
	"has(agent.owner) && has(context.ticket)", "has(resource.owner_team) && has(params.version)", "has(params.tags) && has(params.after)",
	"has(resource.replicas)", "has(resource.replicas) && resource.replicas > 0 && resource.replicas <= 100",
	"params.count > -1000 && params.count < 1000", "params.count != 0", "params.count >= 1", "!(params.count < 0 || params.count > 9)",
	"size(params.sizes) > 2", "size(agent.groups) >= 1 && agent.groups.size() < 9", "params.sizes.all(s, s > -9 && s < 9)",
	"isIP(agent.team)", "has(params.version) && isIP(params.version)", "has(agent.owner) && isIP(agent.owner)", "has(params.version) && isCIDR(params.version)",
	"params.count >= 0 && params.count < size(params.sizes)", "params.at < context.now", "params.at > timestamp(\"2020-01-01T00:00:00Z\") && params.at < timestamp(\"2030-01-01T00:00:00Z\")",
	"agent.groups != []", "agent.groups.exists(g, g == \"payments\")",
	"params.count < 1", "!(params.count < 1 && agent.level < 5)", "params.count == 2", "params.count in [0, 1, 2]", "params.count <= 0", "params.count > 0", "agent.level > 2", "agent.level == 0", "agent.level - 1 > 0",
	"params.at <= timestamp(\"1900-01-01T00:00:00Z\")", "has(context.lead) && context.lead < duration(\"1h\")", "agent.team == \"10.1.2.3\"",
	"agent.team in [\"10.1.2.3\", \"2001:DB8::1\"]", "params.sizes != [] && params.sizes[0] > 0",
}

// guarded is a condition behind some guards.
func (g *gen) guarded() string {
	var parts []string
	for range g.pick(7) {
		parts = append(parts, g.one(guards...))
	}
	parts = append(parts, g.bool(1+g.pick(3)))
	if g.pick(4) == 3 {
		return "!(" + strings.Join(parts[:len(parts)-1], " && ") + ") || " + parts[len(parts)-1]
	}
	return strings.Join(parts, " && ")
}

// risky is one operation that may have no value, behind few guards: nothing
// else in it hides that.
func (g *gen) risky() string {
	guard, first, second := g.one(guards...), g.operation(), g.operation()
	switch g.pick(8) {
	case 0:
		return first
	case 1:
		return "!(" + guard + ") || " + first
	case 2:
		return "(" + guard + ") ? " + first + " : " + second
	case 3:
		return guard + " && " + g.one(guards...) + " && " + first
	case 4:
		return "(" + guard + " || " + g.one(guards...) + ") && " + first
	case 5:
		return "!(" + guard + ") && " + first
	}
	return guard + " && " + first
}

func (g *gen) operation() string {
	switch g.pick(8) {
	case 0, 1:
		return "(" + g.bare() + g.one(" + ", " - ", " * ") + g.bare() + " != 7)"
	case 2:
		return "(" + g.bare() + g.one(" / ", " % ") + g.one("params.count", "agent.level", "resource.replicas", "size(params.sizes)", "(agent.level - 3)", "-1") + " != 7)"
	case 3:
		return "(" + g.one("params.sizes", "[3, 4, 5]", "data.consts.steps") + "[" + g.one("params.count", "agent.level", "0", "1", "2", "size(params.sizes) - 1", "params.count % 3", "agent.level / 4") + "] != 7)"
	case 4:
		return "((" + g.time(0) + g.one(" + ", " - ") + g.span(1) + ") != " + g.time(0) + ")"
	case 5:
		return "((" + g.time(0) + " - " + g.time(0) + ")" + g.one(" + ", " - ") + g.span(1) + " != " + g.span(0) + ")"
	case 6:
		return "cidr(\"10.0.0.0/8\")" + g.one(".containsIP(", ".containsCIDR(") + g.one("agent.team", "agent.owner", "params.version") + ")"
	}
	return "(" + g.one("params.tags == agent.groups", "params.after < params.at", "agent.owner == agent.team", "resource.replicas < 3", "context.lead < duration(\"1h\")") + ")"
}

// bare is an int of which some reach the ends of 64 bits.
func (g *gen) bare() string {
	return g.one("params.count", "params.count", "agent.level", "resource.replicas", "size(params.sizes)", "data.consts.limit", "facts.deploys_1h",
		"9223372036854775807", "-9223372036854775808", "9214364837600034816", "9223372036854775797", "1024", "1025", "-1", "0")
}

// FuzzProof looks for a condition that the compiler lets through under strict
// and that has no value for some request, or that does what a warning says it
// never does.
func FuzzProof(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomBytes(seed, 60), randomBytes(seed+1000, 100))
	}
	f.Fuzz(func(t *testing.T, condition, requests []byte) {
		if len(condition) > 400 || len(requests) > 400 {
			return
		}
		proved(t, [][]byte{condition}, requests, 25)
	})
}

func TestWhatIsProvedDoesNotErr(t *testing.T) {
	const together = 40
	bundles := rounds(100)
	accepted, sided := 0, 0
	for seed := range uint64(bundles) {
		conditions := make([][]byte, together)
		for i := range conditions {
			conditions[i] = randomBytes(seed*together+uint64(i), 120)
		}
		a, s := proved(t, conditions, randomBytes(seed+1_000_000, 10_000), 150)
		accepted, sided = accepted+a, sided+s
	}
	if all := bundles * together; accepted < all/4 || sided < all/50 {
		t.Errorf("%d of %d conditions were accepted, %d with a warning: the generator does not reach it", accepted, all, sided)
	}
	t.Logf("%d of %d conditions accepted, %d said to be one-sided", accepted, bundles*together, sided)
}

// A claim is a rule that was let through, and what a warning says of it.
type claim struct {
	line, when, match string
	never, always     bool
}

// proved reports how many of the conditions were accepted, and how many were
// said to be one-sided.
func proved(t *testing.T, conditions [][]byte, requests []byte, inputs int) (accepted, sided int) {
	t.Helper()
	claims := make([]*claim, len(conditions))
	for i, data := range conditions {
		g := &gen{data: data}
		c := &claim{when: g.one(g.guarded(), g.risky(), g.risky())}
		c.match = "{action: deploy" + g.one("", "", "", ", agent.role: junior", ", agent.role: [junior, sre]", ", agent.trusted: true", ", resource.environment: staging") + "}"
		c.line = fmt.Sprintf("  - {id: r%d, match: %s, when: %s, effect: ALLOW}\n", i, c.match, quoted(c.when))
		claims[i] = c
	}
	_, refused, _ := compileClaims(claims)
	claims = slices.DeleteFunc(claims, func(c *claim) bool { return refused[c] })
	if len(claims) == 0 {
		return 0, 0
	}
	b, refused, found := compileClaims(claims)
	if len(refused) > 0 {
		t.Fatalf("what was accepted is refused: %v", found)
	}
	p, err := eval.New(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		if c.never || c.always {
			sided++
		}
	}
	r := &gen{data: requests}
	for range inputs {
		claimed(t, p, claims, r.input())
	}
	return len(claims), sided
}

// compileClaims compiles rules under strict, and returns those that were
// refused.
func compileClaims(claims []*claim) (*pdl.Bundle, map[*claim]bool, pdl.Diagnostics) {
	source := strings.Replace(fuzzSchema, "strict: false\n", "", 1) + "---\npdl: v1\nkind: policy\nname: p\nrules:\n"
	before := strings.Count(source, "\n") + 1
	for _, c := range claims {
		source += c.line
	}
	b, found := pdl.Compile([]pdl.File{{Name: "proof.yaml", Data: []byte(source)}})
	refused := map[*claim]bool{}
	for _, d := range found {
		if d.Line < before {
			continue
		}
		c := claims[d.Line-before]
		switch part := strings.ContainsAny(c.when, "&|?![") || strings.Contains(c.when, "exists") || strings.Contains(c.when, ".all("); {
		case d.Severity == pdl.Error:
			refused[c] = true
		case strings.HasPrefix(d.Message, "the rule never matches"), strings.HasPrefix(d.Message, "this is never true here") && !part:
			c.never = true
		case strings.HasPrefix(d.Message, "this is always true here") && !part:
			c.always = true
		}
	}
	return b, refused, found
}

// claimed decides one request, and compares what came out with what was
// claimed.
func claimed(t *testing.T, p *eval.Program, claims []*claim, in eval.Input) {
	t.Helper()
	in.Request.Action, in.Request.Resource.Type = "deploy", "service"
	v, err := p.Decide(in)
	if err != nil {
		return // a service has no replica
	}
	for _, c := range claims {
		id, _, _ := strings.Cut(strings.TrimPrefix(c.line, "  - {id: "), ",")
		place := slices.Index(v.Rules, "p/"+id) // rules that have no value come first
		problem := ""
		switch {
		case place == 0 && v.Code == kernel.CodeEvaluationError:
			problem = "it has no value"
		case c.never && place >= 0:
			problem = "it holds"
		case c.always && c.match == "{action: deploy}" && place < 0:
			problem = "it does not hold"
		}
		if problem != "" {
			t.Fatalf("%s when %s: %s for %s at %s", c.match, c.when, problem, text(t, in.Request), fmt.Sprint(in.Now))
		}
	}
}
