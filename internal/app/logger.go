package app

import (
	"io"
	"log/slog"
	"strings"
)

// NewLogger returns the service's own log on w, in the configured format; auto
// is text where people read it.
func NewLogger(w io.Writer, format string, terminal bool) *slog.Logger {
	if format == "text" || format == "auto" && terminal {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
