package app_test

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

func TestKilledTwentyTimesNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	const kills, callers = 20, 8
	data, policies := t.TempDir(), starterBundle(t)
	acks := new(acknowledged)
	for range kills {
		p := start(t, data, policies)
		before := acks.count()
		var load sync.WaitGroup
		for range callers {
			load.Go(func() { acks.ask(t, p.admin()) })
		}
		eventually(t, "decisions are acknowledged", func() bool { return acks.count() > before+callers })
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // the kill comes at any moment
		p.kill()
		load.Wait()
	}
	start(t, data, policies).stop() // it starts again, and signs
	t.Logf("%d decisions were acknowledged", acks.count())
	checkLog(t, data, acks)
}

// acknowledged collects the decisions that callers were told.
type acknowledged struct {
	mu   sync.Mutex
	list []kernel.Decision
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.list)
}

// ask decides until the kernel does not answer any more.
func (a *acknowledged) ask(t *testing.T, k *client.Client) {
	for {
		d, err := k.Decide(t.Context(), deploy("staging"))
		if err != nil {
			return
		}
		a.mu.Lock()
		a.list = append(a.list, d)
		a.mu.Unlock()
	}
}

// checkLog reads the whole log: contiguous, its head recomputed, every
// acknowledged decision in its place.
func checkLog(t *testing.T, data string, acks *acknowledged) {
	t.Helper()
	db, err := sqlite.Open(app.Folder{Path: data}.Database(), sqlite.Config{FreeBytesFloor: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var tree merkle.Tree
	bySeq := map[uint64]store.Entry{}
	for e, err := range db.Entries(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq != tree.Size() {
			t.Fatalf("entry %d follows entry %d", e.Seq, tree.Size())
		}
		if err := tree.Append(merkle.LeafHash(e.Body)); err != nil {
			t.Fatal(err)
		}
		bySeq[e.Seq] = e
	}
	head, err := db.Head(t.Context(), 0)
	if err != nil || head.Size != tree.Size() || head.Root != tree.Root() {
		t.Errorf("the head is %d %x, %v; the entries give %d %x", head.Size, head.Root, err, tree.Size(), tree.Root())
	}
	for _, d := range acks.list {
		e, found := bySeq[d.Entry.Seq]
		if !found || e.ID != d.ID || hex.EncodeToString(e.Leaf[:]) != d.Entry.Leaf {
			t.Errorf("decision %s was acknowledged as entry %d, which is %q", d.ID, d.Entry.Seq, e.ID)
		}
	}
}

// TestFullDiskRefusesAndRecovers fills the disk until less than the kernel
// keeps free is left, and gives the space back.
func TestFullDiskRefusesAndRecovers(t *testing.T) {
	data, policies := t.TempDir(), starterBundle(t)
	free := freeBytes(t, data)
	floor := free / 8 * 7
	p := start(t, data, policies, "KERNEL_MIN_FREE_MIB="+strconv.FormatInt(floor>>20, 10))
	acks := new(acknowledged)
	decide := func() error {
		d, err := p.admin().Decide(t.Context(), deploy("staging"))
		if err == nil {
			acks.list = append(acks.list, d)
		}
		return err
	}
	if err := decide(); err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(t.TempDir(), "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, free/4); err != nil {
		t.Fatal(err)
	}
	wantError(t, "on a full disk", decide(), "no space left", "")
	if code, body := p.status("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("on a full disk readiness is %d %s, want 503", code, body)
	}
	if code, _ := p.status("/healthz"); code != http.StatusOK {
		t.Errorf("on a full disk health is %d, want 200", code)
	}

	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kernel is ready again", func() bool {
		code, _ := p.status("/readyz")
		return code == http.StatusOK
	})
	if err := decide(); err != nil {
		t.Errorf("with space again Decide = %v, want a decision", err)
	}
	p.stop()
	checkLog(t, data, acks)
}

// TestFailedDiskEndsTheProcess makes writes fail in the middle of a commit:
// what is on the disk then only a new process can tell.
func TestFailedDiskEndsTheProcess(t *testing.T) {
	t.Parallel()
	data, policies := t.TempDir(), starterBundle(t)
	p := start(t, data, policies)
	acks := new(acknowledged)
	info, err := os.Stat(p.folder.Database() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: uint64(info.Size()) + 64<<10, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	acks.ask(t, p.admin()) // until one is refused
	if code := p.wait(); code != 1 || !strings.Contains(p.log.String(), "the disk failed") {
		t.Errorf("exit code %d, want 1 and the reason:\n%s", code, p.log)
	}
	start(t, data, policies).stop()
	checkLog(t, data, acks)
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}
