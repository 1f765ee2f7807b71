package pdl

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A printer writes a page.
type printer struct {
	p   *page
	out strings.Builder
	col int // characters on the current line
}

func (p *page) print() []byte {
	w := &printer{p: p}
	for i, c := range p.loose {
		if i > 0 && p.blank(p.lineOf(c.start)-1) {
			w.end()
		}
		w.text(c.text)
		w.end()
	}
	for i, root := range p.parts {
		if i > 0 {
			w.text("---")
			w.end()
		}
		w.document(root)
	}
	return []byte(w.out.String())
}

func (w *printer) document(root *part) {
	entries := root.ordered()
	w.comments(0, root.head)
	if len(entries) == 0 {
		w.text("{}")
		w.end()
	} else {
		w.comments(0, entries[0].head)
		w.entries(root, entries, 0)
	}
	w.comments(0, root.foot)
}

// ordered returns the entries as they are written: known keys first.
func (x *part) ordered() []*entry {
	entries := slices.Clone(x.entries)
	if x.n.kind == mapping {
		slices.SortStableFunc(entries, func(a, b *entry) int { return x.form.rank(a.key.text) - x.form.rank(b.key.text) })
	}
	return entries
}

// entries writes the entries of a block. The first begins where the cursor is,
// and its comments are written already.
func (w *printer) entries(x *part, entries []*entry, indent int) {
	widths := w.p.columns(x)
	for i, e := range entries {
		if i > 0 {
			if e.gap || x.form != nil && x.form.Apart && !(e.value.inline && entries[i-1].value.inline) {
				w.end()
			}
			w.comments(indent, e.head)
			w.indent(indent)
		}
		if e.key != nil {
			w.text(w.p.keyText(e.key, false) + ":")
			w.value(e, indent)
			continue
		}
		w.text("-")
		w.item(e, indent, widths)
	}
}

// value writes what stands behind a key.
func (w *printer) value(e *entry, indent int) {
	x := e.value
	switch {
	case x.n.kind == scalar:
		w.scalar(e, indent)
	case x.inline:
		w.text(" " + w.p.flow(x))
		w.behind(e)
	default:
		w.behind(e)
		w.block(x, indent+2)
	}
}

// item writes what stands behind a dash. A collection begins on its line.
func (w *printer) item(e *entry, indent int, widths []int) {
	x := e.value
	switch {
	case x.n.kind == scalar:
		w.scalar(e, indent)
	case x.inline && widths != nil && x.n.kind == sequence:
		w.text(" " + w.p.rowText(x, widths))
		w.behind(e)
	case x.inline:
		w.text(" " + w.p.flow(x))
		w.behind(e)
	default:
		w.text(" ")
		w.entries(x, x.ordered(), indent+2)
		w.comments(indent+2, x.foot)
	}
}

func (w *printer) block(x *part, indent int) {
	entries := x.ordered()
	w.comments(indent, entries[0].head)
	w.indent(indent)
	w.entries(x, entries, indent)
	w.comments(indent, x.foot)
}

// lead moves the comments that would stand between a dash and its collection
// above the dash.
func (e *entry) lead() {
	x := e.value
	if e.key != nil || x.n.kind == scalar || x.inline {
		return
	}
	if e.line != nil {
		e.head, e.line = append(e.head, e.line.text), nil
	}
	first := x.ordered()[0]
	first.lead()
	e.head, first.head = append(e.head, first.head...), nil
}

// behind ends a line, with the comment that stands behind it: in its old
// column where there is room.
func (w *printer) behind(e *entry) {
	if e.line != nil {
		w.text(strings.Repeat(" ", max(1, e.line.col-1-w.col)) + e.line.text)
	}
	w.end()
}

func (w *printer) comments(indent int, list []string) {
	for _, text := range list {
		if text != "" {
			w.indent(indent)
			w.text(text)
		}
		w.end()
	}
}

func (w *printer) indent(n int) { w.text(strings.Repeat(" ", n)) }

func (w *printer) text(s string) {
	w.out.WriteString(s)
	w.col += utf8.RuneCountInString(s)
}

func (w *printer) end() {
	w.out.WriteByte('\n')
	w.col = 0
}

// columns returns the widths of a table's columns; nil for other collections.
// A column is not padded when it holds a collection or a long text.
func (p *page) columns(x *part) []int {
	const widest = 40
	if x.form == nil || !x.form.Rows {
		return nil
	}
	widths := []int{}
	for _, row := range x.entries {
		for i, cell := range row.value.entries {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			width := utf8.RuneCountInString(p.flow(cell.value))
			switch {
			case cell.value.n.kind != scalar || width > widest:
				widths[i] = -1
			case widths[i] >= 0:
				widths[i] = max(widths[i], width)
			}
		}
	}
	return widths
}

// rowText writes a row of a table, its cells in columns.
func (p *page) rowText(x *part, widths []int) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, cell := range x.entries {
		text := p.flow(cell.value)
		b.WriteString(text)
		if i+1 < len(x.entries) {
			b.WriteString(", " + strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text))))
		}
	}
	b.WriteByte(']')
	return b.String()
}
