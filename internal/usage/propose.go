package usage

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// An Advice is what could be done about a rule.
type Advice string

// The advices.
const (
	Unused   Advice = "unused"   // it allowed nothing, and could be removed
	Narrower Advice = "narrower" // it allowed less than it could
	Kept     Advice = "kept"     // nothing is proposed: see Why
)

// A Proposal is what could be done about one rule.
type Proposal struct {
	*Rule
	Advice    Advice
	Why       string // of Kept
	Seen      []*Seen
	Narrowing pdl.Narrowing
}

// Proposals says for each rule that allows what could be done about it, sorted
// by name. Which rules are narrowed hangs on nothing but what was seen.
func (m *Meter) Proposals() []Proposal {
	var list []Proposal
	for _, u := range m.rules {
		list = append(list, m.propose(u))
	}
	return list
}

func (m *Meter) propose(u *Rule) Proposal {
	p := Proposal{Rule: u, Advice: Kept, Narrowing: pdl.Narrowing{Rule: u.Name}}
	for _, path := range kernel.SortedKeys(u.seen) {
		p.Seen = append(p.Seen, u.seen[path])
	}
	switch {
	case u.Blocked != "":
		p.Why = u.Blocked
	case u.Row && u.Uses == 0:
		p.Why = "it allowed nothing; a table has all its rows, so that it is left to you to say DENY in it"
	case u.Row:
		p.Why = "it is a row of a table"
	case u.Uses == 0:
		p.Advice, p.Narrowing.Remove = Unused, true
	default:
		m.narrow(&p)
	}
	return p
}

// narrow holds a rule to what it was seen to allow.
func (m *Meter) narrow(p *Proposal) {
	n := &p.Narrowing
	actions := m.actions(p.Rule)
	if !slices.Equal(actions, p.Actions) {
		n.Match = append(n.Match, pdl.Atom{Path: "action", Values: actions})
	}
	types := m.types(p.Rule, actions)
	if len(p.Types) < len(types) {
		n.Match = append(n.Match, pdl.Atom{Path: "resource.type", Values: p.Types})
	}
	known := knownOf(p.Rule.Rule)
	var when []string
	for _, s := range p.Seen {
		if !m.everywhere(s, actions, p.Types) {
			continue
		}
		if atom, condition := m.hold(s, p.Uses, known); atom != nil {
			s.Narrows, n.Match = true, append(n.Match, *atom)
		} else if condition != "" && (p.When == nil || !strings.Contains(p.When.Source, condition) || !strings.HasPrefix(condition, "(")) {
			s.Narrows, when = true, append(when, condition)
		}
	}
	n.When, n.Instead = joined(p.When, when)
	if len(n.Match) == 0 && n.When == "" {
		p.Why = "it allowed all that it could, as far as bounds and values go"
		return
	}
	p.Advice = Narrower
}

// joined are conditions for a narrowing. Where the condition of the rule is a
// plain row of && the bounds that it had make room for those that are tighter.
func joined(old *pdl.Condition, more []string) (text string, instead bool) {
	text = strings.Join(more, " && ")
	if old == nil || text == "" {
		return text, false
	}
	parts := row(old.Source)
	had := len(parts)
	parts = slices.DeleteFunc(parts, func(part string) bool {
		m := bounding.FindStringSubmatch(part)
		return m != nil && (strings.Contains(" "+text, " "+m[1]+" "+m[2][:1]+"= ") || strings.Contains(" "+text, " "+m[1]+" == "))
	})
	if len(parts) == had {
		return text, false
	}
	return strings.Join(append(parts, text), " && "), true
}

// bounding is a comparison of an attribute with an int.
var bounding = regexp.MustCompile(`^((?:params|resource|agent|context)\.[A-Za-z0-9_.]+) (<=|<|>=|>) -?[0-9]+$`)

// row splits a condition that is a plain row of &&; others have no parts.
func row(source string) []string {
	if strings.ContainsAny(source, "|?\"'\n") || strings.Contains(source, "//") {
		return nil
	}
	parts := strings.Split(source, "&&")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
		if strings.Count(part, "(") != strings.Count(part, ")") {
			return nil
		}
	}
	return parts
}

// actions are those that a rule names and that were seen; instead of a family
// its members, where they are few.
func (m *Meter) actions(u *Rule) []string {
	var list []string
	for _, name := range u.Actions {
		if _, isFamily := pdl.Family(name); !isFamily {
			if slices.Contains(u.Used, name) {
				insert(&list, name)
			}
			continue
		}
		var members []string
		for _, a := range u.Used {
			if pdl.Covers(name, a) && !slices.Contains(u.Actions, a) {
				members = append(members, a)
			}
		}
		if len(members) > m.most {
			members = []string{name}
		}
		for _, a := range members {
			insert(&list, a)
		}
	}
	return list
}

// types are the resource types that a rule covers by itself, for actions.
func (m *Meter) types(u *Rule, actions []string) []string {
	for _, a := range u.Match {
		if a.Path == "resource.type" {
			return a.Values
		}
	}
	var list []string
	for _, d := range m.declarations(actions) {
		for _, t := range d.Resources {
			insert(&list, t)
		}
	}
	return list
}

// declarations are the actions of the schema that type what a match covers.
func (m *Meter) declarations(actions []string) []*pdl.Action {
	var list []*pdl.Action
	for i := range m.schema.Actions {
		a := &m.schema.Actions[i]
		if slices.ContainsFunc(actions, func(name string) bool { return pdl.Covers(name, a.Name) || m.schema.ActionOf(name) == a }) {
			list = append(list, a)
		}
	}
	return list
}

// everywhere reports that an attribute is declared alike for everything that a
// rule covers: only then it can be named in it.
func (m *Meter) everywhere(s *Seen, actions, types []string) bool {
	root, _, _ := strings.Cut(s.Path, ".")
	switch root {
	case "params":
		for _, a := range m.declarations(actions) {
			if !declares(a.Params, s, root) {
				return false
			}
		}
	case "resource":
		for _, t := range types {
			if !declares(m.attributesOf(t), s, root) {
				return false
			}
		}
	}
	return true
}

func declares(list []pdl.Attribute, s *Seen, prefix string) bool {
	for i := range list {
		a, path := &list[i], prefix+"."+list[i].Name
		switch {
		case path == s.Path:
			return a.Optional == s.Optional && reflect.DeepEqual(a.Type, s.Type)
		case a.Type.Kind == pdl.Record && !a.Optional && strings.HasPrefix(s.Path, path+"."):
			return declares(a.Type.Members, s, path)
		}
	}
	return false
}

// hold returns what holds an attribute to what was seen of it: an atom of the
// match, or a condition; neither where that is no narrower.
func (m *Meter) hold(s *Seen, uses int, known known) (*pdl.Atom, string) {
	switch {
	case s.Uses == 0 && known.absent[s.Path]:
		return nil, ""
	case s.Uses == 0:
		return nil, "!has(" + s.Path + ")"
	}
	var condition string
	switch s.Type.Kind {
	case pdl.Int, pdl.Duration:
		condition = s.bounds(known)
	default:
		if !s.few(m.most, known) {
			return nil, s.presence(uses, known)
		}
		if s.Type.Kind != pdl.Bool && !s.Optional && strings.Count(s.Path, ".") == 1 {
			return &pdl.Atom{Path: s.Path, Values: s.Values}, ""
		}
		condition = s.among()
	}
	switch {
	case condition == "":
		return nil, s.presence(uses, known)
	case !s.Optional || known.present[s.Path]:
		return nil, condition
	case s.Uses == uses:
		return nil, "has(" + s.Path + ") && " + condition
	}
	return nil, "(!has(" + s.Path + ") || " + condition + ")"
}

// presence asks for an optional attribute that was always there.
func (s *Seen) presence(uses int, known known) string {
	if s.Optional && s.Uses == uses && !known.present[s.Path] {
		return "has(" + s.Path + ")"
	}
	return ""
}

// bounds are those that the schema and the rule do not give already.
func (s *Seen) bounds(known known) string {
	low, high := s.Type.Min, s.Type.Max
	if s.Type.Kind == pdl.Duration {
		low, high = -1<<63, 1<<63-1
	}
	if k, ok := known.bounds[s.Path]; ok {
		low, high = max(low, k.low), min(high, k.high)
	}
	switch {
	case s.Min <= low && s.Max >= high:
		return ""
	case s.Min == s.Max:
		return s.Path + " == " + s.literal(s.Min)
	case s.Min <= low:
		return s.Path + " <= " + s.literal(s.Max)
	case s.Max >= high:
		return s.Path + " >= " + s.literal(s.Min)
	}
	return s.Path + " >= " + s.literal(s.Min) + " && " + s.Path + " <= " + s.literal(s.Max)
}

func (s *Seen) literal(n int64) string {
	if s.Type.Kind == pdl.Duration {
		return `duration("` + time.Duration(n).String() + `")`
	}
	return strconv.FormatInt(n, 10)
}

// few reports values that are fewer than they could be. A text that is new
// each time says nothing of the next one: its values have to come back.
func (s *Seen) few(most int, known known) bool {
	could := s.Type.Values
	if s.Type.Kind == pdl.Bool {
		could = []string{"false", "true"}
	}
	if k, ok := known.values[s.Path]; ok {
		could = k
	}
	if could != nil {
		return len(s.Values) < len(could) && len(s.Values) <= most
	}
	return len(s.Values) <= most && s.Uses >= 2*len(s.Values)
}

// among is the condition that an attribute is one of the values seen.
func (s *Seen) among() string {
	if s.Type.Kind == pdl.Bool {
		if s.Values[0] == "true" {
			return s.Path
		}
		return "!" + s.Path
	}
	var list []string
	for _, v := range s.Values {
		list = append(list, strconv.Quote(v))
	}
	if len(list) == 1 {
		return s.Path + " == " + list[0]
	}
	return s.Path + " in [" + strings.Join(list, ", ") + "]"
}

// Text says what was seen of an attribute, and of how much.
func (s *Seen) Text() string {
	if s.Uses == 0 {
		return "never there"
	}
	switch s.Type.Kind {
	case pdl.Int:
		return fmt.Sprintf("%d..%d of %d..%d", s.Min, s.Max, s.Type.Min, s.Type.Max)
	case pdl.Duration:
		return fmt.Sprintf("%v..%v", time.Duration(s.Min), time.Duration(s.Max))
	case pdl.Enum:
		return strings.Join(s.Values, ", ") + " of " + strings.Join(s.Type.Values, ", ")
	default:
		return strings.Join(s.Values, ", ")
	}
}
