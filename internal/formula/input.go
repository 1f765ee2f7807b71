package formula

import (
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// An Input is what a verdict depends on, as the evaluator takes it.
type Input struct {
	Request kernel.Request
	Facts   map[string]any
	Now     time.Time
}

// A Model says what the variables are.
type Model map[*smt.Term]smt.Value

// Input makes of a model the input that it stands for, as a side declares it.
// What no formula looks at is the plainest value of its type.
func (e *Encoding) Input(side int, m Model) Input {
	d := decoder{e: e, s: e.sides[side], m: m, fresh: map[string]string{}}
	in := Input{Now: d.time(pathNow), Facts: map[string]any{}}
	in.Request = kernel.Request{
		Agent:    kernel.Agent{ID: d.name(pathAgent, "agent-001")},
		Action:   e.Cell.Action,
		Resource: kernel.Resource{Type: e.Cell.ResourceType, ID: d.name(pathID, "resource-001")},
	}
	if e.family {
		in.Request.Action = d.name(pathAction, e.prefix+"x")
	}
	schema := e.sides[side].bundle.Schema
	in.Request.Agent.Attributes = d.object("agent", schema.Agent)
	in.Request.Resource.Attributes = d.object("resource", d.resourceAttributes())
	in.Request.Context = d.object("context", schema.Context)
	in.Request.Params = map[string]any{}
	if a := e.sides[side].action; a != nil {
		in.Request.Params = d.object("params", a.Params)
	}
	for i := range schema.Facts {
		f := &schema.Facts[i]
		path := "facts." + f.Name
		if e.vars[path] == nil || f.Optional && !d.isTrue("has "+path) {
			continue
		}
		if v := d.value(path, f.Type); v != int64(0) {
			in.Facts[f.Name] = v
		}
	}
	return in
}

func (d *decoder) resourceAttributes() []pdl.Attribute {
	if d.s.resource == nil {
		return nil
	}
	return d.s.resource.Attributes
}

// A decoder reads values out of a model.
type decoder struct {
	e     *Encoding
	s     *side
	m     Model
	fresh map[string]string // texts for numbers that stand for none that is known
	used  []string
}

func (d *decoder) look(name string) (smt.Value, bool) {
	t := d.e.vars[name]
	if t == nil {
		return smt.Value{}, false
	}
	v, ok := d.m[t]
	return v, ok
}

func (d *decoder) isTrue(name string) bool {
	v, _ := d.look(name)
	return v.Bool
}

func (d *decoder) int(name string) (int64, bool) {
	v, ok := d.look(name)
	if !ok || v.Int == nil {
		return 0, false
	}
	return clamp(v.Int), true
}

func clamp(v *big.Int) int64 {
	if v.IsInt64() {
		return v.Int64()
	}
	return int64(v.Sign()) * (1<<63 - 1)
}

// plainInstant is when an input is decided if nothing looks at the time.
var plainInstant = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (d *decoder) time(path string) time.Time {
	n, ok := d.int(path)
	if !ok {
		return plainInstant
	}
	return time.Unix(0, n).UTC()
}

func (d *decoder) name(path, otherwise string) string {
	if s, ok := d.text(path, maxName, otherwise); ok {
		return s
	}
	return otherwise
}

// text reads a text; hint is what one that nothing distinguishes begins with.
func (d *decoder) text(name string, most int, hint string) (string, bool) {
	t := d.e.vars[name]
	if t == nil {
		return "", false
	}
	v, ok := d.m[t]
	if !ok {
		return "", false
	}
	if t.Sort() == smt.String {
		return v.Text, true
	}
	if v.Int.IsInt64() && v.Int.Int64() >= 0 && v.Int.Int64() < int64(len(d.e.wordList)) {
		return d.e.wordList[v.Int.Int64()], true
	}
	return d.other(v.Int.String(), most, hint), true
}

// other returns a text that no condition knows, the same one for a number.
func (d *decoder) other(number string, most int, hint string) string {
	key := number + " " + strconv.Itoa(most)
	if s, known := d.fresh[number]; known && utf8.RuneCountInString(s) <= most {
		return s
	}
	if s, known := d.fresh[key]; known {
		return s
	}
	for i := 1; ; i++ {
		s := hint + strconv.Itoa(i)
		if hint == "" {
			s = "x" + strconv.Itoa(i)
		}
		if utf8.RuneCountInString(s) > most {
			s = string(rune(0x4E00 + i))
		}
		if !contains(d.e.wordList, s) && !contains(d.used, s) {
			d.used = append(d.used, s)
			if _, known := d.fresh[number]; known {
				number = key
			}
			d.fresh[number] = s
			return s
		}
	}
}

// object reads the attributes of an object.
func (d *decoder) object(path string, attributes []pdl.Attribute) map[string]any {
	o := map[string]any{}
	for _, a := range attributes {
		p := path + "." + a.Name
		if d.here(p, a) {
			o[a.Name] = d.value(p, a.Type)
		}
	}
	return o
}

func (d *decoder) here(path string, a pdl.Attribute) bool {
	if d.e.vars["has "+path] != nil { // also where another side alone calls it optional
		return d.isTrue("has " + path)
	}
	return !a.Optional
}

// value reads the value of a type at a path.
func (d *decoder) value(path string, t pdl.Type) any {
	switch t.Kind {
	case pdl.Bool:
		return d.isTrue(path)
	case pdl.Int:
		if n, ok := d.int(path); ok {
			return n
		}
		return min(max(0, t.Min), t.Max)
	case pdl.String:
		s, _ := d.text(path, t.MaxLen, "")
		return s
	case pdl.Enum:
		if s, ok := d.text(path, maxName, ""); ok {
			return s
		}
		return t.Values[0]
	case pdl.Timestamp:
		return d.time(path).Format(time.RFC3339Nano)
	case pdl.Duration:
		n, _ := d.int(path)
		return time.Duration(n).String()
	case pdl.Record:
		return d.object(path, t.Members)
	case pdl.List:
		return d.list(path, t)
	default:
		return d.opaque(path)
	}
}

// opaque is JSON of a size.
func (d *decoder) opaque(path string) any {
	n, _ := d.int("size " + path)
	if n == 0 {
		return nil
	}
	return strings.Repeat("x", int(min(n, maxSizeJSON)))
}

// list reads the elements of a list: those in order, then the others, each as
// often as it counts.
func (d *decoder) list(path string, t pdl.Type) []any {
	out := []any{}
	l := d.e.lists[path]
	if l == nil {
		return out
	}
	length, _ := d.int("size " + path)
	length = min(length, int64(l.most)) // of all sides: one that does not take it refuses it
	for i := range l.places {
		name, count := suffix(path, i), int64(1)
		if i >= l.ordered {
			name, count = d.bag(l, i)
		} else if int64(i) >= length {
			continue
		}
		for range min(count, length-int64(len(out))) {
			out = append(out, d.element(l, i, name, t))
		}
	}
	return out
}

// bag returns the name of a place that is in no order, and how many elements
// it stands for.
func (d *decoder) bag(l *list, i int) (name string, count int64) {
	if l.places[i].named {
		name = l.path + "=" + strconv.Itoa(i-l.ordered)
	} else {
		name = suffix(l.path, i-d.e.namedPlaces(l))
	}
	count, _ = d.int("count " + name)
	return name, count
}

func (e *Encoding) namedPlaces(l *list) int {
	n := 0
	for _, p := range l.places {
		if p.named {
			n++
		}
	}
	return n
}

func (d *decoder) element(l *list, i int, name string, t pdl.Type) any {
	if l.places[i].named {
		return *l.places[i].value.txt.lit
	}
	if !t.IsRecords() {
		return d.value(name, *t.Elem)
	}
	record := map[string]any{}
	for _, m := range t.Elem.Members {
		if p := name + "." + m.Name; d.here(p, m) {
			record[m.Name] = d.value(p, m.Type)
		}
	}
	return record
}
