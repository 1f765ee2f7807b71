package api_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/link"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// asked opens an approval, and returns it with its link as a path of the server.
func (h *house) asked() (approvalBody, string) {
	h.t.Helper()
	h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", strings.Replace(deployTo("production", ""), `"rolling"`, `"rolling","version":"<b>1.4.2"`, 1)))
	a := h.pending()
	shown := into[struct{ Link string }](h.t, h.do(h.as(kernel.RoleAdmin, "GET", "/v1/approvals/"+a.ID, "")))
	path, found := strings.CutPrefix(shown.Link, publicURL)
	if !found {
		h.t.Fatalf("the link is %q", shown.Link)
	}
	return a, path
}

// form sends the form of a page.
func (h *house) form(path string, fields ...string) answer {
	h.t.Helper()
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Add(fields[i], fields[i+1])
	}
	r := h.request("POST", path, v.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", publicURL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return h.do(r)
}

// isPage checks status, code and headers of a page.
func isPage(t *testing.T, what string, a answer, status int, words ...string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%s: %d %s, want %d:\n%s", what, a.status, a.header.Get("Content-Type"), status, a.body)
	}
	for _, word := range words {
		if !strings.Contains(html.UnescapeString(a.body), word) {
			t.Errorf("%s: the page has no %q:\n%s", what, word, a.body)
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "same-origin" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || !strings.Contains(policy, "form-action 'self'; base-uri 'none'; frame-ancestors 'none'") ||
		strings.Contains(policy, "unsafe") || a.header.Get("Set-Cookie") != "" {
		t.Errorf("%s: the headers are %v", what, a.header)
	}
	for _, outside := range []string{"<script", "<img", "<link", "src=", "href=", "<iframe", "http-equiv"} {
		if strings.Contains(a.body, outside) {
			t.Errorf("%s: the page has %s", what, outside)
		}
	}
}

// TestALinkAsksThePersonToAuthenticate goes the way of a person: look, say who
// you are, vote.
func TestALinkAsksThePersonToAuthenticate(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	a, path := h.asked()
	before := h.size()
	for _, method := range []string{"GET", "HEAD", "GET"} {
		r := h.request(method, path, "")
		r.Header.Set("Sec-Fetch-Site", "cross-site") // from a page with mail
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
		got := h.do(r)
		if method == "GET" {
			isPage(t, "the page", got, http.StatusOK, a.ID, `risk</th><td>high</td>`, "agent-001", "deploy_service", a.Digest, `"version": "<b>1.4.2"`, `value="approve"`)
			if strings.Contains(got.body, "<b>") {
				t.Error("the page takes what somebody sent for HTML")
			}
			if strings.Contains(got.body, `\u{`) {
				t.Errorf("something of it is no text:\n%s", got.body)
			}
		}
	}
	if h.size() != before {
		t.Errorf("a GET wrote %d entries", h.size()-before)
	}
	isPage(t, "without a token", h.form(path, "token", "", "do", "approve"), http.StatusUnauthorized, "unauthenticated")
	isPage(t, "with a token nobody has", h.form(path, "token", "kt_nobody", "do", "approve"), http.StatusUnauthorized, "unauthenticated")
	isPage(t, "whoever asked", h.form(path, "token", h.secrets[kernel.RoleGateway], "do", "approve"), http.StatusForbidden, "forbidden")
	isPage(t, "an admin", h.form(path, "token", h.secrets[kernel.RoleAdmin], "do", "approve"), http.StatusForbidden, "forbidden")
	isPage(t, "who is no approver any more", h.form(path, "token", people["person-003"], "do", "approve"), http.StatusUnauthorized, "unauthenticated")
	isPage(t, "a look", h.form(path, "token", people["person-001"], "do", "show"), http.StatusOK, "may vote", "REQUIRE_APPROVAL")
	isPage(t, "a vote", h.form(path, "token", people["person-001"], "do", "approve", "reason", "seen"), http.StatusOK, "The approval is PENDING.")
	isPage(t, "a second vote", h.form(path, "token", people["person-001"], "do", "approve"), http.StatusConflict, "conflict")
	isPage(t, "the last vote", h.form(path, "token", people["person-002"], "do", "approve"), http.StatusOK, "The approval is APPROVED.", "allows it")
	if e := h.last(); e.Approval == nil || e.Approval.Question.Votes[0].By != "person-001" || e.Approval.Question.Votes[0].Reason != "seen" {
		t.Errorf("the last entry is %+v", e)
	}
	isPage(t, "a vote on what is settled", h.form(path, "token", people["person-002"], "do", "reject"), http.StatusConflict, "link_spent")
	isPage(t, "a look at what is settled", h.do(h.request("GET", path, "")), http.StatusConflict, "link_spent")
}

// TestLinksThatAreNotGood: each is refused with its own code, whoever comes
// with it, and that of somebody known is recorded.
func TestLinksThatAreNotGood(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	a, path := h.asked()
	made := func(l link.Link) string { return strings.TrimPrefix(links.URL(l), publicURL) }
	good := link.Link{ID: a.ID, Digest: a.Digest, Expires: noon.Add(time.Hour), Whole: true}
	other, spent, stranger := good, good, good
	other.Digest = "sha256:" + strings.Repeat("ab", 32)
	spent.Expires = noon
	stranger.ID = "01JD9XQ4M0000000000000000A"
	for name, c := range map[string]struct {
		path   string
		status int
		code   string
	}{
		"altered":               {strings.Replace(path, "&s=", "&s=A", 1), http.StatusForbidden, "link_altered"},
		"of another approval":   {strings.Replace(path, a.ID, "01JD9XQ4M0000000000000000A", 1), http.StatusForbidden, "link_altered"},
		"without its signature": {path[:strings.Index(path, "&s=")], http.StatusForbidden, "link_altered"},
		"without anything":      {path[:strings.Index(path, "?")], http.StatusForbidden, "link_altered"},
		"of another request":    {made(other), http.StatusConflict, "link_request_mismatch"},
		"expired":               {made(spent), http.StatusGone, "link_expired"},
		"to nothing":            {made(stranger), http.StatusNotFound, "not_found"},
		"with more":             {path + "&approve=1", http.StatusBadRequest, "invalid_request"},
		"with a part twice":     {path + "&w=1", http.StatusBadRequest, "invalid_request"},
	} {
		isPage(t, "a link "+name, h.do(h.request("GET", c.path, "")), c.status, c.code)
		before := h.size()
		isPage(t, "a vote with a link "+name, h.form(c.path, "token", people["person-001"], "do", "approve"), c.status, c.code)
		// A malformed address is refused before anybody says who they are.
		if e := h.last(); c.status != http.StatusBadRequest && (h.size() != before+1 || e.Refusal == nil || string(e.Refusal.Code) != c.code) {
			t.Errorf("a vote with a link %s is recorded as %+v", name, e)
		}
	}
	if v := h.pending(); len(v.Votes) != 0 {
		t.Errorf("somebody voted: %+v", v)
	}
	// A link shows the request only where it says so: another one asks first.
	good.Whole = false
	got := h.do(h.request("GET", made(good), ""))
	isPage(t, "a link for a channel", got, http.StatusOK, a.Digest, "deploy_service")
	if strings.Contains(got.body, "1.4.2") || strings.Contains(got.body, `value="approve"`) {
		t.Errorf("it shows the request, or has one vote unseen:\n%s", got.body)
	}
	isPage(t, "and then shows it", h.form(made(good), "token", people["person-001"], "do", "show"), http.StatusOK, "1.4.2", `value="approve"`)
}

// TestAFormIsSentByItsOwnPage: no other page makes a browser send it.
func TestAFormIsSentByItsOwnPage(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	_, path := h.asked()
	send := func(kind, body string, headers ...string) answer {
		r := h.request("POST", path, body)
		r.Header.Set("Content-Type", kind)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return h.do(r)
	}
	const form = "application/x-www-form-urlencoded"
	vote := "do=approve&token=" + people["person-001"]
	for name, a := range map[string]answer{
		"another origin":      send(form, vote, "Origin", "https://evil.example"),
		"an origin like ours": send(form, vote, "Origin", publicURL+".evil.example"),
		"no origin":           send(form, vote, "Origin", "null"),
		"a page elsewhere":    send(form, vote, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"),
	} {
		if a.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	r := h.request("GET", path, "")
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"} {
		r.Header.Set(name, value)
	}
	if a := h.do(r); a.status != http.StatusForbidden {
		t.Errorf("in a frame of somebody: %d", a.status)
	}
	isPage(t, "JSON", send("application/json", `{"do":"approve"}`), http.StatusUnsupportedMediaType, "unsupported_media")
	isPage(t, "parts", send("multipart/form-data; boundary=x", "--x--"), http.StatusUnsupportedMediaType, "unsupported_media")
	isPage(t, "much", send(form, vote+"&reason="+strings.Repeat("x", 20<<10)), http.StatusRequestEntityTooLarge, "too_large")
	for _, body := range []string{vote + "&do=reject", vote + "&token=x", "do=delete&token=x", "token=x", vote + "&by=person-002", "%zz"} {
		isPage(t, body, send(form, body), http.StatusBadRequest, "invalid_request")
	}
	if v := h.pending(); len(v.Votes) != 0 {
		t.Errorf("somebody voted: %+v", v)
	}
	// The token of a header is not that of the form.
	r = h.request("POST", path, "do=approve&token=")
	r.Header.Set("Content-Type", form)
	r.Header.Set("Authorization", "Bearer "+people["person-001"])
	isPage(t, "a token elsewhere", h.do(r), http.StatusUnauthorized, "unauthenticated")
}

// TestARevokedTokenHasNoVoteOnAPage: a page asks for the token each time.
func TestARevokedTokenHasNoVoteOnAPage(t *testing.T) {
	h := newHouse(t, nil)
	h.withPeople()
	_, path := h.asked()
	secret, tok, err := h.gate.CreateToken(t.Context(), admin, token.Spec{Name: "x", Role: kernel.RoleApprover, Principal: "person-001"})
	must(t, err)
	must(t, h.gate.RevokeToken(t.Context(), admin, tok.ID))
	isPage(t, "a revoked token", h.form(path, "token", secret, "do", "approve"), http.StatusUnauthorized, "unauthenticated")
}

// TestStrangersOnPagesTakeNoPlaceOfDecisions: whoever sends a form slowly, and is
// nobody yet, keeps neither decisions nor probes waiting.
func TestStrangersOnPagesTakeNoPlaceOfDecisions(t *testing.T) {
	f, entered, release := busy()
	s := serve(t, api.Config{Kernel: f}, func(c *api.Config) { c.Limits.InFlight = 4 })
	slow := func() *wire {
		w := s.dial()
		w.send("POST /a/01JD9XQ4M0000000000000000A HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n")
		return w
	}
	for range 64 {
		slow()
	}
	isPage(t, "a form too many", s.untilAnswered(slow), http.StatusServiceUnavailable, "UNAVAILABLE")
	answers := make(chan answer, 3)
	for range 3 {
		go func() {
			r := s.request("POST", "/v1/decisions", deployTo("development", ""))
			r.Header.Set("Authorization", "Bearer gateway")
			answers <- s.do(r)
		}()
		select {
		case <-entered:
		case a := <-answers:
			t.Fatalf("a decision meanwhile: %d %s", a.status, a.body)
		}
	}
	close(release)
	for range 3 {
		if a := <-answers; a.status != http.StatusOK {
			t.Errorf("a decision meanwhile: %d %s", a.status, a.body)
		}
	}
	if a := s.do(s.request("GET", "/healthz", "")); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
}
