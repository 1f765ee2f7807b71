package prove

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// An electorate is whose votes a workflow counts, and when they are enough: an
// approval document with the automatic votes of the rules that ask it.
type electorate struct {
	doc  pdl.Approval
	auto []string
}

// electorates are those of a bundle, by the names of their documents.
func electorates(b *pdl.Bundle) map[string]electorate {
	list := map[string]electorate{}
	for _, doc := range b.Approvals {
		list[doc.Name] = electorate{doc: doc}
	}
	for _, r := range b.Rules {
		e, known := list[r.Approval]
		if !known {
			continue
		}
		for _, v := range r.Votes {
			if vote := v.As + " when " + meaning(b, v.When); !slices.Contains(e.auto, vote) {
				e.auto = append(e.auto, vote)
			}
		}
		slices.Sort(e.auto)
		list[r.Approval] = e
	}
	return list
}

// covers reports that whoever satisfies e satisfies the other as well, as far
// as that can be read off both: as many votes, of no others, no later, with all
// that the other requires and keeps apart. What this does not know has to be
// equal, so that a member that is added to approval documents some day can
// make them differ, and never alike.
func (e electorate) covers(other electorate) bool {
	a, b := e.doc, other.doc
	return a.Quorum >= b.Quorum && a.Expires <= b.Expires &&
		!slices.ContainsFunc(a.Of, func(v pdl.Voter) bool { return !slices.Contains(b.Of, v) }) &&
		!slices.ContainsFunc(b.Apart, func(word string) bool { return !slices.Contains(a.Apart, word) }) &&
		!slices.ContainsFunc(b.Require, func(r pdl.Required) bool { return !requires(a.Require, r) }) &&
		!slices.ContainsFunc(a.Escalate, func(e pdl.Escalation) bool { return !admits(b, e) }) &&
		!slices.ContainsFunc(e.auto, func(vote string) bool { return !slices.Contains(other.auto, vote) }) &&
		reflect.DeepEqual(rest(a), rest(b))
}

func requires(list []pdl.Required, r pdl.Required) bool {
	return slices.ContainsFunc(list, func(have pdl.Required) bool { return have.Voter == r.Voter && have.Min >= r.Min })
}

// admits reports that all whom an escalation lets vote may do so by then.
func admits(a pdl.Approval, e pdl.Escalation) bool {
	return !slices.ContainsFunc(e.To, func(v pdl.Voter) bool {
		return !slices.Contains(a.Of, v) && !slices.ContainsFunc(a.Escalate, func(have pdl.Escalation) bool {
			return have.After <= e.After && slices.Contains(have.To, v)
		})
	})
}

// rest is what covers does not look at: everything but the members that it
// compares by themselves, the name, and what is an aspect of its own.
func rest(a pdl.Approval) any {
	a.BreakGlass = nil // see BreakingGlass
	a.Name, a.Quorum, a.Of, a.Require, a.Apart, a.Expires, a.Escalate = "", 0, nil, nil, nil, 0, nil
	return content(reflect.ValueOf(a))
}

// content is a value without where it stands in a file: conditions are their
// text.
func content(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return content(v.Elem())
	case reflect.Slice, reflect.Array:
		list := []any{}
		for i := range v.Len() {
			list = append(list, content(v.Index(i)))
		}
		return list
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[pdl.Condition]() {
			return v.FieldByName("Source").String()
		}
		list := []any{}
		for i := range v.NumField() {
			if v.Field(i).Type() != reflect.TypeFor[pdl.Pos]() {
				list = append(list, content(v.Field(i)))
			}
		}
		return list
	default:
		return fmt.Sprint(v)
	}
}

// A poll compares whom two policies ask about what both ask about.
type poll struct{ older, newer map[string]electorate }

func newPoll(older, newer *Policy) poll {
	return poll{electorates(older.bundle), electorates(newer.bundle)}
}

// looser holds where both ask, and the newer policy asks nothing that is as
// hard to satisfy as something that the older one asks. x and y are the
// decisions of the older and of the newer policy.
func (p *pair) looser(old, now map[string]electorate, x, y formula.Decision) *smt.Term {
	e := p.e
	var any []*smt.Term
	for _, name := range formula.Workflows(x) {
		var covering []*smt.Term
		for _, other := range formula.Workflows(y) {
			if now[other].covers(old[name]) {
				covering = append(covering, e.Asks(y, other))
			}
		}
		any = append(any, e.And(e.Asks(x, name), e.Not(e.Or(covering...))))
	}
	return e.And(x.Ask, y.Ask, e.Or(any...))
}

// isLooser is looser for two verdicts.
func isLooser(old, now map[string]electorate, o, n kernel.Verdict) bool {
	return bothAsk(o, n) && slices.ContainsFunc(o.Workflows, func(name string) bool {
		return !slices.ContainsFunc(n.Workflows, func(other string) bool { return now[other].covers(old[name]) })
	})
}

// changes says how documents of one name differ.
func (p poll) changes() string {
	var list []string
	for _, name := range kernel.SortedKeys(p.older) {
		if now, both := p.newer[name]; both {
			list = append(list, p.older[name].differences(name, now)...)
		}
	}
	return strings.Join(list, "; ")
}

func (e electorate) differences(name string, now electorate) (list []string) {
	for _, m := range []struct {
		what     string
		was, are any
	}{
		{"quorum", e.doc.Quorum, now.doc.Quorum},
		{"of", votersText(e.doc.Of), votersText(now.doc.Of)},
		{"require", requireText(e.doc.Require), requireText(now.doc.Require)},
		{"separation_of_duty", e.doc.Apart, now.doc.Apart},
		{"expires", e.doc.Expires, now.doc.Expires},
		{"escalate", escalateText(e.doc.Escalate), escalateText(now.doc.Escalate)},
		{"auto", e.auto, now.auto},
	} {
		if was, is := fmt.Sprint(m.was), fmt.Sprint(m.are); was != is {
			list = append(list, fmt.Sprintf("%s: %s was %s and is %s", name, m.what, was, is))
		}
	}
	if len(list) == 0 && !reflect.DeepEqual(rest(e.doc), rest(now.doc)) {
		list = append(list, name+": its document has changed")
	}
	return list
}

func votersText(list []pdl.Voter) (texts []string) {
	for _, v := range list {
		texts = append(texts, v.Kind+" "+v.Name)
	}
	return texts
}

func requireText(list []pdl.Required) (texts []string) {
	for _, r := range list {
		texts = append(texts, fmt.Sprintf("%d of %s %s", r.Min, r.Kind, r.Name))
	}
	return texts
}

func escalateText(list []pdl.Escalation) (texts []string) {
	for _, e := range list {
		texts = append(texts, fmt.Sprint(votersText(e.To), " after ", e.After))
	}
	return texts
}
