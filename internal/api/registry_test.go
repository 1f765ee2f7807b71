package api_test

import (
	"net/http"
	"strings"
	"testing"

	kernel "github.com/strixlabs/execution-kernel"
)

func TestADocumentIsAppliedOnlyToTheVersionThatWasSeen(t *testing.T) {
	h := fleetHouse(t)
	apply := func(more string) answer {
		return h.do(h.as(kernel.RoleAdmin, "POST", "/v1/registry:apply",
			`{"document":{"registry":"v1","agents":{"agent-003":{"attributes":{"role":"sre","team":"core","rol":"x"}}}},"dry_run":true`+more+`}`))
	}
	for more, path := range map[string]string{`,"if_version":-1`: "$.if_version", `,"if_version":"1"`: "$.if_version", `,"reason":1`: "$.reason", `,"reason":"a\nb"`: "$.reason"} {
		if p := isProblem(t, more, apply(more), http.StatusBadRequest, kernel.Invalid); p.Path != path {
			t.Errorf("%s: at %s, want %s", more, p.Path, path)
		}
	}
	isProblem(t, "another version", apply(`,"if_version":2`), http.StatusConflict, kernel.Conflict)
	got := apply(`,"if_version":1,"reason":"ticket 7"`)
	if got.status != http.StatusOK || !strings.Contains(got.body, `"warnings":[{"path":"$.agents['agent-003'].attributes.rol"`) {
		t.Errorf("%d %s, want a warning of the attribute that the schema has not", got.status, got.body)
	}
}
