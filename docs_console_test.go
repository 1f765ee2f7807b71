package kernel_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A step is one command of a console block with what it must print, on either
// stream. In what it prints, … stands for any text, and a line of … alone for
// any number of lines.
type step struct {
	doc     string
	line    int
	command string
	want    []string
}

// consoleSteps reads the console blocks of a document: "$ command" lines,
// continued by "> " lines, and their output. A command that ends in & stays
// in the background; `kill %1` ends it.
func consoleSteps(t *testing.T, doc string) []step {
	t.Helper()
	var steps []step
	for _, b := range blocksOf(t, doc) {
		if b.info != "console" {
			continue
		}
		fresh := true
		for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
			command, isCommand := strings.CutPrefix(line, "$ ")
			more, continued := strings.CutPrefix(line, "> ")
			switch {
			case isCommand:
				steps, fresh = append(steps, step{doc: doc, line: b.line + i, command: command}), false
			case fresh:
				t.Fatalf("%s:%d: a console block begins with \"$ command\"", doc, b.line)
			case continued && len(steps[len(steps)-1].want) == 0:
				steps[len(steps)-1].command += "\n" + more
			default:
				steps[len(steps)-1].want = append(steps[len(steps)-1].want, line)
			}
		}
	}
	return steps
}

// uses reports whether a step begins with a program.
func uses(steps []step, program string) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return strings.HasPrefix(s.command, program+" ") })
}

// A session is a shell whose variables, folder and last status outlive a
// command. It begins in a folder with the policies and examples of this tree,
// with a home of its own; every kernel in it listens on a port of its own, and
// logs as on a terminal.
type session struct {
	t          *testing.T
	work       string // where the user is
	state      string // what the shell remembers
	env        []string
	address    string // stands for documentedAddress
	status     int
	background *background
}

const (
	documentedAddress = "127.0.0.1:7373"
	stepLimit         = time.Minute
)

func newSession(t *testing.T, bin string) *session {
	t.Helper()
	home := t.TempDir()
	s := &session{t: t, work: filepath.Join(home, "work"), state: t.TempDir(), address: freeAddress(t)}
	for _, folder := range []string{"policies", "examples"} {
		if err := os.CopyFS(filepath.Join(s.work, folder), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	s.env = []string{
		"HOME=" + home, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C.UTF-8",
		"TMPDIR=" + t.TempDir(), "KERNEL_LISTEN=" + s.address, "KERNEL_LOG_FORMAT=text",
		"GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"),
		"GOFLAGS=" + os.Getenv("GOFLAGS"),
	}
	t.Cleanup(func() { s.kill() })
	return s
}

// play runs one step and compares what it prints.
func (s *session) play(st step) {
	s.t.Helper()
	var got string
	switch command, inBackground := strings.CutSuffix(st.command, " &"); {
	case inBackground:
		got = s.start(command, st.want)
	case st.command == "kill %1":
		got = s.kill()
	default:
		got = s.run(st.command)
	}
	got = strings.ReplaceAll(got, s.address, documentedAddress)
	if !shows(st.want, got) {
		s.t.Errorf("%s:%d: $ %s\nthe document shows\n%s\nthe program printed\n%s",
			st.doc, st.line, st.command, strings.Join(st.want, "\n"), got)
	}
}

func (s *session) run(command string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), stepLimit)
	defer cancel()
	var out bytes.Buffer
	cmd := s.shell(ctx, command, &out)
	err := cmd.Run()
	if ctx.Err() != nil {
		s.t.Fatalf("$ %s\nstill runs after %v; it printed\n%s", command, stepLimit, out.String())
	}
	if cmd.ProcessState == nil {
		s.t.Fatalf("$ %s\n%v", command, err)
	}
	s.status = cmd.ProcessState.ExitCode()
	return out.String()
}

// shell prepares a command that finds the shell as the last one left it.
func (s *session) shell(ctx context.Context, command string, out *bytes.Buffer) *exec.Cmd {
	command = strings.ReplaceAll(command, documentedAddress, s.address)
	script := fmt.Sprintf(`
if [ -f "$SESSION/env" ]; then . "$SESSION/env"; cd "$(cat "$SESSION/dir")"; fi
set -a
(exit %d)
%s
SESSION_STATUS=$?
export -p >"$SESSION/env"; pwd >"$SESSION/dir"
exit $SESSION_STATUS`, s.status, command)
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir, cmd.Env = s.work, append(s.env, "SESSION="+s.state)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// A background is a command that still runs.
type background struct {
	cmd  *exec.Cmd
	out  lockedBuffer
	seen int           // how much of out a step has shown
	done chan struct{} // closed when it has ended
}

// start runs a command until it has printed what the document shows.
func (s *session) start(command string, want []string) string {
	s.t.Helper()
	s.kill()
	b := &background{done: make(chan struct{})}
	b.cmd = s.shell(s.t.Context(), "exec "+command, nil)
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.out
	if err := b.cmd.Start(); err != nil {
		s.t.Fatalf("$ %s: %v", command, err)
	}
	s.background = b
	go func() {
		_ = b.cmd.Wait() // how it ended is in what it printed
		close(b.done)
	}()
	for deadline := time.Now().Add(stepLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got := strings.ReplaceAll(b.out.String(), s.address, documentedAddress)
		if shows(want, got) || b.ended() {
			break
		}
	}
	got := b.out.String()
	b.seen = len(got)
	return got
}

func (b *background) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// kill ends what runs in the background and returns what it printed since.
func (s *session) kill() string {
	b := s.background
	if b == nil {
		return ""
	}
	s.background = nil
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-b.done:
	case <-time.After(stepLimit):
		_ = b.cmd.Process.Kill()
		s.t.Errorf("the command in the background still ran %v after SIGTERM", stepLimit)
	}
	return b.out.String()[b.seen:]
}

// shows reports whether got is what the lines of a document stand for.
func shows(want []string, got string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range want {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(strings.TrimRight(line, " ")), "…", ".*") + " *\n")
	}
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	return regexp.MustCompile(pattern.String() + `\z`).MatchString(got)
}

func TestShowsComparesWholeLines(t *testing.T) {
	for _, c := range []struct {
		want string
		got  string
		same bool
	}{
		{"", "", true},
		{"", "something\n", false},
		{"a b", "a b\n", true},
		{"a b", "a b", true},
		{"a b", "xa b\n", false},
		{"a b", "a b\nc\n", false},
		{"a\n…", "a\nb\nc\n", true},
		{"…\nc", "a\nb\nc\n", true},
		{"…\nc", "a\nb\n", false},
		{"id …, done", "id 01K, done\n", true},
		{"id …, done", "id 01K, lost\n", false},
		{"1.5", "1x5\n", false},
	} {
		var lines []string
		if c.want != "" {
			lines = strings.Split(c.want, "\n")
		}
		if got := shows(lines, c.got); got != c.same {
			t.Errorf("shows(%q, %q) = %v, want %v", c.want, c.got, got, c.same)
		}
	}
}

// A lockedBuffer may be read while a command writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
