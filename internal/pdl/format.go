package pdl

import (
	"slices"
	"strings"
)

// Format writes the documents of a file in their canonical form. Comments stay
// beside what they are about, and the meaning stays: a bundle has the same
// version before and after. What is formatted once stays as it is.
//
// The form: two spaces of indentation, LF, keys in the order of the reference,
// collections on one line where they stood on one, rows of tables in columns,
// an empty line between rules, conditions as | blocks when they have several
// lines and otherwise plain or in single quotes. Folded and double-quoted
// conditions, which Compile refuses, are rewritten.
//
// A file that is not YAML of the subset gives diagnostics and nothing else.
func Format(f File) ([]byte, Diagnostics) {
	c := &compiler{seen: map[Diagnostic]bool{}}
	roots := c.read(f)
	for _, root := range roots {
		if root.kind != mapping {
			c.errorf(root.span(), "it starts with pdl: v1, kind and name", "a document is a mapping, not %s", root.is())
		}
	}
	if c.failed {
		slices.SortStableFunc(c.found, compareDiagnostics)
		return nil, c.found
	}
	page := newPage(string(f.Data), roots)
	out := page.print()
	top := span{src: newSource(f.Name, ""), line: 1, col: 1}
	switch {
	case len(out) > MaxFile && len(f.Data) <= MaxFile:
		c.errorf(top, "split it", "the canonical form of the file has %d bytes, more than %d", len(out), MaxFile)
		return nil, c.found
	case !page.same(out):
		c.errorf(top, "please report it, with the file",
			"the formatter would change what this file says, and leaves it alone")
		return nil, c.found
	}
	return out, nil
}

// A page is a file on its way to its canonical form.
type page struct {
	text     string // LF alone, no byte order mark
	src      *source
	starts   []int // offset of each line
	roots    []*node
	parts    []*part // of the roots
	entries  []*entry
	comments []*comment
	breaks   []int         // offsets of --- and ...
	ends     map[*node]int // of scalars and of collections in brackets
	indents  map[*node]int // of the text of blocks
	loose    []*comment    // when there is no document to hold them
}

// A part is a node with what surrounds it.
type part struct {
	n       *node
	form    *Form
	owner   *entry // nil for the root of a document
	entries []*entry
	start   int
	end     int
	bracket bool // written in brackets
	inline  bool // will be written on one line
	row     bool // is a row of a table, or in one
	head    []string
	foot    []string
}

// An entry is a member of a mapping or an item of a list.
type entry struct {
	key    *node // nil for items
	value  *part
	parent *part
	start  int
	above  []*comment // on lines of their own
	moved  []*comment // from places where the form has no room for them
	head   []string   // both, as written; "" is an empty line
	line   *comment   // behind it
	gap    bool       // an empty line stands above
}

// scanned reads a file whose documents the YAML reader has read.
func scanned(data string, roots []*node) *page {
	data = strings.TrimPrefix(data, "\ufeff")
	p := &page{text: strings.ReplaceAll(data, "\r\n", "\n"), roots: roots, starts: []int{0}, ends: map[*node]int{}, indents: map[*node]int{}}
	for i, c := range []byte(p.text) {
		if c == '\n' {
			p.starts = append(p.starts, i+1)
		}
	}
	p.src = newSource("", p.text)
	p.scan()
	return p
}

func newPage(data string, roots []*node) *page {
	p := scanned(data, roots)
	for _, root := range roots {
		kind := ""
		if k := root.member("kind"); k != nil {
			kind = k.text
		}
		form, _ := KindForm(kind)
		if form == nil {
			form = unknownForm
		}
		p.parts = append(p.parts, p.part(root, form, nil, false))
	}
	for _, c := range p.comments {
		p.attach(c)
	}
	for _, e := range p.entries {
		p.space(e)
	}
	for _, e := range p.entries {
		e.lead()
	}
	for _, x := range p.parts {
		if len(x.head) > 0 && p.blank(p.lineOf(x.start)-1) {
			x.head = append(x.head, "")
		}
	}
	return p
}

// unknownForm orders the head of a document of no known kind.
var unknownForm = &Form{Keys: []Key{{Name: "pdl"}, {Name: "kind"}, {Name: "name"}}}

// part builds the tree below a node. Entries are listed in the order of the
// text.
func (p *page) part(n *node, form *Form, owner *entry, inRow bool) *part {
	x := &part{n: n, form: form, owner: owner, start: p.offset(n.line, n.col), row: inRow}
	x.end = x.start
	if n.kind == scalar {
		x.end = max(x.end, p.ends[n])
		return x
	}
	end, bracket := p.ends[n]
	x.bracket = bracket
	for _, pair := range n.pairs {
		e := &entry{key: pair.key, parent: x, start: p.offset(pair.key.line, pair.key.col)}
		p.entries = append(p.entries, e)
		e.value = p.part(pair.value, form.Under(pair.key.text), e, inRow)
		x.entries = append(x.entries, e)
		x.end = max(x.end, p.ends[pair.key], e.value.end)
	}
	for _, item := range n.items {
		e := &entry{parent: x, start: p.offset(item.line, item.col)}
		p.entries = append(p.entries, e)
		var below *Form
		if form != nil {
			below = form.Items
		}
		e.value = p.part(item, below, e, inRow || form != nil && form.Rows && item.kind == sequence)
		x.entries = append(x.entries, e)
		x.end = max(x.end, e.value.end)
	}
	x.end = max(x.end, end)
	x.inline = p.fitsOnLine(x)
	return x
}

// fitsOnLine reports whether a collection is written on one line: where it
// stood on one, and for rows of tables.
func (p *page) fitsOnLine(x *part) bool {
	switch {
	case x.row || len(x.entries) == 0:
		return true
	case x.owner == nil || x.form != nil && x.form.Rows:
		return false
	}
	return (x.bracket || p.inBrackets(x)) && p.lineOf(x.start) == p.lineOf(x.end) && !x.holdsLines()
}

// inBrackets reports a pair that stands in a list without braces: [a: b].
func (p *page) inBrackets(x *part) bool {
	for e := x.owner; e != nil; e = e.parent.owner {
		if _, ok := p.ends[e.parent.n]; ok {
			return true
		}
	}
	return false
}

// holdsLines reports a condition of several lines inside.
func (x *part) holdsLines() bool {
	if x.n.kind == scalar {
		return x.form.isCondition() && strings.Contains(strings.TrimSpace(x.n.text), "\n")
	}
	return slices.ContainsFunc(x.entries, func(e *entry) bool { return e.value.holdsLines() })
}

// offset returns the byte offset of a line and column, counted from 1.
func (p *page) offset(line, col int) int {
	line = min(line, len(p.starts))
	return p.starts[line-1] + len(p.src.line(line)) - len(p.src.from(line, col))
}

// lineOf returns the line of an offset, counted from 0.
func (p *page) lineOf(offset int) int {
	i, found := slices.BinarySearch(p.starts, offset)
	if !found {
		i--
	}
	return i
}

// line returns a line, counted from 0.
func (p *page) line(i int) string { return p.src.line(i + 1) }

// blank reports an empty line that is there.
func (p *page) blank(i int) bool {
	return i >= 0 && i < len(p.starts)-1 && strings.TrimSpace(p.line(i)) == ""
}

// same reports whether out says what the page says: the same values at the
// same places, and the same comments.
func (p *page) same(out []byte) bool {
	c := &compiler{seen: map[Diagnostic]bool{}}
	roots := c.read(File{Data: out})
	if c.failed || len(roots) != len(p.roots) {
		return false
	}
	again := scanned(string(out), roots)
	if !slices.Equal(sortedTexts(p.comments), sortedTexts(again.comments)) {
		return false
	}
	for i, x := range p.parts {
		if !x.sameAs(roots[i]) {
			return false
		}
	}
	return true
}

func (x *part) sameAs(n *node) bool {
	if x.n.kind != n.kind || len(x.n.pairs) != len(n.pairs) || len(x.n.items) != len(n.items) || x.n.absent() != n.absent() {
		return false
	}
	if n.kind == scalar {
		if x.form.isCondition() {
			return strings.TrimSpace(x.n.text) == strings.TrimSpace(n.text)
		}
		return x.n.text == n.text && (x.row || x.isWord() || (x.n.style == plain) == (n.style == plain))
	}
	members := map[string]*node{}
	for _, p := range n.pairs {
		members[p.key.text] = p.value
	}
	for i, e := range x.entries {
		other := (*node)(nil)
		if e.key != nil {
			other = members[e.key.text]
		} else {
			other = n.items[i]
		}
		if other == nil || !e.value.sameAs(other) {
			return false
		}
	}
	return true
}

func sortedTexts(comments []*comment) []string {
	texts := make([]string, len(comments))
	for i, c := range comments {
		texts[i] = c.text
	}
	slices.Sort(texts)
	return texts
}
