package eval_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// TestHostileDocumentsAreRefusedSoonAndByName: what is too large, too deep or
// too often there is refused with the place of it, in a time that does not
// grow faster than the document.
func TestHostileDocumentsAreRefusedSoonAndByName(t *testing.T) {
	p, _ := program(t, everyMember)
	e := p.NewEvaluator(eval.Config{})
	params := func(text string) string {
		return `{"agent":{"id":"a","role":"junior"},"action":"deploy","resource":{"type":"service","id":"s","environment":"staging"},"params":{"replicas":1,` + text + `}}`
	}
	names := func(n int, repeat bool) string {
		var b strings.Builder
		for i := range n {
			name := i
			if repeat {
				name = 0
			}
			fmt.Fprintf(&b, `,"m%d":1`, name)
		}
		return b.String()[1:]
	}
	for _, c := range []struct {
		name, doc, path, says string
	}{
		{"10,000 equal names in json", params(`"blob":{` + names(10_000, true) + `}`), "$.params.blob.m0", "duplicate"},
		{"10,000 equal names in a record", params(`"payment":{` + names(10_000, true) + `}`), "$.params.payment.m0", "duplicate"},
		{"10,000 names in a record", params(`"payment":{"cents":1,"to":{"known":true},` + names(10_000, false) + `}`), "$.params.payment.m0", "declares no attribute"},
		{"a list of 10,000 records", params(`"files":[` + strings.TrimSuffix(strings.Repeat(`{"path":"a"},`, 10_000), ",") + `]`), "$.params.files", "10000 elements, more than 3"},
		{"a record in a list that does not fit", params(`"files":[{"path":"a"},{"path":"b","size":10}]`), "$.params.files[1].size", "10 is outside 0..9"},
		{"records nested 62 deep", params(`"payment":{"cents":1,"to":` + strings.Repeat(`{"to":`, 60) + `1` + strings.Repeat("}", 61)), "$.params.payment.to.to", "declares no attribute"},
		{"json nested too deep", params(`"blob":` + strings.Repeat("[", 63) + strings.Repeat("]", 63)), "", "levels of nesting"},
		{"100,000 levels", params(`"blob":` + strings.Repeat(`{"a":`, 100_000)), "", "levels of nesting"},
		{"a MiB of records", params(`"payment":{"cents":1,"to":{"known":true},"memo":"` + strings.Repeat("m", 1<<20-300) + `"}`), "$.params.payment.memo", "more than 4"},
		{"a MiB of values", params(`"blob":[` + strings.Repeat("{},", 300_000) + `1]`), "$", "values in one document"},
	} {
		began := time.Now()
		_, err := e.DecideJSON(c.doc, eval.Input{Now: noon(), Digest: "sha256:0"})
		var refused *kernel.Error
		if !errors.As(err, &refused) || !strings.HasPrefix(refused.Path, c.path) || !strings.Contains(refused.Message, c.says) {
			t.Errorf("%s: %#v, want a refusal at %s that says %q", c.name, err, c.path, c.says)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: refused after %v", c.name, took)
		}
	}
}

// TestLargeDocumentsAreDecidedSoon: what fits is decided, however odd it is.
func TestLargeDocumentsAreDecidedSoon(t *testing.T) {
	p, _ := program(t, everyMember)
	e := p.NewEvaluator(eval.Config{})
	look := func(params string) string {
		return `{"agent":{"id":"a","role":"junior"},"action":"look","resource":{"type":"page","id":"p"},"params":{` + params + `}}`
	}
	var many strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&many, `"m%d":[],`, i)
	}
	for name, doc := range map[string]string{
		"json nested as deep as a document may be": look(`"free":` + strings.Repeat("[", 62) + strings.Repeat("]", 62)),
		"a MiB of text":          look(`"free":"` + strings.Repeat("é", 1<<19-200) + `"`),
		"60,000 further members": look(many.String() + `"most":1`),
		"60,000 elements":        look(`"free":[` + strings.Repeat("1,", 60_000) + `2]`),
	} {
		began := time.Now()
		if v, err := e.DecideJSON(doc, eval.Input{Now: noon(), Digest: "sha256:0"}); err != nil || v.Decision != kernel.Allow {
			t.Errorf("%s: %v, %v, want ALLOW", name, v.Decision, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: decided after %v", name, took)
		}
	}
}

// TestTheWorkOfLoopsOverRecordsIsBounded: nested loops over the longest lists
// end, and deny.
func TestTheWorkOfLoopsOverRecordsIsBounded(t *testing.T) {
	p, _ := program(t, strings.NewReplacer("..3)", "..65536)", `f.path == "b" && has(f.mode) && f.mode == "write"`,
		`params.files.exists(g, f.path == "b" && g.path == "c")`).Replace(everyMember))
	req := deploy()
	files := make([]any, 30_000)
	for i := range files {
		files[i] = map[string]any{"path": "b"}
	}
	req.Params["files"] = files
	v, err := p.Decide(eval.Input{Request: req, Now: noon()})
	if err != nil || v.Code != kernel.CodeEvaluationError {
		t.Errorf("Decide = %v %s, %v, want DENY for an error of the evaluation", v.Decision, v.Code, err)
	}
}
