package postgres_test

import (
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

func TestAServerThatDoesNotAnswerIsSaidInOneLine(t *testing.T) {
	const dead = "postgres://kernel@127.0.0.1:1/kernel?sslmode=prefer" // tried with TLS and without
	_, version := postgres.Version(t.Context(), dead)
	_, open := postgres.Open(t.Context(), dead, postgres.Config{})
	for call, err := range map[string]error{"Version": version, "Open": open} {
		if err == nil || strings.ContainsAny(err.Error(), "\n\t") || strings.Count(err.Error(), "connection refused") != 1 {
			t.Errorf("%s = %v, want one line that says once that the connection is refused", call, err)
		}
	}
}
