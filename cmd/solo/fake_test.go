package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel"
)

// A fake answers what a real kernel does not, or only when something is wrong.
type fake struct {
	answer string
	args   []string

	mu  sync.Mutex
	ids map[string]bool // the request ids it has seen
}

// startFake ANSWER… starts a server and points solo at it. ANSWER is one of
//
//	allow [CONSTRAINT…]           200, allowed with these flags
//	grantless                     200, allowed without a grant
//	refuse VERB CODE DETAIL       200, allowed with a grant that cannot be redeemed or settled
//	other                         200, about another request
//	problem STATUS CODE DETAIL    a problem document
//	raw BODY                      200, this text as JSON
//	page                          200, a page of HTML
//	redirect                      307 to itself
//	silence                       no answer for a minute
func startFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: fake ANSWER [ARGUMENT…]")
	}
	f := &fake{answer: args[0], args: args[1:], ids: map[string]bool{}}
	server := httptest.NewServer(f)
	ts.Defer(func() {
		server.CloseClientConnections()
		server.Close()
	})
	ts.Setenv("KERNEL_SERVER", server.URL)
	fakes.Store(ts, f)
}

// fakes are the servers of the scripts that run: one a script.
var fakes sync.Map

// asked N waits until the fake has seen as many questions, each with an id of
// its own.
func asked(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	v, _ := fakes.Load(ts)
	f := v.(*fake)
	for range 500 {
		if f.questions() == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("asked with %d different ids, want %d", f.questions(), want)
}

func (f *fake) questions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ids)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v1/grants/") {
		f.grant(w, r)
		return
	}
	req, err := kernel.DecodeRequest(body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/decisions" {
		http.Error(w, fmt.Sprintf("%s %s: %v", r.Method, r.URL.Path, err), http.StatusTeapot)
		return
	}
	f.mu.Lock()
	f.ids[req.RequestID] = true
	f.mu.Unlock()
	f.reply(w, r, req)
}

func (f *fake) reply(w http.ResponseWriter, r *http.Request, req kernel.Request) {
	switch f.answer {
	case "allow", "grantless", "refuse":
		f.decide(w, req)
	case "other":
		req.Resource.ID = "another"
		f.decide(w, req)
	case "problem":
		status, _ := strconv.Atoi(f.args[0])
		writeJSON(w, "application/problem+json", status, map[string]any{
			"type": "about:blank", "title": "problem", "status": status, "code": f.args[1], "detail": f.args[2],
		})
	case "raw":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, f.args[0])
	case "page":
		fmt.Fprintln(w, "<html>welcome to the hotel's network</html>")
	case "redirect":
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	case "silence":
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	}
}

// grant takes whatever it is asked about grants, unless they are refused.
func (f *fake) grant(w http.ResponseWriter, r *http.Request) {
	_, verb, _ := strings.Cut(r.URL.Path, ":")
	if f.answer == "refuse" && verb == f.args[0] {
		writeJSON(w, "application/problem+json", http.StatusConflict, map[string]any{
			"type": "about:blank", "title": "problem", "status": http.StatusConflict, "code": f.args[1], "detail": f.args[2],
		})
		return
	}
	writeJSON(w, "application/json", http.StatusOK, map[string]any{"id": fakeID, "state": verb + "ed"})
}

const fakeID = "01K00000000000000000000000"

func (f *fake) decide(w http.ResponseWriter, req kernel.Request) {
	constraints := map[string]any{}
	if f.answer == "allow" {
		for _, name := range f.args {
			constraints[name] = true
		}
	}
	digest, err := req.Digest()
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	d := kernel.Decision{
		ID: fakeID,
		Verdict: kernel.Verdict{
			Decision: kernel.Allow, Constraints: constraints, Reason: "Everything goes.\x1b[2J", Code: kernel.CodeRule,
			Rules: []string{"fake/rule"}, PolicyVersion: "sha256:00", RequestDigest: digest,
		},
		DecidedAt: time.Unix(0, 0).UTC(), Entry: kernel.EntryRef{Leaf: "00"},
	}
	if req.Grant && f.answer != "grantless" {
		d.Grant = &kernel.Grant{ID: d.ID, Token: "a.b.c", ExpiresAt: time.Unix(60, 0).UTC()}
	}
	writeJSON(w, "application/json", http.StatusOK, d)
}

func writeJSON(w http.ResponseWriter, kind string, status int, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
