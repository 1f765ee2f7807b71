package eval_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestNoFieldOfAFactIsInert changes every field of a fact, and finds that
// another input is refused, or that the compiler refuses the change.
func TestNoFieldOfAFactIsInert(t *testing.T) {
	inputs := []map[string]any{
		{"deploys_1h": int64(1)},
		{"deploys_1h": int64(1), "deploys_24h": int64(1)},
		{"deploys_1h": int64(2), "deploys_24h": int64(1), "attempts_24h": int64(2)},
		{"deploys_24h": int64(2), "attempts_24h": int64(1)},
		{"deploys_24h": int64(2), "attempts_24h": int64(2)},
		{"tested_1h_at": "2026-03-29T11:30:00Z"},
		{"today_at": "2026-03-28T22:59:59Z"},
	}
	results := func(source string) []string {
		b, found := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(source)}})
		if found.HasErrors() {
			return []string{found[0].String()}
		}
		p := lower(t, b)
		var list []string
		for _, facts := range inputs {
			v, err := p.Decide(factInput(facts))
			var e *kernel.Error
			if err != nil && !errors.As(err, &e) {
				t.Fatal(err)
			}
			v.PolicyVersion = ""
			if err != nil {
				list = append(list, e.Path)
				continue
			}
			list = append(list, text(t, v))
		}
		return list
	}
	before := results(factBundle)
	changes := map[string][2]string{
		"Attribute": {"deploys_1h: {", "deploys_60m: {"},
		"Event":     {"tested_1h_at?: {event: tests_passed, by: [resource.id, params.version]", "tested_1h_at?: {event: deploy, by: [resource.id, params.version]"},
		"Reported":  {"tested_1h_at?: {event: tests_passed, by: [resource.id, params.version]", "tested_1h_at?: {event: deploy, by: [resource.id, params.version]"}, // an action instead of what is reported
		"Measure":   {"by: [agent.id], count: true, within: 1h}", "by: [agent.id], sum: params.cents, within: 1h}"},
		"Of":        {"sum: params.cents", "sum: params.version"},
		"By":        {"deploys_24h: {event: deploy, by: [agent.id]", "deploys_24h: {event: deploy, by: [agent.id, resource.id]"},
		"Within":    {"deploys_24h: {event: deploy, by: [agent.id], count: true, within: 24h", "deploys_24h: {event: deploy, by: [agent.id], count: true, within: 30m"},
		"Attempted": {"within: 24h, counts: attempted}", "within: 23h}"},
		"AtMost":    {"deploys_24h: {event: deploy, by: [agent.id], count: true", "deploys_24h: {event: deploy, by: [agent.id], distinct: resource.id"},
	}
	for i, fields := 0, reflect.TypeFor[pdl.Fact](); i < fields.NumField(); i++ {
		name := fields.Field(i).Name
		change, known := changes[name]
		if !known {
			t.Errorf("pdl.Fact.%s is not covered: say how a change of it shows", name)
			continue
		}
		changed := strings.Replace(factBundle, change[0], change[1], 1)
		if changed == factBundle {
			t.Errorf("%s: nothing changed", name)
		} else if slices.Equal(before, results(changed)) {
			t.Errorf("%s: the change from %q to %q changes no answer and is not reported", name, change[0], change[1])
		}
	}
}
