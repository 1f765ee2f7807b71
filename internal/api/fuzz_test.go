package api_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// FuzzDoors sends any bytes through both doors to a real program: the answer
// is a decision or a problem as the contract has them, never our fault, and
// the same every time.
func FuzzDoors(f *testing.F) {
	for _, c := range badRequests() {
		if len(c.body) < 4096 {
			f.Add([]byte(c.body))
		}
	}
	f.Add([]byte(deployTo("production", `,"context":{"ticket":"CHG-17"},"request_id":"r-1"`)))
	f.Add([]byte(`{"artifact_type":"webapp","environment":"production","actions":["modify_db_schema"],"agent_id":"agent-001","timestamp":"now"}`))
	f.Add([]byte(`{"artifact_type":null,"environment":"\u0000","actions":null,"more":[1.5]}`))
	program, _ := bundle(f)
	door, err := api.New(api.Config{Hosts: api.LoopbackHosts(), Now: time.Now, Dev: true, Kernel: &fake{
		decide: func(_ context.Context, _ kernel.Caller, ask gate.Ask) (kernel.Decision, error) {
			verdict, err := program.Decide(eval.Input{Request: ask.Request, Now: noon, Phase1: ask.Phase1})
			d := someDecision()
			d.Verdict = verdict
			return d, err
		},
	}})
	must(f, err)
	spec := loadSpec(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for path, schema := range map[string]string{"/v1/decisions": "decision.schema.json", "/evaluate": "phase1-response.schema.json"} {
			first := ask(door, path, data)
			switch first.Code {
			case http.StatusOK:
			case http.StatusBadRequest:
				schema = "problem.schema.json"
			default:
				t.Fatalf("%s: %d %s", path, first.Code, first.Body)
			}
			if err := spec.closedCheck(schema, first.Body.Bytes()); err != nil {
				t.Fatalf("%s: %d %s: %v", path, first.Code, first.Body, err)
			}
			if second := ask(door, path, data); second.Code != first.Code || !bytes.Equal(second.Body.Bytes(), first.Body.Bytes()) {
				t.Fatalf("%s: first %s, then %s", path, first.Body, second.Body)
			}
		}
	})
}

func ask(door http.Handler, path string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return w
}
