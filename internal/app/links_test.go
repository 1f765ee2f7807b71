package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestALinkOutlivesTheProcessAndIsOfOneLog: its key is that of the log, so it is
// good after a restart, and at no other log; without a public URL none is.
func TestALinkOutlivesTheProcessAndIsOfOneLog(t *testing.T) {
	t.Parallel()
	const public = "KERNEL_PUBLIC_URL=https://kernel.example.org"
	data, policies := t.TempDir(), starterBundle(t)
	p := start(t, data, policies, public)
	production := deploy("production")
	production.Context = map[string]any{"ticket": "CHG-17"}
	d, err := p.admin().Decide(t.Context(), production)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.admin().Approval(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	path, found := strings.CutPrefix(a.Link, "https://kernel.example.org/a/"+d.ID+"?")
	if path = "/a/" + d.ID + "?" + path; !found {
		t.Fatalf("the link is %q", a.Link)
	}
	look := func(p *process, want int, words string) {
		t.Helper()
		if code, page := p.status(path); code != want || !strings.Contains(page, words) {
			t.Errorf("GET %s: %d, want %d and %q:\n%s", path, code, want, words, page)
		}
	}
	look(p, http.StatusOK, d.RequestDigest)
	p.kill()
	p = start(t, data, policies, public)
	look(p, http.StatusOK, d.RequestDigest)
	p.stop()
	p = start(t, data, policies)
	look(p, http.StatusForbidden, "link_altered")
	if a, err := p.admin().Approval(t.Context(), d.ID); err != nil || a.Link != "" {
		t.Errorf("without a public URL: %q, %v", a.Link, err)
	}
	p.stop()
	other := start(t, t.TempDir(), policies, public)
	look(other, http.StatusForbidden, "link_altered")
	other.stop()
}
