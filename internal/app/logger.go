package app

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// NewLogger returns the service's own log on w, as configured: auto is text
// where people read it. A level that is none is info.
func (c Config) NewLogger(w io.Writer, terminal bool) *slog.Logger {
	var options slog.HandlerOptions
	var level slog.Level
	if level.UnmarshalText([]byte(c.LogLevel)) == nil {
		options.Level = level
	}
	if c.LogFormat == "text" || c.LogFormat == "auto" && terminal {
		return slog.New(slog.NewTextHandler(w, &options))
	}
	return slog.New(slog.NewJSONHandler(w, &options))
}

// diagnosticOf is a finding in a policy as the service's log says it: in one
// line, without the excerpt that needs a terminal.
func diagnosticOf(d pdl.Diagnostic) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("at", fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Col)), slog.String("problem", d.Message),
	}
	if d.Suggestion != "" {
		attrs = append(attrs, slog.String("hint", d.Suggestion))
	}
	return attrs
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
