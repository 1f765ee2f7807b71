package lsp_test

import (
	"slices"
	"strings"
	"testing"
)

// loopSchema has lists of records where attributes can be declared, and lists
// of single values.
var loopSchema = strings.NewReplacer(
	`  "owner?": string`, `  "owner?": string
  "grants?": 'list({scope: enum(read, write), "until?": timestamp}, ..8)'`,
	"    environment: enum(staging, production)", `    environment: enum(staging, production)
    owners: {type: "list({login: string(..32), duty: enum(on, off)})", from: request}`,
	`fast: bool}`, `fast: bool, items: 'list({kind: enum(add, remove), "size?": int(0..9)})'}`,
	"  clear:\n    resource: [bucket, service]", `  clear:
    resource: [bucket, service]
    params:
      items: >-
        list({kind: enum(drop, trim),
              path: string(..64)}, ..9)
      order:
        parts: "list({sku: string, \"kind?\": enum(new, used)}, ..4)"
      tags: "list(enum(hot, cold), ..4)"
      words: list(string)`,
).Replace(schema)

const (
	onDeploy = ruleHead + "    match: {action: deploy}\n    when: "
	onClear  = ruleHead + "    match: {action: clear}\n    when: "
)

// TestCompletionInLoops: the name of a loop stands for an element, while the
// condition is half written.
func TestCompletionInLoops(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": loopSchema, "p.yaml": policy})
	for _, k := range []struct {
		name, marked string
		has, not     []string
	}{
		{"members", onDeploy + "params.items.exists(i, i.‸", []string{"kind", "size"}, []string{"path", "startsWith", "role", "items"}},
		{"members between brackets", onDeploy + "params.items.exists(i, i.‸) && true", []string{"kind", "size"}, []string{"path"}},
		{"a member half written", onDeploy + "params.items.all(i, i.ki‸", []string{"kind"}, []string{"contains"}},
		{"members of what the rule is about", onClear + "params.items.exists_one(i, i.‸", []string{"kind", "path"}, []string{"size"}},
		{"members of what any action has", ruleHead + "    when: params.items.exists(i, i.‸", []string{"kind", "size", "path"}, nil},
		{"members behind has", onDeploy + "params.items.exists(i, has(i.‸", []string{"size"}, nil},
		{"members behind texts and comments", ruleHead + "    match: {action: deploy}\n    when: |\n      agent.team != \"a, ) exists(\" && // exists(k, (\n      params.items\n        .exists(i, i.kind == 'x)' ||\n          i.‸\n", []string{"kind", "size"}, []string{"path"}},
		{"members of a list in a record", onClear + "params.order.parts.all(p, p.‸", []string{"sku", "kind"}, []string{"path", "parts"}},
		{"members of a list of the agent", onDeploy + "has(agent.grants) && agent.grants.exists(g, g.‸", []string{"scope", "until"}, nil},
		{"members of a list of the resource", onDeploy + "resource.owners.exists(o, o.‸", []string{"login", "duty"}, nil},
		{"members by place", onClear + "params.items[size(params.items) - 1].‸", []string{"kind", "path"}, []string{"startsWith", "size("}},
		{"members by place, half written", onClear + "params.order.parts[0].sk‸", []string{"sku"}, []string{"startsWith"}},
		{"in a variable", "pdl: v1\nkind: policy\nname: q\nvariables:\n  v: agent.grants.exists(g, g.‸", []string{"scope", "until"}, nil},
		{"in single quotes", onDeploy + "'params.items.exists(i, i.kind == \"add\" && i.‸'", []string{"kind", "size"}, nil},

		{"values", onDeploy + "params.items.exists(i, i.kind == \"‸", []string{"add", "remove"}, []string{"drop", "junior"}},
		{"values, closed", onClear + "params.items.exists(i, \"a\" != i.path && i.kind != \"‸\")", []string{"drop", "trim"}, []string{"add"}},
		{"values of a list", onDeploy + "params.items.exists(i, i.kind in [\"add\", \"‸", []string{"remove"}, []string{"drop"}},
		{"values of a free text", onClear + "params.items.exists(i, i.path == \"‸", nil, []string{"drop", "path"}},
		{"values by name alone", onClear + "params.tags.exists(t, t == \"‸", []string{"hot", "cold"}, []string{"new"}},

		{"a nested loop", onClear + "params.items.all(i, params.order.parts.exists(p, p.‸", []string{"sku", "kind"}, []string{"path"}},
		{"the outer name in a nested loop", onClear + "params.items.all(i, params.order.parts.exists(p, p.kind == \"new\" && i.‸", []string{"kind", "path"}, []string{"sku"}},
		{"values in a nested loop", onClear + "params.items.all(i, params.order.parts.exists(p, i.kind == \"trim\" || p.kind == \"‸", []string{"new", "used"}, []string{"drop"}},
		{"behind a nested loop", onClear + "params.items.all(i, params.order.parts.exists(p, p.sku == i.path) && i.‸", []string{"path"}, []string{"sku"}},
		{"a list that the elements lack", onClear + "params.items.all(i, i.parts.exists(p, p.‸", []string{"startsWith"}, []string{"sku", "path"}},
		{"the inner name hides the outer", onClear + "params.items.all(i, params.order.parts.exists(i, i.‸", []string{"sku"}, []string{"path"}},
		{"the range of the inner loop is outside it", onClear + "params.items.all(i, params.order.parts.exists(i, true) && i.‸", []string{"path"}, []string{"sku"}},
		{"a scalar hides a record", onClear + "params.items.all(i, params.words.exists(i, i.‸", []string{"startsWith"}, []string{"path", "kind"}},
		{"a list that is written out hides a record", onClear + "params.items.all(i, [\"a\"].exists(i, i.‸", []string{"startsWith"}, []string{"path"}},
		{"a name of the language is no name of a loop", onDeploy + "params.items.exists(agent, agent.‸", []string{"role"}, []string{"kind"}},
		{"single values have no members", onClear + "params.words.exists(w, w.‸", []string{"startsWith"}, []string{"kind", "path", "role"}},

		{"before the comma", onClear + "params.items.exists(i.‸", nil, []string{"path"}},
		{"behind the loop", onClear + "params.items.exists(i, i.kind == \"drop\") && i.‸", nil, []string{"path"}},
		{"another function", onClear + "params.items.map(i, i.‸", nil, []string{"path"}},
		{"names", onClear + "params.items.all(item, params.tags.exists(tag, ‸", []string{"item", "tag", "params", "has"}, nil},
		{"a name half written", onClear + "params.items.all(item, it‸", []string{"item"}, nil},
		{"names behind the loop", onClear + "params.items.all(item, true) && ‸", []string{"params"}, []string{"item"}},
		{"brackets that close nothing", onClear + ")]} params.items.exists(i, i.‸", []string{"path"}, nil},

		{"a list is one parameter", onClear + "params.‸", []string{"items", "order.parts"}, []string{"items[].path"}},
		{"elements are no keys of match", ruleHead + "    match: {‸", []string{"params.strategy"}, []string{"params.items[].kind"}},
		{"elements are no paths of a test", "pdl: v1\nkind: test\nname: x\nbase: {action: clear}\ncases:\n  - name: a\n    set: {‸", []string{"params.items"}, []string{"params.items[].kind"}},
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

// TestMembersOfLoopsAreTyped looks at what stands beside a member, and at what
// choosing it makes of the text.
func TestMembersOfLoopsAreTyped(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": loopSchema})
	marked := onDeploy + "params.items.exists(i, i.s‸"
	details := map[string]string{}
	for _, i := range c.complete("q.yaml", marked) {
		details[i.Label] = i.Detail
		if got, want := apply(strings.Replace(marked, "‸", "", 1), i.TextEdit.Range, i.TextEdit.NewText), onDeploy+"params.items.exists(i, i."+i.Label; got != want {
			t.Errorf("%s makes %q, want %q", i.Label, got, want)
		}
	}
	for label, want := range map[string]string{"kind": "enum(add, remove)", "size": "int(0..9), optional"} {
		if details[label] != want {
			t.Errorf("beside %s stands %q, want %q", label, details[label], want)
		}
	}
}

// TestHoverAndDefinitionInLoops: a member leads to where the schema names it,
// in the text of the list's type.
func TestHoverAndDefinitionInLoops(t *testing.T) {
	files := map[string]string{"schema.yaml": loopSchema}
	c := started(t, files)
	const (
		ofDeploy = `schema.yaml:     params: {version: string, strategy: "enum(rolling, canary)", fast: bool, items: 'list({kind: enum(add, remove), "size?": int(0..9)})'}`
		ofOrder  = `schema.yaml:         parts: "list({sku: string, \"kind?\": enum(new, used)}, ..4)"`
	)
	for _, k := range []question{
		{"a member", onDeploy + "params.items.exists(i, i.ki‸nd == \"add\")", "i.kind", []string{"**i.kind**", "enum(add, remove)", "`params.items`", "`deploy`"}, []string{ofDeploy}},
		{"an optional member", onDeploy + "params.items.exists(i, has(i.si‸ze))", "i.size", []string{"int(0..9)", "optional", "has(i.size)"}, []string{ofDeploy}},
		{"a member in a half written condition", onDeploy + "params.items.exists(i, i.ki‸nd == \"", "i.kind", []string{"enum(add, remove)"}, []string{ofDeploy}},
		{"a member in a folded type", onClear + "params.items.exists(i, i.pa‸th == \"\")", "i.path", []string{"string(..64)", "`clear`"}, []string{"schema.yaml:               path: string(..64)}, ..9)"}},
		{"a member behind escaped quotes", onClear + "params.order.parts.exists(p, has(p.ki‸nd))", "p.kind", []string{"enum(new, used)", "`params.order.parts`", "has(p.kind)"}, []string{ofOrder}},
		{"a member of a list with a source", onDeploy + "resource.owners.exists(o, o.du‸ty == \"on\")", "o.duty", []string{"enum(on, off)", "`service`"},
			[]string{`schema.yaml:     owners: {type: "list({login: string(..32), duty: enum(on, off)})", from: request}`}},
		{"the inner of two names", onClear + "params.items.all(i, params.order.parts.exists(i, i.sk‸u == \"\"))", "i.sku", []string{"string", "`params.order.parts`"}, []string{ofOrder}},
		{"the outer of two loops", onClear + "params.items.all(i, params.order.parts.exists(p, i.ki‸nd == \"drop\"))", "i.kind", []string{"enum(drop, trim)"}, []string{"schema.yaml:         list({kind: enum(drop, trim),"}},
		{"a member of any action's list", ruleHead + "    when: params.items.exists(i, i.ki‸nd == \"add\")", "i.kind", []string{"`deploy`", "`clear`", "enum(drop, trim)"},
			[]string{ofDeploy, "schema.yaml:         list({kind: enum(drop, trim),"}},
		{"no member of it", onDeploy + "params.items.exists(i, i.pa‸th == \"\")", "", nil, nil},
		{"behind the loop", onDeploy + "params.items.exists(i, true) && i.ki‸nd == \"add\"", "", nil, nil},
		{"hidden by single values", onClear + "params.items.all(i, params.words.exists(i, i.ki‸nd == \"\"))", "", nil, nil},
	} {
		t.Run(k.name, func(t *testing.T) { k.check(t, c, files) })
	}
}

// TestTheSchemaOfLoopsIsRight: what is asked about here compiles.
func TestTheSchemaOfLoopsIsRight(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": loopSchema})
	c.open("schema.yaml", loopSchema)
	for _, d := range c.findings("schema.yaml") {
		if d.Severity == 1 {
			t.Errorf("%+v", d)
		}
	}
}
