package eval

import (
	"fmt"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// ReadsFast reports whether a document is read straight into the frame, and
// what is in the frame then.
func (e *Evaluator) ReadsFast(doc string, in Input) (frame string, ok bool) {
	if !e.read(doc, &in) {
		return "", false
	}
	return e.shape.dump(e.frame, e.program.layout), true
}

// BoundSlowly returns what binding a request leaves in the frame.
func (e *Evaluator) BoundSlowly(req kernel.Request, in Input) (frame string, err error) {
	in.Request = req
	refusal, err := e.start(&in)
	if err != nil || refusal != nil {
		return "", fmt.Errorf("not bound: %v, %v", refusal, err)
	}
	return e.shape.dump(e.frame, e.program.layout), nil
}

func (sh *shape) dump(fr *frame, l *layout) string {
	var b strings.Builder
	for _, path := range kernel.SortedKeys(sh.fields) {
		f := sh.fields[path]
		if f.column.kind != 0 && fr.has(sh.fields[path[:strings.Index(path, "[]")]].slot.bit) {
			fmt.Fprintf(&b, "%s = %s %s\n", path, fr.dump(f.column), fr.dump(f.there))
		}
		if !fr.has(f.slot.bit) || strings.HasPrefix(path, "facts.") {
			continue
		}
		if f.count.kind != 0 {
			fmt.Fprintf(&b, "size of %s = %d\n", path, fr.ints.values[f.count.at])
		}
		fmt.Fprintf(&b, "%s = %s", path, fr.dump(f.slot))
		if !f.slot.list && f.slot.id > 0 && l.watch[f.slot.id] {
			fmt.Fprintf(&b, " #%d", fr.ids[f.slot.id])
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%b\n", fr.present)
	return b.String()
}

func (f *frame) dump(s slot) string {
	var values, lists any
	switch familyOf(s.kind).(type) {
	case domain[bool]:
		values, lists = at(f.bools.values, s), at(f.bools.lists, s)
	case domain[int64]:
		values, lists = at(f.ints.values, s), at(f.ints.lists, s)
	case domain[string]:
		values, lists = at(f.strings.values, s), at(f.strings.lists, s)
	case domain[time.Duration]:
		values, lists = at(f.spans.values, s), at(f.spans.lists, s)
	case domain[instant]:
		values, lists = at(f.times.values, s), at(f.times.lists, s)
	default:
		return "of another kind"
	}
	if s.list {
		return fmt.Sprintf("%q", fmt.Sprint(lists))
	}
	return fmt.Sprintf("%q", fmt.Sprint(values))
}

func at[T any](bank []T, s slot) (v T) {
	if s.at < len(bank) {
		v = bank[s.at]
	}
	return v
}

// Worked returns the steps of work of the condition that was evaluated last.
func (e *Evaluator) Worked() int { return maxWork - e.frame.work }
