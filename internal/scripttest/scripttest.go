// Package scripttest runs scripts of package testscript.
//
// It promises that a script that passes ran to its last line: nothing in it
// ends it early, every command of its own is the one that is run, and how a
// program in the background ended was looked at.
package scripttest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

// Run runs scripts that pass [Check].
func Run(t *testing.T, p testscript.Params) {
	t.Helper()
	if err := Check(p); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, p)
}

// Check reports commands that are never run because testscript has one of the
// same name, lines that end a script, as what follows them is never run, and
// programs in the background that a script does not wait for.
func Check(p testscript.Params) error {
	files := p.Files
	for _, pattern := range []string{"*.txt", "*.txtar"} {
		found, err := filepath.Glob(filepath.Join(p.Dir, pattern))
		if err != nil {
			return err
		}
		if p.Dir != "" {
			files = append(files, found...)
		}
	}
	problems := []error{hidden(slices.Sorted(maps.Keys(p.Cmds)))}
	for _, file := range files {
		problems = append(problems, early(file))
	}
	return errors.Join(problems...)
}

// early names the lines of a script that end it, or start what outlives it.
func early(file string) error {
	script, err := txtar.ParseFile(file)
	if err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	var problems []error
	running := map[string]int{} // the lines that started what nobody waited for, by name
	for i, line := range strings.Split(string(script.Comment), "\n") {
		follow(running, line, i+1)
		words, always := strings.Fields(line), true
		for len(words) > 0 && strings.HasPrefix(words[0], "[") {
			words, always = words[1:], false
		}
		// What is skipped on some machines is reported as skipped, not as passed.
		if len(words) > 0 && (words[0] == "stop" || words[0] == "skip" && always) {
			problems = append(problems, fmt.Errorf("%s:%d: %s ends the script, and what follows is never run", file, i+1, words[0]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(running)) {
		problems = append(problems, fmt.Errorf("%s:%d: how %s ends is never looked at: wait for it", file, running[name], name))
	}
	return errors.Join(problems...)
}

var background = regexp.MustCompile(`&(\w+)&\s*$`)

// follow notes what a line starts in the background or waits for.
func follow(running map[string]int, line string, at int) {
	if started := background.FindStringSubmatch(line); started != nil {
		running[started[1]] = at
	}
	if words := strings.Fields(line); len(words) > 0 && words[0] == "wait" {
		for name := range running {
			if len(words) == 1 || words[1] == name {
				delete(running, name)
			}
		}
	}
}

// hidden names the commands that are not run where a script has their names.
// testscript does not tell which it has itself, so each is tried.
func hidden(names []string) error {
	folder, err := os.MkdirTemp("", "scripttest")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	var problems []error
	for _, name := range names {
		file, called := filepath.Join(folder, name+".txt"), false
		if err := os.WriteFile(file, []byte(name+"\n"), 0o600); err != nil {
			return err
		}
		testscript.RunT(attempt{}, testscript.Params{Files: []string{file}, Cmds: map[string]func(*testscript.TestScript, bool, []string){
			name: func(*testscript.TestScript, bool, []string) { called = true },
		}})
		if !called {
			problems = append(problems, fmt.Errorf("testscript has a command %s itself, which is run instead: choose another name", name))
		}
	}
	return errors.Join(problems...)
}
