package main

import (
	"strings"
	"testing"
)

const good = "artifact: {name: shop, type: webapp}\nagent: agent-001\nkernel: http://127.0.0.1:7373\nsteps:\n  - {name: build, run: make}\n"

func TestParseConfigReadsNamesAsTheyAreWritten(t *testing.T) {
	cfg, err := parseConfig("solo.yaml", []byte("artifact:\n  name: 007\n  type: no\nagent: 1e3\nsteps:\n  - name: build\n    run: |\n      a\n      b\n"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Artifact != (artifact{Name: "007", Type: "no"}) || cfg.Agent != "1e3" || cfg.Kernel != "" {
		t.Errorf("parseConfig = %+v, want the text of each scalar", cfg)
	}
	if len(cfg.Steps) != 1 || cfg.Steps[0] != (step{Name: "build", Run: "a\nb\n"}) {
		t.Errorf("parseConfig reads the steps %+v, want one of two lines", cfg.Steps)
	}
}

func TestParseConfigSaysWhereAFileIsWrong(t *testing.T) {
	replaced := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the good file", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	for _, c := range []struct{ name, text, want, hint string }{
		{"an empty file", "", "solo.yaml:1:1: the file is empty", "solo init"},
		{"comments alone", "# nothing\n", "solo.yaml:1:1: the file is empty", "solo init"},
		{"a list", "- a\n", "solo.yaml:1:1: solo.yaml is a mapping", ""},
		{"broken YAML", "artifact: [\n", "solo.yaml:2:", ""},
		{"bytes that are not UTF-8", "agent: \xff\n", "solo.yaml:1:", ""},
		{"two documents", good + "---\nagent: b\n", "solo.yaml:7:1: a second document", ""},
		{"an unknown key", replaced("agent:", "agnet:"), `solo.yaml:2:1: unknown key "agnet"`, `did you mean "agent"?`},
		{"an unknown key like no other", replaced("agent:", "zzz:"), `solo.yaml:2:1: unknown key "zzz"`, "it has agent, artifact, kernel, steps"},
		{"an unknown key in a step", replaced("run:", "rum:"), `solo.yaml:5:19: unknown key "rum" in a step`, `did you mean "run"?`},
		{"an unknown key of the artifact", replaced("type:", "kind:"), `unknown key "kind" in artifact`, "it has name, type"},
		{"a key twice", good + "agent: b\n", `solo.yaml:6:1: "agent" is here twice`, ""},
		{"no agent", replaced("agent: agent-001\n", ""), `solo.yaml has no "agent"`, ""},
		{"no steps", "artifact: {name: a, type: b}\nagent: c\n", `solo.yaml has no "steps"`, ""},
		{"an empty list of steps", "artifact: {name: a, type: b}\nagent: c\nsteps: []\n", "solo.yaml:3:8: steps is a list of 1 to 256 steps", ""},
		{"too many steps", "artifact: {name: a, type: b}\nagent: c\nsteps:\n" + strings.Repeat("  - {}\n", 257), "steps is a list of 1 to 256 steps", ""},
		{"an agent that is nothing", replaced("agent: agent-001", "agent:"), "agent is text that is not empty", ""},
		{"an agent that is a list", replaced("agent: agent-001", "agent: [a]"), "solo.yaml:2:8: agent is text that is not empty", ""},
		{"a step without a command", replaced(", run: make", ""), `a step has no "run"`, ""},
		{"a blank command", replaced("run: make", "run: ' '"), "run is text that is not empty", ""},
		{"U+0000 in a command", replaced("run: make", `run: "a\0b"`), "run contains U+0000", ""},
		{"a step's name with a space", replaced("name: build", "name: build it"), "solo.yaml:5:12: a step's name is 1 to 64", ""},
		{"two steps of one name", good + "  - {name: build, run: b}\n", `solo.yaml:6:12: a second step named "build"`, ""},
		{"an anchor", replaced("agent-001", "&a agent-001"), "anchors are not read here", ""},
		{"an alias", replaced("name: shop", "name: &a shop") + "x: *a\n", "anchors are not read here", ""},
		{"a tag", replaced("agent-001", "!!str agent-001"), "tags are not read here", ""},
		{"a merge key", good + "<<: {agent: b}\n", `unknown key "<<"`, ""},
	} {
		_, err := parseConfig("solo.yaml", []byte(c.text))
		f := asFailure(err)
		if err == nil || f.exit != exitMisuse || !strings.Contains(f.message, c.want) || !strings.Contains(f.hint, c.hint) {
			t.Errorf("%s: parseConfig = %v, want exit code 2 with %q and hint %q", c.name, err, c.want, c.hint)
		}
	}
}
