package eval_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestNoFieldOfAnyDocumentIsInert walks the grammar: each key of each kind of
// document has a change in a bundle that uses all of them, and the change shows
// in a verdict, in the result of a test, or in what the compiler reports. A key
// that is added to the grammar fails here until it has one.
func TestNoFieldOfAnyDocumentIsInert(t *testing.T) {
	source := string(read(t, "testdata/every-field.yaml"))
	before := shows(t, source)
	for _, line := range before {
		if strings.HasPrefix(line, "error") || strings.Contains(line, "false") {
			t.Errorf("the bundle is not clean: %s", line)
		}
	}
	var fields []string
	for _, kind := range pdl.Kinds() {
		form, _ := pdl.KindForm(kind)
		fields = append(fields, fieldsOf(kind, form)...)
	}
	for _, field := range fields {
		change, known := fieldChanges[field]
		if !known {
			t.Errorf("%s has no change in fieldChanges: say how one shows", field)
			continue
		}
		changed := strings.Replace(source, change.old, change.with, 1)
		switch {
		case changed == source:
			t.Errorf("%s: %q is not in the bundle", field, change.old)
		case slices.Equal(before, shows(t, changed)):
			t.Errorf("%s: the change from %q to %q shows nowhere", field, change.old, change.with)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(fieldChanges)) {
		if !slices.Contains(fields, field) {
			t.Errorf("%s is no field of a document any more", field)
		}
	}
}

// fieldsOf lists the keys under a form; * stands for keys that are free.
func fieldsOf(path string, f *pdl.Form) (list []string) {
	if f == nil {
		return nil
	}
	for _, k := range f.Keys {
		list = append(list, path+"."+k.Name)
		list = append(list, fieldsOf(path+"."+k.Name, k.Form)...)
	}
	if f.Other != nil {
		list = append(list, path+".*")
		list = append(list, fieldsOf(path+".*", f.Other.Form)...)
	}
	return append(list, fieldsOf(path, f.Items)...)
}

// written is a condition of a property as the prover reads it.
func written(c *pdl.Condition) string {
	if c == nil {
		return ""
	}
	return c.Source
}

// shows is all that anybody sees of a bundle: what the compiler reports, what
// else it needs and asks, and what becomes of its cases; but for positions and the
// policy version, which every change changes.
func shows(t *testing.T, source string) (list []string) {
	t.Helper()
	b, found := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(source)}})
	for _, d := range found {
		list = append(list, fmt.Sprintf("%s: %s", d.Severity, d.Message))
	}
	if found.HasErrors() {
		return list
	}
	for _, n := range b.Needs() {
		list = append(list, fmt.Sprintf("need %d: %s", n.Kind, n.Found.Message))
	}
	for _, p := range b.Properties {
		list = append(list, fmt.Sprintf("property %s: %v %v %s %s %v %s", p.Name, p.Actions, p.Match, written(p.Assume), p.Claim, p.Verdicts, written(p.When)+written(p.Then)))
	}
	list = append(list, fmt.Sprintf("approvals: %v", b.Approvals))
	for _, r := range b.Rules {
		for _, v := range r.Votes {
			list = append(list, fmt.Sprintf("%s: %s votes when %s", r.Name, v.As, v.When.Source))
		}
	}
	p := lower(t, b)
	for _, c := range eval.RunTests(p, b.Tests).Cases {
		verdict := ""
		if c.Verdict != nil {
			v := *c.Verdict
			v.PolicyVersion, v.RequestDigest = "", ""
			verdict = text(t, v) + text(t, p.KeptBy(v.Constraints))
		}
		list = append(list, fmt.Sprintf("%s: %v %v %s %s", c.Name, c.Pass, c.Diff, c.Error, verdict))
	}
	return list
}
