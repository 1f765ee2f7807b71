package link_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/link"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var one = link.Link{ID: "01KFG8XN3B2M4Q5R6S7T8V9WXY", Digest: "sha256:" + strings.Repeat("ab", 32), Expires: noon.Add(time.Hour)}

func parts(t *testing.T, text string) (id string, query map[string]string) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	query = map[string]string{}
	for name, values := range u.Query() {
		query[name] = values[0]
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:], query
}

func TestALinkIsGoodForWhatItSays(t *testing.T) {
	m := link.New("https://kernel.example.org", []byte(strings.Repeat("k", 32)))
	for _, whole := range []bool{false, true} {
		l := one
		l.Whole = whole
		text := m.URL(l)
		if !strings.HasPrefix(text, "https://kernel.example.org/a/01KFG8XN3B2M4Q5R6S7T8V9WXY?d=abab") {
			t.Errorf("URL = %s", text)
		}
		id, query := parts(t, text)
		if got, err := m.Open(id, query, noon); err != nil || got != l {
			t.Errorf("Open = %+v, %v, want %+v", got, err, l)
		}
		for _, late := range []time.Duration{time.Hour, 100 * time.Hour} {
			_, err := m.Open(id, query, noon.Add(late))
			refused(t, "an expired link", err, kernel.LinkExpired)
		}
	}
}

func TestAnAlteredLinkIsRefused(t *testing.T) {
	m := link.New("https://kernel.example.org", []byte(strings.Repeat("k", 32)))
	id, good := parts(t, m.URL(one))
	change := func(name, value string) map[string]string {
		q := map[string]string{}
		for n, v := range good {
			q[n] = v
		}
		q[name] = value
		return q
	}
	for what, c := range map[string]struct {
		id    string
		query map[string]string
	}{
		"of another approval":         {"01KFG8XN3B2M4Q5R6S7T8V9WXZ", good},
		"of another request":          {id, change("d", strings.Repeat("ac", 32))},
		"that lives longer":           {id, change("e", "1995521600")},
		"that is written in two ways": {id, change("e", "0"+good["e"])},
		"that shows more":             {id, change("w", "1")},
		"that shows less":             {id, change("w", "")},
		"without a signature":         {id, change("s", "")},
		"with another signature":      {id, change("s", strings.Repeat("A", 43))},
		"with a cut signature":        {id, change("s", good["s"][:42])},
		"with none of it":             {id, map[string]string{}},
	} {
		_, err := m.Open(c.id, c.query, noon)
		refused(t, "a link "+what, err, kernel.LinkAltered)
	}
	for name, other := range map[string]*link.Maker{"another key": link.New("https://kernel.example.org", []byte(strings.Repeat("x", 32))), "no maker": nil, "the zero maker": {}} {
		_, err := other.Open(id, good, noon)
		refused(t, name, err, kernel.LinkAltered)
	}
	if text := (&link.Maker{}).URL(one); text != "" {
		t.Errorf("the zero maker makes %s", text)
	}
}

func refused(t *testing.T, what string, err error, code kernel.Code) {
	t.Helper()
	var ours *kernel.Error
	if !errors.As(err, &ours) || ours.Code != code || ours.Hint == "" {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}
