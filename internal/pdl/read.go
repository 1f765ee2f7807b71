package pdl

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// maxInteger is the largest integer that every JSON reader agrees on (RFC 7493 §2.2).
const maxInteger = 1<<53 - 1

var (
	documentName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	memberName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	integerText  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
)

// A later is a key or word of the language that this version does not have.
type later struct{ word, sentence string }

// fields are the members of a mapping with known keys.
type fields struct {
	c    *compiler
	of   *node
	what string
	got  map[string]*node
	keys map[string]*node

	guessed []string // what unknown keys probably mean
}

// fields reads a mapping; keys that are not known are reported. It returns nil
// when n is no mapping.
func (c *compiler) fields(n *node, what string, known []string, refused []later) *fields {
	if n.kind != mapping {
		c.errorf(n.span(), "", "%s is a mapping, not %s", what, n.is())
		return nil
	}
	f := &fields{c: c, of: n, what: what, got: map[string]*node{}, keys: map[string]*node{}}
	for _, p := range n.pairs {
		name := p.key.text
		f.got[name], f.keys[name] = p.value, p.key
		if slices.Contains(known, name) {
			continue
		}
		if i := slices.IndexFunc(refused, func(l later) bool { return l.word == name }); i >= 0 {
			c.errorf(p.key.span(), "", "%s", refused[i].sentence)
			continue
		}
		f.guessed = append(f.guessed, suggest.Nearest(name, known))
		c.errorf(p.key.span(), c.near(name, known, what+" has "), "unknown key %q in %s", clip(name), what)
	}
	return f
}

// need returns a member that must be there.
func (f *fields) need(name string) *node {
	n := f.got[name]
	// A key that was said to mean this one is what to mend.
	if n == nil && !slices.Contains(f.guessed, name) {
		f.c.errorf(f.of.span(), "", "%s needs %s", f.what, name)
	}
	return n
}

func (c *compiler) pairs(n *node, what string) []pair {
	if n.kind == mapping {
		return n.pairs
	}
	c.errorf(n.span(), "", "%s is a mapping, not %s", what, n.is())
	return nil
}

func (c *compiler) items(n *node, what string) []*node {
	if n.kind == sequence {
		return n.items
	}
	c.errorf(n.span(), "", "%s is a list, not %s", what, n.is())
	return nil
}

// oneOrMore returns the items of a list, or the single value.
func (c *compiler) oneOrMore(n *node, what string) []*node {
	if n.kind != sequence {
		return []*node{n}
	}
	n.unordered = true
	if len(n.items) == 0 {
		c.errorf(n.span(), "", "%s is an empty list", what)
	}
	return n.items
}

// text reads a scalar with something in it, of at most limit characters.
func (c *compiler) text(n *node, what string, limit int) (string, bool) {
	switch {
	case n.kind != scalar:
		c.errorf(n.span(), "", "%s is text, not %s", what, n.is())
	case n.text == "":
		c.errorf(n.span(), "", "%s has no value", what)
	case utf8.RuneCountInString(n.text) > limit:
		c.errorf(n.span(), "", "%s is longer than %d characters", what, limit)
	case strings.ContainsFunc(n.text, isControl):
		c.errorf(n.span(), "", "%s contains a control character", what)
	default:
		return n.text, true
	}
	return "", false
}

// isControl reports what moves a cursor or ends a text; a sentence may have
// several lines.
func isControl(r rune) bool { return r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 }

// word reads one of a closed set of words.
func (c *compiler) word(n *node, what string, words []string) (string, bool) {
	w, ok := c.text(n, what, 1<<20)
	if !ok {
		return "", false
	}
	if slices.Contains(words, w) {
		return w, true
	}
	c.errorf(n.span(), c.near(w, words, "it is one of "), "%q is not a value of %s", clip(w), what)
	return "", false
}

func (c *compiler) boolean(n *node, what string) (bool, bool) {
	if n.kind != scalar || n.text != "true" && n.text != "false" {
		c.errorf(n.span(), "", "%s is true or false, not %s", what, n.is())
		return false, false
	}
	n.typed = n.text == "true"
	return n.text == "true", true
}

// integer reads an integer as JSON writes it, within lo and hi.
func (c *compiler) integer(n *node, what string, lo, hi int64) (int64, bool) {
	if n.kind != scalar || !integerText.MatchString(n.text) {
		c.errorf(n.span(), "", "%s is an integer (digits alone), not %s", what, n.is())
		return 0, false
	}
	i, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil || i < lo || i > hi {
		c.errorf(n.span(), "", "%s is %d to %d, not %s", what, lo, hi, clip(n.text))
		return 0, false
	}
	n.typed = i
	return i, true
}

// name reads an identifier of the given pattern.
func (c *compiler) name(n *node, what string, pattern *regexp.Regexp) (string, bool) {
	const limit = 128
	s, ok := c.text(n, what, limit)
	if ok && !pattern.MatchString(s) {
		c.errorf(n.span(), "a name here matches "+strings.Trim(pattern.String(), "^$"), "%q is no name for %s", s, what)
		return "", false
	}
	return s, ok
}

// near is the function, as long as anybody reads what is found.
func (c *compiler) near(word string, words []string, intro string) string {
	if len(c.found) >= maxFindings {
		return ""
	}
	return near(word, words, intro)
}

// near suggests the word somebody meant, or else lists what there is.
func near(word string, words []string, intro string) string {
	const least, most, candidates = 3, 64, 500
	if n := utf8.RuneCountInString(word); n >= least && n <= most {
		if guess := suggest.DidYouMean(word, words[:min(len(words), candidates)]); guess != "" {
			return guess
		}
		if long := startingWith(word, words); long != "" {
			return fmt.Sprintf("did you mean %q?", long)
		}
	}
	const shown = 12
	if intro == "" || len(words) == 0 {
		return ""
	}
	if len(words) > shown {
		return intro + strings.Join(words[:shown], ", ") + ", …"
	}
	return intro + strings.Join(words, ", ")
}

// startingWith returns the only word that begins like this, or "".
func startingWith(prefix string, words []string) string {
	found := ""
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			if found != "" {
				return ""
			}
			found = w
		}
	}
	return found
}

// clip keeps messages readable whatever was written.
func clip(s string) string {
	const limit = 60
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}
