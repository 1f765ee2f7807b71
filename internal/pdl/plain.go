package pdl

import (
	"slices"
	"strconv"

	"github.com/strixlabs/execution-kernel"
)

// A Plain is a YAML file of the subset that is no policy document. Its texts
// mean what YAML's core schema says (true, false and whole numbers are no
// texts; what is quoted is), and there is no null.
type Plain struct {
	Value any // bool, int64, string, []any and map[string]any
	at    map[string]span
	c     *compiler
}

// ReadPlain reads a file that holds one document.
func ReadPlain(f File) (*Plain, Diagnostics) {
	c := &compiler{seen: map[Diagnostic]bool{}}
	docs := c.read(f)
	p := &Plain{at: map[string]span{}, c: c}
	switch {
	case c.failed:
	case len(docs) == 1:
		p.note("$", docs[0])
		p.Value = c.coreValue(docs[0], "the document")
	default:
		c.errorf(span{src: newSource(f.Name, string(f.Data)), line: 1, col: 1}, "", "the file holds %d documents, not one", len(docs))
	}
	slices.SortStableFunc(c.found, compareDiagnostics)
	if c.failed {
		return nil, c.found
	}
	return p, nil
}

// note keeps where each value stands, by JSON path: a member by its key.
func (p *Plain) note(path string, n *node) {
	if _, known := p.at[path]; !known {
		p.at[path] = n.span()
	}
	for i, item := range n.items {
		p.note(path+"["+strconv.Itoa(i)+"]", item)
	}
	for _, pair := range n.pairs {
		below := kernel.JoinPath(path, pair.key.text)
		p.at[below] = pair.key.span()
		p.note(below, pair.value)
	}
}

// Wrong returns an error as a finding at the place in the file that its JSON
// path means, or at the innermost one around it.
func (p *Plain) Wrong(e *kernel.Error) Diagnostic {
	best := "$"
	for _, path := range kernel.SortedKeys(p.at) {
		if len(path) > len(best) && len(path) <= len(e.Path) && e.Path[:len(path)] == path {
			best = path
		}
	}
	return p.c.diagnostic(Error, p.at[best], e.Hint, e.Message)
}
