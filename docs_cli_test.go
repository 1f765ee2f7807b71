package kernel_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	reference      = "docs/cli.md"
	generatedBelow = "<!-- What follows is what the commands print with --help; `make docs` writes it. -->\n"
)

// checkReference compares the reference of the command line with what the
// commands say of themselves, or writes it.
func checkReference(t *testing.T, bin string) {
	head, have, ok := strings.Cut(readDoc(t, reference), generatedBelow)
	if !ok {
		t.Fatalf("%s lacks the line %q", reference, generatedBelow)
	}
	var want strings.Builder
	for _, command := range []string{"kernel", "solo"} {
		describe(t, bin, &want, []string{command})
	}
	if *update {
		if err := os.WriteFile(reference, []byte(head+generatedBelow+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want.String() {
		t.Errorf("%s is not what the commands print with --help: run make docs\n%s", reference, firstDifference(have, want.String()))
	}
}

// describe writes the help of a command and of the commands below it.
func describe(t *testing.T, bin string, out *strings.Builder, words []string) {
	t.Helper()
	help := helpOf(t, bin, words)
	fmt.Fprintf(out, "\n%s %s\n\n```text\n%s\n```\n", strings.Repeat("#", len(words)+1), strings.Join(words, " "), help)
	for _, name := range subcommandsIn(help) {
		if name != "help" && name != "completion" {
			describe(t, bin, out, append(slices.Clone(words), name))
		}
	}
}

func helpOf(t *testing.T, bin string, words []string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, words[0]), append(slices.Clone(words[1:]), "--help")...)
	cmd.Env = []string{"HOME=/home/user", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// subcommandsIn reads the names below "Available Commands:".
func subcommandsIn(help string) []string {
	var names []string
	_, list, _ := strings.Cut(help, "\nAvailable Commands:\n")
	for _, line := range strings.Split(list, "\n") {
		name, indented := strings.CutPrefix(line, "  ")
		if !indented {
			break
		}
		names = append(names, strings.Fields(name)[0])
	}
	return names
}

func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("the document has %q\nthe command says %q", a[i], b[i])
		}
	}
	return fmt.Sprintf("the document has %d lines, the commands print %d", len(a), len(b))
}
