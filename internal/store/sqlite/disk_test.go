package sqlite_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
)

// A disk watches what SQLite writes below a folder, remembers which of it was
// flushed, and fails when told to. It sits where SQLite talks to the operating
// system, so what is tested is the program as it is, without root.
type disk struct {
	dir string

	mu     sync.Mutex
	events []event
	fault  func(e event) (code int32, written int) // code 0: none; else how many bytes are written all the same
}

type operation uint8

const (
	opWrite operation = iota
	opTruncate
	opSync
	opDelete
	opSyncFolder
)

// An event is one thing done to one file.
type event struct {
	op   operation
	name string // below dir
	at   int64  // where it was written, or the new size
	data []byte // what was written
}

// watch puts a disk under a folder for the length of a test.
func watch(t *testing.T, dir string) *disk {
	t.Helper()
	install(t)
	d := &disk{dir: dir}
	disks.Store(dir, d)
	t.Cleanup(func() { disks.Delete(dir) })
	return d
}

func (d *disk) failWith(fault func(e event) (int32, int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// mark returns the number of events so far.
func (d *disk) mark() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events)
}

// syncs counts the flushes of a file since a mark.
func (d *disk) syncs(name string, since int) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events[since:] {
		if e.op == opSync && e.name == name {
			n++
		}
	}
	return n
}

// record notes an event and returns the fault it meets.
func (d *disk) record(e event) (code int32, written int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault != nil {
		if code, written = d.fault(e); code != 0 {
			if e.op == opWrite && written > 0 {
				e.data = e.data[:written]
				d.events = append(d.events, e)
			}
			return code, written
		}
	}
	d.events = append(d.events, e)
	return 0, 0
}

// A file is what a disk holds of one file.
type file struct {
	durable []byte
	there   bool // there is such a file
	pending []event
}

// cut returns what is on the disk when the power fails after the first n
// events: everything flushed, and of the rest what keep picks, sector by sector.
func (d *disk) cut(n int, keep func() bool) map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := map[string]*file{}
	for _, e := range d.events[:n] {
		if e.op == opSyncFolder {
			for _, f := range files {
				f.settleNames()
			}
			continue
		}
		f := files[e.name]
		if f == nil {
			f = &file{}
			files[e.name] = f
		}
		f.pending = append(f.pending, e)
		if e.op == opSync {
			f.flush(len(f.pending))
		}
	}
	image := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		for _, p := range f.pending {
			for _, sector := range p.sectors() {
				if keep() {
					f.apply(sector)
				}
			}
		}
		if f.there {
			image[name] = f.durable
		}
	}
	return image
}

// sectors splits a write: a disk writes sectors whole, in any order.
func (e event) sectors() (list []event) {
	const size = 512
	if e.op != opWrite {
		return []event{e}
	}
	for at, data := e.at, e.data; len(data) > 0; {
		n := min(int(size-at%size), len(data))
		list = append(list, event{op: opWrite, name: e.name, at: at, data: data[:n]})
		at, data = at+int64(n), data[n:]
	}
	return list
}

// flush makes the first n pending events durable.
func (f *file) flush(n int) {
	for _, p := range f.pending[:n] {
		f.apply(p)
	}
	f.pending = f.pending[n:]
}

// settleNames makes durable which files there are, whatever is in them.
func (f *file) settleNames() {
	for i := len(f.pending) - 1; i >= 0; i-- {
		if f.pending[i].op == opDelete {
			f.flush(i + 1)
			break
		}
	}
	f.there = f.there || len(f.pending) > 0
}

func (f *file) apply(e event) {
	f.there = true
	switch e.op {
	case opWrite:
		if need := e.at + int64(len(e.data)); need > int64(len(f.durable)) {
			f.durable = append(f.durable, make([]byte, need-int64(len(f.durable)))...)
		}
		copy(f.durable[e.at:], e.data)
	case opTruncate:
		f.durable = slices.Concat(f.durable, make([]byte, max(0, int(e.at)-len(f.durable))))[:e.at]
	case opDelete:
		f.durable, f.there = nil, false
	}
}

// restart writes what a disk held into a fresh folder.
func restart(t *testing.T, image map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range image {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func keepNothing() bool { return false }

func keepSome(seed uint64) func() bool {
	r := rand.New(rand.NewPCG(seed, seed))
	return func() bool { return r.IntN(2) == 0 }
}

// The rest puts disks under SQLite: a VFS that is the operating system's but
// for opening and deleting, and whose files are but for writing and flushing.

var (
	installed sync.Once
	disks     sync.Map // folder → *disk
	files     sync.Map // the address of an sqlite3_file → openFile
	methods   sync.Map // the address of its methods → our copy of them
	original  uintptr  // the sqlite3_vfs of the operating system
)

type openFile struct {
	disk    *disk
	name    string
	methods *lib.Tsqlite3_io_methods // of the operating system
	fresh   *atomic.Bool             // a journal just made: its first flush flushes the folder too
}

// at views memory that SQLite allocated.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// pointer makes a C function pointer of a top-level function.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

// function makes a function of a C function pointer.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) }

func install(t *testing.T) {
	t.Helper()
	installed.Do(func() {
		c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite) // initialises SQLite
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		tls := libc.NewTLS()
		original = lib.Xsqlite3_vfs_find(tls, 0)
		vfs := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
		name, err := libc.CString("watched")
		if err != nil {
			t.Fatal(err)
		}
		copied := at[lib.Tsqlite3_vfs](vfs)
		*copied = *at[lib.Tsqlite3_vfs](original)
		copied.FzName, copied.FpNext = name, 0
		copied.FxOpen, copied.FxDelete = pointer(openHook), pointer(deleteHook)
		if code := lib.Xsqlite3_vfs_register(tls, vfs, 1); code != 0 {
			t.Fatalf("sqlite3_vfs_register: %d", code)
		}
	})
}

func diskOf(path string) (*disk, string) {
	if d, ok := disks.Load(filepath.Dir(path)); ok {
		return d.(*disk), filepath.Base(path)
	}
	return nil, ""
}

func openHook(tls *libc.TLS, _ uintptr, path, file uintptr, flags int32, outFlags uintptr) int32 {
	open := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](at[lib.Tsqlite3_vfs](original).FxOpen)
	code := open(tls, original, path, file, flags, outFlags)
	if code != 0 || path == 0 {
		return code
	}
	d, name := diskOf(libc.GoString(path))
	if d == nil {
		return code
	}
	f := at[lib.Tsqlite3_file](file)
	os := at[lib.Tsqlite3_io_methods](f.FpMethods)
	ours, known := methods.Load(f.FpMethods)
	if !known {
		p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*os)))
		m := at[lib.Tsqlite3_io_methods](p)
		*m = *os
		m.FxClose, m.FxWrite = pointer(closeHook), pointer(writeHook)
		m.FxTruncate, m.FxSync = pointer(truncateHook), pointer(syncHook)
		ours, _ = methods.LoadOrStore(f.FpMethods, p)
	}
	fresh := &atomic.Bool{}
	fresh.Store(flags&lib.SQLITE_OPEN_CREATE != 0 && flags&(lib.SQLITE_OPEN_WAL|lib.SQLITE_OPEN_MAIN_JOURNAL) != 0)
	files.Store(file, openFile{disk: d, name: name, methods: os, fresh: fresh})
	f.FpMethods = ours.(uintptr)
	return 0
}

func lookup(file uintptr) openFile {
	f, _ := files.Load(file)
	return f.(openFile)
}

func closeHook(tls *libc.TLS, file uintptr) int32 {
	f := lookup(file)
	files.Delete(file)
	return function[func(*libc.TLS, uintptr) int32](f.methods.FxClose)(tls, file)
}

func writeHook(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	f := lookup(file)
	write := function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](f.methods.FxWrite)
	bytes := bytes.Clone(unsafe.Slice(at[byte](data), int(n)))
	code, written := f.disk.record(event{op: opWrite, name: f.name, at: offset, data: bytes})
	if code == 0 {
		return write(tls, file, data, n, offset)
	}
	if written > 0 {
		write(tls, file, data, int32(written), offset)
	}
	return code
}

func truncateHook(tls *libc.TLS, file uintptr, size int64) int32 {
	f := lookup(file)
	if code, _ := f.disk.record(event{op: opTruncate, name: f.name, at: size}); code != 0 {
		return code
	}
	return function[func(*libc.TLS, uintptr, int64) int32](f.methods.FxTruncate)(tls, file, size)
}

func syncHook(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := lookup(file)
	if code, _ := f.disk.record(event{op: opSync, name: f.name}); code != 0 {
		return code
	}
	if f.fresh.Swap(false) {
		f.disk.record(event{op: opSyncFolder})
	}
	return function[func(*libc.TLS, uintptr, int32) int32](f.methods.FxSync)(tls, file, flags)
}

func deleteHook(tls *libc.TLS, _ uintptr, path uintptr, syncDir int32) int32 {
	if d, name := diskOf(libc.GoString(path)); d != nil {
		if code, _ := d.record(event{op: opDelete, name: name}); code != 0 {
			return code
		}
		if syncDir != 0 {
			d.record(event{op: opSyncFolder})
		}
	}
	return function[func(*libc.TLS, uintptr, uintptr, int32) int32](at[lib.Tsqlite3_vfs](original).FxDelete)(tls, original, path, syncDir)
}

func (e event) String() string {
	return fmt.Sprintf("%s %s at %d (%d bytes)", []string{"write", "truncate", "sync", "delete", "sync folder"}[e.op], e.name, e.at, len(e.data))
}

func (d *disk) String() string {
	var s strings.Builder
	for i, e := range d.events {
		fmt.Fprintf(&s, "%d: %v\n", i, e)
	}
	return s.String()
}
