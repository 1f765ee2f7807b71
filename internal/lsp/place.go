package lsp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A place is where the cursor is in a document, found from the text above it
// alone: while somebody writes, the text is seldom YAML.
type place struct {
	kind      string    // of the document
	first     int       // the line on which the document begins
	last      int       // the line on which it ends
	path      []string  // of the value at the cursor, or of the mapping whose key is being written; "[]" for items
	form      *pdl.Form // of that
	inKey     bool      // a key is being written
	keys      []string  // that the mapping has
	prefix    string    // what is written of the key or the value
	start     int       // the column at which that begins
	quote     rune      // around it, or 0
	flow      bool      // inside brackets
	condition string    // the CEL expression up to the cursor, where there is one
	item      int       // the place in the innermost list
	from      int       // the line on which the innermost item of a block list begins, or the document
}

// A frame is a collection around the cursor.
type frame struct {
	list  bool
	flow  bool
	depth int // of a block: twice the indentation, and one more for lists
	key   string
	keys  []string
	item  int
	line  int
}

// A reader walks down a document to the cursor.
type reader struct {
	frames []frame
	line   int

	block  *block // the | or > block that is being read
	quote  rune
	token  []rune // the key or value that is being read
	column int    // at which it begins
	colon  bool   // a key has been read, and its value begins
	open   bool   // a text in quotes goes on below
}

// A block is a | or > text.
type block struct {
	indent int // of its key
	line   int // of its header
}

// placeAt finds the place of a column on a line.
func placeAt(t *text, line, column int) place {
	p := place{}
	p.first, p.last = documentAround(t, line)
	p.kind = kindOf(t, p.first, p.last)
	r := &reader{}
	for n := p.first; n <= line; n++ {
		runes := t.line(n)
		if n == line {
			runes = runes[:min(column, len(runes))]
		}
		r.line = n
		r.read(runes, n == line)
	}
	r.place(&p, t, line, column)
	return p
}

func documentAround(t *text, line int) (first, last int) {
	separator := func(n int) bool { return strings.HasPrefix(string(t.line(n)), "---") }
	first = line
	for first > 0 && !separator(first-1) && !separator(first) {
		first--
	}
	if separator(first) && first < line {
		first++
	}
	last = line
	for last+1 < len(t.lines) && !separator(last+1) {
		last++
	}
	return first, last
}

var kindLine = regexp.MustCompile(`^["']?kind["']?:\s*["']?([a-z]+)`)

func kindOf(t *text, first, last int) string {
	for n := first; n <= last; n++ {
		if m := kindLine.FindStringSubmatch(strings.TrimPrefix(string(t.line(n)), "\ufeff")); m != nil {
			return m[1]
		}
	}
	return ""
}

func (r *reader) read(runes []rune, last bool) {
	content := strings.TrimLeft(string(runes), " ")
	indent := len(runes) - len([]rune(content))
	switch {
	case r.block != nil && (strings.TrimSpace(content) == "" && !last || indent > r.block.indent):
		return
	case r.inFlow() || r.open:
		r.block = nil
		r.inline(runes, indent)
		return
	}
	r.block = nil
	if !last && (content == "" || content[0] == '#') {
		return
	}
	r.blockLine(runes, indent)
}

func (r *reader) inFlow() bool { return len(r.frames) > 0 && r.frames[len(r.frames)-1].flow }

// blockLine reads a line outside brackets.
func (r *reader) blockLine(runes []rune, indent int) {
	r.token, r.colon, r.quote, r.column = nil, false, 0, indent
	for {
		rest := runes[indent:]
		if len(rest) == 0 || rest[0] != '-' || len(rest) > 1 && rest[1] != ' ' {
			break
		}
		r.enter(indent*2 + 1)
		top := r.top()
		top.list, top.line = true, r.line
		top.item++
		for indent++; indent < len(runes) && runes[indent] == ' '; indent++ {
			continue
		}
		r.column = indent
		if indent >= len(runes) {
			r.enter(indent * 2)
			return
		}
	}
	r.enter(indent * 2)
	key, value := splitKey(runes[indent:])
	if value < 0 {
		r.inline(runes, indent)
		return
	}
	top := &r.frames[len(r.frames)-1]
	top.key, top.keys = key, append(top.keys, key)
	r.colon, r.column = true, indent+value
	at := indent + value
	for at < len(runes) && runes[at] == ' ' {
		at++
	}
	r.column = at
	if at < len(runes) && (runes[at] == '|' || runes[at] == '>') {
		r.block = &block{indent: indent, line: r.line}
		return
	}
	r.inline(runes, at)
}

// enter leaves the blocks that are deeper than this one, and begins it.
func (r *reader) enter(depth int) {
	for len(r.frames) > 0 && (r.frames[len(r.frames)-1].flow || r.frames[len(r.frames)-1].depth > depth) {
		r.frames = r.frames[:len(r.frames)-1]
	}
	if len(r.frames) == 0 || r.frames[len(r.frames)-1].depth < depth {
		r.frames = append(r.frames, frame{depth: depth, item: -1, line: -1})
		if depth%2 == 0 {
			r.frames[len(r.frames)-1].line = r.line
		}
	}
}

// splitKey finds the key at the head of a line, and the offset of what stands
// behind its colon; -1 when there is none.
func splitKey(line []rune) (key string, value int) {
	if len(line) > 0 && (line[0] == '"' || line[0] == '\'') {
		for i := 1; i < len(line); i++ {
			if line[i] == line[0] {
				if i+1 < len(line) && line[i+1] == ':' {
					return string(line[1:i]), i + 2
				}
				return "", -1
			}
		}
		return "", -1
	}
	if len(line) > 0 && (line[0] == '{' || line[0] == '[') {
		return "", -1
	}
	for i, c := range line {
		switch {
		case c == ':' && (i+1 == len(line) || line[i+1] == ' '):
			return strings.TrimPrefix(strings.TrimSpace(string(line[:i])), "\ufeff"), i + 1
		case c == '#' && i > 0 && line[i-1] == ' ':
			return "", -1
		}
	}
	return "", -1
}

// inline reads a value, and whatever is in brackets, from a column on.
func (r *reader) inline(runes []rune, from int) {
	if !r.open {
		r.token, r.quote = nil, 0
		r.column = from
	}
	for i := from; i < len(runes); i++ {
		c := runes[i]
		switch {
		case r.quote != 0:
			if c == '\\' && r.quote == '"' && i+1 < len(runes) {
				r.token = append(r.token, c, runes[i+1])
				i++
				continue
			}
			if c == r.quote {
				r.quote, r.open = 0, false
				r.closed(runes, i)
				continue
			}
			r.token = append(r.token, c)
		case (c == '"' || c == '\'') && len(strings.TrimSpace(string(r.token))) == 0:
			r.quote, r.token, r.column = c, nil, i+1
		case c == '#' && (i == 0 || runes[i-1] == ' '):
			r.token = nil
			return
		case (c == '{' || c == '[') && (r.inFlow() || len(strings.TrimSpace(string(r.token))) == 0):
			r.frames = append(r.frames, frame{list: c == '[', flow: true, line: -1})
			r.begin(i + 1)
		case r.inFlow():
			r.flow(runes, i)
		default:
			r.put(c, i)
		}
	}
	r.open = r.quote != 0
}

// closed handles the end of a text in quotes: in a mapping it can be a key.
func (r *reader) closed(runes []rune, i int) {
	if top := r.top(); top != nil && top.flow && !top.list && top.key == "" && i+1 < len(runes) && runes[i+1] == ':' {
		top.key, top.keys = string(r.token), append(top.keys, string(r.token))
		r.begin(i + 2)
	}
}

func (r *reader) top() *frame {
	if len(r.frames) == 0 {
		return nil
	}
	return &r.frames[len(r.frames)-1]
}

// begin starts a new token at a column.
func (r *reader) begin(column int) { r.token, r.column = nil, column }

func (r *reader) put(c rune, i int) {
	if len(r.token) == 0 {
		if c == ' ' {
			r.column = i + 1
			return
		}
		r.column = i
	}
	r.token = append(r.token, c)
}

// flow reads one character inside brackets.
func (r *reader) flow(runes []rune, i int) {
	top := r.top()
	switch c := runes[i]; {
	case c == '}' || c == ']':
		r.frames = r.frames[:len(r.frames)-1]
		r.begin(i + 1)
	case c == ',':
		top.item++
		top.key = ""
		r.begin(i + 1)
	case c == ':' && !top.list && top.key == "" && (i+1 == len(runes) || runes[i+1] == ' ' || len(r.token) == 0):
		if len(r.token) > 0 {
			top.key, top.keys = strings.TrimSpace(string(r.token)), append(top.keys, strings.TrimSpace(string(r.token)))
		}
		r.begin(i + 1)
	default:
		r.put(c, i)
	}
}

// place says where the reader has come to.
func (r *reader) place(p *place, t *text, line, column int) {
	p.form, _ = pdl.KindForm(p.kind)
	if p.form == nil {
		p.form, _ = pdl.KindForm("policy")
		p.form = &pdl.Form{Keys: p.form.Keys[:3]} // what every document begins with
	}
	p.from = p.first
	p.prefix, p.start, p.quote, p.flow = string(r.token), r.column, r.quote, r.inFlow()
	for i := range r.frames {
		f := &r.frames[i]
		last := i == len(r.frames)-1
		if f.list {
			p.path, p.item = append(p.path, "[]"), max(0, f.item)
			p.form = under(p.form, "[]")
			if !f.flow {
				p.from = f.line
			}
			continue
		}
		if last {
			p.keys = f.keys
		} else if !f.flow && f.key == "" {
			continue // a dash, and something in brackets behind it
		}
		if last && r.block == nil && (f.flow && f.key == "" || !f.flow && !r.colon && !r.open) {
			p.inKey = r.isKey(p.form)
			break
		}
		p.path = append(p.path, f.key)
		p.form = under(p.form, f.key)
	}
	if !p.flow && !r.open && r.block == nil && p.inKey {
		p.keys = append(slices.Clone(p.keys), keysBelow(t, line, r.top().depth/2, p.last)...)
	}
	if line == 0 && p.start < t.mark {
		p.start, p.prefix = t.mark, strings.TrimPrefix(p.prefix, "\ufeff")
	}
	r.conditionAt(p, t, line, column)
}

// isKey reports whether what is being written is a key of a mapping rather
// than a text that begins on a line of its own.
func (r *reader) isKey(form *pdl.Form) bool {
	return form == nil || form.Keys != nil || form.Other != nil || form.Text == nil
}

func under(form *pdl.Form, key string) *pdl.Form {
	if form == nil {
		return nil
	}
	if key == "[]" {
		return form.Items
	}
	return form.Under(key)
}

// keysBelow lists the keys that a block mapping has below a line.
func keysBelow(t *text, line, indent, last int) []string {
	var keys []string
	for n := line + 1; n <= last; n++ {
		runes := t.line(n)
		content := strings.TrimLeft(string(runes), " ")
		if content == "" || content[0] == '#' {
			continue
		}
		switch at := len(runes) - len([]rune(content)); {
		case at < indent:
			return keys
		case at == indent:
			if key, value := splitKey(runes[indent:]); value >= 0 {
				keys = append(keys, key)
			} else if strings.HasPrefix(content, "-") {
				return keys
			}
		}
	}
	return keys
}

// conditionAt fills in the expression up to the cursor.
func (r *reader) conditionAt(p *place, t *text, line, column int) {
	if p.inKey || p.form == nil || p.form.Text == nil || !p.form.Text.Condition {
		return
	}
	if r.block == nil {
		p.condition = p.prefix
		if p.quote == '\'' {
			p.condition = strings.ReplaceAll(p.condition, "''", "'")
		}
		return
	}
	var lines []string
	for n := r.block.line + 1; n <= line; n++ {
		runes := t.line(n)
		if n == line {
			runes = runes[:min(column, len(runes))]
		}
		lines = append(lines, string(runes))
	}
	p.condition, p.quote = strings.Join(lines, "\n"), 0
}
