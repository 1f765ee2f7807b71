package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// canary stands in the bad bodies; nothing of a body may be recorded, logged
// or told.
const canary = "canary-4711"

// A bad request is one that must be refused where it is bad.
type badRequest struct {
	name   string
	body   string
	status int
	code   kernel.Code
	path   string
	header http.Header // added, or with a nil value removed
}

// with returns a request with further members.
func with(members string) string {
	return `{"agent":{"id":"agent-001"},"action":"deploy_service","resource":{"type":"service","id":"` + canary +
		`","environment":"development"},` + members + `}`
}

// params returns a request with these params.
func params(members string) string { return with(`"params":{"strategy":"rolling",` + members + `}`) }

func badRequests() []badRequest {
	malformed := func(name, body, path string) badRequest {
		return badRequest{name, body, http.StatusBadRequest, kernel.Malformed, path, nil}
	}
	invalid := func(name, body, path string) badRequest {
		return badRequest{name, body, http.StatusBadRequest, kernel.Invalid, path, nil}
	}
	media := func(name string, header http.Header) badRequest {
		return badRequest{name, deployTo("development", ""), http.StatusUnsupportedMediaType, kernel.MediaType, "", header}
	}
	good := deployTo("development", "")
	long := strings.Repeat("x", kernel.MaxName+1)
	return []badRequest{
		malformed("only space", "  \r\n", "$"),
		malformed("plain text", canary, "$"),
		malformed("a byte order mark", "\ufeff"+good, "$"),
		malformed("UTF-16", "\xff\xfe{\x00}\x00", "$"),
		malformed("a NUL byte", "\x00", "$"),
		malformed("a NUL byte after the document", good+"\x00", "$"),
		malformed("two documents", good+good, "$"),
		malformed("two lines of documents", good+"\n"+good, "$"),
		malformed("trailing text", good+canary, "$"),
		malformed("a comment", "/* "+canary+" */"+good, "$"),
		malformed("a trailing comma", strings.Replace(good, `"rolling"}`, `"rolling",}`, 1), ""),
		malformed("single quotes", strings.ReplaceAll(good, `"`, `'`), "$"),
		malformed("an unquoted name", `{agent:{"id":"a"}}`, "$"),
		malformed("half a document", good[:len(good)/2], ""),
		malformed("a duplicate name at the top", with(`"action":"deploy_service"`), "$.action"),
		malformed("a duplicate name inside", params(`"strategy":"canary"`), "$.params.strategy"),
		malformed("a duplicate name in other letters of JSON", params(`"\u0073trategy":"canary"`), "$.params.strategy"),
		malformed("a duplicate name in an agent", `{"agent":{"id":"agent-001","id":"agent-002"}}`, "$.agent.id"),
		malformed("invalid UTF-8 in a value", params("\"version\":\"\xff\""), "$.params.version"),
		malformed("invalid UTF-8 in a name", params("\"\xc3\x28\":1"), "$.params"),
		malformed("an overlong encoding", params("\"version\":\"\xc0\xaf\""), "$.params.version"),
		malformed("a lone high surrogate", params(`"version":"\ud800"`), "$.params.version"),
		malformed("a lone low surrogate", params(`"version":"\udfff"`), "$.params.version"),
		malformed("a lone surrogate in a name", params(`"\ud800":1`), ""),
		malformed("a raw control character", params("\"version\":\"a\tb\""), "$.params.version"),
		malformed("an unknown escape", params(`"version":"\a"`), "$.params.version"),
		malformed("NaN", params(`"version":NaN`), "$.params.version"),
		malformed("Infinity", params(`"version":-Infinity`), "$.params.version"),
		malformed("a leading zero", params(`"version":007`), "$.params"),
		malformed("65 levels of arrays", params(`"deep":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)), ""),
		malformed("10,001 levels of objects", strings.Repeat(`{"a":`, 10001), ""),
		malformed("500,000 open brackets", strings.Repeat("[", 500_000), ""),
		malformed("65,537 values", params(`"many":[`+strings.Repeat("0,", 1<<16)+`0]`), "$"),

		invalid("an array", "["+good+"]", "$"),
		invalid("a string", `"`+canary+`"`, "$"),
		invalid("null", "null", "$"),
		invalid("a number", "7", "$"),
		invalid("an empty object", "{}", "$.action"),
		invalid("no agent", `{"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent"),
		invalid("an agent that is a string", `{"agent":"agent-001","action":"x","resource":{"type":"t","id":"r"}}`, "$.agent"),
		invalid("an agent without id", `{"agent":{"role":"senior"},"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent.id"),
		invalid("an agent id that is a number", `{"agent":{"id":1},"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent.id"),
		invalid("an empty agent id", `{"agent":{"id":""},"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent.id"),
		invalid("an agent id with a line feed", `{"agent":{"id":"a\n"},"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent.id"),
		invalid("an agent id with NUL", `{"agent":{"id":"a\u0000"},"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent.id"),
		invalid("a long agent id", `{"agent":{"id":"`+long+`"},"action":"x","resource":{"type":"t","id":"r"}}`, "$.agent.id"),
		invalid("a long action", `{"agent":{"id":"agent-001"},"action":"`+long+`","resource":{"type":"t","id":"r"}}`, "$.action"),
		invalid("an action that is a list", `{"agent":{"id":"agent-001"},"action":["a"],"resource":{"type":"t","id":"r"}}`, "$.action"),
		invalid("no resource", `{"agent":{"id":"agent-001"},"action":"x"}`, "$.resource"),
		invalid("a resource without type", `{"agent":{"id":"agent-001"},"action":"x","resource":{"id":"r"}}`, "$.resource.type"),
		invalid("a resource without id", `{"agent":{"id":"agent-001"},"action":"x","resource":{"type":"t"}}`, "$.resource.id"),
		invalid("an unknown member", with(`"`+canary+`":1`), "$['"+canary+"']"),
		invalid("a member in other letters", with(`"Params":{}`), "$.Params"),
		invalid("a very long member name", with(`"`+strings.Repeat("n", 100_000)+`":1`), ""),
		invalid("params that are a list", with(`"params":[]`), "$.params"),
		invalid("params that are null", with(`"params":null`), "$.params"),
		invalid("a context that is a string", with(`"context":"x"`), "$.context"),
		invalid("a request_id that is a number", with(`"request_id":7`), "$.request_id"),
		invalid("an empty request_id", with(`"request_id":""`), "$.request_id"),
		invalid("a long request_id", with(`"request_id":"`+long+`"`), "$.request_id"),
		invalid("a fraction", params(`"n":1.5`), "$.params.n"),
		invalid("a whole number with a fraction", params(`"n":1.0`), "$.params.n"),
		invalid("an exponent", params(`"n":1e3`), "$.params.n"),
		invalid("2^53", params(`"n":9007199254740992`), "$.params.n"),
		invalid("2^53+1", params(`"n":9007199254740993`), "$.params.n"),
		invalid("−2^53", params(`"n":[1,-9007199254740992]`), "$.params.n[1]"),
		invalid("a number of 400 digits", params(`"n":`+strings.Repeat("9", 400)), "$.params.n"),
		invalid("NUL in a value", params(`"version":"a\u0000b"`), "$.params.version"),
		invalid("NUL in a name", params(`"a\u0000b":1`), "$.params"),
		invalid("an undeclared param", params(`"`+canary+`":"x"`), "$.params['"+canary+"']"),
		invalid("an undeclared attribute", strings.Replace(good, `"id":"svc`, `"colour":"red","id":"svc`, 1), "$.resource.colour"),
		invalid("a missing param", with(`"params":{}`), "$.params.strategy"),
		invalid("a value of the wrong type", params(`"version":7`), "$.params.version"),
		invalid("a value out of its enum", strings.Replace(good, "rolling", canary, 1), "$.params.strategy"),
		invalid("an undeclared environment", deployTo(canary, ""), "$.resource.environment"),
		invalid("a number out of its range", strings.Replace(good, `"id":"svc`, `"replicas":101,"id":"svc`, 1), "$.resource.replicas"),
		invalid("a string over its length", params(`"version":"`+strings.Repeat("v", 65)+`"`), "$.params.version"),
		invalid("the kernel's own clock", with(`"context":{"now":"2026-11-23T10:00:00Z"},"params":{"strategy":"rolling"}`), "$.context.now"),

		{"a wait", with(`"wait":"61s"`), http.StatusBadRequest, kernel.Invalid, "$.wait", nil},
		{"a grant that is no flag", with(`"grant":"yes"`), http.StatusBadRequest, kernel.Invalid, "$.grant", nil},
		{"another's agent id", strings.Replace(good, "agent-001", "bank-007", 1), http.StatusForbidden, kernel.Forbidden, "$.agent.id", nil},
		{"a body of 1 MiB and a byte", good + strings.Repeat(" ", kernel.MaxBody+1-len(good)), http.StatusRequestEntityTooLarge, kernel.TooLarge, "", nil},

		media("no content type", http.Header{"Content-Type": nil}),
		media("plain text", http.Header{"Content-Type": {"text/plain"}}),
		media("a form", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}),
		media("a lookalike", http.Header{"Content-Type": {"application/jsonp"}}),
		media("two types", http.Header{"Content-Type": {"application/json", "text/plain"}}),
		media("two types in one", http.Header{"Content-Type": {"text/plain, application/json"}}),
		media("another charset", http.Header{"Content-Type": {"application/json; charset=utf-16"}}),
		media("a parameter", http.Header{"Content-Type": {"application/json; version=2"}}),
		media("gzip", http.Header{"Content-Encoding": {"gzip"}}),
		media("identity", http.Header{"Content-Encoding": {"identity"}}),
		media("an empty encoding", http.Header{"Content-Encoding": {""}}),
	}
}

func TestBadRequestsAreRefusedAndRecordedWithoutTheirBodies(t *testing.T) {
	h := newHouse(t, nil)
	cases := badRequests()
	if len(cases) < 60 {
		t.Errorf("%d bad requests, want at least 60", len(cases))
	}
	for _, c := range cases {
		h.pass(time.Second) // refusals beyond ten a second are summed up
		size := h.size()
		r := h.as(kernel.RoleGateway, "POST", "/v1/decisions", c.body)
		for name, values := range c.header {
			r.Header[name] = values
		}
		a := h.do(r)
		p := isProblem(t, c.name, a, c.status, c.code)
		if c.path != "" && p.Path != c.path || c.status == http.StatusBadRequest && p.Path == "" || p.Detail == "" {
			t.Errorf("%s: %s, want path %s", c.name, a.body, c.path)
		}
		if len(a.body) > 1500 || strings.Contains(a.body, "goroutine") || strings.Contains(a.body, ".go:") {
			t.Errorf("%s: %.2000s", c.name, a.body)
		}
		e := h.last()
		if h.size() != size+1 || e.Refusal == nil {
			t.Errorf("%s: %d entries, the last %+v, want one refusal", c.name, h.size()-size, e)
			continue
		}
		if e.Refusal.Code != c.code || !recordedAs(p.Path, e.Refusal.Path) || e.Refusal.Size != int64(len(c.body)) || e.Door != "decisions" || e.Caller == "" {
			t.Errorf("%s: recorded %+v by %q through %q", c.name, *e.Refusal, e.Caller, e.Door)
		}
	}
	// Member names are told to whoever sent them, and recorded where somebody
	// declared them. Values are not.
	for what, text := range map[string]string{"the log of entries": h.everything(), "the service's own log": h.log.String()} {
		if strings.Contains(text, canary) {
			t.Errorf("%s holds a part of a body", what)
		}
	}
}

// TestBadRequestsBreakTheSchemaToo: what the door refuses for its form, the
// published schema refuses as well, where a schema can.
func TestBadRequestsBreakTheSchemaToo(t *testing.T) {
	schema := loadSpec(t).closed["request.schema.json"]
	for _, c := range badRequests() {
		unseen := strings.Contains(c.name, "undeclared") || strings.Contains(c.name, "a whole number") || strings.Contains(c.name, "an exponent") ||
			strings.Contains(c.name, "NUL in a name") || strings.Contains(c.name, "missing param") || strings.Contains(c.name, "out of its") ||
			strings.Contains(c.name, "over its") || strings.Contains(c.name, "wrong type") || strings.Contains(c.name, "own clock")
		if c.code != kernel.Invalid || unseen {
			continue
		}
		if v, err := decodeAny(c.body); err != nil || schema.Validate(v) == nil {
			t.Errorf("%s: the schema takes it (%v)", c.name, err)
		}
	}
}

func TestABodyOfExactlyOneMiBIsRead(t *testing.T) {
	h := newHouse(t, nil)
	good := deployTo("development", "")
	a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", good+strings.Repeat(" ", kernel.MaxBody-len(good))))
	if a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestRefusalsOfStrangersAreCountedNotRecorded(t *testing.T) {
	h := newHouse(t, nil)
	size := h.size()
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Basic YTpi", "Bearer kt_wrong", "kt_wrong", "Bearer " + strings.Repeat("x", 10_000)} {
		r := h.request("POST", "/v1/decisions", `{"agent":`)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		a := h.do(r)
		isProblem(t, authorization, a, http.StatusUnauthorized, kernel.Unauthenticated)
		if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: WWW-Authenticate %q", authorization, a.header.Get("WWW-Authenticate"))
		}
	}
	r := h.as(kernel.RoleAdmin, "POST", "/v1/decisions", deployTo("development", ""))
	r.Header.Add("Authorization", r.Header.Get("Authorization"))
	isProblem(t, "two tokens", h.do(r), http.StatusUnauthorized, kernel.Unauthenticated)
	if h.size() != size {
		t.Errorf("%d entries were written", h.size()-size)
	}
	metrics := h.do(h.as(kernel.RoleAuditor, "GET", "/metrics", ""))
	if !strings.Contains(metrics.body, `kernel_refusals_total{code="unauthenticated"} 8`) {
		t.Errorf("the metrics do not count them:\n%s", grep(metrics.body, "refusals"))
	}
}

// recordedAs reports whether an entry says where a problem was: by the same
// path, or by its beginning and * from the first name on that nobody declared.
func recordedAs(path, recorded string) bool {
	known, cut := strings.CutSuffix(recorded, ".*")
	return recorded == path || cut && strings.HasPrefix(path, known)
}
