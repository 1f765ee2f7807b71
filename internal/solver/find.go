// Package solver runs SMT solvers as processes of their own.
//
// A solver is foreign: it is stopped when it takes too long, started again
// when it fails, and what it says is read as text of a stranger. Whatever
// happens to it, the answer to a question is at worst [Unknown].
package solver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// A Binary is a solver that is installed.
type Binary struct {
	Name    string `json:"name"` // cvc5 or z3
	Path    string `json:"path"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // of the file, in hex
}

// The solvers that are known.
const (
	CVC5 = "cvc5"
	Z3   = "z3"
)

// Hint says how to get a solver.
const Hint = "install one: apt-get install cvc5 z3, brew install cvc5 z3, or name its file with --solver PATH"

// Find returns the solvers that a setting asks for: cvc5, z3, both, or the
// path of one of them; empty means those that are installed, cvc5 before z3:
// what one cannot decide the other is asked.
// Without a solver the error has code [kernel.Unavailable] and says how to get
// one.
func Find(ctx context.Context, setting string) ([]Binary, error) {
	names := []string{setting}
	switch setting {
	case "both":
		names = []string{CVC5, Z3}
	case "":
		names = nil
		for _, name := range []string{CVC5, Z3} {
			if _, err := exec.LookPath(name); err == nil {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return nil, kernel.Errorf(kernel.Unavailable, "there is no solver: neither cvc5 nor z3 is installed").WithHint("%s", Hint)
		}
	}
	var list []Binary
	for _, name := range names {
		b, err := identify(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

// identify asks a solver who it is.
func identify(ctx context.Context, name string) (Binary, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return Binary{}, kernel.Errorf(kernel.Unavailable, "there is no solver %s: %v", name, err).WithHint("%s", Hint)
	}
	if path, err = filepath.Abs(path); err != nil {
		return Binary{}, fmt.Errorf("path of the solver: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Binary{}, kernel.Errorf(kernel.Unavailable, "the solver %s does not say its version: %v", path, err).WithHint("%s", Hint)
	}
	b := Binary{Path: path, Version: versionIn(string(out))}
	switch first, _, _ := strings.Cut(string(out), "\n"); {
	case strings.Contains(first, "cvc5"):
		b.Name = CVC5
	case strings.Contains(first, "Z3"):
		b.Name = Z3
	default:
		return Binary{}, kernel.Errorf(kernel.Unsupported, "%s is neither cvc5 nor z3: it calls itself %q", path, clip(first)).WithHint("%s", Hint)
	}
	b.SHA256, err = digest(path)
	return b, err
}

// versionIn finds the first word of a text that looks like a version.
func versionIn(text string) string {
	for word := range strings.FieldsSeq(text) {
		word = strings.Trim(word, "[](),")
		if strings.Contains(word, ".") && word[0] >= '0' && word[0] <= '9' {
			return word
		}
	}
	return "unknown"
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the solver: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the solver: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
