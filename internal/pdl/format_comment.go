package pdl

import (
	"slices"
	"sort"
)

// attach finds what a comment is about.
func (p *page) attach(c *comment) {
	doc := p.documentOf(c)
	switch {
	case doc < 0:
		p.loose = append(p.loose, c)
	case c.start < p.parts[doc].start:
		p.add(&p.parts[doc].head, c)
	case c.own:
		p.attachLine(c, p.parts[doc])
	default:
		p.attachBehind(c, p.parts[doc])
	}
}

// documentOf returns the document that a comment belongs to: the one before it
// up to a separator, then the next one.
func (p *page) documentOf(c *comment) int {
	next := sort.Search(len(p.parts), func(i int) bool { return p.parts[i].start > c.start })
	if next == 0 {
		return min(0, len(p.parts)-1)
	}
	i, _ := slices.BinarySearch(p.breaks, p.parts[next-1].end)
	if i < len(p.breaks) && p.breaks[i] < c.start && next < len(p.parts) {
		return next
	}
	return next - 1
}

// attachLine places a comment that has a line of its own: above the next
// entry, or, when it is indented deeper, below what ends before it.
func (p *page) attachLine(c *comment, root *part) {
	prev, next := p.around(c, root)
	if in := bracketAround(prev, c.start); in != nil {
		if next != nil && next.start < in.end {
			p.above(next, c)
			return
		}
		p.below(in, c)
		return
	}
	if prev != nil && prev.key != nil && prev.value.start > c.start && (prev.value.n.kind == scalar || prev.value.bracket) {
		p.above(prev, c)
		return
	}
	if next != nil && c.col <= next.column() {
		p.above(next, c)
		return
	}
	for e := prev; e != nil; e = e.parent.owner {
		if x := e.parent; !x.bracket && x.n.col <= c.col && (next == nil || x.end < next.start) {
			p.below(x, c)
			return
		}
	}
	if next != nil {
		p.above(next, c)
		return
	}
	p.below(root, c)
}

// around returns the last entry of a document that begins before a comment,
// and the first that begins after it.
func (p *page) around(c *comment, root *part) (prev, next *entry) {
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].start > c.start })
	if i < len(p.entries) && p.entries[i].start < root.end {
		next = p.entries[i]
	}
	if i > 0 && p.entries[i-1].start >= root.start {
		prev = p.entries[i-1]
	}
	return prev, next
}

// bracketAround returns the innermost collection in brackets around an offset.
func bracketAround(prev *entry, offset int) *part {
	if prev == nil {
		return nil
	}
	for x := prev.value; x != nil; x = x.around() {
		if x.bracket && x.start < offset && offset < x.end {
			return x
		}
	}
	return nil
}

func (x *part) around() *part {
	if x.owner == nil {
		return nil
	}
	return x.owner.parent
}

// column is where an entry begins: an item begins with its dash.
func (e *entry) column() int {
	if e.key != nil {
		return e.key.col
	}
	return e.parent.n.col
}

// attachBehind places a comment that stands behind something on its line.
func (p *page) attachBehind(c *comment, root *part) {
	if _, next := p.around(c, root); c.dash && next != nil {
		p.above(next, c)
		return
	}
	e := p.ownerOf(c.after, root)
	if e == nil {
		p.below(root, c)
		return
	}
	inside := false
	for x := e.parent; x != nil; x = x.around() {
		if x.inline && x.owner != nil {
			e, inside = x.owner, c.start < x.end
		}
	}
	if inside || e.line != nil {
		p.above(e, c)
		return
	}
	e.line = c
}

// ownerOf returns the entry whose key or value n is.
func (p *page) ownerOf(n *node, root *part) *entry {
	if n == nil || n == root.n {
		return nil
	}
	at := p.offset(n.line, n.col)
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].start > at })
	if i == 0 {
		return nil
	}
	for e := p.entries[i-1]; e != nil; e = e.parent.owner {
		if e.key == n || e.value.n == n {
			return e
		}
	}
	return nil
}

// above puts a comment above an entry, or above the line that holds it.
func (p *page) above(e *entry, c *comment) {
	for x := e.parent; x != nil; x = x.around() {
		if x.inline && x.owner != nil {
			e = x.owner
		}
	}
	if c.own && c.start < e.start {
		e.above = append(e.above, c)
		return
	}
	e.moved = append(e.moved, c)
}

// below puts a comment below the last entry of a collection.
func (p *page) below(x *part, c *comment) {
	if x.inline && x.owner != nil {
		p.above(x.owner, c)
		return
	}
	if len(x.foot) == 0 && c.own && p.blank(p.lineOf(c.start)-1) {
		x.foot = append(x.foot, "")
	}
	p.add(&x.foot, c)
}

// add appends a comment to others, with the empty line between them.
func (p *page) add(list *[]string, c *comment) {
	if n := len(*list); n > 0 && (*list)[n-1] != "" && c.own && p.blank(p.lineOf(c.start)-1) {
		*list = append(*list, "")
	}
	*list = append(*list, c.text)
}

// space writes the comments above an entry, with the empty lines between them,
// and notes the empty line above all.
func (p *page) space(e *entry) {
	top := p.lineOf(e.start)
	for _, c := range e.above {
		p.add(&e.head, c)
	}
	if len(e.above) > 0 {
		if p.blank(top - 1) {
			e.head = append(e.head, "")
		}
		top = p.lineOf(e.above[0].start)
	}
	e.gap = p.blank(top - 1)
	for _, c := range e.moved {
		e.head = append(e.head, c.text)
	}
}
