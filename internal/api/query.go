package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

const defaultPage = 100

// queryParams are the query parameters of GET /v1/decisions.
func queryParams() []string {
	return []string{"agent", "action", "decision", "since", "until", "limit", "cursor", "shard"}
}

// A query is the query string of a call: each parameter once, none empty.
type query map[string]string

// parseQuery reads a query string. Parameters that are not known, there twice
// or empty are errors that name them.
func parseQuery(r *http.Request, known []string) (query, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "the query string is malformed").WithHint("escape values with %% encoding")
	}
	q := query{}
	for _, name := range kernel.SortedKeys(values) {
		at := printable(name)
		switch {
		case !slices.Contains(known, name):
			return nil, unknownParam(at, known)
		case len(values[name]) > 1:
			return nil, kernel.Errorf(kernel.Invalid, "the query parameter is there twice").At(at)
		case values[name][0] == "":
			return nil, kernel.Errorf(kernel.Invalid, "the query parameter is empty").At(at).WithHint("leave it out instead")
		}
		q[name] = values[name][0]
	}
	return q, nil
}

func unknownParam(name string, known []string) error {
	e := kernel.Errorf(kernel.Invalid, "unknown query parameter").At(name)
	if near := suggest.DidYouMean(name, known); near != "" {
		return e.WithHint("%s", near)
	}
	if len(known) == 0 {
		return e.WithHint("this path takes none")
	}
	return e.WithHint("it is one of %s", strings.Join(known, ", "))
}

// printable makes a parameter's name fit for an error and for the log.
func printable(name string) string {
	const limit = 64
	clean := strings.Map(func(r rune) rune {
		if r < '!' || r > '~' || r == '$' { // $ begins a JSON path
			return '?'
		}
		return r
	}, name)
	if clean == "" {
		return "?"
	}
	return clean[:min(len(clean), limit)]
}

func decisionQuery(q query) (gate.DecisionQuery, error) {
	out := gate.DecisionQuery{Cursor: q["cursor"]}
	var err error
	if out.Agent, err = q.name("agent"); err != nil {
		return gate.DecisionQuery{}, err
	}
	if out.Action, err = q.name("action"); err != nil {
		return gate.DecisionQuery{}, err
	}
	if text, given := q["decision"]; given {
		var effect kernel.Effect
		if effect.UnmarshalText([]byte(text)) != nil {
			return gate.DecisionQuery{}, kernel.Errorf(kernel.Invalid, "no such decision").At("decision").
				WithHint("it is one of %s", strings.Join(kernel.EffectNames(), ", "))
		}
		out.Decision = &effect
	}
	if out.Since, err = q.instant("since"); err != nil {
		return gate.DecisionQuery{}, err
	}
	if out.Until, err = q.instant("until"); err != nil {
		return gate.DecisionQuery{}, err
	}
	if out.Shard, err = q.shard(); err != nil {
		return gate.DecisionQuery{}, err
	}
	out.Limit, err = limitOf(q)
	return out, err
}

// limitOf reads how many items a page shall have.
func limitOf(q query) (int, error) {
	text, given := q["limit"]
	if !given {
		return defaultPage, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < 1 || n > gate.MaxPage {
		return 0, kernel.Errorf(kernel.Invalid, "limit is a number between 1 and %d", gate.MaxPage).At("limit")
	}
	return int(n), nil
}

// shard reads the number of a shard of the log; nil where none is given.
func (q query) shard() (*int, error) {
	text, given := q["shard"]
	if !given {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return nil, kernel.Errorf(kernel.Invalid, "shard is a number, 0 or more").At("shard").
			WithHint("entry.shard of a decision is one")
	}
	shard := int(n)
	return &shard, nil
}

func (q query) name(param string) (string, error) {
	text := q[param]
	if utf8.RuneCountInString(text) > kernel.MaxName || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", kernel.Errorf(kernel.Invalid, "a name has 1 to %d characters, none of them a control character", kernel.MaxName).At(param)
	}
	return text, nil
}

// instant reads RFC 3339. What lies outside the years a log can have is an
// error: as nanoseconds it would come to mean another instant.
func (q query) instant(param string) (time.Time, error) {
	text, given := q[param]
	if !given {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1971 || t.Year() > 2200 {
		return time.Time{}, kernel.Errorf(kernel.Invalid, "an instant is written as in RFC 3339, and lies in 1971 to 2200").At(param).
			WithHint("2026-11-23T10:00:00Z; a + of a time zone is %%2B in a query")
	}
	return t, nil
}
