package pdl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const outlined = `# A schema.
pdl: v1
kind: schema
name: s
agent:
  role: enum(junior, senior)
  "owner?": {type: string(..8), from: registry}
resources: {service: {tier: "enum(a, b)"}, bucket: {}}
actions:
  deploy: {resource: [service, bucket], params: {"n?": int(1..5)}}
facts:
  deploys: {event: deploy, by: [agent.id], count: true, within: 1h}
  last_at?: {event: deploy, by: [agent.id], last: true, within: 1h}
constraints: {canary: flag, rows: {merge: int.min}}
--- # the next one
pdl: v1
kind: policy
name: p
variables:
  v: agent.role == "junior"
rules:
  - {id: a, match: {action: deploy}, effect: ALLOW}
  - id: b
    match: {action: [
---
kind: table
name: t
inputs: [agent.role, resource.tier]
rows:
  - [junior, "*", DENY]
  - [senior]
---
kind: data
name: limits
types: {most: int, bad: nothing}
---
kind: calendar
name: hours
---
kind: approval
name: release
`

func TestOutlineListsWhatIsDeclared(t *testing.T) {
	var got []string
	for _, d := range pdl.Outline(pdl.File{Name: "a.yaml", Data: []byte(outlined)}) {
		if d.Broken != (d.Kind == "policy") {
			t.Errorf("the %s %s is broken: %v", d.Kind, d.Name, d.Broken)
		}
		for _, s := range d.Symbols {
			line := []rune(strings.Split(outlined, "\n")[s.Line-1])
			name := s.Name[strings.LastIndexAny(s.Name, "./")+1:]
			if at := strings.Trim(string(line[s.Col-1:s.EndCol-1]), `"?`); s.Kind != pdl.RuleSymbol && at != name {
				t.Errorf("%s stands at %d:%d–%d, where %q is", s.Name, s.Line, s.Col, s.EndCol, at)
			}
			optional := ""
			if s.Optional {
				optional = "?"
			}
			got = append(got, fmt.Sprintf("%d %s%s [%s] %s", s.Kind, s.Name, optional, s.Owner, s.Text))
		}
	}
	want := []string{
		"1 agent.role [] enum(junior, senior)", "1 agent.owner? [] string(..8)",
		"3 service [] ", "3 bucket [] ", "1 resource.tier [service] enum(a, b)",
		"4 deploy [] service, bucket", "1 params.n? [deploy] int(1..5)",
		"2 facts.deploys [] int(0..9007199254740991)", "2 facts.last_at? [] timestamp",
		"6 canary [] flag", "6 rows [] int.min",
		`7 variables.v [p] agent.role == "junior"`, "9 p/a [] ", "9 p/b [] ", // without the broken line
		"9 t/junior-* [] ", "8 data.limits.most [limits] int", "8 data.limits.bad [limits] nothing",
		"10 calendar.hours [] ", "11 release [] ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Outline =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestOutlineKnowsWhatTheCompilerKnows compares with the compiled bundle: of
// all bundles of the tree, every rule, attribute and constant.
func TestOutlineKnowsWhatTheCompilerKnows(t *testing.T) {
	for _, bundle := range everyBundle(t) {
		b, found := pdl.Compile(bundle)
		if b == nil {
			t.Fatal(found)
		}
		symbols := map[string]pdl.Symbol{}
		for _, f := range bundle {
			for _, d := range pdl.Outline(f) {
				for _, s := range d.Symbols {
					symbols[fmt.Sprint(s.Kind, " ", s.Owner, " ", s.Name)] = s
				}
			}
		}
		want := func(kind pdl.SymbolKind, owner, name string, typ *pdl.Type) {
			s, ok := symbols[fmt.Sprint(kind, " ", owner, " ", name)]
			if !ok {
				t.Errorf("%s: the outline lacks %s of %q", bundle[0].Name, name, owner)
			} else if typ != nil && s.Type.String() != typ.String() {
				t.Errorf("%s: the type of %s is %s, want %s", bundle[0].Name, name, s.Type, typ)
			}
		}
		var inside func(owner, path string, attributes []pdl.Attribute)
		inside = func(owner, path string, attributes []pdl.Attribute) {
			for _, a := range attributes {
				want(pdl.AttributeSymbol, owner, path+"."+a.Name, &a.Type)
				inside(owner, path+"."+a.Name, a.Type.Members)
			}
		}
		for _, r := range b.Rules {
			want(pdl.RuleSymbol, "", r.Name, nil)
		}
		for _, d := range b.Data {
			want(pdl.ConstantSymbol, strings.Split(d.Path, ".")[1], d.Path, &d.Type)
		}
		inside("", "agent", b.Schema.Agent)
		for _, x := range b.Schema.Actions {
			want(pdl.ActionSymbol, "", x.Name, nil)
			inside(x.Name, "params", x.Params)
		}
		for _, r := range b.Schema.Resources {
			want(pdl.ResourceTypeSymbol, "", r.Name, nil)
			inside(r.Name, "resource", r.Attributes)
		}
	}
}

const outlinedLists = `kind: schema
name: s
agent:
  "zoo's": string # 🦓
  a: {first: 'list({é: int})', second: 'list({path: string})', "third?": "list({\"mode?\": enum(path:x, to), path: string}, ..4)"}
context:
  folded: >-
    list({name: string,
          "kind?": enum(a, b)})
  escaped: "list({\x6eame: bool})"
  words: list(string)
`

// TestOutlineListsTheMembersInLists: each where its name stands in the type; a
// list whose type is not right has none.
func TestOutlineListsTheMembersInLists(t *testing.T) {
	var got []string
	for _, s := range pdl.Outline(pdl.File{Name: "a.yaml", Data: []byte("pdl: v1\n---\n" + outlinedLists)})[1].Symbols {
		if s.Kind == pdl.ElementSymbol {
			line := []rune(strings.Split("pdl: v1\n---\n"+outlinedLists, "\n")[s.Line-1])
			got = append(got, fmt.Sprintf("%s %s %v %d:%s", s.Name, s.Text, s.Optional, s.Line, string(line[s.Col-1:s.EndCol-1])))
		}
	}
	want := []string{
		"agent.a.second[].path string(..4096) false 7:path",
		"agent.a.third[].mode enum(path:x, to) true 7:mode", "agent.a.third[].path string(..4096) false 7:path",
		"context.folded[].kind enum(a, b) true 11:kind", "context.folded[].name string(..4096) false 10:name",
		"context.escaped[].name bool false 12:escaped",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Outline =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
