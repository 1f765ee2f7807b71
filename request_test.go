package kernel_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

const deploy = `{"request_id":"r-1","agent":{"id":"agent-001","role":"deployer"},"action":"deploy_service",
	"resource":{"type":"service","id":"svc/checkout","environment":"production","replicas":3},
	"params":{"version":"1.4.2","hosts":["a","b"]},"context":{"ticket":"CHG-17"},"wait":"0s","grant":false}`

func TestARequestIsRead(t *testing.T) {
	got, err := kernel.DecodeRequest([]byte(deploy))
	if err != nil {
		t.Fatal(err)
	}
	want := kernel.Request{
		RequestID: "r-1",
		Agent:     kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": "deployer"}},
		Action:    "deploy_service",
		Resource: kernel.Resource{Type: "service", ID: "svc/checkout",
			Attributes: map[string]any{"environment": "production", "replicas": int64(3)}},
		Params:  map[string]any{"version": "1.4.2", "hosts": []any{"a", "b"}},
		Context: map[string]any{"ticket": "CHG-17"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeRequest = %#v, want %#v", got, want)
	}
}

func TestABadRequestIsRefusedWhereItIsBad(t *testing.T) {
	with := func(members string) string {
		return `{"agent":{"id":"a"},"action":"x","resource":{"type":"t","id":"r"},` + members + `}`
	}
	long := strings.Repeat("ä", kernel.MaxName+1)
	for _, c := range []struct {
		text string
		code kernel.Code
		path string
	}{
		{`[]`, kernel.Invalid, "$"},
		{`null`, kernel.Invalid, "$"},
		{`"x"`, kernel.Invalid, "$"},
		{`{}`, kernel.Invalid, "$.action"},
		{`{"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent"},
		{`{"agent":{},"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent.id"},
		{`{"agent":[],"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent"},
		{`{"agent":null,"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent"},
		{`{"agent":{"id":7},"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent.id"},
		{`{"agent":{"id":""},"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent.id"},
		{`{"agent":{"id":"` + long + `"},"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent.id"},
		{`{"agent":{"id":"a\tb"},"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent.id"},
		{`{"agent":{"id":"a\u0085"},"action":"x","resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.agent.id"},
		{`{"agent":{"id":"a"},"action":null,"resource":{"type":"t","id":"r"}}`, kernel.Invalid, "$.action"},
		{`{"agent":{"id":"a"},"action":"x"}`, kernel.Invalid, "$.resource"},
		{`{"agent":{"id":"a"},"action":"x","resource":{"id":"r"}}`, kernel.Invalid, "$.resource.type"},
		{`{"agent":{"id":"a"},"action":"x","resource":{"type":"t"}}`, kernel.Invalid, "$.resource.id"},
		{with(`"agnet":{}`), kernel.Invalid, "$.agnet"},
		{with(`"Agent":{}`), kernel.Invalid, "$.Agent"},
		{with(`"request_id":""`), kernel.Invalid, "$.request_id"},
		{with(`"request_id":null`), kernel.Invalid, "$.request_id"},
		{with(`"request_id":"` + long[:2*(kernel.MaxRequestID+1)] + `"`), kernel.Invalid, "$.request_id"},
		{with(`"params":[]`), kernel.Invalid, "$.params"},
		{with(`"params":null`), kernel.Invalid, "$.params"},
		{with(`"context":"x"`), kernel.Invalid, "$.context"},
		{with(`"params":{"n":1.5}`), kernel.Invalid, "$.params.n"},
		{with(`"params":{"n":1.0}`), kernel.Invalid, "$.params.n"},
		{with(`"params":{"n":1e3}`), kernel.Invalid, "$.params.n"},
		{with(`"params":{"n":[0,9007199254740992]}`), kernel.Invalid, "$.params.n[1]"},
		{with(`"params":{"n":-9007199254740992}`), kernel.Invalid, "$.params.n"},
		{with(`"params":{"s":"a\u0000b"}`), kernel.Invalid, "$.params.s"},
		{with(`"params":{"a\u0000b":1}`), kernel.Invalid, "$.params"},
		{with(`"wait":"61s"`), kernel.Invalid, "$.wait"},
		{with(`"wait":0`), kernel.Invalid, "$.wait"},
		{with(`"grant":null`), kernel.Invalid, "$.grant"},
		{with(`"grant":"true"`), kernel.Invalid, "$.grant"},
		{with(`"params":{"a":1,"a":1}`), kernel.Malformed, "$.params.a"},
	} {
		_, err := kernel.DecodeRequest([]byte(c.text))
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Path != c.path {
			t.Errorf("DecodeRequest(%.90s) = %v, want %s at %s", c.text, err, c.code, c.path)
		}
	}
}

func TestAMisspeltMemberIsPutRight(t *testing.T) {
	_, err := kernel.DecodeRequest([]byte(`{"agent":{"id":"a"},"action":"x","resorce":{"type":"t","id":"r"}}`))
	var e *kernel.Error
	if !errors.As(err, &e) || e.Hint != `did you mean "resource"?` {
		t.Errorf("DecodeRequest = %#v", err)
	}
}

func TestNamesAreCountedInCharacters(t *testing.T) {
	name := strings.Repeat("ä", kernel.MaxName)
	req := kernel.Request{Agent: kernel.Agent{ID: name}, Action: name, Resource: kernel.Resource{Type: name, ID: name}}
	if err := req.Check(); err != nil {
		t.Error(err)
	}
}

func TestTheCanonicalFormIsThatOfRFC8785(t *testing.T) {
	req, err := kernel.DecodeRequest([]byte(`{"resource":{"type":"t","id":"r","z":"\u0041","a":-0},"action":"x","request_id":"r-1",
		"params":{"\ud83d\ude00":1,"\ufb33":2,"b":[true,null,"<&>"]},"agent":{"id":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	// Names are sorted by UTF-16 code units: the emoji's surrogates come before U+FB33.
	const want = `{"action":"x","agent":{"id":"a"},"context":{},"params":{"b":[true,null,"<&>"],"😀":1,"` + "\ufb33" + `":2},` +
		`"resource":{"a":0,"id":"r","type":"t","z":"A"}}`
	got, err := req.Canonical()
	if err != nil || string(got) != want {
		t.Errorf("Canonical() = %s, %v, want %s", got, err, want)
	}
}

func TestTheDigestBindsWhatIsAskedAndNothingElse(t *testing.T) {
	base := func() kernel.Request {
		return kernel.Request{
			RequestID: "r-1", Agent: kernel.Agent{ID: "a", Attributes: map[string]any{"role": "x"}}, Action: "do",
			Resource: kernel.Resource{Type: "t", ID: "r", Attributes: map[string]any{"n": int64(1)}},
			Params:   map[string]any{"p": "1"}, Context: map[string]any{"c": true},
		}
	}
	want := digest(t, base())
	for name, change := range map[string]func(*kernel.Request){
		"agent id":           func(r *kernel.Request) { r.Agent.ID = "b" },
		"agent attribute":    func(r *kernel.Request) { r.Agent.Attributes["role"] = "y" },
		"action":             func(r *kernel.Request) { r.Action = "undo" },
		"resource type":      func(r *kernel.Request) { r.Resource.Type = "u" },
		"resource id":        func(r *kernel.Request) { r.Resource.ID = "s" },
		"resource attribute": func(r *kernel.Request) { r.Resource.Attributes["n"] = "1" },
		"a param":            func(r *kernel.Request) { r.Params["p"] = int64(1) },
		"another param":      func(r *kernel.Request) { r.Params["q"] = nil },
		"context":            func(r *kernel.Request) { r.Context["c"] = false },
	} {
		req := base()
		change(&req)
		if digest(t, req) == want {
			t.Errorf("a request with another %s has the same digest", name)
		}
	}
	again := base()
	again.RequestID = "r-2"
	if got := digest(t, again); got != want {
		t.Errorf("the request_id changes the digest")
	}
	bare := kernel.Request{Agent: kernel.Agent{ID: "a"}, Action: "do", Resource: kernel.Resource{Type: "t", ID: "r"}}
	full := bare
	full.Params, full.Context = map[string]any{}, map[string]any{}
	if digest(t, bare) != digest(t, full) {
		t.Errorf("absent params and context are not {}")
	}
}

func TestARequestBuiltInGoIsChecked(t *testing.T) {
	good := kernel.Request{
		Agent: kernel.Agent{ID: "a"}, Action: "x", Resource: kernel.Resource{Type: "t", ID: "r"},
		Params: map[string]any{"list": []string{"a"}, "n": 7},
	}
	if err := good.Check(); err != nil {
		t.Errorf("Check() = %v", err)
	}
	for _, c := range []struct {
		change func(*kernel.Request)
		path   string
	}{
		{func(r *kernel.Request) { r.Agent.ID = "" }, "$.agent.id"},
		{func(r *kernel.Request) { r.Action = "a\nb" }, "$.action"},
		{func(r *kernel.Request) { r.Params = map[string]any{"n": 1.5} }, "$.params.n"},
		{func(r *kernel.Request) { r.Params = map[string]any{"n": int64(1) << 53} }, "$.params.n"},
		{func(r *kernel.Request) { r.RequestID = strings.Repeat("x", kernel.MaxRequestID+1) }, "$.request_id"},
	} {
		bad := good
		c.change(&bad)
		var e *kernel.Error
		if err := bad.Check(); !errors.As(err, &e) || e.Path != c.path {
			t.Errorf("Check() = %v, want an error at %s", err, c.path)
		}
	}
	bad := good
	bad.Params = map[string]any{"f": func() {}}
	if bad.Check() == nil {
		t.Errorf("a function passed as a value")
	}
}

func TestARequestIsWrittenAsItIsRead(t *testing.T) {
	want, err := kernel.DecodeRequest([]byte(deploy))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got kernel.Request
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %#v, want %#v", got, want)
	}
	before := got
	if err := got.UnmarshalJSON([]byte(`{}`)); err == nil || !reflect.DeepEqual(got, before) {
		t.Errorf("a failed UnmarshalJSON left %#v, %v", got, err)
	}
}

func digest(t *testing.T, r kernel.Request) string {
	t.Helper()
	d, err := r.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
