package smt

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Concat joins texts.
func (b *Builder) Concat(x, y *Term) *Term {
	switch {
	case x.text != nil && y.text != nil:
		return b.Text(*x.text + *y.text)
	case x.text != nil && *x.text == "":
		return y
	case y.text != nil && *y.text == "":
		return x
	}
	return b.make("str.++", String, x, y)
}

// Len counts characters.
func (b *Builder) Len(x *Term) *Term {
	if x.text != nil {
		return b.Int(int64(utf8.RuneCountInString(*x.text)))
	}
	return b.make("str.len", Int, x)
}

// Prefix is true when x begins with part.
func (b *Builder) Prefix(x, part *Term) *Term {
	return b.testText("str.prefixof", x, part, strings.HasPrefix, part, x)
}

// Suffix is true when x ends with part.
func (b *Builder) Suffix(x, part *Term) *Term {
	return b.testText("str.suffixof", x, part, strings.HasSuffix, part, x)
}

// Contains is true when part is somewhere in x.
func (b *Builder) Contains(x, part *Term) *Term {
	return b.testText("str.contains", x, part, strings.Contains, x, part)
}

func (b *Builder) testText(op string, x, part *Term, holds func(s, part string) bool, args ...*Term) *Term {
	switch {
	case x.text != nil && part.text != nil:
		return b.Bool(holds(*x.text, *part.text))
	case part.text != nil && *part.text == "", x == part:
		return b.yes
	}
	return b.make(op, Bool, args...)
}

// TextLess orders texts by code point.
func (b *Builder) TextLess(x, y *Term) *Term {
	switch {
	case x.text != nil && y.text != nil:
		return b.Bool(*x.text < *y.text)
	case x == y:
		return b.no
	}
	return b.make("str.<", Bool, x, y)
}

// Matches is true when the whole of x is in the language of re.
func (b *Builder) Matches(x, re *Term) *Term {
	switch re.op {
	case "re.all":
		return b.yes
	case "re.none":
		return b.no
	}
	if len(re.args) == 1 && re.op == "str.to_re" {
		return b.Equal(x, re.args[0])
	}
	return b.make("str.in_re", Bool, x, re)
}

// ReText is the language of one text.
func (b *Builder) ReText(s string) *Term { return b.make("str.to_re", Regex, b.Text(s)) }

// ReRange is the language of single characters.
func (b *Builder) ReRange(lo, hi rune) *Term {
	if lo == hi {
		return b.ReText(string(lo))
	}
	return b.make("re.range", Regex, b.Text(string(lo)), b.Text(string(hi)))
}

// ReNone holds nothing, ReAll everything, ReAny every single character.
func (b *Builder) ReNone() *Term { return b.make("re.none", Regex) }

// ReAll holds every text.
func (b *Builder) ReAll() *Term { return b.make("re.all", Regex) }

// ReAny holds every single character.
func (b *Builder) ReAny() *Term { return b.make("re.allchar", Regex) }

// ReUnion holds what one of the languages holds.
func (b *Builder) ReUnion(list ...*Term) *Term {
	switch len(list) {
	case 0:
		return b.ReNone()
	case 1:
		return list[0]
	}
	return b.make("re.union", Regex, list...)
}

// ReConcat holds a text of each language, one behind the other.
func (b *Builder) ReConcat(list ...*Term) *Term {
	switch len(list) {
	case 0:
		return b.ReText("")
	case 1:
		return list[0]
	}
	return b.make("re.++", Regex, list...)
}

// ReStar repeats any number of times, RePlus once at least, ReOptional at most once.
func (b *Builder) ReStar(x *Term) *Term { return b.make("re.*", Regex, x) }

// RePlus repeats once at least.
func (b *Builder) RePlus(x *Term) *Term { return b.make("re.+", Regex, x) }

// ReOptional repeats at most once.
func (b *Builder) ReOptional(x *Term) *Term { return b.make("re.opt", Regex, x) }

// ReLoop repeats from lo to hi times.
func (b *Builder) ReLoop(x *Term, lo, hi int) *Term {
	t := b.make("(_ re.loop "+strconv.Itoa(lo)+" "+strconv.Itoa(hi)+")", Regex, x)
	t.least, t.most = lo, hi
	return t
}
