package lsp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/strixlabs/execution-kernel/internal/lsp"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A client is an editor: it speaks over pipes with a server that runs.
type client struct {
	t      *testing.T
	dir    string
	in     *io.PipeWriter
	out    chan reply
	ended  chan error
	nextID int
	shown  map[string][]diagnostic // what is published, by URI
	texts  map[string]string       // open documents, by URI
}

type reply struct {
	ID     any             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int
		Message string
	} `json:"error"`
	err error
}

type position struct{ Line, Character int }

type textRange struct{ Start, End position }

type diagnostic struct {
	Range    textRange
	Severity int
	Source   string
	Message  string
}

// newClient starts a server on a folder with some files and a client that has
// not said anything.
func newClient(t *testing.T, files map[string]string) *client {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, dir: dir, out: make(chan reply, 1000), ended: make(chan error, 1), shown: map[string][]diagnostic{}, texts: map[string]string{}}
	for name, text := range files {
		c.write(name, text)
	}
	serverIn, in := io.Pipe()
	out, serverOut := io.Pipe()
	c.in = in
	go func() {
		err := lsp.Serve(context.Background(), serverIn, serverOut, lsp.Config{ReadBundle: readFolder, Version: "test", Log: t.Logf})
		c.ended <- err
		serverOut.Close()
		serverIn.Close()
	}()
	go c.receive(bufio.NewReader(out))
	t.Cleanup(func() { in.Close() })
	return c
}

// started is a client that has been initialized.
func started(t *testing.T, files map[string]string) *client {
	c := newClient(t, files)
	c.call("initialize", map[string]any{"processId": nil, "capabilities": map[string]any{}, "workspaceFolders": []any{map[string]any{"uri": c.uri(""), "name": "w"}}})
	c.tell("initialized", map[string]any{})
	return c
}

func readFolder(path string) ([]pdl.File, error) {
	var files []pdl.File
	err := filepath.WalkDir(path, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".yaml") {
			return err
		}
		data, err := os.ReadFile(name)
		files = append(files, pdl.File{Name: name, Data: data})
		return err
	})
	return files, err
}

func (c *client) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) uri(name string) string {
	return (&url.URL{Scheme: "file", Path: filepath.Join(c.dir, name)}).String()
}

func (c *client) receive(r *bufio.Reader) {
	for {
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			c.out <- reply{err: err}
			return
		}
		n, err := strconv.Atoi(header.Get("Content-Length"))
		if err != nil {
			c.out <- reply{err: err}
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			c.out <- reply{err: err}
			return
		}
		var m reply
		m.err = json.Unmarshal(body, &m)
		c.out <- m
	}
}

func (c *client) raw(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) send(m map[string]any) {
	c.t.Helper()
	m["jsonrpc"] = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.raw(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

func (c *client) tell(method string, params any) {
	c.t.Helper()
	c.send(map[string]any{"method": method, "params": params})
}

// next returns the next message that is no published diagnostics; those are
// kept.
func (c *client) next() reply {
	c.t.Helper()
	for {
		select {
		case m := <-c.out:
			if m.err != nil {
				c.t.Fatalf("the server is silent: %v", m.err)
			}
			if m.Method != "textDocument/publishDiagnostics" {
				return m
			}
			var p struct {
				URI         string
				Diagnostics []diagnostic
			}
			if err := json.Unmarshal(m.Params, &p); err != nil {
				c.t.Fatal(err)
			}
			c.shown[p.URI] = p.Diagnostics
		case <-time.After(30 * time.Second):
			c.t.Fatal("the server does not answer")
		}
	}
}

func (c *client) request(method string, params any) reply {
	c.t.Helper()
	c.nextID++
	c.send(map[string]any{"id": c.nextID, "method": method, "params": params})
	m := c.next()
	if m.ID != float64(c.nextID) {
		c.t.Fatalf("%s is answered by %+v", method, m)
	}
	return m
}

// call is a request that has to succeed.
func (c *client) call(method string, params any) json.RawMessage {
	c.t.Helper()
	m := c.request(method, params)
	if m.Error != nil {
		c.t.Fatalf("%s: %+v", method, m.Error)
	}
	return m.Result
}

func (c *client) open(name, text string) {
	c.t.Helper()
	c.texts[c.uri(name)] = text
	c.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": c.uri(name), "languageId": "yaml", "version": 1, "text": text}})
}

func (c *client) change(name, text string) {
	c.t.Helper()
	c.texts[c.uri(name)] = text
	c.tell("textDocument/didChange", map[string]any{
		"textDocument": map[string]any{"uri": c.uri(name), "version": 2}, "contentChanges": []any{map[string]any{"text": text}},
	})
}

// findings waits until everything said so far has been looked at, and returns
// what is shown of a file.
func (c *client) findings(name string) []diagnostic {
	c.t.Helper()
	c.settle()
	return c.shown[c.uri(name)]
}

// settle makes sure that the server has compiled: it does so when no message
// waits, so that an answered request may come first; the second waits behind.
func (c *client) settle() {
	c.t.Helper()
	for range 4 {
		c.request("test/settle", nil)
		time.Sleep(8 * time.Millisecond)
	}
}

// at opens a text in which ‸ marks the cursor, and returns parameters for it.
func (c *client) at(name, marked string) map[string]any {
	c.t.Helper()
	before, after, ok := strings.Cut(marked, "‸")
	if !ok {
		c.t.Fatalf("no cursor in %q", marked)
	}
	if c.texts[c.uri(name)] == "" {
		c.open(name, before+after)
	} else {
		c.change(name, before+after)
	}
	return map[string]any{"textDocument": map[string]any{"uri": c.uri(name)}, "position": positionIn(before)}
}

// positionIn is the position at the end of a text.
func positionIn(before string) map[string]any {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return map[string]any{"line": strings.Count(before, "\n"), "character": len(utf16.Encode([]rune(line)))}
}

// slice returns what a range covers.
func slice(text string, r textRange) string {
	lines := strings.Split(text, "\n")
	if r.Start.Line != r.End.Line || r.Start.Line >= len(lines) {
		return fmt.Sprintf("not on one line: %+v", r)
	}
	units := utf16.Encode([]rune(strings.TrimSuffix(lines[r.Start.Line], "\r")))
	if r.End.Character > len(units) || r.Start.Character > r.End.Character {
		return fmt.Sprintf("not on the line: %+v", r)
	}
	return string(utf16.Decode(units[r.Start.Character:r.End.Character]))
}

// finish says goodbye and returns how the server ended.
func (c *client) finish() error {
	c.t.Helper()
	c.call("shutdown", nil)
	c.tell("exit", nil)
	return c.wait()
}

func (c *client) wait() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(30 * time.Second):
		return errors.New("the server does not end")
	}
}
