package lsp_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

type completion struct {
	Label    string
	Detail   string
	TextEdit struct {
		Range   textRange
		NewText string
	}
}

func (c *client) complete(name, marked string) []completion {
	c.t.Helper()
	var list struct{ Items []completion }
	if err := json.Unmarshal(c.call("textDocument/completion", c.at(name, marked)), &list); err != nil {
		c.t.Fatal(err)
	}
	return list.Items
}

func labels(items []completion) []string {
	var list []string
	for _, i := range items {
		list = append(list, i.Label)
	}
	return list
}

const ruleHead = "pdl: v1\nkind: policy\nname: q\nvariables:\n  mine: agent.team == \"web\"\nrules:\n  - id: r\n"

// TestCompletion looks at what is offered while somebody writes: the text is
// seldom YAML then.
func TestCompletion(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema, "p.yaml": policy, "hours.yaml": "pdl: v1\nkind: calendar\nname: office\nzone: UTC\nweekly: [{days: mon, from: \"09:00\", to: \"17:00\"}]\n"})
	for _, k := range []struct {
		name   string
		marked string
		has    []string // these are offered,
		not    []string // and these are not
	}{
		{"the first key", "‸", []string{"pdl", "kind", "name"}, []string{"rules"}},
		{"keys of a document", "pdl: v1\nkind: policy\n‸", []string{"name", "variables", "rules"}, []string{"pdl", "kind", "when"}},
		{"a key half written", "pdl: v1\nkind: policy\nname: q\nru‸", []string{"rules"}, []string{"name"}},
		{"keys that stand below", "pdl: v1\n‸\nkind: policy\nname: q\n", []string{"rules"}, []string{"name", "pdl"}},
		{"kinds", "pdl: v1\nkind: ‸", []string{"schema", "policy", "table", "test"}, nil},
		{"kinds half written", "pdl: v1\nkind: po‸\nname: q", []string{"policy"}, nil},

		{"keys of a rule", ruleHead + "    ‸", []string{"match", "when", "effect", "mode"}, []string{"id", "rules", "pdl"}},
		{"keys of a rule behind its dash", ruleHead + "    effect: DENY\n  - ‸", []string{"id", "match", "when", "effect"}, []string{"rules"}},
		{"keys of a rule between others", ruleHead + "    mat‸\n    effect: DENY\n    when: true\n", []string{"match", "risk"}, []string{"id", "effect", "when"}},
		{"keys of a rule in braces", ruleHead + "  - {id: x, ‸", []string{"match", "effect"}, []string{"id", "rules"}},
		{"effects", ruleHead + "    effect: ‸", []string{"ALLOW", "DENY", "REQUIRE_APPROVAL"}, []string{"high"}},
		{"effects on the next line", ruleHead + "    effect:\n      ‸", []string{"ALLOW"}, []string{"match"}},
		{"risks", ruleHead + "    risk: h‸\n    effect: DENY\n", []string{"high", "low"}, []string{"ALLOW"}},
		{"modes in braces", ruleHead + "  - {id: x, mode: ‸}", []string{"shadow", "enforce"}, nil},
		{"constraints", ruleHead + "    constraints: {‸", []string{"canary_only"}, nil},

		{"keys of match", ruleHead + "    match: {‸", []string{"action", "agent.role", "agent.team", "resource.type", "resource.environment", "params.strategy", "params.fast"},
			[]string{"agent.owner", "resource.size", "context.ticket"}},
		{"keys of match that the action has", ruleHead + "    match: {action: clear, ‸}", []string{"agent.role", "resource.environment"}, []string{"action", "params.strategy"}},
		{"keys of match below each other", ruleHead + "    match:\n      action: deploy\n      ‸", []string{"agent.role", "resource.environment"}, []string{"action", "effect"}},
		{"a key of match half written", ruleHead + "    match: {action: deploy, resource.env‸", []string{"resource.environment"}, nil},
		{"actions", ruleHead + "    match: {action: ‸", []string{"deploy", "clear"}, []string{"service"}},
		{"actions of a list", ruleHead + "    match: {action: [deploy, ‸", []string{"deploy", "clear"}, nil},
		{"actions of a list on lines", ruleHead + "    match:\n      action:\n        - cl‸", []string{"clear"}, []string{"agent.role"}},
		{"values of an enum", ruleHead + "    match: {action: deploy, agent.role: ‸", []string{"junior", "senior"}, []string{"deploy"}},
		{"values of an enum in a list", ruleHead + "    match: {action: deploy, params.strategy: [rolling, ‸]}", []string{"canary"}, nil},
		{"values in quotes", ruleHead + "    match: {action: deploy, agent.role: \"ju‸", []string{"junior"}, nil},
		{"values of a bool", ruleHead + "    match: {params.fast: ‸", []string{"true", "false"}, nil},
		{"resource types", ruleHead + "    match: {action: clear, resource.type: ‸", []string{"service", "bucket"}, nil},

		{"roots", ruleHead + "    when: ‸", []string{"agent", "resource", "context", "variables", "data", "has", "duration"}, []string{"startsWith"}},
		{"roots behind an operator", ruleHead + "    when: agent.role == \"junior\" && re‸", []string{"resource"}, nil},
		{"attributes", ruleHead + "    match: {action: deploy}\n    when: agent.‸", []string{"role", "team", "owner", "id"}, []string{"environment"}},
		{"attributes in quotes", ruleHead + "    when: '!has(agent.ow‸", []string{"owner"}, nil},
		{"attributes in a block", ruleHead + "    match: {action: deploy}\n    when: |\n      agent.role == \"junior\" &&\n        params.st‸\n    effect: DENY\n", []string{"strategy", "version"}, []string{"role"}},
		{"attributes of the action", ruleHead + "    match: {action: clear}\n    when: params.‸", nil, []string{"version"}},
		{"attributes of the types it takes", ruleHead + "    match: {action: deploy}\n    when: resource.‸", []string{"environment", "type", "id"}, []string{"size"}},
		{"attributes of the type that is matched", ruleHead + "    match: {action: clear, resource.type: bucket}\n    when: resource.‸", []string{"size"}, []string{"environment"}},
		{"the instant", ruleHead + "    when: context.‸", []string{"now", "ticket"}, nil},
		{"records", ruleHead + "    when: context.‸", []string{"origin", "origin.zone"}, nil},
		{"members of a record", ruleHead + "    when: context.origin.‸", []string{"ip", "zone"}, []string{"now", "origin"}},
		{"values of a member of a record", ruleHead + "    when: context.origin.zone == \"‸", []string{"inner", "outer"}, nil},
		{"a member of a record in match", ruleHead + "    match: {action: deploy, context.origin.‸", []string{"context.origin.zone"}, []string{"context.origin"}},
		{"records of a request", "pdl: v1\nkind: test\nname: t\nbase: {context: {‸", []string{"origin"}, []string{"origin.zone"}},
		{"variables", ruleHead + "    when: variables.‸", []string{"mine"}, []string{"foreign"}},
		{"data documents", ruleHead + "    when: data.‸", []string{"limits"}, nil},
		{"constants", ruleHead + "    when: data.limits.‸", []string{"most"}, nil},
		{"calendars", ruleHead + "    when: calendar.‸", []string{"office"}, nil},
		{"values compared", ruleHead + "    when: agent.role == \"‸\"", []string{"junior", "senior"}, []string{"agent"}},
		{"values compared in a block", ruleHead + "    when: |\n      true && agent.role != \"s‸", []string{"senior"}, nil},
		{"values in a list", ruleHead + "    match: {action: deploy}\n    when: params.strategy in [\"rolling\", \"‸\"]", []string{"canary"}, nil},
		{"the action compared", ruleHead + "    when: action == \"‸", []string{"deploy"}, nil},
		{"nothing in a free text", ruleHead + "    when: agent.team == \"‸\"", nil, []string{"junior", "agent"}},
		{"methods", ruleHead + "    when: agent.team.‸", []string{"startsWith", "contains", "size"}, []string{"has"}},
		{"a variable", "pdl: v1\nkind: policy\nname: q\nvariables:\n  v: agent.‸", []string{"role"}, nil},
		{"no keys in a condition", ruleHead + "    when: |\n      agent.role == \"junior\" &&\n      ‸", []string{"agent"}, []string{"match"}},
		{"keys behind a condition", ruleHead + "    when: |\n      agent.role == \"junior\"\n    ‸", []string{"match", "effect"}, []string{"agent"}},

		{"types", "pdl: v1\nkind: schema\nname: x\nagent:\n  a: ‸", []string{"bool", "string(..N)", "timestamp"}, nil},
		{"sources", "pdl: v1\nkind: schema\nname: x\nagent:\n  a: {type: string, from: ‸", []string{"request"}, nil},
		{"what an action takes", "pdl: v1\nkind: schema\nname: y\nresources: {service: {}, bucket: {}}\nactions:\n  b: {resource: ‸", []string{"service", "bucket", "any"}, []string{"deploy"}},
		{"how constraints merge", "pdl: v1\nkind: schema\nname: x\nconstraints:\n  b: ‸", []string{"flag", "int.min"}, nil},

		{"inputs", "pdl: v1\nkind: table\nname: x\nmatch: {action: deploy}\ninputs: [‸", []string{"agent.role", "resource.environment", "params.strategy"}, []string{"agent.team"}},
		{"outputs", "pdl: v1\nkind: table\nname: x\noutputs: [effect, ‸", []string{"risk", "reason"}, nil},
		{"a variable as an input", derivedHead + "inputs: [‸", []string{"variables.size", "agent.role"}, []string{"variables.mine", "variables.foreign"}},
		{"a cell of a variable", derivedHead + "inputs: [agent.role, variables.size]\noutputs: [effect]\nrows:\n  - [junior, ‸", []string{"big", "small", "*"}, []string{"junior", "fast"}},
		{"names in a table's variable", "pdl: v1\nkind: table\nname: x\nmatch: {action: deploy}\nvariables:\n  size: params.‸", []string{"fast"}, nil},
		{"a cell", "pdl: v1\nkind: table\nname: x\nmatch: {action: deploy}\ninputs: [agent.role, resource.environment]\noutputs: [effect, risk]\nrows:\n  - [junior, ‸",
			[]string{"staging", "production", "*"}, []string{"junior"}},
		{"a cell of an output", "pdl: v1\nkind: table\nname: x\ninputs: [agent.role]\noutputs: [effect, risk]\nrows:\n  - [junior, DENY, lo‸]", []string{"low", "high"}, []string{"DENY"}},

		{"sections of a test", "pdl: v1\nkind: test\nname: x\nbase:\n  ‸", []string{"action", "agent", "resource", "params", "context"}, []string{"cases"}},
		{"attributes of a test", "pdl: v1\nkind: test\nname: x\nbase:\n  action: deploy\n  agent: {id: a, ‸", []string{"role", "team"}, []string{"id", "environment"}},
		{"values of a test", "pdl: v1\nkind: test\nname: x\nbase:\n  action: deploy\n  agent: {role: ‸", []string{"junior"}, nil},
		{"the action of a test", "pdl: v1\nkind: test\nname: x\nbase:\n  action: ‸", []string{"deploy"}, nil},
		{"paths that are set", "pdl: v1\nkind: test\nname: x\nbase: {action: deploy}\ncases:\n  - name: a\n    set: {‸", []string{"agent.role", "resource.environment", "action"}, nil},
		{"values that are set", "pdl: v1\nkind: test\nname: x\nbase: {action: deploy}\ncases:\n  - name: a\n    set: {agent.role: ‸", []string{"junior"}, nil},
		{"paths that are unset", "pdl: v1\nkind: test\nname: x\ncases:\n  - name: a\n    unset: [‸", []string{"agent.owner"}, nil},
		{"what is expected", "pdl: v1\nkind: test\nname: x\ncases:\n  - name: a\n    expect: {decision: DENY, ‸", []string{"risk_level", "rules"}, []string{"decision"}},
		{"decisions", "pdl: v1\nkind: test\nname: x\ncases:\n  - name: a\n    expect:\n      decision: ‸", []string{"ALLOW"}, nil},
		{"rules in a test", "pdl: v1\nkind: test\nname: x\ncases:\n  - name: a\n    expect: {rules: [‸", []string{"p/r"}, nil},

		{"the second document of a file", policy + "---\npdl: v1\nkind: table\n‸", []string{"inputs", "rows"}, []string{"rules", "types"}},
		{"behind a comment", ruleHead + "    # a comment: {x\n    ‸", []string{"match"}, nil},
		{"nothing in a comment", ruleHead + "    effect: DENY # ‸", nil, []string{"match"}},
		{"nothing for what is not ours", "services:\n  ‸", nil, []string{"rules"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			for _, end := range []string{"\n", "\r\n"} {
				offered := labels(c.complete("q.yaml", strings.ReplaceAll(k.marked, "\n", end)))
				for _, want := range k.has {
					if !slices.Contains(offered, want) {
						t.Errorf("%q is not offered, but %q", want, offered)
					}
				}
				for _, not := range k.not {
					if slices.Contains(offered, not) {
						t.Errorf("%q is offered", not)
					}
				}
			}
		})
	}
}

const derivedHead = "pdl: v1\nkind: table\nname: x\nmatch: {action: deploy}\nvariables:\n  size: 'params.fast ? \"big\" : \"small\"'\n"

// TestCompleteFamilies: a rule may name any family around what is declared; a
// request names one action.
func TestCompleteFamilies(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": strings.Replace(schema, "  clear:\n",
		"  mcp.github.*: {resource: service, params: {repo: string}}\n  mcp.slack.send: {resource: bucket, params: {text: string}}\n  clear:\n", 1)})
	for _, k := range []struct {
		name, marked string
		has, not     []string
	}{
		{"actions", ruleHead + "    match: {action: ‸", []string{"deploy", "mcp.github.*", "mcp.*", "mcp.slack.*", "mcp.slack.send"}, nil},
		{"the action of a test", "pdl: v1\nkind: test\nname: x\nbase:\n  action: ‸", []string{"deploy", "mcp.slack.send"}, []string{"mcp.github.*", "mcp.*"}},
		{"attributes of the family around", ruleHead + "    match: {action: mcp.github.merge}\n    when: params.‸", []string{"repo"}, []string{"text", "version"}},
		{"attributes of what is under it", ruleHead + "    match: {action: mcp.slack.*}\n    when: params.‸", []string{"text"}, []string{"repo", "version"}},
		{"resource attributes of the family around", ruleHead + "    match: {action: mcp.github.merge}\n    when: resource.‸", []string{"environment"}, []string{"size"}},
	} {
		offered := labels(c.complete("q.yaml", k.marked))
		for _, want := range k.has {
			if !slices.Contains(offered, want) {
				t.Errorf("%s: %q is not offered, but %q", k.name, want, offered)
			}
		}
		for _, not := range k.not {
			if slices.Contains(offered, not) {
				t.Errorf("%s: %q is offered", k.name, not)
			}
		}
	}
}

// TestCompletionReplacesTheWord applies what is offered.
func TestCompletionReplacesTheWord(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema, "p.yaml": policy})
	for _, k := range []struct{ marked, label, want string }{
		{ruleHead + "    ma‸", "match", ruleHead + "    match: "},
		{ruleHead + "    ma‸: {}", "match", ruleHead + "    match: {}"},
		{ruleHead + "    effect: ‸", "DENY", ruleHead + "    effect: DENY"},
		{ruleHead + "    match: {action: deploy, resource.env‸}", "resource.environment", ruleHead + "    match: {action: deploy, resource.environment: }"},
		{ruleHead + "    when: agent.team == \"🦓\" && agent.ro‸", "role", ruleHead + "    when: agent.team == \"🦓\" && agent.role"},
		{ruleHead + "    when: agent.role == \"ju‸\"", "junior", ruleHead + "    when: agent.role == \"junior\""},
		{ruleHead + "    when: ag‸", "agent", ruleHead + "    when: agent."},
		{ruleHead + "    when: '\"é🦓\" == agent.te‸'", "team", ruleHead + "    when: '\"é🦓\" == agent.team'"},
		{"pdl: v1\nkind: table\nname: x\ninputs: [agent.role]\noutputs: [effect]\nrows:\n  - [‸", "*", "pdl: v1\nkind: table\nname: x\ninputs: [agent.role]\noutputs: [effect]\nrows:\n  - [\"*\""},
		{"pdl: v1\nkind: schema\nname: x\nagent: {a: ‸}", "enum(a, b)", "pdl: v1\nkind: schema\nname: x\nagent: {a: \"enum(a, b)\"}"},
		{"\ufeffpd‸", "pdl", "\ufeffpdl: "},
	} {
		items := c.complete("q.yaml", k.marked)
		i := slices.IndexFunc(items, func(x completion) bool { return x.Label == k.label })
		if i < 0 {
			t.Errorf("%q does not offer %s: %v", k.marked, k.label, labels(items))
			continue
		}
		text := strings.Replace(k.marked, "‸", "", 1)
		if got := apply(text, items[i].TextEdit.Range, items[i].TextEdit.NewText); got != k.want {
			t.Errorf("%s makes %q of %q, want %q", k.label, got, k.marked, k.want)
		}
	}
}

func apply(text string, r textRange, with string) string {
	lines := strings.Split(text, "\n")
	line := lines[r.Start.Line]
	head := slice(text, textRange{position{r.Start.Line, 0}, r.Start})
	tail := line[len(head)+len(slice(text, r)):]
	lines[r.Start.Line] = head + with + tail
	return strings.Join(lines, "\n")
}

// TestCompletionOutlivesBrokenDocuments: while one document cannot be read,
// what it declared last is still offered to others.
func TestCompletionOutlivesBrokenDocuments(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema})
	c.open("schema.yaml", schema)
	c.complete("q.yaml", ruleHead+"    when: agent.‸")
	c.change("schema.yaml", schema+"broken: [\n")
	if offered := labels(c.complete("q.yaml", ruleHead+"    when: agent.‸")); !slices.Contains(offered, "role") {
		t.Errorf("while the schema is broken, %q is offered", offered)
	}
}
