package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// paint colours text for terminals, and leaves it alone for everything else.
type paint bool

// painter looks at where the text goes; https://no-color.org is honoured.
func painter(f *os.File) paint {
	_, refused := os.LookupEnv("NO_COLOR")
	return paint(!refused && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())))
}

func (p paint) with(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) bold(s string) string   { return p.with("1", s) }
func (p paint) dim(s string) string    { return p.with("2", s) }
func (p paint) red(s string) string    { return p.with("31", s) }
func (p paint) green(s string) string  { return p.with("32", s) }
func (p paint) yellow(s string) string { return p.with("33", s) }

// printable shows control characters instead of sending them: what a policy or
// a server says must not move the cursor or rewrite the screen.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
