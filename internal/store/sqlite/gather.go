package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// SQLite appends every page to the write-ahead log with two writes, and a
// commit has dozens of pages: those calls would be a third of what it costs.
// The connection that commits opens its file through a VFS
// (https://sqlite.org/vfs.html) that is the operating system's, but gathers
// what is appended to the log and writes it in one piece: with the last page of
// the transaction, or before anything else is done to the file. Nobody looks at
// a page before that, and the flush comes after it: what is promised does not
// change.

const gatheringVFS = "kernel-gathering"

// gatherBytes is how much is gathered at most: what the operating system's VFS
// takes in one piece.
const gatherBytes = 1<<17 - 1

// frameHeader is the size of what goes before a page in the log
// (https://sqlite.org/fileformat2.html#wal_file_format).
const frameHeader = 24

// registerGathering makes the VFS known to SQLite, once in a process.
var registerGathering = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString(gatheringVFS)
	if err != nil {
		return err
	}
	at := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	if at == 0 {
		return errMemory
	}
	vfs := view[lib.Tsqlite3_vfs](at) // SQLite keeps it, so it is never freed
	*vfs = *view[lib.Tsqlite3_vfs](systemVFS(tls))
	vfs.FzName, vfs.FpNext = name, 0
	vfs.FxOpen, vfs.FxDelete = address(gatheringOpen), address(gatheringDelete)
	if code := lib.Xsqlite3_vfs_register(tls, at, 0); code != lib.SQLITE_OK {
		return fmt.Errorf("register a VFS with SQLite: code %d", code)
	}
	return nil
})

var errMemory = errors.New("register a VFS with SQLite: there is no memory")

func systemVFS(tls *libc.TLS) uintptr { return lib.Xsqlite3_vfs_find(tls, 0) }

// A gathering is an open write-ahead log, and what was appended to it and not
// written yet. One connection has it, and so one goroutine at a time.
type gathering struct {
	system *lib.Tsqlite3_io_methods // of the operating system
	ours   uintptr                  // the methods that SQLite calls
	buffer uintptr                  // of gatherBytes
	size   int32                    // bytes in it
	offset int64                    // where in the file they belong
	ends   bool                     // the next page is the last of a transaction
}

// gatherings are the open logs by the address of their sqlite3_file.
var gatherings sync.Map

func gatheringOf(file uintptr) *gathering {
	g, _ := gatherings.Load(file)
	return g.(*gathering)
}

// gatheringOpen is xOpen: the operating system's, and then a log gets methods of ours.
func gatheringOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	vfs := systemVFS(tls)
	open := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](view[lib.Tsqlite3_vfs](vfs).FxOpen)
	if code := open(tls, vfs, name, file, flags, outFlags); code != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_WAL == 0 {
		return code
	}
	f := view[lib.Tsqlite3_file](file)
	g := &gathering{
		system: view[lib.Tsqlite3_io_methods](f.FpMethods),
		ours:   libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(lib.Tsqlite3_io_methods{}))),
		buffer: libc.Xmalloc(tls, gatherBytes),
	}
	if g.ours == 0 || g.buffer == 0 {
		g.free(tls)
		return lib.SQLITE_OK // every page is written by itself
	}
	m := view[lib.Tsqlite3_io_methods](g.ours)
	*m = *g.system
	m.FxWrite, m.FxRead, m.FxSync = address(gatheringWrite), address(gatheringRead), address(gatheringSync)
	m.FxTruncate, m.FxFileSize, m.FxClose = address(gatheringTruncate), address(gatheringFileSize), address(gatheringClose)
	gatherings.Store(file, g)
	f.FpMethods = g.ours
	return lib.SQLITE_OK
}

func (g *gathering) free(tls *libc.TLS) {
	libc.Xfree(tls, g.ours)
	libc.Xfree(tls, g.buffer)
}

func (g *gathering) pass(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](g.system.FxWrite)(tls, file, data, n, offset)
}

// write writes what was gathered. What fails is forgotten: SQLite undoes the
// transaction that it is of.
func (g *gathering) write(tls *libc.TLS, file uintptr) int32 {
	if g.size == 0 {
		return lib.SQLITE_OK
	}
	n := g.size
	g.size = 0
	return g.pass(tls, file, g.buffer, n, g.offset)
}

func gatheringWrite(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	g := gatheringOf(file)
	if g.size > 0 && (offset != g.offset+int64(g.size) || g.size+n > gatherBytes) {
		if code := g.write(tls, file); code != lib.SQLITE_OK {
			return code
		}
	}
	if n > gatherBytes {
		return g.pass(tls, file, data, n, offset)
	}
	if g.size == 0 {
		g.offset = offset
	}
	from := unsafe.Slice(view[byte](data), n)
	copy(unsafe.Slice(view[byte](g.buffer+uintptr(g.size)), n), from)
	g.size += n
	switch {
	case n == frameHeader:
		g.ends = binary.BigEndian.Uint32(from[4:]) != 0 // the size of the database after a commit; else 0
	case g.ends:
		g.ends = false
		return g.write(tls, file)
	}
	return lib.SQLITE_OK
}

func gatheringRead(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	g := gatheringOf(file)
	if code := g.write(tls, file); code != lib.SQLITE_OK {
		return code
	}
	return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](g.system.FxRead)(tls, file, data, n, offset)
}

func gatheringSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	g := gatheringOf(file)
	if code := g.write(tls, file); code != lib.SQLITE_OK {
		return code
	}
	return function[func(*libc.TLS, uintptr, int32) int32](g.system.FxSync)(tls, file, flags)
}

func gatheringTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	g := gatheringOf(file)
	if code := g.write(tls, file); code != lib.SQLITE_OK {
		return code
	}
	return function[func(*libc.TLS, uintptr, int64) int32](g.system.FxTruncate)(tls, file, size)
}

func gatheringFileSize(tls *libc.TLS, file, size uintptr) int32 {
	g := gatheringOf(file)
	if code := g.write(tls, file); code != lib.SQLITE_OK {
		return code
	}
	return function[func(*libc.TLS, uintptr, uintptr) int32](g.system.FxFileSize)(tls, file, size)
}

// gatheringClose forgets what nobody asked to have flushed: it is of a
// transaction that was undone.
func gatheringClose(tls *libc.TLS, file uintptr) int32 {
	g := gatheringOf(file)
	gatherings.Delete(file)
	code := function[func(*libc.TLS, uintptr) int32](g.system.FxClose)(tls, file)
	g.free(tls)
	return code
}

func gatheringDelete(tls *libc.TLS, _, name uintptr, syncFolder int32) int32 {
	vfs := systemVFS(tls)
	return function[func(*libc.TLS, uintptr, uintptr, int32) int32](view[lib.Tsqlite3_vfs](vfs).FxDelete)(tls, vfs, name, syncFolder)
}

// view is memory that SQLite allocated.
func view[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// address makes a C function pointer of a top-level function.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) }

// function makes a function of a C function pointer.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) }
