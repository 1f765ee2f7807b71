package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
)

// ownFlags open a file of the data folder: never through a symbolic link, and
// without waiting for the other end of a pipe.
const ownFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// files lists what the kernel makes in its folder, and SQLite beside its
// database.
func (f Folder) files() []string {
	db := f.Database()
	list := []string{f.LockFile(), f.LogKey(), f.LogPub(), f.CheckpointFile(), f.AdminToken(), f.GrantKey(), db, db + "-wal", db + "-shm", db + "-journal"}
	for _, path := range f.checkpoints() {
		list = append(list, path)
	}
	return list
}

// inspect refuses the folder when somebody else could have put one of its
// files there, or changed it: a folder that was open to others for a while
// may hold a lock that leads elsewhere, or an admin token that others know.
func (f Folder) inspect() error {
	for _, path := range f.files() {
		if err := f.inspectFile(path); err != nil {
			return err
		}
	}
	return nil
}

// inspectFile is inspect for one file; one that is not there is fine.
func (f Folder) inspectFile(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return openError(path, err)
	}
	return f.sound(path, info)
}

// sound refuses a file that is not the folder owner's own.
func (f Folder) sound(path string, info fs.FileInfo) error {
	folder, err := os.Stat(f.Path)
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	uid, known := owner(folder)
	if !known {
		return nil
	}
	if what := planted(info, uid, filepath.Base(path)); what != "" {
		return kernel.Errorf(kernel.Invalid, "%s %s, so it may not be the kernel's own", path, what).
			WithHint("find out who put it there; then remove it, or put back the one of a backup as a file of its own, mode 0600, of user %d", uid)
	}
	return nil
}

// planted says what is wrong with a file of a folder of the user uid, or "".
func planted(info fs.FileInfo, uid int, name string) string {
	stat, _ := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return "is a symbolic link"
	case !info.Mode().IsRegular():
		return "is not a regular file"
	case stat == nil || int(stat.Uid) != uid:
		return fmt.Sprintf("does not belong to user %d, as the data folder does", uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("can be written by other users (mode %04o)", info.Mode().Perm())
	case stat.Nlink > 1 && !strings.HasPrefix(name, "kernel.db"): // whoever copies a folder may link the database
		return fmt.Sprintf("is %d files in one (hard links)", stat.Nlink)
	}
	return ""
}

// openOwn opens a file of the folder and makes sure that it is sound.
func (f Folder) openOwn(path string, flags int, mode fs.FileMode) (*os.File, error) {
	file, err := os.OpenFile(path, flags|ownFlags, mode)
	if err != nil {
		if found := f.inspectFile(path); found != nil {
			return nil, found // O_NOFOLLOW alone would say that there are too many links
		}
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = f.sound(path, info)
	}
	if err != nil {
		quietly(file)
		return nil, err
	}
	return file, nil
}
