package pdl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Defaults and bounds of types.
const (
	DefaultLength = 4096    // code points of a string whose type names no bound
	DefaultItems  = 256     // elements of a list whose type names no bound
	maxLength     = 1 << 20 // the largest bound of a string
	maxItems      = 1 << 16 // the largest bound of a list
	maxValues     = 1_000   // values of an enum
	maxWord       = 256     // bytes of an enum value, or of the name of an action or a resource type
)

var typeForms = []string{"bool", "string", "string(..N)", "int", "int(lo..hi)", "enum(a, b)", "timestamp", "duration", "list(T)", "list(T, ..N)", "json"}

var laterTypes = []later{
	{"double", "there are no doubles: declare money and ratios as int, in cents or per-mille"},
	{"float", "there are no floats: declare money and ratios as int, in cents or per-mille"},
}

// String writes the type as a schema spells it, bounds included.
func (t Type) String() string {
	switch t.Kind {
	case Bool:
		return "bool"
	case Int:
		return fmt.Sprintf("int(%d..%d)", t.Min, t.Max)
	case String:
		return fmt.Sprintf("string(..%d)", t.MaxLen)
	case Enum:
		return "enum(" + strings.Join(t.Values, ", ") + ")"
	case Timestamp:
		return "timestamp"
	case Duration:
		return "duration"
	case List:
		return fmt.Sprintf("list(%s, ..%d)", t.Elem, t.MaxLen)
	case Record:
		return recordText(t.Members)
	case JSON:
		return "json"
	}
	return "no type"
}

// short names the kind of type for messages.
func (t Type) short() string {
	switch t.Kind {
	case Bool:
		return "a bool"
	case Int:
		return "an int"
	case String:
		return "a string"
	case Enum:
		return "an enum"
	case Timestamp:
		return "a timestamp"
	case Duration:
		return "a duration"
	case List:
		return "a list"
	case Record:
		return "a record"
	case JSON:
		return "json"
	}
	return "nothing"
}

// typeOf reads a type as a schema spells it.
func (c *compiler) typeOf(n *node) (Type, bool) {
	text, ok := c.text(n, "a type", 1<<16)
	if !ok {
		return Type{}, false
	}
	t, problem, hint := parseType(text)
	if problem != "" {
		c.errorf(n.span(), hint, "%s", problem)
		return Type{}, false
	}
	n.typed = t.String()
	return t, true
}

// parseType returns the type, or what is wrong with it and what to do.
func parseType(text string) (t Type, problem, hint string) {
	name, args, closed := strings.Cut(text, "(")
	name = strings.TrimSpace(name)
	if closed {
		var ok bool
		if args, ok = strings.CutSuffix(strings.TrimSpace(args), ")"); !ok {
			return t, fmt.Sprintf("the type %q lacks its closing )", clip(text)), `inside { } quote it: "enum(a, b)"`
		}
	}
	switch {
	case name == "bool" && !closed:
		return Type{Kind: Bool}, "", ""
	case name == "timestamp" && !closed:
		return Type{Kind: Timestamp}, "", ""
	case name == "duration" && !closed:
		return Type{Kind: Duration}, "", ""
	case name == "json" && !closed:
		return Type{Kind: JSON}, "", ""
	case name == "int":
		return parseInt(args, closed)
	case name == "string":
		t = Type{Kind: String, MaxLen: DefaultLength}
		if closed {
			t.MaxLen, problem = bound(args, maxLength)
		}
		return t, problem, "write string or string(..64)"
	case name == "enum":
		return parseEnum(args, closed)
	case name == "list":
		return parseList(args)
	}
	for _, l := range laterTypes {
		if name == l.word {
			return t, l.sentence, ""
		}
	}
	return t, fmt.Sprintf("unknown type %q", clip(text)), near(name, typeForms, "types are ")
}

func parseInt(args string, bounded bool) (t Type, problem, hint string) {
	if !bounded {
		return Type{Kind: Int, Min: -maxInteger, Max: maxInteger}, "", ""
	}
	hint = "write int, int(0..10) or int(0..), within ±(2^53−1)"
	lo, hi, ok := strings.Cut(args, "..")
	low, lowOK := end(lo, -maxInteger)
	high, highOK := end(hi, maxInteger)
	if !ok || !lowOK || !highOK || low > high || strings.TrimSpace(args) == ".." {
		return t, fmt.Sprintf("int(%s) is no range", clip(args)), hint
	}
	return Type{Kind: Int, Min: low, Max: high}, "", ""
}

// end reads one end of a range; an empty one is the last there is.
func end(text string, last int64) (int64, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return last, true
	}
	return smallInteger(text)
}

func smallInteger(s string) (int64, bool) {
	i, err := strconv.ParseInt(s, 10, 64)
	return i, err == nil && integerText.MatchString(s) && i >= -maxInteger && i <= maxInteger
}

func parseEnum(args string, closed bool) (t Type, problem, hint string) {
	hint = "write enum(a, b)"
	if !closed || strings.TrimSpace(args) == "" {
		return t, "an enum lists its values", hint
	}
	for v := range strings.SplitSeq(args, ",") {
		v = strings.TrimSpace(v)
		switch {
		case !isWord(v):
			return t, fmt.Sprintf("%q is no value for an enum", clip(v)), "values are letters, digits and _ - . / : @ +, without quotes"
		case slices.Contains(t.Values, v):
			return t, fmt.Sprintf("the value %q is listed twice", clip(v)), ""
		}
		if t.Values = append(t.Values, v); len(t.Values) > maxValues {
			return t, fmt.Sprintf("an enum has at most %d values", maxValues), "declare a string"
		}
	}
	t.Kind = Enum
	return t, "", ""
}

func parseList(args string) (t Type, problem, hint string) {
	hint = "write list(string) or list(string, ..64)"
	if strings.TrimSpace(args) == "" {
		return t, "a list names the type of its elements", hint
	}
	t = Type{Kind: List, MaxLen: DefaultItems}
	if i := strings.LastIndex(args, ","); i >= 0 && strings.HasPrefix(strings.TrimSpace(args[i+1:]), "..") {
		if t.MaxLen, problem = bound(args[i+1:], maxItems); problem != "" {
			return t, problem, hint
		}
		args = args[:i]
	}
	if record := strings.TrimSpace(args); strings.HasPrefix(record, "{") {
		elem, problem, hint := parseRecord(record)
		t.Elem = &elem
		return t, problem, hint
	}
	elem, problem, elemHint := parseType(strings.TrimSpace(args))
	switch {
	case problem != "":
		return t, problem, elemHint
	case elem.Kind == List:
		return t, "this version has no lists of lists", hint
	case elem.Kind == Duration:
		return t, "a list holds no durations", hint
	case elem.Kind == JSON:
		return t, "a list holds no json", "declare the whole as json"
	}
	t.Elem = &elem
	return t, "", ""
}

// bound reads `..N`.
func bound(s string, limit int) (n int, problem string) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(s), "..")
	i, intOK := smallInteger(digits)
	if !ok || !intOK || i < 1 || i > int64(limit) {
		return 0, fmt.Sprintf("a length is ..1 to ..%d, not %q", limit, clip(s))
	}
	return int(i), ""
}

// isWord reports whether s can be an enum value or the name of an action or a
// resource type: letters, digits and _ - . / : @ +, single spaces inside.
func isWord(s string) bool {
	if s == "" || len(s) > maxWord || strings.TrimSpace(s) != s || strings.Contains(s, "  ") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !isWordRune(r) })
}

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-./:@+ ", r)
}
