package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
)

// A Lock keeps a data folder for one process. The operating system drops it
// when the process ends, however it ends.
type Lock struct{ file *os.File }

// A Holder is the process that holds a lock.
type Holder struct {
	PID int
	URL string // where it answers; empty while it starts
}

// TakeLock takes the folder's lock, or says who holds it.
func TakeLock(f Folder) (*Lock, error) {
	file, err := f.openOwn(f.LockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.As(err, new(*kernel.Error)) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	switch err := flockSoon(file); {
	case errors.Is(err, unix.EWOULDBLOCK):
		defer quietly(file)
		return nil, heldError(f, file)
	case err != nil:
		quietly(file)
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	l := &Lock{file: file}
	if err := l.Announce(Holder{PID: os.Getpid()}); err != nil {
		return nil, errors.Join(err, l.Release())
	}
	return l, nil
}

// flockSoon tries for a fifth of a second: [Running] holds the lock for the
// moment it takes to look.
func flockSoon(file *os.File) (err error) {
	for range 10 {
		if err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func heldError(f Folder, file io.ReaderAt) error {
	h := readHolder(file)
	where := "and is starting"
	if h.URL != "" {
		where = "and answers at " + h.URL
	}
	return kernel.Errorf(kernel.Internal, "another kernel runs on data folder %s: process %d holds the lock %s", f.Path, h.PID, where).
		WithHint("stop it first, or name another folder with --data DIR")
}

// Announce writes who holds the lock into its file, for whoever finds it held.
func (l *Lock) Announce(h Holder) error {
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	if _, err := l.file.WriteAt(fmt.Appendf(nil, "pid %d\nurl %s\n", h.PID, h.URL), 0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	return nil
}

// Release gives the folder up. The file stays: removing it would let two
// processes hold locks on two files of one name.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

// Running returns the kernel that runs on the folder; false when none does. A
// lock that somebody else may have put there is an error: it says where the
// admin token is sent.
func Running(f Folder) (Holder, bool, error) {
	file, err := f.openOwn(f.LockFile(), os.O_RDONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Holder{}, false, nil
	case errors.As(err, new(*kernel.Error)):
		return Holder{}, false, err
	case err != nil:
		return Holder{}, false, openError(f.LockFile(), err)
	}
	defer quietly(file)
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return Holder{}, false, nil // closing the file drops the lock again
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return Holder{}, false, fmt.Errorf("look at the lock of %s: %w", f.Path, err)
	}
	return readHolder(file), true, nil
}

// readHolder reads what Announce wrote, or the zero Holder when a process is
// just writing it.
func readHolder(file io.ReaderAt) (h Holder) {
	data, err := io.ReadAll(io.NewSectionReader(file, 0, 4096))
	if err != nil {
		return Holder{}
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "pid":
			if h.PID, err = strconv.Atoi(value); err != nil {
				return Holder{}
			}
		case "url":
			h.URL = value
		}
	}
	return h
}

// errNotRunning is what a command that needs a running kernel says.
func errNotRunning(f Folder) error {
	return kernel.Errorf(kernel.Unavailable, "no kernel runs on data folder %s", f.Path).
		WithHint("start one with \"kernel serve\", or name one with --server URL")
}
