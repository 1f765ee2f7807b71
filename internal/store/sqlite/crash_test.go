package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// crashDir makes the test binary commit into a folder until it is killed.
const crashDir = "EXECUTION_KERNEL_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := commitForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// commitForEver prints the size of the log after each commit that was
// acknowledged.
func commitForEver(dir string) error {
	db, err := sqlite.Open(filepath.Join(dir, "kernel.db"), noFloor)
	if err != nil {
		return err
	}
	ctx := context.Background()
	head, err := db.Head(ctx, 0)
	if err != nil {
		return err
	}
	w := &writer{head: head, n: int(head.Size), pad: 2000}
	for {
		b, err := w.build(1 + w.n%9)
		if err != nil {
			return err
		}
		if out, err := db.Commit(ctx, b); out.Status != store.Committed {
			return err
		}
		w.head = b.Next
		fmt.Println(w.head.Size)
	}
}

func TestKill9LosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	last := uint64(0)
	for round := range 8 {
		acknowledged, err := killAfter(dir, 5+rand.IntN(60))
		if err != nil {
			t.Fatal(err)
		}
		if acknowledged < last {
			t.Errorf("round %d begins again at %d, %d were acknowledged before", round, acknowledged, last)
		}
		last = max(last, acknowledged)
		if err := check(t, dir, last); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// killAfter runs commitForEver, kills it after some answers, whatever it does
// by then, and returns the size it acknowledged last.
func killAfter(dir string, answers int) (last uint64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF { // a line cut short was not acknowledged
			break
		}
		if err != nil {
			return 0, err
		}
		if answers--; answers == 0 {
			go func() { _ = cmd.Process.Kill() }()
		}
		if last, err = strconv.ParseUint(line[:len(line)-1], 10, 64); err != nil {
			return 0, err
		}
	}
	_ = cmd.Wait() // it was killed
	if answers > 0 {
		return 0, fmt.Errorf("it ended by itself, %d answers early", answers)
	}
	return last, nil
}
