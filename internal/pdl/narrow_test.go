package pdl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func TestNarrowChangesTheTextOfARuleAndNothingElse(t *testing.T) {
	remove := func(rules ...string) (list []pdl.Narrowing) {
		for _, r := range rules {
			list = append(list, pdl.Narrowing{Rule: "p/" + r, Remove: true})
		}
		return list
	}
	const head = "pdl: v1\nkind: policy\nname: p\nrules:\n"
	for _, test := range []struct {
		name, text string
		list       []pdl.Narrowing
		want       string
	}{
		{
			"a condition is joined with &&", "  - id: a\n    match: {action: x}\n    when: params.n > 1 # why\n    effect: ALLOW\n",
			[]pdl.Narrowing{{Rule: "p/a", When: "params.n <= 9"}},
			"  - id: a\n    match: {action: x}\n    when: params.n > 1 && params.n <= 9 # why\n    effect: ALLOW\n",
		},
		{
			"what is joined with || stands in parentheses", "  - id: a\n    match: {action: x}\n    when: 'a || b'\n    effect: ALLOW\n",
			[]pdl.Narrowing{{Rule: "p/a", When: "c == 'd'"}},
			"  - id: a\n    match: {action: x}\n    when: '(a || b) && c == ''d'''\n    effect: ALLOW\n",
		},
		{
			"a condition of several lines keeps them", "  - id: a\n    match: {action: x}\n    when: |\n      a || // one\n      b\n    effect: ALLOW\n",
			[]pdl.Narrowing{{Rule: "p/a", When: "c"}},
			"  - id: a\n    match: {action: x}\n    when: |\n      (a || // one\n      b\n      )\n      && c\n    effect: ALLOW\n",
		},
		{
			"a condition that takes the place of another", "  - {id: a, match: {action: x}, when: params.n < 9, effect: ALLOW}\n",
			[]pdl.Narrowing{{Rule: "p/a", When: "params.n <= 3", Instead: true}},
			"  - {id: a, match: {action: x}, when: params.n <= 3, effect: ALLOW}\n",
		},
		{
			"a match is extended, and a condition stands behind it", "  - id: a\n    match:\n      action: [x, y] # both\n    effect: ALLOW\n",
			[]pdl.Narrowing{{Rule: "p/a", Match: []pdl.Atom{{Path: "action", Values: []string{"x"}}, {Path: "agent.role", Values: []string{"no", "b c"}}, {Path: "agent.team", Values: []string{"it"}}}, When: "z"}},
			"  - id: a\n    match:\n      action: x # both\n      agent.role: ['no', b c]\n      agent.team: it\n    when: z\n    effect: ALLOW\n",
		},
		{"a rule goes with its comment", "  # one\n  - id: a\n    effect: ALLOW\n\n  # two\n  - id: b\n    effect: ALLOW\n", remove("a"), "  # two\n  - id: b\n    effect: ALLOW\n"},
		{"the last rule goes", "  - id: a\n    effect: ALLOW\n  - id: b\n    effect: ALLOW\n", remove("b"), "  - id: a\n    effect: ALLOW\n"},
	} {
		t.Run(test.name, func(t *testing.T) { narrowed(t, head+test.text, test.list, head+test.want) })
	}
	for list, want := range map[string]string{"a": "[{id: b}, {id: c}]", "b": "[{id: a}, {id: c}]", "c": "[{id: a}, {id: b}]", "bc": "[{id: a}]", "ab": "[{id: c}]", "ac": "[{id: b}]"} {
		narrowed(t, head[:len(head)-1]+" [{id: a}, {id: b}, {id: c}]\n", remove(strings.Split(list, "")...), head[:len(head)-1]+" "+want+"\n")
	}
	const other = "pdl: v1\nkind: data\nname: d\n"
	narrowed(t, head+"  - id: a\n---\n"+other, remove("a"), other)
	narrowed(t, other+"---\n"+head+"  - id: a\n  - id: b\n", remove("a", "b"), other)
}

func narrowed(t *testing.T, text string, list []pdl.Narrowing, want string) {
	t.Helper()
	files, err := pdl.Narrow([]pdl.File{{Name: "f.yaml", Data: []byte(text)}}, list)
	if err != nil || len(files) != 1 || string(files[0].Data) != want {
		t.Errorf("%v, %v, want\n%s\nnot\n%s", list, err, want, files)
	}
}

func TestNarrowLeavesOutWhatHasNothingLeft(t *testing.T) {
	files := []pdl.File{
		{Name: "a.yaml", Data: []byte("pdl: v1\nkind: policy\nname: p\nrules:\n  - id: a\n")},
		{Name: "b.yaml", Data: []byte("pdl: v1\nkind: policy\nname: q\nrules:\n  - id: a\n")},
	}
	got, err := pdl.Narrow(files, []pdl.Narrowing{{Rule: "p/a", Remove: true}})
	if err != nil || len(got) != 1 || got[0].Name != "b.yaml" || string(got[0].Data) != string(files[1].Data) {
		t.Errorf("%v, %v, want the second file as it was", got, err)
	}
}

func TestNarrowRefusesWhatAProgramCannotChange(t *testing.T) {
	for name, text := range map[string]string{
		"a rule that is not there":                     "rules:\n  - id: b\n",
		"a condition with a comment, in brackets":      "rules: [{id: a, match: {action: x}, when: \"a // why\", effect: ALLOW}]\n",
		"a rule whose dash stands on another line":     "rules:\n  - # here\n    id: a\n    match: {action: x}\n  - id: b\n",
		"a rule of a document that is of no such kind": "rows:\n  - id: a\n",
	} {
		list := []pdl.Narrowing{{Rule: "p/a", When: "b"}}
		if strings.Contains(text, "# here") {
			list = []pdl.Narrowing{{Rule: "p/a", Remove: true}}
		}
		files, err := pdl.Narrow([]pdl.File{{Name: "f.yaml", Data: []byte("pdl: v1\nkind: policy\nname: p\n" + text)}}, list)
		var ours *kernel.Error
		if !errors.As(err, &ours) || ours.Code != kernel.Unsupported {
			t.Errorf("%s: %s, %v, want that it is not supported", name, files, err)
		}
	}
}
