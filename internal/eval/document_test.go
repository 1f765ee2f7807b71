package eval_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// everyMember is a schema with every kind of member, in agent, resource,
// params and context, and rules that look at some of them.
const everyMember = everyType + `  - {id: role, match: {action: deploy, agent.role: junior}, when: params.replicas > 1 && has(params.note), effect: DENY}
  - {id: tags, match: {action: deploy}, when: 'has(params.tags) && params.tags.exists(t, t == "é")', effect: DENY}
  - {id: files, match: {action: deploy}, when: 'has(params.files) && params.files.exists(f, f.path == "b" && has(f.mode) && f.mode == "write")', effect: DENY}
  - {id: blob, match: {action: deploy}, when: has(params.blob) && size(params.blob) > 2, effect: DENY}
  - {id: free, match: {action: look}, when: has(params.free) && size(params.free) == 2, effect: DENY}
  - {id: payment, match: {action: deploy}, when: 'has(params.payment) && params.payment.to.known && has(params.payment.to.tier) && params.payment.to.tier == "gold"', effect: DENY}
`

var documents = []string{
	`{"agent":{"id":"agent-001","role":"junior"},"action":"deploy","resource":{"type":"service","id":"svc/a","environment":"staging"},"params":{"replicas":1}}`,
	`{"request_id":"r-1","agent":{"id":"a","role":"sre","owner":"ü"},"action":"deploy","resource":{"environment":"production","public":true,"id":"svc/a","type":"service"},` +
		`"params":{"replicas":5,"note":"né\"e","after":"2026-06-01T12:00:00+02:00","tags":["a","é"],"sizes":[0,9],"levels":["low","high","low"],"payment":{"to":{"known":true,"tier":"gold"},"cents":9,"memo":"m"},` +
		`"files":[{"path":"a"},{"size":3,"path":"b","mode":"write"}],"blob":[1,{"x":[null,"y"]}]},"context":{"ticket":"CHG-1"},"wait":"0s","grant":false}`,
	` { "context" : { } , "params" : {"tags":[],"replicas" : 2 } , "resource" : {"environment":"development","type":"service","id":"x","public":false} , "action":"deploy", "agent":{"role":"senior","id":"b"} } `,
	`{"agent":{"id":"a","role":"junior"},"action":"look","resource":{"type":"page","id":"p"}}`,
	`{"agent":{"id":"a","role":"junior"},"action":"look","resource":{"type":"service","id":"p","environment":"staging"},"params":{}}`,
	`{"agent":{"id":"a","role":"junior"},"action":"loook","resource":{"type":"page","id":"p"}}`,
	`{"agent":{"id":"a","role":"junior"},"action":"deploy","resource":{"type":"page","id":"p"},"params":{"replicas":1}}`,
	`{"agent":{"id":"a","role":"junior"},"action":"look","resource":{"type":"page","id":"p"},"params":{"most":9,"free":{"a":[1,2,{"b":"c"}],"d":true},"other":null}}`,
	`{"agent":{"id":"a","role":"senior"},"action":"deploy","resource":{"type":"service","id":"p","environment":"staging"},"params":{"replicas":1,"payment":{"cents":0,"to":{"tier":"lead","known":false}}}}`,
}

// FuzzDecideJSON: a document read straight into the frame leaves there what
// the tree of it does, has the verdict of the tree, and is refused with the
// words of the tree.
func FuzzDecideJSON(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	p, _ := program(f, everyMember)
	b := newBothWays(p)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) < 5000 {
			b.decide(t, string(doc), map[string]int{})
		}
	})
}

// TestDecideJSONLikeTheTree is FuzzDecideJSON on documents that are spelt
// otherwise, or broken, in the ways that a random byte seldom hits.
func TestDecideJSONLikeTheTree(t *testing.T) {
	p, _ := program(t, everyMember)
	b, seen, n := newBothWays(p), map[string]int{}, rounds(30_000)
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 11))
		doc := respell(r, documents[r.IntN(len(documents))])
		for range r.IntN(3) {
			doc = mangle(r, doc)
		}
		b.decide(t, doc, seen)
	}
	for _, what := range []string{"fast", string(kernel.Malformed), string(kernel.Invalid), string(kernel.CodeUnknownAction), string(kernel.CodeUnknownResource)} {
		if seen[what] < n/200 {
			t.Errorf("%s came %d times, want more: the test does not reach it", what, seen[what])
		}
	}
	t.Logf("%v", seen)
}

// TestDecideJSONOfDocumentsAtTheirBounds changes one thing of a document that
// is decided, so that it just fits, or just does not.
func TestDecideJSONOfDocumentsAtTheirBounds(t *testing.T) {
	p, _ := program(t, everyMember)
	b := newBothWays(p)
	for _, c := range []struct{ old, new string }{
		{`"r-1"`, `""`}, {`"r-1"`, `"` + strings.Repeat("ä", 128) + `"`}, {`"r-1"`, `"` + strings.Repeat("ä", 129) + `"`}, {`"r-1"`, `1`}, {`"r-1"`, `"\n"`},
		{`"id":"a"`, `"id":""`}, {`"id":"a"`, `"id":"\u007f"`}, {`"id":"a"`, `"id":"\u0080"`}, {`"id":"a"`, `"id":"\u009f"`}, {`"id":"a"`, `"id":"\u00a0"`}, {`"id":"a"`, `"id":"\u001f"`},
		{`"id":"a"`, `"id":"` + strings.Repeat("x", 256) + `"`}, {`"id":"a"`, `"id":"` + strings.Repeat("x", 257) + `"`}, {`"id":"a"`, `"id":"` + strings.Repeat("é", 256) + `"`},
		{`"id":"a"`, `"id":null`}, {`"id":"a"`, `"id":1`}, {`"id":"a",`, ``}, {`"type":"service"`, `"typ":"service"`}, {`"id":"svc/a",`, ``}, {`"action":"deploy",`, ``},
		{`"action":"deploy"`, `"action":"\u0064eploy"`}, {`"service"`, `"\u0073ervice"`}, {`"sre"`, `"\u0073re"`}, {`"sre"`, `"Sre"`}, {`"sre"`, `1`}, {`"role":"sre",`, ``},
		{`"owner":"ü"`, `"owner":"\u0000"`}, {`"owner":"ü"`, `"owner":null`}, {`"owner":"ü"`, `"type":"ü"`}, {`"owner":"ü"`, `"own\u0065r":"ü"`}, {`"owner":"ü"`, `"owner":"` + strings.Repeat("x", 4097) + `"`},
		{`"replicas":5`, `"replicas":6`}, {`"replicas":5`, `"replicas":0`}, {`"replicas":5`, `"replicas":5.0`}, {`"replicas":5`, `"replicas":5e0`}, {`"replicas":5`, `"replicas":9007199254740992`},
		{`"replicas":5`, `"replicas":"5"`}, {`"replicas":5`, `"replicas":05`}, {`"replicas":5,`, ``}, {`"né\"e"`, `"éééé"`}, {`"né\"e"`, `"ééééé"`}, {`"né\"e"`, `"\u0000"`}, {`"né\"e"`, `[]`}, {`"né\"e"`, `true`},
		{`"2026-06-01T12:00:00+02:00"`, `"2190-01-01T00:00:00Z"`}, {`"2026-06-01T12:00:00+02:00"`, `"2190-01-01T00:00:00.1Z"`}, {`"2026-06-01T12:00:00+02:00"`, `"2026-06-01"`}, {`"2026-06-01T12:00:00+02:00"`, `1`},
		{`["a","é"]`, `["a","é","c"]`}, {`["a","é"]`, `["abcd"]`}, {`["a","é"]`, `["éüß"]`}, {`["a","é"]`, `[]`}, {`["a","é"]`, `{}`}, {`["a","é"]`, `[null]`}, {`["a","é"]`, `["\u0000"]`}, {`["a","é"]`, `[["a"]]`},
		{`[0,9]`, `[0,10]`}, {`[0,9]`, `[-1]`}, {`[0,9]`, `[true]`}, {`[0,9]`, `["0"]`}, {`[0,9]`, `[0.5]`}, {`"high"`, `"hi"`}, {`"high"`, `1`}, {`"public":true`, `"public":"true"`}, {`"public":true`, `"public":1`},
		{`"cents":9`, `"cents":10`}, {`"cents":9,`, ``}, {`"cents":9`, `"cents":9,"cents":9`}, {`"cents":9`, `"cent":9`}, {`"cents":9`, `"id":9`}, {`"cents":9`, `"cents":null`}, {`"known":true`, `"known":1`},
		{`"known":true,`, ``}, {`"gold"`, `"silver"`}, {`"tier":"gold"`, `"tier":{}`}, {`{"known":true,"tier":"gold"}`, `null`}, {`{"known":true,"tier":"gold"}`, `[]`}, {`"to":{"known":true,"tier":"gold"},`, ``},
		{`"memo":"m"`, `"memo":"\u0000"`}, {`"memo":"m"`, `"memo":"mmmmm"`}, {`"memo":"m"`, `"memo":"m","extra":{"a":[1]}`}, {`"payment":{`, `"payment":1,"x":{`}, {`"known":true`, `"known":true,"type":"x"`},
		{`"path":"a"`, `"path":"aaaaaa"`}, {`{"path":"a"},`, `{},`}, {`{"path":"a"},`, `{"path":"a"},{"path":"a"},`}, {`{"path":"a"},`, `{"path":"a"},{"path":"a"},{"path":"a"},`}, {`{"path":"a"},`, `null,`}, {`{"path":"a"},`, `"a",`},
		{`{"path":"a"},`, `[{"path":"a"}],`}, {`"path":"a"`, `"path":"a","id":"a"`}, {`"path":"a"`, `"path":"a","path":"a"`}, {`"size":3`, `"size":10`}, {`"mode":"write"`, `"mode":"append"`}, {`"mode":"write"`, `"mode":null`},
		{`"blob":[1,{"x":[null,"y"]}]`, `"blob":null`}, {`"blob":[1,{"x":[null,"y"]}]`, `"blob":1.5`}, {`"y"]}]`, `"\u0000"]}]`}, {`"y"]}]`, `1.0]}]`}, {`"y"]}]`, `9007199254740992]}]`}, {`"x":[null,"y"]`, `"x":1,"x":2`},
		{`"x":[null,"y"]`, `"x":` + strings.Repeat("[", 60) + strings.Repeat("]", 60)}, {`"x":[null,"y"]`, `"x":` + strings.Repeat("[", 61) + strings.Repeat("]", 61)}, {`"x":[null,"y"]`, `"\u0000":1`}, {`"y"]}]`, `"\ud800"]}]`},
		{`"ticket":"CHG-1"`, `"now":"2026-06-01T12:00:00Z"`}, {`"ticket":"CHG-1"`, `"id":"x"`}, {`"ticket":"CHG-1"`, `"ticket":"a","ticket":"a"`}, {`{"ticket":"CHG-1"}`, `null`}, {`{"ticket":"CHG-1"}`, `[]`},
		{`"0s"`, `"1s"`}, {`"0s"`, `0`}, {`"grant":false`, `"grant":true`}, {`"grant":false`, `"grant":null`}, {`"grant":false`, `"Grant":false`}, {`"grant":false`, `"grant":false,"x":1`},
	} {
		doc := strings.Replace(documents[1], c.old, c.new, 1)
		if doc == documents[1] {
			t.Fatalf("%s is not in the document", c.old)
		}
		b.decide(t, doc, map[string]int{})
	}
}

// bothWays decides documents straight from their bytes, and by their tree.
type bothWays struct {
	program    *eval.Program
	fast, slow *eval.Evaluator
}

func newBothWays(p *eval.Program) *bothWays {
	return &bothWays{p, p.NewEvaluator(eval.Config{}), p.NewEvaluator(eval.Config{})}
}

func (b *bothWays) decide(t *testing.T, doc string, seen map[string]int) {
	t.Helper()
	in := eval.Input{Now: noon(), Digest: "sha256:0"}
	got, err := b.fast.DecideJSON(doc, in)
	req, wantErr := kernel.DecodeRequest([]byte(doc))
	var want kernel.Verdict
	if wantErr == nil {
		byTree := in
		byTree.Request = req
		want, wantErr = b.program.Decide(byTree)
	}
	if fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", wantErr) || text(t, got) != text(t, want) {
		t.Fatalf("DecideJSON(%q) = %s, %v, want %s, %v", doc, text(t, got), err, text(t, want), wantErr)
	}
	var e *kernel.Error
	if errors.As(err, &e) {
		seen[string(e.Code)]++
	}
	byRules := err == nil && got.Code != kernel.CodeUnknownAction && got.Code != kernel.CodeUnknownResource
	frame, fast := b.fast.ReadsFast(doc, in)
	if !byRules && !fast {
		seen[string(got.Code)]++
		return
	}
	if fast != byRules && strings.Count(doc, ":") <= 32 {
		t.Fatalf("DecideJSON(%q) = %s, %v: read fast: %v", doc, text(t, got), err, fast)
	}
	seen["fast"]++
	if bound, err := b.slow.BoundSlowly(req, in); err != nil || fast && bound != frame {
		t.Fatalf("%q leaves in the frame\n%s\nits tree leaves, %v\n%s", doc, frame, err, bound)
	}
}

// respell writes the characters of texts as escapes, and spaces between tokens.
func respell(r *rand.Rand, doc string) string {
	var b strings.Builder
	inText := false
	for i, c := range doc {
		escaped := i > 0 && doc[i-1] == '\\' || c == '\\'
		switch {
		case c == '"' && !escaped:
			inText = !inText
			b.WriteRune(c)
		case inText && !escaped && r.IntN(60) == 0:
			fmt.Fprintf(&b, []string{`\u%04x`, `\u%04X`}[r.IntN(2)], c)
		default:
			b.WriteRune(c)
		}
		if !inText && strings.ContainsRune("{}[],:", c) && r.IntN(20) == 0 {
			b.WriteString([]string{" ", "\n\t", "\r\n  "}[r.IntN(3)])
		}
	}
	return b.String()
}

// mangle breaks a document, most often in one place.
func mangle(r *rand.Rand, doc string) string {
	swap := func(list []string) string {
		old := list[r.IntN(len(list))]
		return strings.Replace(doc, old, list[r.IntN(len(list))], 1)
	}
	if doc == "" {
		return "{"
	}
	at := r.IntN(len(doc))
	switch r.IntN(9) {
	case 0:
		return doc[:at]
	case 1:
		return doc[:at] + string(`"{}[]:,\x00é0-.e/ntf`[r.IntN(19)]) + doc[at:]
	case 2:
		return doc[:at] + doc[at+1:]
	case 3:
		return doc + []string{" ", "\n", "{}", ",", "x", "\x00"}[r.IntN(6)]
	case 4:
		return swap([]string{`"id"`, `"type"`, `"role"`, `"replicas"`, `"note"`, `"tags"`, `"params"`, `"context"`, `"agent"`, `"ticket"`, `"wait"`, `"wait"`, `"grant"`, `"grant"`, `"request_id"`, `"owner"`, `"now"`, `""`, `"payment"`, `"cents"`, `"to"`, `"known"`, `"tier"`, `"files"`, `"blob"`, `"path"`, `"mode"`, `"most"`, `"free"`})
	case 5:
		return swap([]string{`1`, `"a"`, `null`, `true`, `false`, `[]`, `{}`, `1.5`, `-0`, `6`, `9007199254740991`, `9007199254740992`, `1e2`, `[1]`, `["a"]`, `"0s"`, `"\u0000"`, `"\u0085"`, `"` + strings.Repeat("ä", 300) + `"`})
	case 6:
		return swap([]string{`"junior"`, `"staging"`, `"deploy"`, `"look"`, `"service"`, `"page"`, `"low"`, `"2026-06-01T12:00:00+02:00"`, `"2026-06-01"`, `"2190-01-01T00:00:01Z"`, `"éééé"`, `"ééééé"`, `"\ud800"`})
	case 7:
		return strings.Replace(doc, ",", `,"id":"again",`, 1)
	}
	return strings.Replace(doc, "{", `{"unknown":`+[]string{"1", "{}", "[[]]", `"x"`}[r.IntN(4)]+",", 1+r.IntN(2))
}

func TestDecideJSONOfRealisticRequestsDoesNotAllocate(t *testing.T) {
	p, _ := program(t, everyMember)
	e := p.NewEvaluator(eval.Config{})
	for _, doc := range []string{documents[0], documents[2], documents[3], documents[7], documents[8], withoutEscapes(documents[1])} {
		in := eval.Input{Now: noon(), Digest: "sha256:0"}
		allocated := testing.AllocsPerRun(100, func() {
			if _, err := e.DecideJSON(doc, in); err != nil {
				t.Fatal(err)
			}
		})
		if allocated != 0 {
			t.Errorf("DecideJSON(%s) allocates %v times, want 0", doc, allocated)
		}
	}
}

// withoutEscapes spells the document otherwise: escapes take room.
func withoutEscapes(doc string) string { return strings.ReplaceAll(doc, `\"`, "") }

func TestAParanoidEvaluatorDecidesTheSameDocuments(t *testing.T) {
	p, _ := program(t, everyMember)
	plain, paranoid := p.NewEvaluator(eval.Config{}), p.NewEvaluator(eval.Config{Paranoid: true})
	for _, doc := range documents {
		in := eval.Input{Now: noon()}
		want, wantErr := plain.DecideJSON(doc, in)
		got, err := paranoid.DecideJSON(doc, in)
		if text(t, got) != text(t, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("DecideJSON(%s) = %s, %v, want %s, %v", doc, text(t, got), err, text(t, want), wantErr)
		}
	}
}
