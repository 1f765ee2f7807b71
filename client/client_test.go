package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

const secret = "kt_0123456789012345678901234567890123456789012"

func TestAnAddressIsCheckedBeforeAnythingIsSent(t *testing.T) {
	for _, c := range []struct {
		url, token string
		ok         bool
	}{
		{"http://127.0.0.1:7373", "", true},
		{"http://127.0.0.1:7373/", secret, true},
		{"http://localhost:7373", secret, true},
		{"http://[::1]:7373", secret, true},
		{"https://kernel.example.org", secret, true},
		{"https://example.org/kernel/", secret, true},
		{"http://kernel.example.org", "", true},
		{"http://kernel.example.org", secret, false},
		{"http://127.0.0.1.example.org", secret, false},
		{"http://localhost.example.org", secret, false},
		{"", "", false},
		{"127.0.0.1:7373", "", false},
		{"localhost:7373", "", false},
		{"kernel.example.org", "", false},
		{"ftp://127.0.0.1", "", false},
		{"file:///etc/passwd", "", false},
		{"http://", "", false},
		{"http://:7373", "", false},
		{"http://user:hunter2@127.0.0.1", "", false},
		{"http://127.0.0.1?x=1", "", false},
		{"http://127.0.0.1#x", "", false},
		{"http://127.0.0.1:7373", "hunter2", false},
		{"http://127.0.0.1:7373", secret + "\n", false},
		{"http://127.0.0.1:7373", " " + secret, false},
		{"http://127.0.0.1:7373", "kt_", false},
	} {
		k, err := client.New(c.url, c.token)
		var e *kernel.Error
		if (err == nil) != c.ok || (k == nil) == c.ok || err != nil && (!errors.As(err, &e) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("New(%q, %q) = %v, want ok: %v", c.url, c.token, err, c.ok)
		}
	}
}

// good is an answer to request.
func good(t *testing.T) string {
	digest, err := deploy("development").Digest()
	if err != nil {
		t.Fatal(err)
	}
	return `{"decision_id":"01JD9XQ4M0000000000000000A","decision":"ALLOW","risk_level":"low","approvals_required":0,` +
		`"constraints":{"canary_only":true,"max_rows":100,"hosts":["a","b"]},"reason":"Because.","code":"RULE","rules":["p/r"],` +
		`"policy_version":"sha256:p","request_digest":"` + digest + `","decided_at":"2026-11-23T12:00:00.5Z","entry":{"shard":0,"seq":7,"leaf":"ab"}}`
}

// answering returns a client of a server that gives one answer.
func answering(t *testing.T, status int, kind, body string) *client.Client {
	t.Helper()
	return serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	})
}

func serving(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAGoodAnswerIsReadWhole(t *testing.T) {
	more := strings.Replace(good(t), `"reason"`, `"approval":{"id":"x","state":"PENDING","expires_at":"2026-11-23T12:00:00Z"},"grant":null,"advice":"Hurry.","workflows":["on-call"],"replayed":true,"kept_by":{"max_rows":"caller","hosts":3},"reason"`, 1)
	got, err := answering(t, 200, "application/json; charset=utf-8", more).Decide(t.Context(), deploy("development"))
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := deploy("development").Digest()
	want := kernel.Decision{
		ID: "01JD9XQ4M0000000000000000A",
		Verdict: kernel.Verdict{
			Decision: kernel.Allow, Constraints: map[string]any{"canary_only": true, "max_rows": int64(100), "hosts": []string{"a", "b"}},
			Reason: "Because.", Code: kernel.CodeRule, Advice: "Hurry.", Workflows: []string{"on-call"}, Rules: []string{"p/r"}, PolicyVersion: "sha256:p", RequestDigest: digest,
		},
		DecidedAt: time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.UTC), Entry: kernel.EntryRef{Seq: 7, Leaf: "ab"}, Replayed: true,
		KeptBy:   kernel.KeptBy{"max_rows": "caller", "hosts": ""},
		Approval: &kernel.Approval{ID: "x", State: "PENDING", ExpiresAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Decide = %#v, want %#v", got, want)
	}
}

func TestWhatIsNotUnderstoodIsNoPermission(t *testing.T) {
	change := func(old, new string) string {
		changed := strings.Replace(good(t), old, new, 1)
		if changed == good(t) {
			t.Fatalf("%s is not in the answer", old)
		}
		return changed
	}
	for name, body := range map[string]string{
		"nothing":                        "",
		"not JSON":                       "<html>ALLOW</html>",
		"null":                           "null",
		"a list":                         "[" + good(t) + "]",
		"two answers":                    good(t) + good(t),
		"half an answer":                 good(t)[:100],
		"no decision":                    change(`"decision":"ALLOW",`, ``),
		"an unknown decision":            change(`"ALLOW"`, `"PERMIT"`),
		"another spelling":               change(`"ALLOW"`, `"allow"`),
		"another name for the member":    change(`"decision":`, `"Decision":`),
		"a decision twice":               change(`"decision":"ALLOW"`, `"decision":"DENY","decision":"ALLOW"`),
		"a decision in other letters":    change(`"decision":"ALLOW"`, `"decision":"DENY","\u0064ecision":"ALLOW"`),
		"a decision that is a boolean":   change(`"ALLOW"`, `true`),
		"no id":                          change(`"decision_id":"01JD9XQ4M0000000000000000A",`, ``),
		"an empty id":                    change(`01JD9XQ4M0000000000000000A`, ``),
		"an unknown risk":                change(`"low"`, `"none"`),
		"approvals of an ALLOW":          change(`"approvals_required":0`, `"approvals_required":1`),
		"no approvals":                   change(`"approvals_required":0,`, ``),
		"a fraction of an approval":      change(`"approvals_required":0`, `"approvals_required":0.5`),
		"no constraints":                 change(`"constraints":{"canary_only":true,"max_rows":100,"hosts":["a","b"]},`, ``),
		"constraints that are null":      change(`{"canary_only":true,"max_rows":100,"hosts":["a","b"]}`, `null`),
		"constraints that are a list":    change(`{"canary_only":true,"max_rows":100,"hosts":["a","b"]}`, `[]`),
		"a constraint that is null":      change(`"canary_only":true`, `"canary_only":null`),
		"a constraint that is false":     change(`"canary_only":true`, `"canary_only":false`),
		"a constraint that is a text":    change(`"canary_only":true`, `"canary_only":"yes"`),
		"a constraint with a fraction":   change(`"max_rows":100`, `"max_rows":100.5`),
		"a constraint that is an object": change(`"max_rows":100`, `"max_rows":{}`),
		"a set of numbers":               change(`["a","b"]`, `["a",1]`),
		"no rules":                       change(`"rules":["p/r"],`, ``),
		"no policy":                      change(`"policy_version":"sha256:p",`, ``),
		"no digest":                      change(`"request_digest"`, `"digest"`),
		"the digest of another request":  change(`"request_digest":"sha256:`, `"request_digest":"sha256:0`),
		"no instant":                     change(`"2026-11-23T12:00:00.5Z"`, `"noon"`),
		"no entry":                       change(`"entry":{"shard":0,"seq":7,"leaf":"ab"}`, `"entry":null`),
		"a negative seq":                 change(`"seq":7`, `"seq":-7`),
		"kept_by that is a list":         strings.Replace(good(t), `"reason"`, `"kept_by":["max_rows"],"reason"`, 1),
		"replayed that is a text":        strings.Replace(good(t), `"reason"`, `"replayed":"no","reason"`, 1),
		"invalid UTF-8":                  change(`Because.`, "\xff"),
	} {
		d, err := answering(t, 200, "application/json", body).Decide(t.Context(), deploy("development"))
		if err == nil || !reflect.DeepEqual(d, kernel.Decision{}) {
			t.Errorf("%s: Decide = %+v, %v", name, d, err)
		}
	}
}

func TestOnlyTwoHundredIsSuccess(t *testing.T) {
	for _, status := range []int{201, 202, 203, 206, 301, 302, 307, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504} {
		for _, kind := range []string{"application/json", "application/problem+json", "text/html", ""} {
			d, err := answering(t, status, kind, good(t)).Decide(t.Context(), deploy("development"))
			if !errors.Is(err, client.ErrUnreachable) || d.Decision != kernel.Deny {
				t.Errorf("%d %s: Decide = %v, %v, want an answer of no kernel", status, kind, d.Decision, err)
			}
		}
	}
	for _, kind := range []string{"", "text/plain", "text/html", "application/problem+json", "application/jsonp"} {
		if _, err := answering(t, 200, kind, good(t)).Decide(t.Context(), deploy("development")); err == nil {
			t.Errorf("200 %s was believed", kind)
		}
	}
}

func TestProblemsBecomeErrors(t *testing.T) {
	const body = `{"type":"urn:x","title":"Bad Request","status":400,"code":"invalid_request","detail":"unknown member","path":"$.agnet","hint":"did you mean \"agent\"?"}`
	_, err := answering(t, 400, "application/problem+json", body).Decide(t.Context(), deploy("development"))
	var e *kernel.Error
	want := kernel.Error{Code: kernel.Invalid, Message: "unknown member", Path: "$.agnet", Hint: `did you mean "agent"?`}
	if !errors.As(err, &e) || *e != want || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("Decide = %#v, want %#v", err, want)
	}
	_, err = answering(t, 400, "application/problem+json", `{"code":"invalid_request","detail":"no such cursor","parameter":"cursor"}`).Decisions(t.Context(), client.Query{})
	if !errors.As(err, &e) || e.Path != "cursor" {
		t.Errorf("Decisions = %#v", err)
	}
}

func TestNobodyThereIsUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	c, err := client.New("http://"+listener.Addr().String(), secret)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Decide(t.Context(), deploy("development"))
	if !errors.Is(err, client.ErrUnreachable) || strings.Contains(err.Error(), secret) {
		t.Errorf("Decide = %v", err)
	}
	hijack := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	if _, err := hijack.Decide(t.Context(), deploy("development")); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a connection that is cut: %v", err)
	}
	half := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = fmt.Fprint(w, good(t))
	})
	if _, err := half.Decide(t.Context(), deploy("development")); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("an answer that is cut: %v", err)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	c := serving(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := c.Decide(ctx, deploy("development"))
	if !errors.Is(err, client.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("Decide = %v after %v", err, time.Since(start))
	}
}

func TestATokenFollowsNoRedirect(t *testing.T) {
	asked := 0
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, good(t))
	}))
	defer target.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := serving(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, status) })
		if _, err := c.Decide(t.Context(), deploy("development")); !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%d: Decide = %v", status, err)
		}
	}
	if asked > 0 {
		t.Errorf("%d redirects were followed", asked)
	}
}

func TestAnEndlessAnswerIsCut(t *testing.T) {
	c := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		block := []byte(strings.Repeat(" ", 1<<20))
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := c.Decide(t.Context(), deploy("development")); err == nil || !strings.Contains(err.Error(), "is over") {
		t.Errorf("Decide = %v", err)
	}
}

func TestABadRequestIsNotSent(t *testing.T) {
	c := serving(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	bad := deploy("development")
	bad.Params = map[string]any{"n": 1.5}
	var e *kernel.Error
	if _, err := c.Decide(t.Context(), bad); !errors.As(err, &e) || e.Path != "$.params.n" {
		t.Errorf("Decide = %v", err)
	}
	if _, err := c.Explain(t.Context(), kernel.Request{}); !errors.As(err, &e) {
		t.Errorf("Explain = %v", err)
	}
	for _, id := range []string{"", ".", "..", "../tokens", "a/b", "a?b", "a b", "a#b", "a%2fb"} {
		if _, err := c.Decision(t.Context(), id); !errors.As(err, &e) || e.Code != kernel.NotFound {
			t.Errorf("Decision(%q) = %v", id, err)
		}
		if err := c.RevokeToken(t.Context(), id); !errors.As(err, &e) {
			t.Errorf("RevokeToken(%q) = %v", id, err)
		}
	}
	if _, _, err := c.CreateToken(t.Context(), client.TokenSpec{Name: "x", Role: kernel.RoleAdmin, ExpiresIn: time.Millisecond}); !errors.As(err, &e) {
		t.Errorf("CreateToken = %v", err)
	}
}

func TestAnswersOfAdministrationAreChecked(t *testing.T) {
	for name, call := range map[string]func(*client.Client) error{
		"Decision":    func(c *client.Client) error { _, err := c.Decision(t.Context(), "01J"); return err },
		"Decisions":   func(c *client.Client) error { _, err := c.Decisions(t.Context(), client.Query{}); return err },
		"Explain":     func(c *client.Client) error { _, err := c.Explain(t.Context(), deploy("development")); return err },
		"CreateToken": func(c *client.Client) error { _, _, err := c.CreateToken(t.Context(), client.TokenSpec{}); return err },
		"Tokens":      func(c *client.Client) error { _, err := c.Tokens(t.Context()); return err },
		"RevokeToken": func(c *client.Client) error { return c.RevokeToken(t.Context(), "01J") },
		"Checkpoint":  func(c *client.Client) error { _, err := c.Checkpoint(t.Context()); return err },
		"LogShards":   func(c *client.Client) error { _, err := c.LogShards(t.Context()); return err },
		"ShardCheckpoint": func(c *client.Client) error {
			_, err := c.ShardCheckpoint(t.Context(), 1)
			return err
		},
		"SignCheckpoint": func(c *client.Client) error { _, err := c.SignCheckpoint(t.Context()); return err },
		"BreakGlass": func(c *client.Client) error {
			_, err := c.BreakGlass(t.Context(), "01J", "sha256:d", "why")
			return err
		},
		"Review": func(c *client.Client) error { _, err := c.Review(t.Context(), "01J", true, "seen"); return err },
		"Ready":  func(c *client.Client) error { return c.Ready(t.Context()) },
	} {
		for _, status := range []int{200, 201, 204} {
			for _, a := range [][2]string{{"application/json", "<html>"}, {"text/plain", "hello"}, {"text/html", "<html>"}} {
				if name == "RevokeToken" && status == 204 {
					continue // its answer has no body
				}
				if err := call(answering(t, status, a[0], a[1])); err == nil {
					t.Errorf("%s believed %d %s %s", name, status, a[0], a[1])
				}
			}
		}
	}
	if _, err := answering(t, 200, "application/json", good(t)).Decision(t.Context(), "01JD9XQ4M0000000000000000B"); err == nil {
		t.Error("another decision was believed")
	}
}

func TestAKernelThatIsNotReadySaysWhy(t *testing.T) {
	err := answering(t, 503, "application/json", `{"ready":false,"missing":[{"part":"policy","detail":"no policy is active"}]}`).Ready(t.Context())
	var e *kernel.Error
	if !errors.As(err, &e) || e.Code != kernel.Unavailable || !strings.Contains(e.Message, "no policy is active") {
		t.Errorf("Ready = %v", err)
	}
	for status, body := range map[int]string{503: `{"ready":true,"missing":[]}`, 200: `{"ready":false,"missing":[]}`, 500: `{"ready":true}`} {
		if err := answering(t, status, "application/json", body).Ready(t.Context()); !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%d %s: Ready = %v", status, body, err)
		}
	}
}

func TestAPathBelowTheAddressIsKept(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String() + " " + r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"decisions":[]}`)
	}))
	defer s.Close()
	c, err := client.New(s.URL+"/kernel/", secret)
	if err != nil {
		t.Fatal(err)
	}
	since := time.Date(2026, 11, 23, 10, 0, 0, 0, time.FixedZone("", 3600))
	if _, err := c.Decisions(t.Context(), client.Query{Agent: "a&b", Since: since, Limit: 7}); err != nil {
		t.Fatal(err)
	}
	if want := "GET /kernel/v1/decisions?agent=a%26b&limit=7&since=2026-11-23T10%3A00%3A00%2B01%3A00 Bearer " + secret; asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
}
