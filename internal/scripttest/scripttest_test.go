package scripttest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel/internal/scripttest"
)

type commands = map[string]func(*testscript.TestScript, bool, []string)

func TestCommandsThatWouldNeverRunAreNamed(t *testing.T) {
	for name, hidden := range map[string]bool{"stop": true, "skip": true, "kill": true, "exec": true, "cmp": true, "terminate": false, "capture": false} {
		err := scripttest.Check(testscript.Params{Cmds: commands{name: nil}})
		if (err != nil) != hidden || hidden && !strings.Contains(err.Error(), "a command "+name+" itself") {
			t.Errorf("a command called %s: Check = %v, want it named: %t", name, err, hidden)
		}
	}
}

func TestLinesThatHideWhatHappensAreNamed(t *testing.T) {
	for script, line := range map[string]string{
		"exec serve &one&\nexec serve &two&\nwait two\nwait one\n": "",
		"exec serve &one&\nexec serve &two&\nwait\n":               "",
		"exec serve &one&\nexec serve &two&\nwait one\n":           "script.txt:2: how two ends",
		"exec serve &one&\nwait one\n\nexec serve &one&\n":         "script.txt:4: how one ends",
		"exists x\n-- x --\nstop\n":                                "",
		"# stop\nexec true stop\n":                                 "",
		"exists x\nstop\nexists y\n-- x --\n":                      "script.txt:2: stop ends",
		"[short] skip 'a minute'\nexec z\n":                        "",
		"[short] stop 'a minute'\nexec z\n":                        "script.txt:1: stop ends",
		"skip 'a minute'\nexec z\n":                                "script.txt:1: skip ends",
	} {
		folder := t.TempDir()
		file := filepath.Join(folder, "script.txt")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, p := range []testscript.Params{{Dir: folder}, {Files: []string{file}}} {
			err := scripttest.Check(p)
			if (err != nil) != (line != "") || err != nil && !strings.Contains(err.Error(), line) {
				t.Errorf("Check(%q) = %v, want %q", script, err, line)
			}
		}
	}
}
