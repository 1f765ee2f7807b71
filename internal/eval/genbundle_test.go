package eval_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

const fuzzSchema = `pdl: v1
kind: schema
name: fuzz
agents: any
strict: false
agent:
  role: enum(junior, senior, sre)
  team: string
  level: int(0..10)
  trusted: bool
  groups: list(string)
  owner?: string
resources:
  service:
    environment: enum(staging, production)
    owner_team?: string
    replicas?: int
  database:
    environment: enum(replica, production)
actions:
  deploy:
    resource: service
    risk: medium
    params: {count: int, sizes: list(int), at: timestamp, force: bool, version?: string, tags?: list(string), after?: timestamp,
      payment: {cents: int, currency: "enum(eur, usd)", "memo?": string, to: {name: string, known: bool, "iban?": string}},
      refund?: {cents: int, "why?": string, of: {urgent: bool, "days?": list(int), "by?": {team: string, "level?": int, "at?": timestamp}}},
      files: "list({path: string, \"mode?\": enum(read, write), size: int, \"owned?\": bool, \"at?\": timestamp, \"term?\": duration}, ..8)", blob?: json}
  backup:
    resource: [service, database]
    params: {count: int, sizes: list(int), at: timestamp, force: bool, payment: {cents: int(0..), currency: "enum(eur, gbp)", to: {name: string, known: bool, "zip?": string}},
      files: "list({path: string, mode: enum(read, append), size: int(0..), owned: bool, \"zone?\": string}, ..4)", "*": json}
  tool.*:
    resource: [service, database]
    risk: high
    params: {count: int, sizes: list(int), at: timestamp, force: bool, payment: {cents: int(0..), currency: "enum(eur, gbp)", to: {name: string, known: bool, "zip?": string}},
      files: "list({path: string, mode: enum(read, append), size: int(0..), owned: bool, \"zone?\": string}, ..4)", "*": json}
  tool.git.*:
    resource: any
    params: {count: int, sizes: list(int), at: timestamp, force: bool, version?: string, tags?: list(string), after?: timestamp,
      payment: {cents: int, currency: "enum(eur, usd)", "memo?": string, to: {name: string, known: bool, "iban?": string}},
      refund?: {cents: int, "why?": string, of: {urgent: bool, "days?": list(int), "by?": {team: string, "level?": int, "at?": timestamp}}},
      files: "list({path: string, \"mode?\": enum(read, write), size: int, \"owned?\": bool, \"at?\": timestamp, \"term?\": duration}, ..8)", blob?: json}
  tool.git.push:
    resource: [service, database]
    risk: medium
    params: {count: int, sizes: list(int), at: timestamp, force: bool, version?: string, tags?: list(string), after?: timestamp,
      payment: {cents: int, currency: "enum(eur, usd)", "memo?": string, to: {name: string, known: bool, "iban?": string}},
      refund?: {cents: int, "why?": string, of: {urgent: bool, "days?": list(int), "by?": {team: string, "level?": int, "at?": timestamp}}},
      files: "list({path: string, \"mode?\": enum(read, write), size: int, \"owned?\": bool, \"at?\": timestamp, \"term?\": duration}, ..8)", blob?: json}
context:
  ticket?: string
  lead?: duration
facts:
  deploys_1h: {event: deploy, by: [agent.id], count: true, within: 1h}
  deploys_48h: {event: deploy, by: [agent.id], count: true, within: 48h}
  today: {event: deploy, by: [agent.id, resource.id], count: true, within: "day(Europe/Berlin)"}
  last_at?: {event: backup, by: [agent.id], last: true, within: 24h}
constraints:
  canary: flag
  max_rows: int.min
  delay: int.max
  zones: set.intersect
  notify: set.union
---
pdl: v1
kind: approval
name: pair
quorum: 2
of: [{role: approver}]
---
pdl: v1
kind: approval
name: crowd
quorum: 4
of: [{role: approver}, {group: leads}]
---
pdl: v1
kind: data
name: consts
types: {limit: int, home: string, regions: list(string), steps: list(int)}
values: {limit: 7, home: payments, regions: [eu, "é", payments], steps: [1, -1, 9007199254740991]}
---
pdl: v1
kind: calendar
name: office
zone: Europe/Berlin
weekly: [{days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}, {days: [sun], from: "01:00", to: "02:30"}]
except: [{from: 2026-06-01T14:00, to: 2026-06-02T00:00}]
---
pdl: v1
kind: calendar
name: freeze
zone: America/New_York
entries: [{name: june, from: 2026-05-31T00:00, to: 2026-06-01T08:00}, {name: old, from: 1900-01-01T00:00, to: 1900-01-02T00:00}]
`

// bundle writes a bundle of one to three policies and perhaps a table.
func (g *gen) bundle() string {
	var b strings.Builder
	b.WriteString(fuzzSchema)
	for i := range 1 + g.pick(3) {
		g.policy(&b, fmt.Sprintf("policy%d", i))
	}
	if g.pick(2) == 1 {
		g.table(&b)
	}
	if g.pick(3) == 1 {
		g.derived(&b)
	}
	return b.String()
}

func (g *gen) policy(b *strings.Builder, name string) {
	fmt.Fprintf(b, "---\npdl: v1\nkind: policy\nname: %s\n", name)
	g.vars = nil
	var vars []string
	for i := range g.pick(3) {
		g.common = true
		v := fmt.Sprintf("v%d", i)
		vars = append(vars, v)
		if i == 0 {
			b.WriteString("variables:\n")
		}
		fmt.Fprintf(b, "  %s: %s\n", v, quoted(g.bool(2)))
		g.vars = vars
	}
	b.WriteString("rules:\n")
	for i := range 1 + g.pick(5) {
		g.rule(b, i)
	}
	if len(vars) > 0 { // a variable that nothing uses is an error
		fmt.Fprintf(b, "  - {id: uses, match: {action: deploy}, effect: ALLOW, when: '%s'}\n", "variables."+strings.Join(vars, " || variables."))
	}
	g.vars = nil
}

func (g *gen) rule(b *strings.Builder, i int) {
	fmt.Fprintf(b, "  - id: r%d\n    match: {", i)
	g.common = g.pick(2) == 1
	if g.common {
		b.WriteString("action: " + g.one("[deploy, backup]", "backup", "tool.*", "tool.git.*", "[deploy, tool.git.push]", "tool.sql.drop", "[tool.git.pull.*, backup]",
			"[deploy, backup, tool.*]", "[tool.sql, tool.sql.*]", "tool.git.pull"))
		b.WriteString(g.one("", ", resource.environment: production", ", resource.type: database", ", resource.type: service, resource.environment: [staging, production]"))
	} else {
		b.WriteString("action: " + g.one("deploy", "deploy", "tool.git.push", "[deploy, tool.git.push, tool.git.push.*]"))
		if strings.HasSuffix(b.String(), "]") {
			b.WriteString(", resource.type: service")
		}
		b.WriteString(g.one("", ", resource.environment: staging"))
	}
	b.WriteString(g.one("", ", agent.role: junior", ", agent.role: [junior, sre]", ", agent.trusted: true", ", agent.team: payments", ", params.force: [true, false]",
		", params.payment.currency: eur", ", params.payment.to.known: true", ", params.payment.to.name: [payments, a]"))
	b.WriteString("}\n")
	if g.pick(4) > 0 {
		fmt.Fprintf(b, "    when: %s\n", quoted(g.bool(1+g.pick(4))))
	}
	effect := g.one("ALLOW", "REQUIRE_APPROVAL", "DENY")
	b.WriteString("    effect: " + effect + "\n")
	b.WriteString(g.one("", "    risk: medium\n", "    risk: high\n", "    risk: critical\n"))
	b.WriteString(g.one("", "    reason: Because.\n", "    reason: For another reason.\n"))
	b.WriteString(g.one("", "    advice: Wait.\n", "    advice: Ask.\n"))
	b.WriteString(g.one("", "", "", "    mode: shadow\n"))
	if effect == "REQUIRE_APPROVAL" {
		b.WriteString(g.one("", "    approvals: 2\n", "    approvals: 3\n", "    approvals: 5\n"))
		b.WriteString(g.one("", "    approval: pair\n", "    approval: crowd\n"))
	}
	if effect != "DENY" {
		b.WriteString("    constraints: {" + g.obligations() + "}\n")
	}
}

func (g *gen) obligations() string {
	var parts []string
	for _, o := range []string{g.one("", "canary: true"), g.one("", "max_rows: 5", "max_rows: -1"), g.one("", "delay: 5", "delay: 9"),
		g.one("", "zones: [a, b]", "zones: [b, c]", "zones: [c]"), g.one("", "notify: [x]", "notify: [z, y]")} {
		if o != "" {
			parts = append(parts, o)
		}
	}
	return strings.Join(parts, ", ")
}

func (g *gen) table(b *strings.Builder) {
	b.WriteString("---\npdl: v1\nkind: table\nname: table\nmatch: {action: [deploy, backup]}\n" +
		"inputs: [agent.role, resource.environment]\noutputs: [effect, risk, approvals, constraints]\nrows:\n")
	for _, role := range []string{"junior", "senior", "sre"} {
		for _, environment := range []string{"staging", "replica", "production"} {
			if g.pick(3) == 1 {
				g.row(b, role, environment)
			}
		}
		if g.pick(2) == 1 {
			g.row(b, role, `"*"`)
		}
	}
	g.row(b, `"*"`, `"*"`)
}

// derived writes a table over variables, which may err.
func (g *gen) derived(b *strings.Builder) {
	g.common, g.vars = true, nil
	fmt.Fprintf(b, "---\npdl: v1\nkind: table\nname: derived\nmatch: {action: [deploy, backup, tool.git.*]}\nvariables:\n  deep: %s\n",
		quoted("variables.wide == \"large\" && "+g.bool(1)))
	fmt.Fprintf(b, "  size: %s\n  wide: %s\n", quoted(g.bool(2)+" ? agent.role : \"small\""), quoted(g.bool(2)+" ? \"large\" : \"small\""))
	fmt.Fprintf(b, "  nested: %s\n", quoted("variables.deep ? \"large\" : variables.wide"))
	fmt.Fprintf(b, "inputs: [%s, variables.size]\noutputs: [effect, risk, approvals, constraints]\nrows:\n", g.one("variables.nested", "resource.type"))
	firsts := []string{"large", "small"}
	if strings.Contains(b.String(), "inputs: [resource.type, variables.size]") {
		firsts = []string{"service", "database"}
	}
	for _, first := range firsts {
		for _, size := range []string{"junior", "sre", "small"} {
			if g.pick(3) == 1 {
				g.row(b, first, size)
			}
		}
		if g.pick(2) == 1 {
			g.row(b, first, `"*"`)
		}
	}
	g.row(b, `"*"`, `"*"`)
}

func (g *gen) row(b *strings.Builder, role, environment string) {
	effect := g.one("ALLOW, low, 0, {"+g.obligations()+"}", "REQUIRE_APPROVAL, high, 2, {"+g.obligations()+"}", "DENY, critical, 0, {}")
	fmt.Fprintf(b, "  - [%s, %s, %s]\n", role, environment, effect)
}

const maxJSON = 1<<53 - 1

// input makes a request that fits the schema of bundle, or names an action or
// a resource type that it does not have.
func (g *gen) input() eval.Input {
	action := g.one("deploy", "backup", "deploy", "backup", "deploy", "backup", "deploy", "backup", "unknown")
	if g.pick(3) == 1 {
		action = g.one("tool.git.push", "tool.git.pull", "tool.git.pull.fast", "tool.sql", "tool.sql.drop", "tool.é", "tool.git", "tool.git.push.hard",
			"tool", "tool.", "tool..x", "tool.git.*", "tool.*", ".tool.x", "tool.git.a b", "tool.git. a", "tool.git.a  b", "tool.a\u200bb")
	}
	kind := g.one("service", "service", "service", "database")
	req := kernel.Request{
		Agent: kernel.Agent{ID: g.one("agent-001", "é"), Attributes: map[string]any{
			"role": g.one("junior", "senior", "sre"), "team": g.text(), "level": int64(g.pick(11)), "trusted": g.pick(2) == 1, "groups": g.texts(),
		}},
		Action:   action,
		Resource: kernel.Resource{Type: kind, ID: g.one("svc/a", "payments"), Attributes: map[string]any{"environment": g.one("production", "staging")}},
		Params: map[string]any{"count": g.number(), "sizes": g.numbers(), "at": g.moment(), "force": g.pick(2) == 1,
			"files":   []any{},
			"payment": map[string]any{"cents": int64(g.pick(9)), "currency": "eur", "to": map[string]any{"name": g.text(), "known": g.pick(2) == 1}}},
		Context: map[string]any{},
	}
	if kind == "database" {
		req.Resource.Attributes["environment"] = g.one("production", "replica")
	}
	g.maybe(req.Agent.Attributes, "owner", g.text())
	g.maybe(req.Context, "ticket", g.text())
	g.maybe(req.Context, "lead", g.one("0s", "1h", "1h0m0.000000001s", "-1.5s", "876000h", "-876000h"))
	if kind == "service" {
		g.maybe(req.Resource.Attributes, "owner_team", g.text())
		g.maybe(req.Resource.Attributes, "replicas", g.number())
	}
	if req.Action == "deploy" || strings.HasPrefix(req.Action, "tool.git.") {
		g.maybe(req.Params, "version", g.text())
		g.maybe(req.Params, "tags", g.texts())
		g.maybe(req.Params, "after", g.moment())
		g.records(req.Params)
		req.Params["files"] = g.files(5)
	}
	if req.Action == "backup" {
		req.Params["files"] = g.backupFiles()
		g.maybe(req.Params, "extra", g.opaque())
	}
	if req.Action == "backup" || req.Action == "deploy" {
		g.maybe(req.Params, "blob", g.opaque())
	}
	now, err := time.Parse(time.RFC3339Nano, g.moment().(string))
	if err != nil {
		panic(err)
	}
	return eval.Input{Request: req, Now: now.UTC(), Facts: g.facts(now)}
}

// records fills in what is optional in the records of a deployment.
func (g *gen) records(params map[string]any) {
	payment := params["payment"].(map[string]any)
	payment["cents"], payment["currency"] = g.number(), g.one("eur", "usd")
	g.maybe(payment, "memo", g.text())
	g.maybe(payment["to"].(map[string]any), "iban", g.text())
	of := map[string]any{"urgent": g.pick(2) == 1}
	g.maybe(of, "days", g.numbers())
	by := map[string]any{"team": g.text()}
	g.maybe(by, "level", g.number())
	g.maybe(by, "at", g.moment())
	g.maybe(of, "by", by)
	refund := map[string]any{"cents": g.number(), "of": of}
	g.maybe(refund, "why", g.text())
	g.maybe(params, "refund", refund)
}

func (g *gen) files(most int) []any {
	list := []any{}
	for range g.pick(most) {
		f := map[string]any{"path": g.text(), "size": g.number()}
		g.maybe(f, "mode", g.one("read", "write"))
		g.maybe(f, "owned", g.pick(2) == 1)
		g.maybe(f, "at", g.moment())
		g.maybe(f, "term", g.one("1h", "-1.5s"))
		list = append(list, f)
	}
	return list
}

func (g *gen) backupFiles() []any {
	list := []any{}
	for range g.pick(3) {
		f := map[string]any{"path": g.text(), "size": int64(g.pick(9)), "mode": g.one("read", "append"), "owned": g.pick(2) == 1}
		g.maybe(f, "zone", g.text())
		list = append(list, f)
	}
	return list
}

func (g *gen) opaque() any {
	return []any{nil, true, int64(7), "", "é", []any{}, []any{int64(1), []any{nil}}, map[string]any{}, map[string]any{"a": map[string]any{"b": "c"}}}[g.pick(9)]
}

// facts are some that a history can have: the narrower first.
func (g *gen) facts(now time.Time) map[string]any {
	facts := map[string]any{}
	most := int64(g.pick(3))
	g.maybe(facts, "deploys_1h", most)
	most += int64(g.pick(4))
	facts["deploys_48h"] = most
	g.maybe(facts, "today", most)
	if now.Year() < 1901 {
		return facts // the day before is no timestamp
	}
	g.maybe(facts, "last_at", now.Add(-[]time.Duration{0, time.Nanosecond, time.Hour, 24*time.Hour - 1}[g.pick(4)]).Format(time.RFC3339Nano))
	return facts
}

func (g *gen) maybe(m map[string]any, name string, v any) {
	if g.pick(2) == 1 {
		m[name] = v
	}
}

func (g *gen) text() any {
	return g.one("payments", "", "é", "a", "a1", "sun", "PAY-77", "\U0001F600", "src/lib/a.go", "src//x.go", "10.1.2.3", "2001:DB8::1", "10.1.2.0/24", "::ffff:10.1.2.3")
}

func (g *gen) texts() any {
	list := []any{}
	for range g.pick(4) {
		list = append(list, g.text())
	}
	return list
}

func (g *gen) number() any {
	return []int64{0, 1, -1, 2, 7, maxJSON, -maxJSON, maxJSON - 1}[g.pick(8)]
}

func (g *gen) numbers() any {
	list := []any{}
	for range g.pick(4) {
		list = append(list, g.number())
	}
	return list
}

func (g *gen) moment() any {
	return g.one("2026-06-01T12:00:00Z", "1900-01-01T00:00:00Z", "2190-01-01T00:00:00Z", "2026-06-01T14:00:00+02:00",
		"1969-12-31T23:59:59.999999999Z", "2026-03-29T01:30:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z", "2026-06-01T12:00:00.000000001Z", "2189-12-31T23:59:59.5Z")
}
