package lsp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/lsp"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// talk lets a server read a stream to its end and returns what it said. A
// panic, which the server survives, is a failure here.
func talk(t *testing.T, input string) string {
	t.Helper()
	var out strings.Builder
	err := lsp.Serve(context.Background(), strings.NewReader(input), &out, lsp.Config{
		ReadBundle: func(string) ([]pdl.File, error) {
			return []pdl.File{{Name: "/w/schema.yaml", Data: []byte(schema)}}, nil
		},
		Log: func(format string, args ...any) { t.Errorf(format, args...) },
	})
	if err != nil && !errors.Is(err, lsp.ErrNoShutdown) {
		t.Fatalf("Serve = %v", err)
	}
	return out.String()
}

func framed(messages ...any) string {
	var b strings.Builder
	for _, m := range messages {
		body, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	return b.String()
}

type object = map[string]any

func hello() object {
	return object{"id": 0, "method": "initialize", "params": object{"rootUri": "file:///w", "capabilities": object{}}}
}

// FuzzStream feeds a server any bytes behind a beginning that is in order.
func FuzzStream(f *testing.F) {
	open := object{"method": "textDocument/didOpen", "params": object{"textDocument": object{"uri": "file:///w/p.yaml", "version": 1, "text": policy}}}
	ask := object{"id": "a", "method": "textDocument/completion", "params": object{"textDocument": object{"uri": "file:///w/p.yaml"}, "position": object{"line": 8, "character": 12}}}
	f.Add(framed(ask))
	f.Add("Content-Length: 3\r\n\r\n{}}")
	f.Add("Content-Length: -3\r\nContent-Length: 9\n\n{")
	f.Add(framed(object{"id": 1, "method": "shutdown"}, object{"method": "exit"}))
	f.Fuzz(func(t *testing.T, tail string) {
		talk(t, framed(hello(), open)+tail)
	})
}

// FuzzPlace asks everything at any place of any text: each question has an
// answer, and every range lies inside the text.
func FuzzPlace(f *testing.F) {
	f.Add(policy, 8, 12)
	f.Add(schema, 14, 30)
	f.Add(tests, 10, 20)
	f.Add(ruleHead+"    match: {action: [deploy, \"cl", 7, 33)
	f.Add("\ufeffpdl", 0, 4)
	f.Add(ruleHead+"    when: params.items[0].a.all(i, [i.b].exists(i, has(i.", 7, 53)
	f.Fuzz(func(t *testing.T, text string, line, character int) {
		at := object{"textDocument": object{"uri": "file:///w/p.yaml"}, "position": object{"line": line, "character": character}}
		said := talk(t, framed(hello(),
			object{"method": "textDocument/didOpen", "params": object{"textDocument": object{"uri": "file:///w/p.yaml", "version": 1, "text": text}}},
			object{"id": 1, "method": "textDocument/completion", "params": at},
			object{"id": 2, "method": "textDocument/hover", "params": at},
			object{"id": 3, "method": "textDocument/definition", "params": at},
			object{"id": 4, "method": "textDocument/formatting", "params": at},
			object{"id": 5, "method": "shutdown"}, object{"method": "exit"},
		))
		for id := range 6 {
			if !strings.Contains(said, fmt.Sprintf(`"id":%d,"result"`, id)) {
				t.Errorf("question %d has no answer in %s", id, said)
			}
		}
	})
}

// neverEnding is a stream on which nothing comes.
type neverEnding struct{}

func (neverEnding) Read([]byte) (int, error) { select {} }

var _ io.Reader = neverEnding{}
