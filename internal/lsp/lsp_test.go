package lsp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/lsp"
)

const schema = `pdl: v1
kind: schema
name: s
agents: any
agent:
  role: enum(junior, senior)
  team: string(..64)
  "owner?": string
resources:
  service:
    environment: enum(staging, production)
  bucket:
    size: int
actions:
  deploy:
    resource: service
    params: {version: string, strategy: "enum(rolling, canary)", fast: bool}
  clear:
    resource: [bucket, service]
context:
  "ticket?": string
  origin: {ip: string, zone: "enum(inner, outer)"}
constraints:
  canary_only: flag
`

const policy = `pdl: v1
kind: policy
name: p
variables:
  foreign: agent.team != "web"
rules:
  - id: r
    match: {action: deploy}
    when: variables.foreign || data.limits.most > 5
    effect: DENY
---
pdl: v1
kind: data
name: limits
types: {most: int}
values: {most: 3}
`

func TestLifecycle(t *testing.T) {
	c := newClient(t, nil)
	if m := c.request("textDocument/hover", map[string]any{}); m.Error == nil || m.Error.Code != -32002 {
		t.Errorf("a request before initialize is answered by %+v", m)
	}
	var got struct {
		Capabilities map[string]any
		ServerInfo   struct{ Name, Version string }
	}
	if err := json.Unmarshal(c.call("initialize", map[string]any{"capabilities": map[string]any{}}), &got); err != nil || got.ServerInfo.Version != "test" ||
		got.Capabilities["hoverProvider"] != true || got.Capabilities["positionEncoding"] != "utf-16" {
		t.Errorf("initialize = %+v, %v", got, err)
	}
	if m := c.request("initialize", map[string]any{}); m.Error == nil {
		t.Error("initialize is answered twice")
	}
	if m := c.request("textDocument/rename", map[string]any{}); m.Error == nil || m.Error.Code != -32601 {
		t.Errorf("an unknown request is answered by %+v", m)
	}
	c.tell("$/cancelRequest", map[string]any{"id": 1})
	c.call("shutdown", nil)
	if m := c.request("textDocument/hover", map[string]any{}); m.Error == nil || m.Error.Code != -32600 {
		t.Errorf("a request after shutdown is answered by %+v", m)
	}
	c.tell("exit", nil)
	if err := c.wait(); err != nil {
		t.Errorf("Serve = %v after shutdown and exit", err)
	}
}

func TestAnEndWithoutGoodbyeIsAnError(t *testing.T) {
	c := started(t, nil)
	c.tell("exit", nil)
	if err := c.wait(); !errors.Is(err, lsp.ErrNoShutdown) {
		t.Errorf("Serve = %v after exit alone", err)
	}
	c = started(t, nil)
	c.in.Close()
	if err := c.wait(); !errors.Is(err, lsp.ErrNoShutdown) {
		t.Errorf("Serve = %v when the stream ends", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lsp.Serve(ctx, neverEnding{}, io.Discard, lsp.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve = %v when it is cancelled", err)
	}
}

// TestFindingsPointExactly hides a mistake behind characters of one, two and
// four bytes, in the three ways a condition is written and with both line ends,
// and compares the range with where it stands.
func TestFindingsPointExactly(t *testing.T) {
	for name, when := range map[string]string{
		"plain":  `when: "é" != "x" || agent.zebra == "y"`,
		"single": `when: '"𝄞é日" == agent.team || agent.zebra == ''x'' '`,
		"block":  "when: |\n      agent.team == \"é\" ||\n        \"🦓🦓\" == agent.zebra && agent.team == \"日\"",
		"behind": `when: '"🦓🦓🦓" == agent.team && agent.zebra == "🦓"' # 🦓`,
	} {
		if name == "plain" {
			when = `when: agent.team == agent.team || agent.zebra == "𝄞"`
		}
		for _, end := range []string{"\n", "\r\n"} {
			for _, mark := range []string{"", "\ufeff"} {
				text := mark + strings.ReplaceAll("pdl: v1\nkind: policy\nname: p\nrules:\n  - id: r\n    match: {action: deploy}\n    "+when+"\n    effect: DENY\n", "\n", end)
				c := started(t, map[string]string{"schema.yaml": schema, "p.yaml": text})
				c.open("p.yaml", text)
				found := c.findings("p.yaml")
				if len(found) != 1 {
					t.Errorf("%s, %q, %q: %+v", name, end, mark, found)
				} else if slice(text, found[0].Range) != "agent.zebra" || found[0].Severity != 1 || found[0].Source != "kernel" ||
					!strings.Contains(found[0].Message, "unknown attribute agent.zebra; ") {
					t.Errorf("%s, %q, %q: %+v shows %q", name, end, mark, found, slice(text, found[0].Range))
				}
			}
		}
	}
	first := "\ufeffpdl: v2\nkind: policy\nname: p\n"
	c := started(t, map[string]string{"schema.yaml": schema})
	c.open("p.yaml", first)
	if found := c.findings("p.yaml"); len(found) != 1 || slice(first, found[0].Range) != "v2" {
		t.Errorf("behind a byte order mark: %+v", found)
	}
}

func TestOpenDocumentsStandForTheirFiles(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema, "p.yaml": policy})
	c.open("p.yaml", policy)
	if found := c.findings("p.yaml"); len(found) != 0 {
		t.Fatalf("a good bundle: %+v", found)
	}
	// A change that is not saved shows in the file that it breaks.
	c.open("schema.yaml", strings.Replace(schema, "team: string", "crew: string", 1))
	if found := c.findings("p.yaml"); len(found) != 1 || slice(policy, found[0].Range) != "agent.team" {
		t.Errorf("after a change of the schema: %+v", found)
	}
	c.change("schema.yaml", schema)
	if found := c.findings("p.yaml"); len(found) != 0 {
		t.Errorf("after taking it back: %+v", found)
	}
	// A file that is not open, and then one that is new.
	c.tell("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": c.uri("schema.yaml")}})
	c.write("schema.yaml", strings.Replace(schema, "team: string", "crew: string", 1))
	c.tell("textDocument/didSave", map[string]any{"textDocument": map[string]any{"uri": c.uri("p.yaml")}})
	if found := c.findings("p.yaml"); len(found) != 1 {
		t.Errorf("after a change on disk: %+v", found)
	}
	c.write("schema.yaml", schema)
	c.tell("workspace/didChangeWatchedFiles", map[string]any{"changes": []any{}})
	if found := c.findings("p.yaml"); len(found) != 0 {
		t.Errorf("after the change on disk was taken back: %+v", found)
	}
	c.open("new.yaml", "pdl: v1\nkind: policy\nname: p\nrules: []\n")
	if found := c.findings("p.yaml"); len(found) == 0 && len(c.findings("new.yaml")) == 0 {
		t.Error("a new document with a taken name shows nothing")
	}
	// What nobody has open any more is not shown.
	for _, name := range []string{"new.yaml", "p.yaml"} {
		c.tell("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": c.uri(name)}})
	}
	for _, name := range []string{"new.yaml", "p.yaml", "schema.yaml"} {
		if found := c.findings(name); len(found) != 0 {
			t.Errorf("%s is closed and shows %+v", name, found)
		}
	}
	if err := c.finish(); err != nil {
		t.Error(err)
	}
}

func TestRangesOfChangesAreApplied(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema})
	text := "pdl: v1\nkind: policy\nname: p\nrules:\n  - id: r\n    match: {action: deploy}\n    when: agent.team != \"🦓é\" && agent.zebra == \"x\"\n    effect: DENY\n"
	c.open("p.yaml", text)
	before, _, _ := strings.Cut(text, "zebra")
	start, end := positionIn(before), positionIn(before+"zebra")
	c.tell("textDocument/didChange", map[string]any{
		"textDocument":   map[string]any{"uri": c.uri("p.yaml"), "version": 2},
		"contentChanges": []any{map[string]any{"range": map[string]any{"start": start, "end": end}, "text": "team"}},
	})
	if found := c.findings("p.yaml"); len(found) != 0 {
		t.Errorf("after the change of a range: %+v", found)
	}
}

func TestBundlesAreFound(t *testing.T) {
	broken := strings.Replace(policy, "agent.team", "agent.crew", 1)
	for _, c := range []struct {
		name  string
		files map[string]string
		open  string
		text  string
		want  int
	}{
		{"beside the schema", map[string]string{"a/schema.yaml": schema}, "a/p.yaml", broken, 1},
		{"below the schema", map[string]string{"a/schema.yaml": schema}, "a/b/c/p.yaml", broken, 1},
		{"beside other bundles", map[string]string{"a/schema.yaml": schema, "b/schema.yaml": schema}, "a/p.yaml", policy, 0},
		{"a file that is a bundle among others", map[string]string{"a.yaml": schema + "---\n" + policy}, "b.yaml", schema + "---\n" + policy, 0},
		{"no schema anywhere", nil, "p.yaml", policy, 1},
		{"not ours", map[string]string{"schema.yaml": schema}, "compose.yaml", "services: {a: {image: b}}\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := started(t, c.files)
			k.open(c.open, c.text)
			if found := k.findings(c.open); len(found) != c.want {
				t.Errorf("%d findings, want %d: %+v", len(found), c.want, found)
			}
		})
	}
	k := started(t, nil)
	k.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "untitled:Untitled-1", "version": 1, "text": schema + "---\n" + broken}})
	k.settle()
	if found := k.shown["untitled:Untitled-1"]; len(found) != 1 {
		t.Errorf("a document that is no file yet shows %+v", found)
	}
}

func TestFormatting(t *testing.T) {
	c := started(t, nil)
	text := "kind: policy\npdl: v1\nname: p\nrules:\n- effect: DENY\n  id: 🦓\n"
	c.open("p.yaml", text)
	var edits []struct {
		Range   textRange
		NewText string
	}
	params := map[string]any{"textDocument": map[string]any{"uri": c.uri("p.yaml")}, "options": map[string]any{"tabSize": 8}}
	if err := json.Unmarshal(c.call("textDocument/formatting", params), &edits); err != nil || len(edits) != 1 ||
		edits[0].NewText != "pdl: v1\nkind: policy\nname: p\nrules:\n  - id: 🦓\n    effect: DENY\n" || edits[0].Range.End != (position{6, 0}) {
		t.Errorf("formatting = %+v, %v", edits, err)
	}
	for _, text := range []string{edits[0].NewText, "a: [", ""} {
		c.change("p.yaml", text)
		if got := string(c.call("textDocument/formatting", params)); got != "[]" {
			t.Errorf("formatting of %q = %s, want nothing", text, got)
		}
	}
}

// TestBadMessagesDoNotEndTheConversation sends what no editor should, and then
// a question that has to be answered.
func TestBadMessagesDoNotEndTheConversation(t *testing.T) {
	c := started(t, map[string]string{"schema.yaml": schema})
	frame := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	for name, bad := range map[string]string{
		"no JSON":                frame("hello"),
		"a list":                 frame("[]"),
		"a text":                 frame(`"x"`),
		"no method":              frame(`{"jsonrpc":"2.0"}`),
		"an answer to nothing":   frame(`{"jsonrpc":"2.0","id":7,"result":null}`),
		"bad UTF-8":              frame("{\"method\":\"\xff\"}"),
		"members twice":          frame(`{"method":"a","method":"b"}`),
		"params of another kind": frame(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":[1,2]}`),
		"params that are a text": frame(`{"jsonrpc":"2.0","method":"textDocument/didChange","params":"x"}`),
		"a change of nothing":    frame(`{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///nowhere"},"contentChanges":[{"text":"x"}]}}`),
		"a close of nothing":     frame(`{"jsonrpc":"2.0","method":"textDocument/didClose","params":{"textDocument":{"uri":"file:///nowhere"}}}`),
		"a URI that is none":     frame(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"::","text":"pdl: v1"}}}`),
		"an empty body":          frame(""),
		"header lines":           "X-Nothing: 1\r\nContent-Type: text\r\n" + frame("{}"),
		"no length":              "Content-Type: text\r\n\r\n",
		"a length that is none":  "Content-Length: many\r\n\r\n",
		"a negative length":      "Content-Length: -1\r\n\r\n",
		"a huge length":          "Content-Length: 99999999999999999999\r\n\r\n",
		"garbage":                "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"a long line":            strings.Repeat("x", 100_000) + "\n",
	} {
		c.raw(bad)
		c.nextID++
		c.send(map[string]any{"id": c.nextID, "method": "test/ping"})
		m := c.next()
		for ; m.ID == nil; m = c.next() { // what was bad may be answered, without an id
			if m.Error == nil {
				t.Fatalf("%s: %+v", name, m)
			}
		}
		if m.ID != float64(c.nextID) {
			t.Fatalf("%s: the next question is answered by %+v", name, m)
		}
	}
	for _, params := range []any{nil, 7, map[string]any{}, map[string]any{"textDocument": 1}, map[string]any{"textDocument": map[string]any{"uri": "file:///nowhere"}, "position": map[string]any{"line": 1 << 40, "character": -5}}} {
		for _, method := range []string{"hover", "completion", "definition", "formatting"} {
			c.request("textDocument/"+method, params) // any answer will do
		}
	}
	c.open("p.yaml", policy)
	for _, at := range []map[string]any{{"line": -1, "character": -1}, {"line": 1 << 30, "character": 1 << 30}, {"line": 3, "character": 1 << 30}} {
		for _, method := range []string{"hover", "completion", "definition"} {
			if m := c.request("textDocument/"+method, map[string]any{"textDocument": map[string]any{"uri": c.uri("p.yaml")}, "position": at}); m.Error != nil {
				t.Errorf("%s at %v: %+v", method, at, m.Error)
			}
		}
	}
	if err := c.finish(); err != nil {
		t.Error(err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	c := started(t, nil)
	const size = 33 << 20
	c.raw(fmt.Sprintf("Content-Length: %d\r\n\r\n", size))
	chunk := strings.Repeat(" ", 1<<20)
	for range size >> 20 {
		c.raw(chunk)
	}
	if m := c.next(); m.Error == nil || !strings.Contains(m.Error.Message, "more than") {
		t.Errorf("a message of %d bytes is answered by %+v", size, m)
	}
	if err := c.finish(); err != nil {
		t.Error(err)
	}
}

// TestTheServerReadsTheShippedPolicies opens every file of the tree.
func TestTheServerReadsTheShippedPolicies(t *testing.T) {
	paths, err := filepath.Glob("../../policies/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../policies/examples/*/*.yaml")
	if err != nil || len(paths)+len(more) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	files := map[string]string{}
	for _, path := range append(paths, more...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(path, "../../policies/")] = string(data)
	}
	c := started(t, files)
	for name, text := range files {
		c.open(name, text)
	}
	for name := range files {
		if found := c.findings(name); len(found) != 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
