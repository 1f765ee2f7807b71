package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

// pushBody is a push of one file.
func pushBody(t *testing.T, text, more string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	must(t, err)
	return `{"files":[{"name":"b.yaml","text":` + string(quoted) + `}]` + more + `}`
}

func doors(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/bundle.yaml")
	must(t, err)
	return string(data)
}

func TestPoliciesArePushedComparedAndActivated(t *testing.T) {
	h := newHouse(t, nil)
	before := h.gate.PolicyVersion()
	changed := strings.Replace(doors(t), "max_rows: int.min", "max_rows: int.min\n  max_files: int.min", 1)
	made := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies", pushBody(t, changed, `,"reason":"change 17"`)))
	if made.status != http.StatusCreated {
		t.Fatal(made)
	}
	version := into[struct{ Version string }](t, made).Version
	if a := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies", pushBody(t, changed, ""))); a.status != http.StatusOK || !strings.Contains(a.body, `"known":true`) {
		t.Errorf("again: %d %s", a.status, a.body)
	}
	if a := h.do(h.as(kernel.RoleAuditor, "GET", "/v1/policies:diff?to="+version, "")); !strings.Contains(a.body, `+  max_files: int.min`) {
		t.Errorf("diff: %d %s", a.status, a.body)
	}
	activate := func(previous string) answer {
		return h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies:activate", `{"version":"`+version+`","previous":"`+previous+`","reason":"change 17"}`))
	}
	isProblem(t, "another one is active", activate(""), http.StatusConflict, kernel.Conflict)
	if a := activate(before); a.status != http.StatusOK || h.gate.PolicyVersion() != version {
		t.Errorf("activate: %d %s", a.status, a.body)
	}
	list := h.do(h.as(kernel.RoleAuditor, "GET", "/v1/policies", ""))
	if !strings.Contains(list.body, `"active":"`+version+`"`) || !strings.Contains(list.body, `"reason":"change 17"`) {
		t.Errorf("list: %s", list.body)
	}
	show := h.do(h.as(kernel.RoleAuditor, "GET", "/v1/policies/"+version, ""))
	if show.status != http.StatusOK || !strings.Contains(show.body, "max_files") {
		t.Errorf("show: %d %s", show.status, show.body)
	}
	isProblem(t, "nothing of that version", h.do(h.as(kernel.RoleAuditor, "GET", "/v1/policies/sha256:00", "")), http.StatusNotFound, kernel.NotFound)
	isProblem(t, "a difference to nothing", h.do(h.as(kernel.RoleAuditor, "GET", "/v1/policies:diff", "")), http.StatusBadRequest, kernel.Invalid)
}

func TestABadBundleIsRefusedWithWhatIsWrong(t *testing.T) {
	h := newHouse(t, nil)
	size := h.size()
	failing := doors(t) + "---\npdl: v1\nkind: test\nname: t\n" +
		"base: {agent: {id: a}, action: deploy_service, resource: {type: service, id: s, environment: development}, params: {strategy: rolling}}\n" +
		"cases:\n  - {name: c, expect: {decision: DENY}}\n"
	for _, c := range []struct{ body, path, want string }{
		{pushBody(t, strings.Replace(doors(t), "agents: any", "agnts: any", 1), ""), "$.files", `"diagnostics":[{"file":"b.yaml","line":6,`},
		{pushBody(t, failing, ""), "$.files", `"failed_tests":[{"name":"t/c","pass":false,`},
		{pushBody(t, doors(t), `,"resaon":"x"`), "$.resaon", `did you mean`},
		{pushBody(t, doors(t), `,"dry_run":1`), "$.dry_run", `true or false`},
		{pushBody(t, doors(t), `,"reason":1`), "$.reason", `a string`},
		{`{"files":{}}`, "$.files", `a list of files`},
		{`{"files":[]}`, "$.files", `1 to 4096 files`},
		{`{"files":[7]}`, "$.files[0]", `an object`},
		{`{"files":[{"name":"b.yaml"}]}`, "$.files[0].text", `a string`},
		{`{"files":[{"name":"b.yaml","text":"x","mode":7}]}`, "$.files[0].mode", `unknown member`},
		{`{"files":[{"name":"../b.yaml","text":"x"}]}`, "$.files[0].name", `relative path`},
	} {
		a := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies", c.body))
		p := isProblem(t, c.body, a, http.StatusBadRequest, kernel.Invalid)
		if p.Path != c.path || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: %s, want %s at %s", c.body, a.body, c.want, c.path)
		}
	}
	if h.size() != size {
		t.Error("something was recorded")
	}
	if a := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies", pushBody(t, failing, `,"allow_failing_tests":true`))); a.status != http.StatusOK && a.status != http.StatusCreated {
		t.Errorf("told that tests may fail: %d %s", a.status, a.body)
	}
}

// TestABundleMayBeLarge: more than any other body.
func TestABundleMayBeLarge(t *testing.T) {
	h := newHouse(t, nil)
	large := doors(t) + strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 1000)
	more := strings.TrimSuffix(pushBody(t, "pdl: v1\nkind: data\nname: other\ntypes: {a: int}\nvalues: {a: 1}\n"+large[len(doors(t)):], ""), "}]}")[len(`{"files":[`):]
	body := strings.TrimSuffix(pushBody(t, large, ""), "]}") + "," + strings.Replace(more, "b.yaml", "c.yaml", 1) + "}]}"
	if a := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies", body)); a.status != http.StatusCreated {
		t.Errorf("2 MiB: %d %.200s", a.status, a.body)
	}
	isProblem(t, "17 MiB", h.do(h.as(kernel.RoleAdmin, "POST", "/v1/policies", pushBody(t, strings.Repeat("x", 17<<20), ""))), http.StatusRequestEntityTooLarge, kernel.TooLarge)
}
