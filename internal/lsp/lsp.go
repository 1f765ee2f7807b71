// Package lsp is the door for editors: the Language Server Protocol over a
// pair of streams.
//
// It shows what the compiler finds while somebody writes, completes and
// explains names, leads to where they are declared, and formats. It decides
// nothing and changes no file. Nothing that comes in over the streams can end
// it but the end of the streams and the message that asks for it.
package lsp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// ErrNoShutdown says that the client left without saying so: it did not send
// shutdown before exit, or the streams ended.
var ErrNoShutdown = errors.New("the editor ended the conversation without a shutdown")

// Config is what a server needs of the world.
type Config struct {
	// ReadBundle reads a folder or a file of policies, as `kernel check` does.
	// The names of the files are their paths.
	ReadBundle func(path string) ([]pdl.File, error)

	Version string // of the kernel, told to the editor
	Log     func(format string, args ...any)
}

// Serve speaks with one editor until it says exit, the streams end, or ctx is
// done. It returns nil after an orderly end.
func Serve(ctx context.Context, in io.Reader, out io.Writer, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	s := &server{cfg: cfg, out: out, buffers: map[string]*buffer{}, dirty: map[string]bool{}, shown: map[string]map[string]bool{}, good: map[string]pdl.DocumentOutline{}}
	incoming := make(chan received)
	done := make(chan struct{})
	defer close(done)
	go receive(bufio.NewReaderSize(in, 64<<10), incoming, done)
	for {
		m, err := s.next(ctx, incoming)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if end, err := s.handle(*m); end {
			return err
		}
		if s.broken != nil {
			return fmt.Errorf("answer the editor: %w", s.broken)
		}
	}
}

// received is what came in: a body, or why there is none.
type received struct {
	body []byte
	err  error
}

func receive(r *bufio.Reader, incoming chan<- received, done <-chan struct{}) {
	for {
		body, err := readMessage(r)
		select {
		case incoming <- received{body, err}:
		case <-done:
			return
		}
		if err != nil && !errors.Is(err, errTooLarge) {
			return
		}
	}
}

// A server is one conversation. It has one goroutine.
type server struct {
	cfg         Config
	out         io.Writer
	broken      error // why nothing more can be written
	initialized bool
	shutdown    bool
	watches     bool     // the client can watch files for us
	folders     []string // of the workspace

	buffers map[string]*buffer             // open documents, by URI
	dirty   map[string]bool                // URIs whose bundles have to be compiled again
	shown   map[string]map[string]bool     // URIs with findings, by bundle
	good    map[string]pdl.DocumentOutline // the last that could be read, by file, kind and name
	disk    map[string][]pdl.File          // what was read, until something may have changed
}

// next returns the next message. Bundles are compiled when there is none
// waiting, so that a fast writer costs one compilation and not one a key.
func (s *server) next(ctx context.Context, incoming <-chan received) (*received, error) {
	if len(s.dirty) > 0 {
		select {
		case m := <-incoming:
			return &m, nil
		default:
			s.safely(message{}, s.publishAll)
			return nil, nil
		}
	}
	select {
	case m := <-incoming:
		return &m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// handle answers one message; end says that the conversation is over.
func (s *server) handle(in received) (end bool, err error) {
	switch {
	case errors.Is(in.err, errTooLarge):
		s.respond(nil, nil, &responseError{codeInvalidRequest, fmt.Sprintf("a message has more than %d bytes", maxMessage)})
		return false, nil
	case in.err != nil:
		return true, s.farewell()
	}
	var m message
	if err := json.Unmarshal(in.body, &m, jsontext.AllowInvalidUTF8(true)); err != nil {
		s.respond(nil, nil, &responseError{codeParse, "this is not a JSON-RPC message"})
		return false, nil
	}
	if m.Method == "exit" {
		return true, s.farewell()
	}
	s.safely(m, func() { s.dispatch(m) })
	return false, nil
}

func (s *server) farewell() error {
	if s.shutdown {
		return nil
	}
	return ErrNoShutdown
}

// safely answers with an error when f panics: a mistake of ours costs one
// answer, not what somebody has open.
func (s *server) safely(m message, f func()) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg.Log("panic at %q: %v\n%s", m.Method, r, debug.Stack())
			clear(s.dirty)
			if m.ID != nil {
				s.respond(m.ID, nil, &responseError{codeInternal, "the server made a mistake at " + m.Method})
			}
		}
	}()
	f()
}

func (s *server) dispatch(m message) {
	switch {
	case m.Method == "":
		return // an answer to one of our requests
	case !s.initialized && m.Method != "initialize":
		s.refuse(m, codeNotInitialized, "initialize comes first")
	case s.shutdown:
		s.refuse(m, codeInvalidRequest, "the server is shut down")
	case m.ID != nil:
		s.request(m)
	default:
		s.notification(m)
	}
}

// refuse answers a request; a notification has no answer.
func (s *server) refuse(m message, code int, why string) {
	if m.ID != nil {
		s.respond(m.ID, nil, &responseError{code, why})
	}
}

func (s *server) request(m message) {
	answer := map[string]func(documentParams) any{
		"textDocument/completion": s.completion,
		"textDocument/hover":      s.hover,
		"textDocument/definition": s.definition,
		"textDocument/formatting": s.formatting,
	}[m.Method]
	switch {
	case m.Method == "initialize":
		s.initialize(m)
	case m.Method == "shutdown":
		s.shutdown = true
		s.respond(m.ID, nil, nil)
	case answer == nil:
		s.refuse(m, codeNoMethod, "this server does not know "+m.Method)
	default:
		var p documentParams
		if err := json.Unmarshal(m.Params, &p); err != nil || p.TextDocument.URI == "" {
			s.refuse(m, codeInvalidParams, "the parameters of "+m.Method+" cannot be read")
			return
		}
		s.respond(m.ID, answer(p), nil)
	}
}

func (s *server) initialize(m message) {
	var p initializeParams
	if err := json.Unmarshal(m.Params, &p); err != nil {
		s.refuse(m, codeInvalidParams, "the parameters of initialize cannot be read")
		return
	}
	if s.initialized {
		s.refuse(m, codeInvalidRequest, "initialize comes once")
		return
	}
	s.initialized = true
	s.watches = p.Capabilities.Workspace.DidChangeWatchedFiles.DynamicRegistration
	for _, f := range p.WorkspaceFolders {
		s.addFolder(f.URI)
	}
	if len(s.folders) == 0 && p.RootURI != nil {
		s.addFolder(*p.RootURI)
	}
	if len(s.folders) == 0 && p.RootPath != nil {
		s.folders = append(s.folders, clean(*p.RootPath))
	}
	type object = map[string]any
	s.respond(m.ID, object{
		"serverInfo": object{"name": "kernel lsp", "version": s.cfg.Version},
		"capabilities": object{
			"positionEncoding":           "utf-16",
			"textDocumentSync":           object{"openClose": true, "change": 1, "save": object{"includeText": false}},
			"completionProvider":         object{"triggerCharacters": []string{".", "\"", " ", "["}},
			"hoverProvider":              true,
			"definitionProvider":         true,
			"documentFormattingProvider": true,
		},
	}, nil)
}

// notification handles what has no answer; what cannot be read is ignored, as
// the protocol wants it.
func (s *server) notification(m message) {
	var p documentParams
	if m.Params != nil {
		if err := json.Unmarshal(m.Params, &p); err != nil {
			return
		}
	}
	switch m.Method {
	case "initialized":
		s.watch()
	case "textDocument/didOpen":
		s.open(p.TextDocument)
	case "textDocument/didChange":
		s.change(p)
	case "textDocument/didSave", "workspace/didChangeWatchedFiles":
		s.reread()
	case "textDocument/didClose":
		s.close(p.TextDocument.URI)
	}
}

// watch asks the client to tell when files change on disk.
func (s *server) watch() {
	if !s.watches {
		return
	}
	type object = map[string]any
	s.send(message{ID: jsontext.Value(`"watch"`), Method: "client/registerCapability", Params: encode(object{
		"registrations": []object{{
			"id": "policies", "method": "workspace/didChangeWatchedFiles",
			"registerOptions": object{"watchers": []object{{"globPattern": "**/*.yaml"}, {"globPattern": "**/*.yml"}}},
		}},
	})})
}

func (s *server) respond(id jsontext.Value, result any, problem *responseError) {
	m := message{ID: id, Error: problem}
	if id == nil {
		m.ID = jsontext.Value("null")
	}
	if problem == nil {
		m.Result = encode(result)
	}
	s.send(m)
}

func (s *server) notify(method string, params any) {
	s.send(message{Method: method, Params: encode(params)})
}

func (s *server) send(m message) {
	m.JSONRPC = "2.0"
	if err := writeMessage(s.out, encode(m)); err != nil && s.broken == nil {
		s.broken = err
	}
}

// encode writes values of this package, which can always be written.
func encode(v any) jsontext.Value {
	data, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err)
	}
	return data
}
