package pdl

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// globProblem says what keeps a text from being a pattern of glob().
func globProblem(_ *weaver, pattern string) (problem, hint string) {
	switch {
	case pattern == "":
		return "the pattern is empty", `write path.glob("src/**/*.go")`
	case utf8.RuneCountInString(pattern) > maxPattern:
		return "the pattern is too long", "a pattern has at most 1000 characters"
	case strings.ContainsAny(pattern, `[]{}\`):
		return "[ ] { } and \\ are not used in patterns of glob()", "write the patterns apart, or use matches()"
	case strings.Contains(pattern, "***"):
		return "*** is no wildcard", "write ** for any folders, * for a part of a name"
	case strings.Count(pattern, "*") > maxStars:
		return "the pattern has too many wildcards", "a pattern has at most 20 of *"
	}
	return "", ""
}

// maxStars bounds the work of a pattern.
const maxStars = 20

// GlobPattern returns the RE2 pattern of a pattern of glob(), which the whole
// text matches:
//
//	?    a character, but no /
//	*    characters, or none, but no /
//	**   characters, or none, among them /
//	**/  at the beginning or behind a /: folders, or none
//
// Everything else stands for itself. Nothing is resolved: a/../b is no b.
func GlobPattern(glob string) string {
	var b strings.Builder
	b.WriteString(`^(?s:`)
	for rest := glob; rest != ""; {
		start := len(rest) == len(glob) || strings.HasSuffix(glob[:len(glob)-len(rest)], "/")
		switch {
		case start && strings.HasPrefix(rest, "**/"):
			b.WriteString(`(?:.*/)?`)
			rest = rest[3:]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			rest = rest[1:]
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			rest = rest[1:]
		default:
			_, size := utf8.DecodeRuneInString(rest)
			b.WriteString(regexp.QuoteMeta(rest[:size]))
			rest = rest[size:]
		}
	}
	b.WriteString(`)$`)
	return b.String()
}
