package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/contract"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

func TestWhatIsNotThereIsAProblemToo(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, nil)
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/decisions/", "/v1/decisions/a/b", "/v1/decisions/a%2Fb", "/v1/decisions:bulk", "/v1/decisions:", "/V1/decisions",
		"//v1/decisions", "/v1//decisions", "/./v1/decisions", "/v1/decisions/../decisions", "/v1/decisions%00", "/evaluate/", "/healthz/x",
		"/v1/decisions/{id}/x", "/debug/pprof/", "/metrics/", "/favicon.ico", "/..%2f..%2fetc/passwd", "/index.html", "/v1/tokens/", "/{id}",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			body := ""
			if method == "POST" {
				body = "{}"
			}
			isProblem(t, method+" "+path, s.do(s.request(method, path, body)), http.StatusNotFound, kernel.NotFound)
		}
	}
}

func TestOtherMethodsSayWhichAreAllowed(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, nil)
	for path, allow := range map[string]string{
		"/v1/decisions":         "GET, HEAD, OPTIONS, POST",
		"/v1/decisions/01K":     "GET, HEAD, OPTIONS",
		"/v1/decisions:explain": "OPTIONS, POST",
		"/evaluate":             "OPTIONS, POST",
		"/v1/tokens/01K":        "DELETE, OPTIONS",
		"/healthz":              "GET, HEAD, OPTIONS",
	} {
		for _, method := range []string{"PUT", "PATCH", "TRACE", "get", "BREW", "PROPFIND"} {
			a := s.do(s.request(method, path, ""))
			isProblem(t, method+" "+path, a, http.StatusMethodNotAllowed, kernel.MethodNotAllowed)
			if a.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, a.header.Get("Allow"), allow)
			}
		}
		a := s.do(s.request("OPTIONS", path, ""))
		if a.status != http.StatusNoContent || a.body != "" || a.header.Get("Allow") != allow {
			t.Errorf("OPTIONS %s: %d %q, Allow %q, want %q", path, a.status, a.body, a.header.Get("Allow"), allow)
		}
	}
}

func TestHeadIsGetWithoutTheBody(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, nil)
	for _, path := range []string{"/healthz", "/readyz", "/v1/decisions", "/v1/decisions/01K", "/openapi.yaml", "/schemas/request.schema.json", "/nothing"} {
		get, head := s.do(s.request("GET", path, "")), s.do(s.request("HEAD", path, ""))
		if head.status != get.status || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") ||
			head.header.Get("Content-Length") != get.header.Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v %q, GET: %d %v", path, head.status, head.header, head.body, get.status, get.header)
		}
	}
}

func TestMethodsWithoutABodyTakeNone(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, nil)
	for path, method := range map[string]string{"/v1/decisions": "GET", "/v1/tokens/01K": "DELETE", "/healthz": "GET", "/openapi.yaml": "GET"} {
		isProblem(t, method+" "+path, s.do(s.request(method, path, "{}")), http.StatusBadRequest, kernel.Invalid)
	}
	for _, body := range []string{"[]", `{"now":true}`, "null"} {
		isProblem(t, body, s.do(s.request("POST", "/v1/log/checkpoint", body)), http.StatusBadRequest, kernel.Invalid)
	}
}

func TestCheckpointsAreSignedOnDemand(t *testing.T) {
	h := newHouse(t, nil)
	isProblem(t, "before the first", h.do(h.as(kernel.RoleAuditor, "GET", "/v1/log/checkpoint", "")), http.StatusNotFound, kernel.NotFound)
	signed := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/log/checkpoint", "{}"))
	if signed.status != http.StatusOK || !strings.HasPrefix(signed.body, "kernel.example/log\n") || signed.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("POST: %d %v %s", signed.status, signed.header, signed.body)
	}
	if latest := h.do(h.as(kernel.RoleAuditor, "GET", "/v1/log/checkpoint", "")); latest.body != signed.body {
		t.Errorf("GET: %s, want %s", latest.body, signed.body)
	}
	size := strings.Split(signed.body, "\n")[1]
	shards := h.do(h.as(kernel.RoleAuditor, "GET", "/v1/log/shards", ""))
	if want := `{"shards":[{"shard":0,"size":` + size + `,"written_here":true}]}`; shards.status != http.StatusOK || strings.TrimSpace(shards.body) != want {
		t.Errorf("GET /v1/log/shards: %d %s, want %s", shards.status, shards.body, want)
	}
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	f := &fake{}
	broken := errors.New("secret-7: no such file")
	var store error
	s := serve(t, api.Config{Kernel: f, Checks: []api.Check{{Part: "store", Probe: func(context.Context) error { return store }}}}, nil)
	for _, c := range []struct {
		ready, store error
		unnamed      bool
		want         string
	}{
		{nil, nil, false, ""},
		{kernel.Errorf(kernel.Unavailable, "no policy is active"), nil, true, "policy"},
		{broken, nil, false, "log"},
		{nil, broken, false, "store"},
		{broken, broken, true, "policy store"},
	} {
		f.ready, f.unnamed, store = c.ready, c.unnamed, c.store
		a := s.do(s.request("GET", "/readyz", ""))
		var got []string
		r := into[struct {
			Ready   bool
			Missing []struct{ Part string }
		}](t, a)
		for _, m := range r.Missing {
			got = append(got, m.Part)
		}
		if strings.Join(got, " ") != c.want || r.Ready != (c.want == "") || (a.status == http.StatusOK) != r.Ready || strings.Contains(a.body, "secret-7") {
			t.Errorf("GET /readyz: %d %s, want missing %q", a.status, a.body, c.want)
		}
		if a := s.do(s.request("GET", "/healthz", "")); a.status != http.StatusOK {
			t.Errorf("GET /healthz: %d", a.status)
		}
	}
}

func TestReadinessTellsWhatIsAmiss(t *testing.T) {
	refused := kernel.Errorf(kernel.Invalid, "the policies on disk are refused")
	s := serve(t, api.Config{
		Kernel: &fake{}, Notes: []api.Check{{Part: "policy", Probe: func(context.Context) error { return refused }}},
	}, nil)
	a := s.do(s.request("GET", "/readyz", ""))
	if a.status != http.StatusOK || !strings.Contains(a.body, `"missing":[],"notes":[{"part":"policy","detail":"the policies on disk are refused"}]`) {
		t.Errorf("GET /readyz: %d %s", a.status, a.body)
	}
}

func TestARefusalThatCannotBeRecordedStaysOne(t *testing.T) {
	f := &fake{refuse: errors.New("the disk is gone")}
	s := serve(t, api.Config{Kernel: f, Dev: true}, nil)
	isProblem(t, "a bad request", s.do(s.request("POST", "/v1/decisions", "{}")), http.StatusBadRequest, kernel.Invalid)
	if len(f.recorded()) != 1 || !strings.Contains(s.log.String(), "could not be recorded") {
		t.Errorf("recorded %v, log %s", f.recorded(), s.log)
	}
}

func TestMetricsCountWithoutIDs(t *testing.T) {
	h := newHouse(t, nil)
	for range 3 {
		h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("development", "")))
	}
	first := h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("production", `,"request_id":"r-1"`)))
	h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("production", `,"request_id":"r-1"`)))
	h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", "{"))
	h.do(h.as(kernel.RoleAgent, "GET", "/v1/decisions/"+into[decisionBody](t, first).ID, ""))
	h.do(h.as(kernel.RoleAgent, "GET", "/nothing", ""))
	a := h.do(h.as(kernel.RoleAuditor, "GET", "/metrics", ""))
	for _, line := range []string{
		`kernel_decisions_total{code="RULE",decision="ALLOW"} 3`,
		`kernel_decisions_total{code="RULE",decision="REQUIRE_APPROVAL"} 1`,
		`kernel_refusals_total{code="malformed_json"} 1`,
		`kernel_http_requests_total{route="/v1/decisions",status="200"} 5`,
		`kernel_http_requests_total{route="/v1/decisions/{id}",status="200"} 1`,
		`kernel_http_requests_total{route="other",status="404"} 1`,
		`kernel_http_request_duration_seconds_count{route="/v1/decisions"} 6`,
		`kernel_log_commits_total{status="committed"} `,
		`kernel_log_commit_entries_count `,
		`kernel_log_commit_duration_seconds_count `,
		`kernel_log_entries 11`,
		`kernel_queue_length 0`,
		`kernel_policy_info{version="` + h.gate.PolicyVersion() + `"} 1`,
		`kernel_ready 1`,
		`kernel_build_info{go_version="go`,
		`go_goroutines `,
	} {
		if !strings.Contains(a.body, "\n"+line) {
			t.Errorf("no %s in\n%s", line, grep(a.body, line[:strings.IndexAny(line, "{ ")]))
		}
	}
	for _, id := range []string{"agent-001", "token:", "svc/checkout", into[decisionBody](t, first).ID} {
		if strings.Contains(a.body, id) {
			t.Errorf("the metrics hold %s", id)
		}
	}
	if strings.Contains(h.log.String(), "svc/checkout") || !strings.Contains(h.log.String(), "route=/v1/decisions/{id} status=200") {
		t.Errorf("the access log: %s", grep(h.log.String(), "request"))
	}
}

// TestMetricsHaveProperNames checks names, units and help texts as promtool
// check metrics does.
func TestMetricsHaveProperNames(t *testing.T) {
	m := api.NewMetrics("1")
	if err := m.Register(prometheus.NewGauge(prometheus.GaugeOpts{Name: "kernel_more", Help: "More."})); err != nil {
		t.Error(err)
	}
	if m.Register(prometheus.NewGauge(prometheus.GaugeOpts{Name: "kernel_more", Help: "More."})) == nil {
		t.Errorf("one name was registered twice")
	}
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true, Metrics: m}, nil)
	a := s.do(s.request("GET", "/metrics", ""))
	problems, err := promlint.New(strings.NewReader(a.body)).Lint()
	must(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "kernel_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if _, err := api.New(api.Config{Kernel: &fake{}, Hosts: api.LoopbackHosts(), Now: time.Now, Metrics: m}); err == nil {
		t.Errorf("two doors share one set of metrics")
	}
}

func TestAnAnswerWithoutAConnectionHasNoBodyLeft(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, nil)
	r := httptest.NewRequest(http.MethodPost, "/v1/decisions", strings.NewReader(deployTo("development", "")))
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	w := httptest.NewRecorder()
	s.door.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Header().Get("Connection") != "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// TestEveryCodeHasItsStatus: a code without one would be taken for our fault.
func TestEveryCodeHasItsStatus(t *testing.T) {
	data, _ := contract.File("problem.schema.json")
	var schema struct {
		Properties struct{ Code struct{ Enum []kernel.Code } }
	}
	must(t, json.Unmarshal(data, &schema))
	var code kernel.Code
	f := &fake{decide: func(context.Context, kernel.Caller, gate.Ask) (kernel.Decision, error) {
		return kernel.Decision{}, kernel.Errorf(code, "because")
	}}
	handler, err := api.New(api.Config{Kernel: f, Hosts: api.LoopbackHosts(), Now: time.Now, Dev: true})
	must(t, err)
	for _, code = range schema.Properties.Code.Enum {
		r := httptest.NewRequest(http.MethodPost, "/v1/decisions", strings.NewReader(deployTo("development", "")))
		r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		p := into[problem](t, answer{status: w.Code, body: w.Body.String()})
		if p.Code != code || p.Status != w.Code || (w.Code == http.StatusInternalServerError) != (code == kernel.Internal) {
			t.Errorf("%s: %d %s", code, w.Code, w.Body)
		}
	}
}
