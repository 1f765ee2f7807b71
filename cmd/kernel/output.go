package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/strixlabs/execution-kernel/internal/app"
)

// printJSON writes one indented JSON document.
func (c *cli) printJSON(v any) error {
	data, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", data)
	return err
}

// printLine writes one JSON document on one line.
func (c *cli) printLine(v any) error {
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", data)
	return err
}

// table returns a writer that aligns cells separated by tabs.
func (c *cli) table() *tabwriter.Writer { return tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0) }

// safe quotes text that would move the cursor or colour a terminal.
func safe(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// terminal reports whether w is one, so that colour and progress make sense.
func terminal(w io.Writer) bool {
	if s, ok := w.(*sink); ok {
		w = s.w
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A colour is an ANSI colour number.
type colour int

const (
	red    colour = 31
	green  colour = 32
	yellow colour = 33
)

// paint colours text for stdout, on a terminal whose owner did not say NO_COLOR.
func (c *cli) paint(k colour, text string) string {
	if !terminal(c.stdout) || c.variable("NO_COLOR") != "" || c.variable("TERM") == "dumb" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", k, text)
}

// variable returns a variable of the environment, or "".
func (c *cli) variable(name string) string {
	for _, pair := range c.environ {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value
		}
	}
	return ""
}

// quote spells a path as a shell takes it.
func quote(path string) string {
	if path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+:@%", r)
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func jsonFlag(cmd *cobra.Command, set *bool) {
	cmd.Flags().BoolVar(set, "json", false, "print JSON for programs")
}

// input reads a file of at most 1 MiB, or stdin for "-".
func (c *cli) input(name string) ([]byte, error) {
	const limit = 1 << 20
	if name != "-" {
		return app.ReadInput(name, limit)
	}
	data, err := io.ReadAll(io.LimitReader(c.stdin, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, misuse("standard input is larger than %d bytes", limit)
	}
	return data, nil
}
