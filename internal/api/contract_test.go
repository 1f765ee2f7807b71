package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/strixlabs/execution-kernel/contract"
)

// A checker holds every request that is answered with success, and every
// answer, against openapi.yaml and the schemas.
type checker struct {
	t    testing.TB
	next http.RoundTripper
	spec *spec
}

func newChecker(t testing.TB, next http.RoundTripper) *checker {
	return &checker{t: t, next: next, spec: loadSpec(t)}
}

func (c *checker) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(io.LimitReader(r.Body, 16<<20)) // what a test sends is in memory
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(got))
	if err := c.spec.check(r, sent, resp, got); err != nil {
		c.t.Errorf("%s %s: %d %.300s: breaks the contract: %v", r.Method, r.URL.Path, resp.StatusCode, got, err)
	}
	return resp, nil
}

// A spec is the contract, ready to check with.
type spec struct {
	doc    *openapi3.T
	router routers.Router
	closed map[string]*jsonschema.Schema // schemas that take no member they do not list
}

func (s *spec) check(r *http.Request, sent []byte, resp *http.Response, got []byte) error {
	if len(got) > 0 && resp.Header.Get("Content-Length") == "" && resp.ProtoMajor == 1 && !resp.Uncompressed && resp.ContentLength < 0 {
		return fmt.Errorf("an answer of unknown length")
	}
	for _, name := range []string{"X-Content-Type-Options", "Cache-Control", "Content-Security-Policy"} {
		if resp.Header.Get(name) == "" {
			return fmt.Errorf("no %s", name)
		}
	}
	if r.Method == http.MethodHead || r.Method == http.MethodOptions {
		if len(got) > 0 && resp.StatusCode < 400 {
			return fmt.Errorf("a body")
		}
		return nil
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(sent))
	route, params, err := s.router.FindRoute(r)
	if err != nil {
		return s.undocumented(resp, got)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true},
	}
	if resp.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			return fmt.Errorf("a request that was accepted: %w", err)
		}
	}
	if err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(got)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}); err != nil {
		return err
	}
	documented := route.Operation.Responses.Status(resp.StatusCode).Value
	if len(documented.Content) == 0 {
		return nil
	}
	schema := documented.Content.Get(resp.Header.Get("Content-Type")).Schema
	return s.closedCheck(schema.Ref, got)
}

// undocumented answers are those to paths and methods there are none of.
func (s *spec) undocumented(resp *http.Response, got []byte) error {
	if resp.StatusCode < 400 {
		return fmt.Errorf("success on a route that is not in openapi.yaml")
	}
	return s.closedCheck("problem.schema.json", got)
}

// closedCheck finds members that no schema lists.
func (s *spec) closedCheck(ref string, got []byte) error {
	name := ref[strings.LastIndexByte(ref, '/')+1:]
	schema, ok := s.closed[name]
	if !ok {
		return nil // inline: text
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(got))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

var loadOnce struct {
	sync.Once
	spec *spec
	err  error
}

func loadSpec(t testing.TB) *spec {
	t.Helper()
	loadOnce.Do(func() {
		loadOnce.spec, loadOnce.err = readSpec()
		openapi3filter.RegisterBodyDecoder("application/schema+json", openapi3filter.JSONBodyDecoder)
		openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	})
	must(t, loadOnce.err)
	return loadOnce.spec
}

func readSpec() (*spec, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	doc, err := loader.LoadFromFile("../../contract/openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // tests listen on ports of their own
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	s := &spec{doc: doc, router: router, closed: map[string]*jsonschema.Schema{}}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, name := range contract.Schemas() {
		data, _ := contract.File(name)
		var tree any
		if err := json.Unmarshal(data, &tree); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		closeObjects(tree)
		if err := compiler.AddResource("file:///"+name, tree); err != nil {
			return nil, err
		}
	}
	for _, name := range contract.Schemas() {
		if s.closed[name], err = compiler.Compile("file:///" + name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// closeObjects makes objects that say nothing of further members refuse them.
// Parts of conditions are not whole objects.
func closeObjects(tree any) {
	node, ok := tree.(map[string]any)
	if !ok {
		return
	}
	_, isObject := node["properties"]
	_, says := node["additionalProperties"]
	if isObject && !says {
		node["additionalProperties"] = false
	}
	for key, child := range node {
		switch key {
		case "if", "then", "else", "not", "allOf", "const", "enum":
		case "properties", "$defs":
			for _, sub := range child.(map[string]any) {
				closeObjects(sub)
			}
		default:
			closeObjects(child)
		}
	}
}

func TestTheContractIsValid(t *testing.T) {
	doc := loadSpec(t).doc
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi: %s", doc.OpenAPI)
	}
}

func TestTheCheckerSeesWhatIsNotInTheContract(t *testing.T) {
	s := loadSpec(t)
	for _, c := range []struct{ schema, text string }{
		{"health.schema.json", `{"alive":true,"since":"noon"}`},
		{"health.schema.json", `{"alive":false}`},
		{"problem.schema.json", `{"type":"urn:execution-kernel:problem:internal","title":"t","status":500,"code":"internal","detail":"d","stack":"main.go"}`},
		{"problem.schema.json", `{"type":"urn:execution-kernel:problem:unavailable","title":"t","status":503,"code":"UNAVAILABLE","detail":"d"}`},
		{"decision-page.schema.json", `{"decisions":[{}]}`},
		{"readiness.schema.json", `{"ready":true,"missing":[]}`},
	} {
		if s.closedCheck(c.schema, []byte(c.text)) == nil {
			t.Errorf("%s takes %s", c.schema, c.text)
		}
	}
}

// TestServedDocumentsReferToEachOther: a client that follows the references of
// /openapi.yaml finds every schema where they point to.
func TestServedDocumentsReferToEachOther(t *testing.T) {
	h := newHouse(t, nil)
	a := h.do(h.as("auditor", "GET", "/openapi.yaml", ""))
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("GET /openapi.yaml: %d %s", a.status, a.header.Get("Content-Type"))
	}
	var seen []string
	for line := range strings.Lines(a.body) {
		_, ref, found := strings.Cut(line, "$ref: ")
		ref = strings.Trim(strings.TrimSpace(ref), "'}")
		if !found || strings.HasPrefix(ref, "#") {
			continue
		}
		ref, _, _ = strings.Cut(strings.Trim(ref, "'} ,"), "#")
		ref = strings.TrimPrefix(ref, ".")
		if slices.Contains(seen, ref) {
			continue
		}
		seen = append(seen, ref)
		got := h.do(h.as("auditor", "GET", ref, ""))
		want, _ := contract.File(strings.TrimPrefix(ref, "/schemas/"))
		if got.status != http.StatusOK || got.body != string(want) {
			t.Errorf("GET %s: %d", ref, got.status)
		}
	}
	if len(seen) < 9 {
		t.Errorf("openapi.yaml refers to %v only", seen)
	}
	for _, path := range []string{"/schemas/openapi.yaml", "/schemas/embed.go", "/schemas/..%2fembed.go", "/schemas/", "/schemas"} {
		isProblem(t, path, h.do(h.as("auditor", "GET", path, "")), http.StatusNotFound, "not_found")
	}
}
