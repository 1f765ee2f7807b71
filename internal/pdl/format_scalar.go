package pdl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// scalar writes a text behind a key or a dash, and ends the line.
func (w *printer) scalar(e *entry, indent int) {
	n := e.value.n
	switch {
	case n.absent():
		w.behind(e)
	case e.value.form.isCondition() && isPrintable(strings.TrimSpace(n.text)):
		w.condition(e, indent)
	case n.style == literalBlock || n.style == foldedBlock:
		w.blockText(e, indent)
	case e.value.isWord():
		w.text(" " + n.text)
		w.behind(e)
	default:
		w.lines(e, strings.Split(w.p.source(n), "\n"), indent)
	}
}

// isWord reports one of a closed set of words, which needs no quotes.
func (x *part) isWord() bool {
	return x.form != nil && x.form.Text != nil && x.form.Text.Words != nil && isSimple(x.n.text)
}

// source is a scalar as it stands in the file.
func (p *page) source(n *node) string { return p.text[p.offset(n.line, n.col):p.ends[n]] }

// lines writes a text as it stands, its further lines indented anew: the
// spaces that begin them have no meaning.
func (w *printer) lines(e *entry, lines []string, indent int) {
	for i, line := range lines {
		if line = strings.TrimLeft(line, " \t"); e.value.n.style == plain {
			line = strings.TrimRight(line, " \t")
		}
		switch {
		case i == 0:
			w.text(" " + line)
			continue
		case line == "":
			w.end()
			continue
		}
		w.end()
		w.indent(indent + 2)
		w.text(line)
	}
	w.behind(e)
}

// condition writes a CEL expression: a block for several lines, else plain or
// in single quotes.
func (w *printer) condition(e *entry, indent int) {
	text := strings.TrimSpace(e.value.n.text)
	if !strings.Contains(text, "\n") {
		w.text(" " + w.p.conditionText(e.value, false))
		w.behind(e)
		return
	}
	w.text(" |")
	w.behind(e)
	w.textLines(strings.Split(text, "\n"), indent+2)
}

func (p *page) conditionText(x *part, flow bool) string {
	text := strings.TrimSpace(x.n.text)
	written := x.n.style == plain && !strings.Contains(p.source(x.n), "\n")
	if written && (!flow || p.inBrackets(x)) || isPlain(text, flow) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// blockText writes a | or > block that is no condition. What it says at its
// end decides its header; several empty lines there need quotes, or an empty
// line below would become part of it.
func (w *printer) blockText(e *entry, indent int) {
	n := e.value.n
	if strings.Trim(n.text, "\n") == "" || strings.HasSuffix(n.text, "\n\n") {
		w.text(" " + doubleQuote(n.text))
		w.behind(e)
		return
	}
	header := "|"
	if n.style == foldedBlock {
		header = ">"
	}
	lines := w.p.blockLines(n)
	if first := strings.TrimLeft(strings.Join(lines, "\n"), "\n"); first != "" && isSpace(first[0]) {
		header += "2"
	}
	if !strings.HasSuffix(n.text, "\n") {
		header += "-"
	}
	w.text(" " + header)
	w.behind(e)
	w.textLines(lines, indent+2)
}

// blockLines returns the lines of a block without their indentation.
func (p *page) blockLines(n *node) []string {
	least := p.indents[n]
	var lines []string
	for i := p.lineOf(p.offset(n.line, n.col)) + 1; i <= p.lineOf(p.ends[n]); i++ {
		line := p.line(i)
		lines = append(lines, line[min(least, indentOf(line)):])
	}
	return lines
}

func (w *printer) textLines(lines []string, indent int) {
	for _, line := range lines {
		if line != "" {
			w.indent(indent)
			w.text(line)
		}
		w.end()
	}
}

var (
	simpleWord   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	otherReading = []string{"y", "yes", "on", "true", "n", "no", "off", "false", "null"}
)

// isSimple reports a word that no reader of YAML takes for anything but text.
func isSimple(word string) bool {
	return simpleWord.MatchString(word) && !slices.Contains(otherReading, strings.ToLower(word))
}

// keyText writes a key.
func (p *page) keyText(key *node, flow bool) string {
	written := ""
	if !key.absent() {
		written = p.source(key)
	}
	switch {
	case isSimple(key.text):
		return key.text
	case written == "" || strings.Contains(written, "\n"):
		return doubleQuote(key.text)
	case key.style == plain && flow && (strings.HasSuffix(key.text, "?") || !isPlain(key.text, true)):
		return doubleQuote(key.text)
	}
	return written
}

// flow writes a value on one line.
func (p *page) flow(x *part) string {
	if x.n.kind == scalar {
		return p.flowScalar(x)
	}
	parts := make([]string, len(x.entries))
	for i, e := range x.ordered() {
		parts[i] = p.flow(e.value)
		if e.key != nil {
			parts[i] = p.keyText(e.key, true) + ": " + parts[i]
		}
	}
	if x.n.kind == mapping {
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (p *page) flowScalar(x *part) string {
	n := x.n
	if n.absent() {
		return ""
	}
	if x.isWord() {
		return n.text
	}
	if x.form.isCondition() && isPrintable(n.text) && strings.TrimSpace(n.text) != "" {
		return p.conditionText(x, true)
	}
	written := p.source(n)
	oneLine := !strings.Contains(written, "\n")
	switch {
	case n.style == plain && (oneLine && p.inBrackets(x) || isPlain(n.text, true)):
		return n.text
	case oneLine && (n.style == singleQuoted || n.style == doubleQuoted):
		return written
	}
	return doubleQuote(n.text)
}

// isPlain reports a text of one line that can stand without quotes; it errs on
// the side of quotes.
func isPlain(text string, flow bool) bool {
	if text == "" || strings.ContainsRune("-?:,[]{}#&*!|>'\"%@`<.", rune(text[0])) || strings.TrimSpace(text) != text {
		return false
	}
	if strings.Contains(text, ": ") || strings.HasSuffix(text, ":") || strings.Contains(text, " #") || strings.ContainsAny(text, "\n\t") {
		return false
	}
	return isPrintable(text) && !(flow && strings.ContainsAny(text, ",[]{}?"))
}

// isPrintable reports a text that needs no escapes.
func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r == '\ufeff' || r == '\ufffd' || r != '\n' && r != '\t' && r != ' ' && !unicode.IsPrint(r)
	})
}

// doubleQuote writes a text in double quotes (YAML 1.2 §5.7).
func doubleQuote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || isPrintable(string(r)):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
