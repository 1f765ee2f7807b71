package formula

import (
	"errors"
	"regexp/syntax"
	"slices"
	"unicode"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// matches encodes text.matches(pattern): some part of the text is in the
// language of the pattern.
func (c *coder) matches(x ast.Expr, t text, pattern string) Truth {
	if t.lit == nil && t.isNumber() && t.domain == nil {
		return c.unknownTruth(x, "a pattern on this text")
	}
	return c.inLanguage(x, t.ok, t, func() (*smt.Term, error) {
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil, err
		}
		g := grammar{c.e, t.shift}
		return g.search(tree)
	})
}

// inLanguage encodes that a text, in its case, is in a language.
func (c *coder) inLanguage(x ast.Expr, ok *smt.Term, t text, language func() (*smt.Term, error)) Truth {
	re, err := language()
	if err != nil || t.lit != nil && !writable(*t.lit) {
		if err == nil {
			err = errors.New("these characters")
		}
		v := c.unknownTruth(x, err.Error()).True
		return c.e.truth(ok, v)
	}
	t.shift = 0
	s, _ := c.plainText(t)
	return c.e.truth(ok, c.e.Matches(s, re))
}

// A grammar translates patterns. With a shift the language is that of the
// texts which are in the pattern's once they are in lower or upper case.
type grammar struct {
	e     *Encoding
	shift shift
}

func (e *Encoding) literalLanguage(s string, to shift) (*smt.Term, error) {
	return grammar{e, to}.word([]rune(s), false)
}

func (e *Encoding) partLanguage(name, part string, to shift) (*smt.Term, error) {
	word, err := e.literalLanguage(part, to)
	if err != nil {
		return nil, err
	}
	list := []*smt.Term{word}
	if name != "startsWith" {
		list = append([]*smt.Term{e.ReAll()}, list...)
	}
	if name != "endsWith" {
		list = append(list, e.ReAll())
	}
	return e.ReConcat(list...), nil
}

// maxBranches bounds how many ways anchors inside alternatives split a pattern.
const maxBranches = 64

// search is the language of the texts in which a pattern is found.
func (g grammar) search(r *syntax.Regexp) (*smt.Term, error) {
	branches, err := split(r)
	if err != nil {
		return nil, err
	}
	var list []*smt.Term
	for _, b := range branches {
		re, err := g.branch(b)
		if err != nil {
			return nil, err
		}
		list = append(list, re)
	}
	return g.e.ReUnion(list...), nil
}

// branch is search for a sequence without alternatives that hold anchors.
func (g grammar) branch(parts []*syntax.Regexp) (*smt.Term, error) {
	free, end := true, true
	for len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		free, parts = false, parts[1:]
	}
	for len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		end, parts = false, parts[:len(parts)-1]
	}
	var list []*smt.Term
	if free {
		list = append(list, g.e.ReAll())
	}
	for _, p := range parts {
		re, err := g.plain(p)
		if err != nil {
			return nil, err
		}
		list = append(list, re)
	}
	if end && (len(list) == 0 || list[len(list)-1] != g.e.ReAll()) {
		list = append(list, g.e.ReAll())
	}
	return g.e.ReConcat(list...), nil
}

// split multiplies out the alternatives that hold anchors.
func split(r *syntax.Regexp) ([][]*syntax.Regexp, error) {
	if !anchored(r) {
		return [][]*syntax.Regexp{{r}}, nil
	}
	switch r.Op {
	case syntax.OpCapture:
		return split(r.Sub[0])
	case syntax.OpAlternate:
		var list [][]*syntax.Regexp
		for _, s := range r.Sub {
			more, err := split(s)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
		return list, nil
	case syntax.OpConcat:
		list := [][]*syntax.Regexp{nil}
		for _, s := range r.Sub {
			more, err := split(s)
			if err != nil {
				return nil, err
			}
			var next [][]*syntax.Regexp
			for _, head := range list {
				for _, tail := range more {
					next = append(next, append(slices.Clone(head), tail...))
				}
			}
			if list = next; len(list) > maxBranches {
				return nil, errors.New("a pattern with so many alternatives that hold ^ or $")
			}
		}
		return list, nil
	case syntax.OpBeginText, syntax.OpEndText:
		return [][]*syntax.Regexp{{r}}, nil
	default:
		return nil, errors.New("a pattern that repeats ^ or $")
	}
}

func anchored(r *syntax.Regexp) bool {
	return r.Op == syntax.OpBeginText || r.Op == syntax.OpEndText || slices.ContainsFunc(r.Sub, anchored)
}

// plain is the language of a pattern without anchors.
func (g grammar) plain(r *syntax.Regexp) (*smt.Term, error) {
	e := g.e
	switch r.Op {
	case syntax.OpNoMatch:
		return e.ReNone(), nil
	case syntax.OpEmptyMatch:
		return e.ReText(""), nil
	case syntax.OpLiteral:
		return g.word(r.Rune, r.Flags&syntax.FoldCase != 0)
	case syntax.OpCharClass:
		return g.class(r.Rune)
	case syntax.OpAnyChar:
		return e.ReAny(), nil
	case syntax.OpAnyCharNotNL:
		return g.class([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune})
	case syntax.OpBeginText, syntax.OpEndText:
		return nil, errors.New("a pattern with ^ or $ inside")
	case syntax.OpBeginLine, syntax.OpEndLine:
		return nil, errors.New("a pattern with (?m)")
	case syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return nil, errors.New(`a pattern with \b or \B`)
	default:
	}
	subs := make([]*smt.Term, len(r.Sub))
	for i, s := range r.Sub {
		var err error
		if subs[i], err = g.plain(s); err != nil {
			return nil, err
		}
	}
	return g.compound(r, subs)
}

func (g grammar) compound(r *syntax.Regexp, subs []*smt.Term) (*smt.Term, error) {
	e := g.e
	switch r.Op {
	case syntax.OpCapture, syntax.OpConcat:
		return e.ReConcat(subs...), nil
	case syntax.OpAlternate:
		return e.ReUnion(subs...), nil
	case syntax.OpStar:
		return e.ReStar(subs[0]), nil
	case syntax.OpPlus:
		return e.RePlus(subs[0]), nil
	case syntax.OpQuest:
		return e.ReOptional(subs[0]), nil
	case syntax.OpRepeat:
		if r.Max < 0 {
			return e.ReConcat(e.ReLoop(subs[0], r.Min, r.Min), e.ReStar(subs[0])), nil
		}
		return e.ReLoop(subs[0], r.Min, r.Max), nil
	default:
		return nil, errors.New("this pattern")
	}
}

// word is the language of one text.
func (g grammar) word(runes []rune, fold bool) (*smt.Term, error) {
	if !fold && g.shift == 0 {
		if !writable(string(runes)) {
			return nil, errors.New("a pattern with characters beyond U+2DFFF")
		}
		return g.e.ReText(string(runes)), nil
	}
	var list []*smt.Term
	for _, r := range runes {
		class := []rune{r, r}
		if fold {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				class = append(class, f, f)
			}
		}
		re, err := g.class(class)
		if err != nil {
			return nil, err
		}
		list = append(list, re)
	}
	return g.e.ReConcat(list...), nil
}

// class is the language of the characters in some ranges. Solvers have fewer
// characters than there are; what the last of theirs are to a pattern, all
// beyond must be.
func (g grammar) class(ranges []rune) (*smt.Term, error) {
	if g.shift != 0 {
		ranges = preimage(ranges, g.shift)
	}
	var list []*smt.Term
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo < firstFree && hi >= firstFree && hi < unicode.MaxRune || lo >= firstFree {
			return nil, errors.New("a pattern with characters beyond U+2DFFF")
		}
		list = append(list, g.ranges(lo, min(hi, smt.MaxRune))...)
	}
	return g.e.ReUnion(list...), nil
}

// ranges splits at the surrogates, which are no characters.
func (g grammar) ranges(lo, hi rune) []*smt.Term {
	const before, behind = 0xD7FF, 0xE000
	if hi <= before || lo >= behind {
		return []*smt.Term{g.e.ReRange(lo, hi)}
	}
	var list []*smt.Term
	if lo <= before {
		list = append(list, g.e.ReRange(lo, before))
	}
	if hi >= behind {
		list = append(list, g.e.ReRange(behind, hi))
	}
	return list
}

// preimage lists the characters that are in the ranges once they are in lower
// or upper case.
func preimage(ranges []rune, to shift) []rune {
	gone, other := [2]rune{'A', 'Z'}, rune('A'-'a') // lower case has none of these, and each stands for two
	kept := [2]rune{'a', 'z'}
	if to == toUpper {
		gone, kept, other = kept, gone, -other
	}
	var list []rune
	add := func(lo, hi rune) {
		if lo <= hi {
			list = append(list, lo, hi)
		}
	}
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		add(lo, min(hi, gone[0]-1))
		add(max(lo, gone[1]+1), hi)
		if from, till := max(lo, kept[0]), min(hi, kept[1]); from <= till {
			add(from+other, till+other)
		}
	}
	return list
}
