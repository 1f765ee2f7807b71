package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
)

func TestOnlyTheServersOwnNamesAreAnswered(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, func(c *api.Config) { c.Hosts = append(c.Hosts, "Kernel.Example.org") })
	for host, want := range map[string]int{
		s.addr:                     http.StatusOK,
		"localhost":                http.StatusOK,
		"LOCALHOST:7373":           http.StatusOK,
		"127.0.0.1":                http.StatusOK,
		"[::1]:7373":               http.StatusOK,
		"[::1]":                    http.StatusOK,
		"kernel.example.org:443":   http.StatusOK,
		"evil.example":             http.StatusMisdirectedRequest,
		"evil.example:7373":        http.StatusMisdirectedRequest,
		"localhost.evil.example":   http.StatusMisdirectedRequest,
		"localhost.":               http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example":   http.StatusMisdirectedRequest,
		"127.0.0.2":                http.StatusMisdirectedRequest,
		"2130706433":               http.StatusMisdirectedRequest,
		"0.0.0.0":                  http.StatusMisdirectedRequest,
		"[::ffff:127.0.0.1]":       http.StatusMisdirectedRequest,
		"x.kernel.example.org":     http.StatusMisdirectedRequest,
		"kernel.example.org.evil":  http.StatusMisdirectedRequest,
		"localhost,evil.example":   http.StatusMisdirectedRequest,
		"[::1":                     http.StatusMisdirectedRequest,
		"user@localhost":           http.StatusMisdirectedRequest,
		"localhost:7373:evil.test": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/healthz", "/v1/decisions"} {
			r := httptest.NewRequest(http.MethodGet, path, nil) // a client of the net/http package would not send some of these
			r.Host, r.RemoteAddr = host, "127.0.0.1:4711"
			w := httptest.NewRecorder()
			s.door.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("GET %s of host %s: %d %s, want %d", path, host, w.Code, w.Body, want)
			}
		}
	}
}

func TestPagesOfOthersAreRefused(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f, Dev: true}, nil)
	own := "http://" + s.addr
	for _, c := range []struct {
		header, value string
		want          int
	}{
		{"Origin", own, http.StatusOK},
		{"Sec-Fetch-Site", "same-origin", http.StatusOK},
		{"Sec-Fetch-Site", "none", http.StatusOK},
		{"Origin", "https://" + s.addr, http.StatusForbidden},
		{"Origin", "http://localhost:1", http.StatusForbidden},
		{"Origin", "https://evil.example", http.StatusForbidden},
		{"Origin", own + ".evil.example", http.StatusForbidden},
		{"Origin", "null", http.StatusForbidden},
		{"Origin", "", http.StatusForbidden},
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-site", http.StatusForbidden},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			body := ""
			if method == "POST" {
				body = deployTo("development", "")
			}
			r := s.request(method, "/v1/decisions", body)
			r.Header[c.header] = []string{c.value}
			a := s.do(r)
			if want := c.want; a.status != want && !(method == "OPTIONS" && want == http.StatusOK && a.status == http.StatusNoContent) {
				t.Errorf("%s with %s: %q: %d, want %d", method, c.header, c.value, a.status, want)
			}
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control") {
					t.Errorf("%s with %s: %q is answered with %s", method, c.header, c.value, name)
				}
			}
		}
	}
	if len(f.asked) != 3 {
		t.Errorf("%d questions reached the kernel, want 3", len(f.asked))
	}
}

func TestHeadersOfProxiesAreNotBelieved(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, nil)
	for name, value := range map[string]string{
		"X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1;host=localhost",
		"X-Forwarded-User": "admin", "X-Remote-User": "admin", "X-HTTP-Method-Override": "GET", "X-Original-URL": "/healthz",
		"X-Api-Key": "admin", "Proxy-Authorization": "Bearer admin", "Cookie": "token=admin",
	} {
		r := s.request("POST", "/v1/decisions", deployTo("development", ""))
		r.Header.Set(name, value)
		isProblem(t, name, s.do(r), http.StatusUnauthorized, kernel.Unauthenticated)
		r = s.request("GET", "/healthz", "")
		r.Host = "evil.example"
		r.Header.Set(name, value)
		isProblem(t, name, s.do(r), http.StatusMisdirectedRequest, kernel.WrongHost)
	}
	isProblem(t, "a token in the query", s.do(s.request("GET", "/v1/decisions?access_token=admin", "")), http.StatusUnauthorized, kernel.Unauthenticated)
}

func TestDevIsForLoopbackOnly(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Dev: true}, nil)
	for from, want := range map[string]int{
		"127.0.0.1:1": http.StatusOK, "127.9.9.9:1": http.StatusOK, "[::1]:1": http.StatusOK, "[::ffff:127.0.0.1]:1": http.StatusOK,
		"192.0.2.1:1": http.StatusUnauthorized, "[2001:db8::1]:1": http.StatusUnauthorized, "": http.StatusUnauthorized, "@": http.StatusUnauthorized,
	} {
		r := httptest.NewRequest(http.MethodGet, "/v1/decisions", nil)
		r.Host, r.RemoteAddr = "localhost", from
		w := httptest.NewRecorder()
		s.door.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q: %d, want %d", from, w.Code, want)
		}
	}
}

func TestUnsafeConfigurationsAreRefused(t *testing.T) {
	for name, cfg := range map[string]api.Config{
		"nothing":           {},
		"no kernel":         {Hosts: api.LoopbackHosts(), Now: time.Now},
		"no clock":          {Hosts: api.LoopbackHosts(), Kernel: &fake{}},
		"no hosts":          {Kernel: &fake{}, Now: time.Now},
		"an empty host":     {Kernel: &fake{}, Now: time.Now, Hosts: []string{"localhost", ""}},
		"a wildcard":        {Kernel: &fake{}, Now: time.Now, Hosts: []string{"*"}},
		"a URL":             {Kernel: &fake{}, Now: time.Now, Hosts: []string{"http://localhost"}},
		"a host and a port": {Kernel: &fake{}, Now: time.Now, Hosts: []string{"localhost:7373"}},
		"an empty check":    {Kernel: &fake{}, Now: time.Now, Hosts: api.LoopbackHosts(), Checks: []api.Check{{}}},
	} {
		if _, err := api.New(cfg); err == nil {
			t.Errorf("%s: New accepted it", name)
		}
	}
}
