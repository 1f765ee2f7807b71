package pdl

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// A Narrowing makes one rule of a policy hold for less, or removes it.
type Narrowing struct {
	Rule   string // document/id; no row of a table
	Remove bool   // the rule, and its document when it was the last one in it
	Match  []Atom // take the place of those with the same path; `action` counts as one
	When   string // has to hold as well; empty: nothing more

	Instead bool // When takes the place of the rule's condition
}

// Narrow writes narrowings into the files of a bundle and leaves everything
// else as it stands, comments and order included. A file that was in its
// canonical form stays in it; one that has no document left is left out. Where
// the text of a rule cannot be changed by a program the error is Unsupported.
//
// What it writes is text: whether it means what was wanted is for [Compile].
func Narrow(files []File, list []Narrowing) ([]File, error) {
	todo := map[string]Narrowing{}
	for _, n := range list {
		todo[n.Rule] = n
	}
	var out []File
	for _, f := range files {
		changed, err := narrowFile(f, todo)
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(changed.Data)) > 0 {
			out = append(out, changed)
		}
	}
	for _, n := range list {
		if _, open := todo[n.Rule]; open {
			return nil, kernel.Errorf(kernel.Unsupported, "%s is no rule of a policy document", n.Rule)
		}
	}
	return out, nil
}

// narrowFile does what is to do in one file, and takes it off the list.
func narrowFile(f File, todo map[string]Narrowing) (File, error) {
	c := &compiler{seen: map[Diagnostic]bool{}}
	roots := c.read(f)
	if c.failed {
		return f, kernel.Errorf(kernel.Invalid, "%s: it cannot be read", f.Name)
	}
	e := &editor{page: newPage(string(f.Data), roots), todo: todo}
	for i := range e.page.parts {
		e.document(i)
	}
	if e.problem != nil || len(e.edits) == 0 {
		return f, e.problem
	}
	before, _ := Format(f)
	out := File{Name: f.Name, Data: []byte(e.apply())}
	if bytes.Equal(before, f.Data) && len(bytes.TrimSpace(out.Data)) > 0 {
		if again, found := Format(out); !found.HasErrors() {
			out.Data = again
		}
	}
	return out, nil
}

// An editor changes the text of a page.
type editor struct {
	*page
	todo    map[string]Narrowing
	edits   []edit
	problem error
}

// An edit replaces the text between two offsets.
type edit struct {
	from, to int
	text     string
}

func (e *editor) edit(from, to int, text string) { e.edits = append(e.edits, edit{from, to, text}) }

// apply returns the text with all edits, which do not overlap; what is put in
// at one place keeps its order.
func (e *editor) apply() string {
	slices.Reverse(e.edits)
	slices.SortStableFunc(e.edits, func(a, b edit) int { return b.from - a.from })
	text := e.text
	for _, x := range e.edits {
		text = text[:x.from] + x.text + text[x.to:]
	}
	return text
}

// document narrows the rules of one document.
func (e *editor) document(i int) {
	x := e.parts[i]
	if word(x.n, "kind") != "policy" {
		return
	}
	rules := x.entry("rules")
	if rules == nil {
		return
	}
	var gone []*entry
	for _, item := range rules.value.entries {
		name := word(x.n, "name") + "/" + word(item.value.n, "id")
		n, found := e.todo[name]
		if !found {
			continue
		}
		delete(e.todo, name)
		if n.Remove {
			gone = append(gone, item)
			continue
		}
		e.rule(item.value, n)
	}
	switch {
	case len(gone) == 0:
	case len(gone) == len(rules.value.entries):
		e.removeDocument(i)
	default:
		e.removeItems(rules.value, gone)
	}
}

func word(n *node, key string) string {
	if v := n.member(key); v != nil {
		return v.text
	}
	return ""
}

func (x *part) entry(key string) *entry {
	i := slices.IndexFunc(x.entries, func(e *entry) bool { return e.key != nil && e.key.text == key })
	if i < 0 {
		return nil
	}
	return x.entries[i]
}

// rule changes the match and the condition of a rule.
func (e *editor) rule(x *part, n Narrowing) {
	match := x.entry("match")
	if match == nil || match.value.n.kind != mapping {
		e.cannot(x, n.Rule)
		return
	}
	for _, a := range n.Match {
		e.set(match.value, nil, a.Path, yamlValues(a.Values))
	}
	if n.When == "" {
		return
	}
	text := n.When
	old := x.entry("when")
	if old != nil && !n.Instead {
		text = both(old.value.n.text, n.When)
	}
	if !strings.Contains(text, "\n") {
		e.set(x, match, "when", quoted(text))
		return
	}
	if x.inBrackets() {
		e.cannot(x, n.Rule)
		return
	}
	indent := strings.Repeat(" ", x.n.col+1)
	e.set(x, match, "when", "|\n"+indent+strings.ReplaceAll(text, "\n", "\n"+indent))
}

// both joins two conditions. One of several lines, or with a comment, stays
// as it stands, and the other follows on a line of its own.
func both(old, more string) string {
	old = strings.TrimSpace(old)
	lines := strings.Contains(old, "\n") || strings.Contains(old, "//")
	between := " && "
	if lines {
		between = "\n&& "
	}
	switch loose := strings.Contains(old, "||") || strings.Contains(old, "?"); {
	case loose && lines:
		return "(" + old + "\n)" + between + more
	case loose:
		return "(" + old + ")" + between + more
	}
	return old + between + more
}

func (e *editor) cannot(x *part, rule string) {
	if e.problem == nil {
		e.problem = kernel.Errorf(kernel.Unsupported, "%s: line %d is written in a form that only a person can change", rule, x.n.line).
			WithHint("\"kernel fmt\" writes it in the usual one")
	}
}

// inBrackets reports a mapping that stands in brackets of any kind.
func (x *part) inBrackets() bool {
	for ; x != nil; x = x.above() {
		if x.bracket {
			return true
		}
	}
	return false
}

func (x *part) above() *part {
	if x.owner == nil {
		return nil
	}
	return x.owner.parent
}

// set gives a member of a mapping another value, or adds it behind another
// member; nil: behind the last.
func (e *editor) set(x *part, behind *entry, key, value string) {
	if old := x.entry(key); old != nil {
		e.edit(old.value.start, old.value.end, value)
		return
	}
	if behind == nil {
		behind = x.entries[len(x.entries)-1]
	}
	if x.inBrackets() {
		e.edit(behind.value.end, behind.value.end, ", "+key+": "+value)
		return
	}
	at := e.lineEnd(behind.value.end)
	e.edit(at, at, "\n"+strings.Repeat(" ", x.n.col-1)+key+": "+value)
}

// lineEnd is the offset of the end of the line that an offset is on.
func (e *editor) lineEnd(at int) int {
	if i := strings.IndexByte(e.text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(e.text)
}

func (e *editor) lineStart(at int) int { return strings.LastIndexByte(e.text[:at], '\n') + 1 }

// removeItems removes items of a list, with the comments above them.
func (e *editor) removeItems(list *part, gone []*entry) {
	for i, item := range list.entries {
		if !slices.Contains(gone, item) {
			continue
		}
		switch {
		case list.inBrackets() && i+1 < len(list.entries):
			e.edit(item.start, list.entries[i+1].start, "")
		case list.inBrackets():
			// What stands before it may go as well: the comma is the last kept one's.
			last := i
			for last > 0 && slices.Contains(gone, list.entries[last-1]) {
				last--
			}
			e.edits = slices.DeleteFunc(e.edits, func(x edit) bool { return x.from >= list.entries[last].start && x.to <= item.start })
			e.edit(list.entries[last-1].value.end, item.value.end, "")
		default:
			e.removeLines(item)
		}
	}
}

// removeLines removes an item that has lines of its own, with one empty line.
func (e *editor) removeLines(item *entry) {
	start := item.start
	if len(item.above) > 0 {
		start = min(start, item.above[0].start)
	}
	from, to := e.lineStart(start), min(e.lineEnd(item.value.end)+1, len(e.text))
	if strings.TrimSpace(e.text[e.lineStart(item.start):item.start]) != "-" {
		e.cannot(item.value, item.value.n.text)
		return
	}
	if next := e.lineEnd(to); to < len(e.text) && strings.TrimSpace(e.text[to:next]) == "" {
		to = min(next+1, len(e.text))
	}
	e.edit(from, to, "")
}

// removeDocument removes a document with the separator in front of it; of the
// first one with the separator behind it.
func (e *editor) removeDocument(i int) {
	from, to := 0, len(e.text)
	for _, at := range e.breaks {
		switch {
		case at <= e.parts[i].start:
			from = at
		case at < to:
			to = at
		}
	}
	if from == 0 && to < len(e.text) {
		to = min(e.lineEnd(to)+1, len(e.text))
	}
	e.edits = slices.DeleteFunc(e.edits, func(x edit) bool { return x.from >= from && x.to <= to })
	e.edit(from, to, "")
}

// plainWords is a condition that needs no quotes, in brackets too.
var plainWords = regexp.MustCompile(`^[A-Za-z(][^:#,\[\]{}'"\n]*$`)

// quoted writes a text, in quotes unless it needs none.
func quoted(text string) string {
	if plainWords.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// yamlValues writes one value, or a list of them.
func yamlValues(values []string) string {
	var list []string
	for _, v := range values {
		if !plainText.MatchString(v) || otherText.MatchString(v) {
			v = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		}
		list = append(list, v)
	}
	if len(list) == 1 {
		return list[0]
	}
	return "[" + strings.Join(list, ", ") + "]"
}
