package pdl

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common"
)

var offendingToken = regexp.MustCompile(`(?:mismatched input|extraneous input|viable alternative at input|missing .* at|token recognition error at:) '(.*?)'`)

// syntaxError says in our words what the parser found. Only the first finding
// is told: the rest is what it did to recover.
func (c *compiler) syntaxError(p *passage, e *common.Error) {
	offset := offsetOf(p.source, e.Location)
	at := p.span(min(offset, utf8.RuneCountInString(p.source)), 0)
	message := strings.TrimPrefix(e.Message, "Syntax error: ")
	switch token := offendingToken.FindStringSubmatch(message); {
	case strings.Contains(message, "reserved identifier"):
		c.errorf(at, "", "this word is reserved by CEL and names nothing")
	case strings.Contains(message, "has() macro"):
		c.errorf(at, "write has(resource.owner_team)", "has() takes the path of an attribute")
	case strings.Contains(message, "argument must be a simple name"), strings.Contains(message, "argument is not an identifier"):
		c.errorf(at, "write list.exists(x, x == …)", "the first argument of exists and all is a new name")
	case strings.Contains(message, "recursion limit"):
		c.errorf(at, "use variables", "the condition is nested too deeply")
	case strings.Contains(message, "overwrites accumulator"), strings.Contains(message, "shadows"):
		c.errorf(at, "choose another name", "this name is taken")
	case strings.Contains(message, "int literal"):
		c.errorf(at, "", "the integer is too large")
	case token != nil && token[1] == "<EOF>" || strings.Contains(message, "at '<EOF>'"):
		c.errorf(at, "", "the condition ends too early")
	case strings.Contains(message, "unsupported syntax"):
		c.errorf(at, "test for an absent attribute with has()", "optional selection is not used here")
	case token != nil && strings.ContainsAny(token[1][:min(1, len(token[1]))], `"'`):
		c.brokenText(at, token[1])
	case token != nil:
		c.errorf(at, syntaxHint(token[1]), "%q is not expected here", clip(strings.TrimSpace(token[1])))
	default:
		c.errorf(at, "", "this is not a CEL expression")
	}
}

// brokenText tells apart what keeps a text from being read.
func (c *compiler) brokenText(at span, token string) {
	if strings.Contains(token, `\`) {
		c.errorf(at, `write \\ for a backslash, or r"…" for a pattern`, "the text in quotes has an unknown escape")
		return
	}
	c.errorf(at, "", "the text in quotes is not closed")
}

func syntaxHint(token string) string {
	switch strings.TrimSpace(token) {
	case "=":
		return "compare with =="
	case "and":
		return "write &&"
	case "or":
		return "write ||"
	case "not":
		return "write !"
	case "|", "&":
		return "write || and &&"
	}
	return ""
}

// offsetOf returns the characters before a location of the parser, whose lines
// count from 1 and columns from 0.
func offsetOf(source string, l common.Location) int {
	offset := 0
	lines := strings.Split(source, "\n")
	for i := 0; i+1 < l.Line() && i < len(lines); i++ {
		offset += utf8.RuneCountInString(lines[i]) + 1
	}
	return offset + max(0, l.Column())
}
