package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
)

// openFlags never wait: opening a named pipe would otherwise hang.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK

// readBounded reads a regular file of at most limit bytes, once. A file that
// cannot be opened is the caller's fault.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	defer quietly(f)
	return readOpen(f, path, limit)
}

func readOpen(f *os.File, path string, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, openError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, kernel.Errorf(kernel.Invalid, "%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, kernel.Errorf(kernel.Invalid, "%s: larger than %d bytes", path, limit)
	}
	return data, nil
}

// openError says what is wrong with a path, without the name of the system call.
func openError(path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	e := kernel.Errorf(kernel.Invalid, "%s: %v", path, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e.WithHint("name one that exists; a relative path begins at the folder in which the command runs")
	case errors.Is(err, fs.ErrPermission):
		return e.WithHint("let the user who runs the command read it")
	}
	return e
}

// unfinished ends the names of files that writeFile has not renamed yet.
const unfinished = ".tmp"

// writeFile replaces a file whole or not at all: after a crash it is the old
// one or the new one, on disk, never a part of either. Only its owner may read it.
func writeFile(path string, data []byte) error { return replaceFile(path, data, 0o600) }

// replaceFile is writeFile with the permissions of the new file.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	dir, name := filepath.Split(path)
	f, err := os.CreateTemp(dir, name+".*"+unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after the rename
	err = writeAndSync(f, data, mode)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

func writeAndSync(f *os.File, data []byte, mode fs.FileMode) error {
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// syncFolder makes a rename durable.
func syncFolder(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer quietly(d)
	return d.Sync()
}

// quietly closes what was only read: nothing is lost when that fails.
func quietly(c io.Closer) { _ = c.Close() }

// ReadInput reads a file that a person named: a pipe or a device will do too.
func ReadInput(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	defer quietly(f)
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, openError(path, err)
	}
	if int64(len(data)) > limit {
		return nil, kernel.Errorf(kernel.Invalid, "%s: larger than %d bytes", path, limit)
	}
	return data, nil
}
