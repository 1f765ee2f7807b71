package app

import (
	"io"
	"log/slog"
	"strings"
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

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
