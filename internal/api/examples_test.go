package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the examples of contract/openapi.yaml")

// An example is a body that went over the wire.
type example struct{ name, body string }

// TestExamplesAreRealAnswers makes each call that openapi.yaml shows. Clock
// and randomness are the same every time, so the answers are too.
func TestExamplesAreRealAnswers(t *testing.T) {
	const file = "../../contract/openapi.yaml"
	var section strings.Builder
	section.WriteString("  examples:\n")
	for _, e := range examples(t) {
		var pretty bytes.Buffer
		must(t, json.Indent(&pretty, []byte(e.body), "        ", "  "))
		section.WriteString("    " + e.name + ":\n      value:\n        " + strings.TrimSpace(pretty.String()) + "\n")
	}
	old, err := os.ReadFile(file)
	must(t, err)
	at := bytes.Index(old, []byte("\n  examples:\n")) + 1
	if at == 0 {
		t.Fatalf("%s has no examples", file)
	}
	if got := string(old[at:]); got == section.String() {
		return
	}
	if !*update {
		t.Fatalf("the examples of %s are not what the server answers; run this test with -update and read the difference", file)
	}
	must(t, os.WriteFile(file, append(old[:at:at], section.String()...), 0o644))
}

func examples(t *testing.T) []example {
	h := newHouse(t, nil)
	var all []example
	post := func(role kernel.Role, path, body, request, response string) {
		t.Helper()
		a := h.do(h.as(role, "POST", path, body))
		if request != "" {
			all = append(all, example{request, body})
		}
		if response != "" {
			all = append(all, example{response, a.body})
		}
	}
	deploy := deployTo("production", `,"context":{"ticket":"CHG-17"},"request_id":"b1f7c0de"`)
	post(kernel.RoleGateway, "/v1/decisions", deploy, "deploy", "require_approval")
	post(kernel.RoleGateway, "/v1/decisions", deployTo("development", ""), "", "allow")
	post(kernel.RoleGateway, "/v1/decisions", deployTo("staging", ""), "", "deny")
	all = append(all, example{"page", h.do(h.as(kernel.RoleAuditor, "GET", "/v1/decisions?limit=1", "")).body})
	post(kernel.RoleAuditor, "/v1/decisions:explain", deployTo("staging", ""), "", "explanation")
	post(kernel.RoleGateway, "/evaluate", `{"artifact_type":"webapp","environment":"production","actions":["build","deploy"],"agent_id":"agent-001"}`, "ship", "shipped")
	post(kernel.RoleAdmin, "/v1/tokens", `{"name":"pipeline","role":"gateway","speaks_for":["shop-*"],"expires_in":"720h"}`, "gateway", "created")
	post(kernel.RoleGateway, "/v1/decisions", strings.Replace(deploy, "CHG-17", "CHG-18", 1), "", "reused")
	post(kernel.RoleGateway, "/v1/decisions", strings.Replace(deploy, "resource", "resorce", 1), "", "invalid")
	all = append(all, example{"unauthenticated", h.do(h.request("GET", "/v1/decisions", "")).body})
	all = append(all, example{"ready", h.do(h.request("GET", "/readyz", "")).body})
	post(kernel.RoleAuditor, "/v1/decisions:dryrun", deploy, "", "verdict")
	post(kernel.RoleGateway, "/v1/decisions:batch", `{"requests":[`+deployTo("development", "")+`,`+
		strings.Replace(deployTo("development", ""), "agent-001", "other-001", 1)+`]}`, "batch", "batch_answer")
	h.store.Fail(storetest.Fault{Status: store.NotCommitted})
	post(kernel.RoleGateway, "/v1/decisions", deploy[:len(deploy)-3]+`f"}`, "", "unavailable")
	lost := serve(t, api.Config{Kernel: &fake{unnamed: true, ready: kernel.Errorf(kernel.Unavailable, "no policy is active")}}, nil)
	all = append(all, example{"not_ready", lost.do(lost.request("GET", "/readyz", "")).body})
	return all
}
