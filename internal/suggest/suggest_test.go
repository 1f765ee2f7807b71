package suggest_test

import (
	"testing"

	"github.com/strixlabs/execution-kernel/internal/suggest"
)

func TestNearest(t *testing.T) {
	words := []string{"environment", "effect", "match", "when"}
	for _, c := range []struct{ word, want string }{
		{"enviroment", "environment"},
		{"efect", "effect"},
		{"mathc", "match"},
		{"wen", "when"},
		{"zebra", ""},
		{"", ""},
	} {
		if got := suggest.Nearest(c.word, words); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
}
