package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(t *testing.T, goods []good, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler(goods).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestPageListsWhatIsOnSale(t *testing.T) {
	code, body := get(t, goods, "/")
	for _, want := range []string{"Lantern: € 24.90", "Rope, 10 m: € 12.00", "Tea &amp; kettle"} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET / = %d %q, want 200 with %q", code, body, want)
		}
	}
}

func TestPageSaysWhenNothingIsLeft(t *testing.T) {
	if _, body := get(t, nil, "/"); !strings.Contains(body, "Sold out.") {
		t.Errorf("GET / without goods = %q, want Sold out.", body)
	}
}

func TestUnknownPagesAreNotFound(t *testing.T) {
	if code, _ := get(t, goods, "/cellar"); code != http.StatusNotFound {
		t.Errorf("GET /cellar = %d, want 404", code)
	}
}
