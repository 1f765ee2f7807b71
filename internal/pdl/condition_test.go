package pdl_test

import (
	"strings"
	"testing"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// compileRule compiles testdata/schema.yaml with one rule.
func compileRule(t *testing.T, match, when, variables string) (*pdl.Bundle, pdl.Diagnostics) {
	t.Helper()
	text := "pdl: v1\nkind: policy\nname: p\n" + variables + "rules:\n  - id: r\n    match: " + match +
		"\n    when: |\n      " + strings.ReplaceAll(when, "\n", "\n      ") + "\n    effect: ALLOW\n" +
		"---\npdl: v1\nkind: data\nname: known\ntypes: {teams: list(string), level: int, since: timestamp, on: bool}\n" +
		"values: {teams: [a, b], level: 3, since: 2026-01-01T00:00:00Z, on: true}\n" +
		"---\npdl: v1\nkind: calendar\nname: hours\nzone: Europe/Berlin\nweekly: [{days: [mon], from: \"09:00\", to: \"24:00\"}]\n"
	return pdl.Compile([]pdl.File{{Name: "schema.yaml", Data: readFile(t, "testdata/schema.yaml")}, {Name: "p.yaml", Data: []byte(text)}})
}

func TestConditionsOfTheLanguageAreAccepted(t *testing.T) {
	for _, when := range []string{
		`true`,
		`!params.dry_run`,
		`params.dry_run ? agent.team == "a" : agent.team == "b"`,
		`params.dry_run == true && params.dry_run != false`,
		`(params.dry_run ? agent.experience_level : 3) > 2`,
		`(params.dry_run ? agent.team : agent.id) == "a"`,
		`agent.experience_level + 1 - 2 * 3 / 4 % 5 >= -1`,
		`-agent.experience_level < 0`,
		`agent.team < "b" && agent.team >= 'a'`,
		`agent.team in ["a", resource.id, agent.id]`,
		`agent.experience_level in [1, 2, 3 + 4]`,
		`agent.team in data.known.teams && agent.experience_level > data.known.level && context.now > data.known.since && data.known.on`,
		`"dev" in agent.groups`,
		`action == "deploy" || action != "deploy" || action in ["deploy"]`,
		`resource.type == "service" && resource.id != "x"`,
		`size(agent.team) > 3 && agent.team.size() > 3 && size(params.args) == 0 && params.args.size() < 4`,
		`agent.team.startsWith("a") || agent.team.endsWith(agent.id) || agent.team.contains("x")`,
		`agent.team.matches("^[a-z]+(-[0-9]{1,3})?$")`,
		`params.args.exists(a, a.startsWith("--force"))`,
		`params.args.all(a, a != agent.team) && params.args.exists_one(a, a == "x")`,
		`agent.groups.exists(g, g == "oncall")`,
		`params.args.exists(a, data.known.teams.exists(b, a == b))`,
		`["a", "b"].exists(x, x == agent.team)`,
		`context.now > timestamp("2026-01-01T00:00:00Z")`,
		`context.now - timestamp("2026-01-01T00:00:00+02:00") > duration("36h")`,
		`context.now + duration("1h") > context.now && context.now - duration("90m") < context.now`,
		`duration("1h") < context.now - context.now`,
		`duration("1h") + context.now > timestamp("2026-01-01T00:00:00Z")`,
		`has(agent.owner) && agent.owner == agent.team`,
		`(has(agent.owner) == true) && agent.owner == "a"`,
		`!has(agent.owner) || agent.owner == agent.team`,
		`has(agent.owner) ? agent.owner == "a" : true`,
		`!(has(agent.owner) && has(params.version)) || agent.owner == params.version`,
		`has(params.version) && params.args.exists(a, a == params.version)`,
		`params.args.all(a, has(params.version) && a == params.version)`,
		`(has(agent.owner) && has(params.version) || has(agent.owner)) && agent.owner == "a"`,
		`has(agent.certified_at) && context.now - agent.certified_at < duration("8760h")`,
		`has(agent.team) && has(context.now) && has(resource.type)`,
		"// why\nagent.team == \"a\" // and what\n",
		`agent.team == """a""" || agent.team == r'\d' || agent.team == "\u00e9\n"`,
		`agent.team.lowerAscii() == "a" && "A" == agent.team.upperAscii()`,
		`agent.team + "/" + resource.id == "a/b" && size(agent.team + "x") > 1`,
		`resource.id.glob("svc/**") || resource.id.glob("**/check?ut*")`,
		`isIP(agent.team) && cidr("10.0.0.0/8").containsIP(agent.team) && cidr("10.0.0.0/8").containsIP(ip(agent.team))`,
		`isIP(agent.team) && ip(agent.team) == ip("10.0.0.1") && cidr("10.0.0.0/8") != cidr("10.0.0.0/9")`,
		`isCIDR(agent.team) && (cidr("10.0.0.0/8").containsCIDR(agent.team) || cidr(agent.team).containsCIDR(cidr("10.0.0.0/24")))`,
		`context.now.getFullYear() > 2025 && context.now.getMonth("Europe/Berlin") == 0 && context.now.getDate("UTC") == 1`,
		`context.now.getDayOfMonth("+02:00") == 0 && context.now.getDayOfWeek("-02:30") in [1, 2] && context.now.getDayOfYear() < 100`,
		`context.now.getHours("America/New_York") >= 9 && context.now.getMinutes() + context.now.getSeconds() + context.now.getMilliseconds() > 0`,
		`(context.now - data.known.since).getHours() + (context.now - data.known.since).getMinutes() > 3 && duration("1h").getSeconds() == duration("1h").getMilliseconds()`,
		`calendar.hours.active(context.now) && !calendar.hours.active(data.known.since - duration("1h"))`,
		`size(params.args) > 1 && params.args[0] == "a" && data.known.teams[1] == params.args[1]`,
		`params.args == ["a", "b"] || params.args != [] || data.known.teams == params.args`,
		`agent.team in (params.dry_run ? data.known.teams : [])`,
		`(params.dry_run ? context.now - data.known.since : duration("1h")) > duration("1m") - duration("1s")`,
		`context.now - duration("1h") - duration("1m") > data.known.since + (duration("1h") + duration("1s"))`,
		`duration("1h") in [duration("60m")] && [duration("1h")].exists(d, d > duration("1s"))`,
		`9223372036854775807 > agent.experience_level && -9223372036854775808 < 0`,
	} {
		b, found := compileRule(t, "{action: deploy}", when, "")
		if b == nil {
			t.Errorf("%s: %v", when, found)
			continue
		}
		if got := b.Rules[0].When.Source; got != strings.TrimSpace(when) {
			t.Errorf("Source = %q, want %q", got, when)
		}
	}
}

// TestReadsBehindNoTestAreRefused: each read of an optional attribute here can
// meet an absent one, in some order of evaluation that CEL allows.
func TestReadsBehindNoTestAreRefused(t *testing.T) {
	for _, when := range []string{
		`agent.owner == "a"`,
		`agent.owner == "a" && has(agent.owner)`,
		`has(agent.owner) || agent.owner == "a"`,
		`!has(agent.owner) && agent.owner == "a"`,
		`has(agent.owner) ? true : agent.owner == "a"`,
		`has(params.version) && agent.owner == "a"`,
		`(has(agent.owner) || has(params.version)) && agent.owner == "a"`,
		`!(has(agent.owner) || has(params.version)) || agent.owner == "a"`,
		`(has(agent.owner) ? true : params.dry_run) && agent.owner == "a"`,
		`params.args.exists(a, has(agent.owner)) && agent.owner == "a"`,
		`params.args.all(a, a == params.version)`,
		`[agent.owner].exists(x, x == "a")`,
		`agent.team in [params.version]`,
		`size(agent.owner) > 3`,
		`agent.team.startsWith(agent.owner)`,
		`(has(agent.owner) != true) && agent.owner == "a"`,
	} {
		b, found := compileRule(t, "{action: deploy}", when, "")
		if b != nil || len(found) != 1 || !strings.Contains(found[0].Message, "is optional and is read without a test") {
			t.Errorf("%s: %v", when, found)
		}
	}
}

func TestLooseSchemasWarnOfReadsThatMayErr(t *testing.T) {
	schema := strings.Replace(string(readFile(t, "testdata/schema.yaml")), "agents: any", "agents: any\nstrict: false", 1)
	policy := "pdl: v1\nkind: policy\nname: p\nrules:\n  - {id: r, match: {action: deploy}, when: agent.owner == agent.team, effect: ALLOW}\n"
	b, found := compile(schema, policy)
	if b == nil || len(found) != 1 || found[0].Severity != pdl.Warning || b.Schema.Strict {
		t.Errorf("bundle = %v, found %v, want one warning", b, found)
	}
	typo := strings.Replace(policy, "agent.owner ==", "agent.ower ==", 1)
	if b, _ := compile(schema, typo); b != nil {
		t.Error("a name that does not exist passes as a warning")
	}
}

// TestRulesReadWhatTheirPairsShare covers rules over several actions and
// resource types, and matches that narrow them.
func TestRulesReadWhatTheirPairsShare(t *testing.T) {
	for _, c := range []struct{ match, when, problem string }{
		{"{action: deploy}", `params.strategy == "canary"`, ""},
		{"{action: migrate}", `params.strategy == "big_bang"`, ""},
		{"{action: [deploy, migrate]}", `params.strategy in ["canary", "big_bang", "rolling"]`, ""}, // enums unite
		{"{action: [deploy, migrate]}", `params.strategy == "blue"`, `"blue" is not a value of params.strategy`},
		{"{action: deploy}", `params.strategy == "big_bang"`, `"big_bang" is not a value of params.strategy`},
		{"{action: [deploy, rollback]}", `params.strategy == "canary"`, "is not an attribute of the action rollback"},
		{"{action: migrate}", `resource.environment in ["archive", "staging"]`, ""},
		{"{action: migrate, resource.type: database}", `resource.environment == "staging"`, `"staging" is not a value of resource.environment`},
		{"{action: migrate}", `resource.replicas == 3`, "has different types"},
		{"{action: migrate, resource.type: service}", `resource.replicas == 3`, ""},
		{"{action: migrate, resource.type: database}", `resource.replicas == "3"`, ""},
		{"{action: migrate}", `has(resource.owner_team)`, "is not an attribute of the resource type database"},
		{"{action: migrate, resource.type: [service]}", `has(resource.owner_team)`, ""},
		{"{action: migrate}", `resource.type == "database"`, ""},
		{"{action: deploy}", `resource.type == "database"`, `"database" is not a value of resource.type where the match holds`},
		{"{action: deploy}", `action == "rollback"`, `"rollback" is not a value of action where the match holds`},
	} {
		b, found := compileRule(t, c.match, c.when, "")
		if c.problem == "" && b == nil || c.problem != "" && (b != nil || !strings.Contains(found[0].Message, c.problem)) {
			t.Errorf("%s when %s: %v, want %q", c.match, c.when, found, c.problem)
		}
	}
}

func TestVariablesStandInTheTreeOfTheRule(t *testing.T) {
	vars := "variables:\n  foreign: has(resource.owner_team) && resource.owner_team != agent.team\n" +
		"  risky: variables.foreign || variables.level > 3\n  level: agent.experience_level\n" +
		"  environments: resource.environment in [\"production\", \"archive\"]\n"
	b, found := compileRule(t, "{action: deploy}", "variables.risky &&\n  params.args.exists(a, variables.environments)", vars)
	if b == nil || found.HasErrors() {
		t.Fatal(found)
	}
	when := b.Rules[0].When
	ast.PreOrderVisit(when.AST.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && e.AsIdent() == "variables" {
			t.Error("the tree still names variables")
		}
		if r, ok := when.AST.SourceInfo().GetOffsetRange(e.ID()); !ok || int(r.Stop) > len(when.Source) || r.Start >= r.Stop {
			t.Errorf("the node %d stands at %+v of %q", e.ID(), r, when.Source)
		}
	}))
	if len(when.Variables) != 4 || when.Variables["level"] != "agent.experience_level" {
		t.Errorf("Variables = %q", when.Variables)
	}
}

// TestVariablesSeeNoLoopOfTheirUser: a name in a variable means what it means
// where the variable is written.
func TestVariablesSeeNoLoopOfTheirUser(t *testing.T) {
	_, found := compileRule(t, "{action: deploy}", `params.args.exists(x, variables.odd)`, "variables:\n  odd: x == \"a\"\n")
	if len(found) != 1 || !strings.Contains(found[0].Message, `unknown name "x"`) || found[0].Line != 5 {
		t.Errorf("found %v, want an unknown name in the variable", found)
	}
}

func TestDiagnosticsAreLines(t *testing.T) {
	d := pdl.Diagnostic{
		Pos: pdl.Pos{File: "a.yaml", Line: 3, Col: 8}, EndLine: 3, EndCol: 9, Severity: pdl.Warning,
		Message: "it is odd", Suggestion: "mend it", Source: "\twhen: x",
	}
	want := "a.yaml:3:8: warning: it is odd; mend it\n    \twhen: x\n    \t      ^"
	if got := d.String(); got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
