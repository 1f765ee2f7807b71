package eval_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestEveryActionIsFoundByItsName: names of every length, that share their
// beginnings and ends, and those that are not declared.
func TestEveryActionIsFoundByItsName(t *testing.T) {
	b := small()
	b.Rules = nil
	var names []string
	for n := range 40 {
		for _, middle := range []string{"a", "b", "ab", "ba"} {
			names = append(names, strings.Repeat("x", n)+middle+strings.Repeat("y", n%9))
		}
	}
	for i := range 500 {
		names = append(names, fmt.Sprintf("action-with-a-long-name-%d-behind-which-much-follows", i))
	}
	seen := map[string]bool{}
	b.Schema.Actions = nil
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		b.Schema.Actions = append(b.Schema.Actions, pdl.Action{Name: name, Resources: []string{"page", "service"}[len(name)%2:]})
	}
	e := lower(t, b).NewEvaluator(eval.Config{})
	for name := range seen {
		for _, c := range []struct {
			action, kind string
			want         kernel.Code
		}{
			{name, "service", kernel.CodeNoMatchingRule},
			{name + "y", "service", map[bool]kernel.Code{true: kernel.CodeNoMatchingRule, false: kernel.CodeUnknownAction}[seen[name+"y"]]},
			{name, "page", map[bool]kernel.Code{true: kernel.CodeNoMatchingRule, false: kernel.CodeUnknownResource}[len(name)%2 == 0]},
			{name, "pages", kernel.CodeUnknownResource},
			{name, "", kernel.CodeUnknownResource},
		} {
			req := indexedRequest(0, 1)
			req.Action, req.Resource.Type = c.action, c.kind
			if c.kind == "page" {
				req.Resource.Attributes = nil
			}
			v, err := e.Decide(eval.Input{Request: req, Now: noon()})
			if err != nil || v.Code != c.want {
				t.Errorf("Decide(%q on %q) = %s, %v, want %s", c.action, c.kind, v.Code, err, c.want)
			}
		}
	}
}
