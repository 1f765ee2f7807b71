package lsp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A bracket is one that is not closed before the cursor.
type bracket struct {
	before string // the path in front of it
	loop   bool   // it is that of exists, all or exists_one
	over   string // of a loop: the path of the list; "" for what has none
	name   string // of a loop: of the elements
	inside bool   // behind the comma, where the name stands for an element
}

// A loopReader reads a condition up to the cursor, which is seldom complete.
type loopReader struct {
	open []bracket
	path string // that ends here; "" behind what is no path
	last string // token
}

var (
	celToken = regexp.MustCompile(`(?s)//[^\n]*|"(?:\\.|[^"\\])*(?:"|$)|'(?:\\.|[^'\\])*(?:'|$)|[A-Za-z_][A-Za-z0-9_]*|\S`)
	celName  = regexp.MustCompile(`^[A-Za-z_]`)
)

// readLoops reads which loops are around the end of a text.
func readLoops(before string) *loopReader {
	r := &loopReader{}
	for _, token := range celToken.FindAllString(before, -1) {
		if !strings.HasPrefix(token, "//") {
			r.read(token)
			r.last = token
		}
	}
	return r
}

func (r *loopReader) read(token string) {
	switch {
	case celName.MatchString(token):
		r.name(token)
	case token == ".":
		return // the path goes on
	case token == "(" || token == "[" || token == "{":
		r.begin(token)
	case token == ")" || token == "]" || token == "}":
		r.end(token)
	case token == "," && len(r.open) > 0:
		top := &r.open[len(r.open)-1]
		top.inside = top.name != ""
		r.path = ""
	default:
		r.path = ""
	}
}

func (r *loopReader) name(token string) {
	if top := len(r.open) - 1; r.last == "(" && r.open[top].loop && !slices.Contains(pdl.Roots(), token) {
		r.open[top].name = token
	}
	switch {
	case r.last != ".":
		r.path = token
	case r.path != "":
		r.path += "." + token
	}
}

func (r *loopReader) begin(token string) {
	b := bracket{before: r.path, loop: token == "(" && slices.Contains([]string{"exists", "all", "exists_one"}, r.last)}
	if dot := strings.LastIndexByte(r.path, '.'); b.loop && dot > 0 {
		b.over = r.resolved(r.path[:dot])
	}
	r.open, r.path = append(r.open, b), ""
}

func (r *loopReader) end(token string) {
	r.path = ""
	if len(r.open) == 0 {
		return
	}
	top := r.open[len(r.open)-1]
	if r.open = r.open[:len(r.open)-1]; token == "]" && top.before != "" {
		r.path = top.before + "[]"
	}
}

// resolved is a path with the name of a loop replaced by what it stands for:
// f.path is params.files[].path. The innermost loop of a name hides the others.
func (r *loopReader) resolved(path string) string {
	first, rest, more := strings.Cut(path, ".")
	for _, b := range slices.Backward(r.open) {
		if b.inside && b.name == first {
			if first = b.over + "[]"; more {
				first += "." + rest
			}
			return first
		}
	}
	return path
}

// names lists the names of the loops, from inside out.
func (r *loopReader) names() []string {
	var list []string
	for _, b := range slices.Backward(r.open) {
		if b.inside {
			list = append(list, b.name)
		}
	}
	return list
}

// elements offers the members of the records of a list, and says whether there
// are any.
func (c *completer) elements(root string) bool {
	actions, types := c.covered()
	found := false
	for _, s := range c.symbols {
		if name, ok := strings.CutPrefix(s.Name, root); ok && s.Kind == pdl.ElementSymbol && reads(s, actions, types) {
			c.add(name, name, kindField, typeText(s), "")
			found = true
		}
	}
	return found
}
