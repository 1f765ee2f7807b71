package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

// verdictMembers are what a verdict is made of, on every route.
var verdictMembers = []string{
	"decision", "risk_level", "approvals_required", "workflows", "constraints", "reason", "code", "advice", "rules", "policy_version", "request_digest",
}

// verdictOf picks the members of a verdict; nil where there is none.
func verdictOf(t *testing.T, body string) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if members["decision"] == nil || members["status"] != nil {
		return nil
	}
	picked := map[string]any{}
	for _, name := range verdictMembers {
		if v, given := members[name]; given {
			picked[name] = v
		}
	}
	return picked
}

// TestEveryRouteGivesTheSameVerdict: a second way to ask that disagrees with
// the first is a way around it.
func TestEveryRouteGivesTheSameVerdict(t *testing.T) {
	h := newHouse(t, nil)
	var requests []string
	for _, environment := range []string{"development", "staging", "production", "moon"} {
		for _, strategy := range []string{"rolling", "canary", "none"} {
			requests = append(requests, strings.Replace(deployTo(environment, ""), "rolling", strategy, 1))
		}
		requests = append(requests,
			strings.Replace(deployTo(environment, ""), "deploy_service", "sink", 1),
			strings.Replace(deployTo(environment, ""), `"type":"service"`, `"type":"ship"`, 1),
			deployTo(environment, `,"context":{"ticket":"CHG-17"}`),
			fmt.Sprintf(`{"agent":{"id":"agent-001"},"action":"ship","resource":{"type":"webapp","id":"webapp","environment":%q}}`, environment))
	}
	batch := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(requests...)))
	items := into[struct{ Decisions []json.RawMessage }](t, batch).Decisions
	decided := 0
	for i, request := range requests {
		single := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", request))
		want := verdictOf(t, single.body)
		dry := h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:dryrun", request))
		explained := h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:explain", request))
		if want == nil {
			if dry.status != single.status || explained.status != single.status || verdictOf(t, string(items[i])) != nil {
				t.Errorf("%s: %d %s, dry %d, explained %d, in a batch %s", request, single.status, single.body, dry.status, explained.status, items[i])
			}
			continue
		}
		decided++
		trace := into[struct{ Verdict json.RawMessage }](t, explained)
		for name, body := range map[string]string{"a dry run": dry.body, "a batch": string(items[i]), "an explanation": string(trace.Verdict)} {
			if got := verdictOf(t, body); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s says %v, a decision %v", request, name, got, want)
			}
		}
	}
	if decided < 15 || batch.status != http.StatusOK {
		t.Errorf("only %d of %d were decided", decided, len(requests))
	}
}
