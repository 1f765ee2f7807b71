package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/strixlabs/execution-kernel"
)

// A Folder is a data folder: the database, the keys and the lock of one
// kernel. Only its owner may enter it.
type Folder struct{ Path string }

// Database is the SQLite file: the log and everything beside it.
func (f Folder) Database() string { return filepath.Join(f.Path, "kernel.db") }

// LockFile is held while a kernel runs on the folder; see [Lock].
func (f Folder) LockFile() string { return filepath.Join(f.Path, "lock") }

// LogKey is the key that signs checkpoints (a C2SP signed-note signer key).
func (f Folder) LogKey() string { return filepath.Join(f.Path, "log.key") }

// LogPub is the key that verifies them.
func (f Folder) LogPub() string { return filepath.Join(f.Path, "log.pub") }

// CheckpointFile is the latest signed checkpoint, of shard 0.
func (f Folder) CheckpointFile() string { return f.ShardCheckpoint(0) }

// ShardCheckpoint is the latest checkpoint of a shard that this node signed:
// log.checkpoint, or log-1.checkpoint for shard 1.
func (f Folder) ShardCheckpoint(shard int) string {
	return filepath.Join(f.Path, checkpointName(shard))
}

func checkpointName(shard int) string {
	if shard == 0 {
		return "log.checkpoint"
	}
	return fmt.Sprintf("log-%d.checkpoint", shard)
}

// checkpointOf is the shard whose checkpoint a file of this name holds.
func checkpointOf(name string) (shard int, ok bool) {
	if name == checkpointName(0) {
		return 0, true
	}
	digits, _ := strings.CutPrefix(name, "log-")
	digits, ok = strings.CutSuffix(digits, ".checkpoint")
	shard, err := strconv.Atoi(digits)
	return shard, ok && err == nil && shard > 0 && checkpointName(shard) == name
}

// checkpoints are the checkpoint files that are there, by shard.
func (f Folder) checkpoints() map[int]string {
	files := map[int]string{}
	list, err := os.ReadDir(f.Path)
	if err != nil {
		return files // there is no folder, and none in it
	}
	for _, e := range list {
		if shard, ok := checkpointOf(e.Name()); ok {
			files[shard] = filepath.Join(f.Path, e.Name())
		}
	}
	return files
}

// AdminToken is the token of the administrator on this machine.
func (f Folder) AdminToken() string { return filepath.Join(f.Path, "admin.token") }

// GrantKey is the key that signs grants.
func (f Folder) GrantKey() string { return filepath.Join(f.Path, "grant.key") }

// NodeFile holds what the node is called in leases of a database.
func (f Folder) NodeFile() string { return filepath.Join(f.Path, "node") }

// MovedFile says into which database the folder's log was copied.
func (f Folder) MovedFile() string { return filepath.Join(f.Path, "moved") }

// CreateFolder makes the data folder, or takes one that is there, and closes
// it to others: mended names what it had to close. A folder that holds
// something else, or that belongs to somebody else, is refused untouched; one
// with a file in it that somebody else may have put there is closed and refused.
func CreateFolder(path string) (f Folder, mended []string, err error) {
	if f, err = (Config{Data: path}).folder(); err != nil {
		return f, nil, err
	}
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return f, nil, fmt.Errorf("create the data folder: %w", err)
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return f, nil, fmt.Errorf("look at the data folder: %w", err)
	}
	if err := f.mayTake(info); err != nil {
		return f, nil, err
	}
	if mended, err = closeToOthers(f.Path, info, 0o700, mended); err != nil {
		return f, nil, err
	}
	// Closed first: from here on nobody else can put anything into it.
	if err := f.inspect(); err != nil {
		return f, nil, err
	}
	for _, secret := range []string{f.LogKey(), f.GrantKey(), f.AdminToken()} {
		info, err := os.Lstat(secret)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return f, nil, fmt.Errorf("look at the data folder: %w", err)
		}
		if mended, err = closeToOthers(secret, info, 0o600, mended); err != nil {
			return f, nil, err
		}
	}
	return f, mended, nil
}

// mayTake refuses folders that this user does not own, and folders full of
// something else: closing /tmp to others because of a slip would be harm.
func (f Folder) mayTake(info fs.FileInfo) error {
	if !info.IsDir() {
		return kernel.Errorf(kernel.Invalid, "%s: not a folder", f.Path).WithHint("name the data folder with --data DIR")
	}
	if uid, known := owner(info); known && uid != os.Geteuid() {
		return kernel.Errorf(kernel.Invalid, "data folder %s belongs to user %d, this is user %d", f.Path, uid, os.Geteuid()).
			WithHint("run the kernel as the folder's owner, or give the folder to this user")
	}
	if _, err := os.Lstat(f.Database()); err == nil {
		return nil
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	for _, e := range entries {
		if !f.own(e.Name()) {
			return kernel.Errorf(kernel.Invalid, "%s is no data folder: it holds %s", f.Path, e.Name()).
				WithHint("name an empty folder or a new one with --data DIR")
		}
	}
	return nil
}

// own reports whether the kernel makes files of this name, whole or, before a
// crash, unfinished.
func (f Folder) own(name string) bool {
	for _, path := range []string{f.Database(), f.LockFile(), f.LogKey(), f.LogPub(), f.CheckpointFile(), f.AdminToken(), f.GrantKey(), f.NodeFile(), f.MovedFile()} {
		base := filepath.Base(path)
		if name == base || strings.HasPrefix(name, base+".") && strings.HasSuffix(name, unfinished) {
			return true
		}
	}
	if i := strings.Index(name, ".checkpoint"); i >= 0 {
		_, ok := checkpointOf(name[:i+len(".checkpoint")])
		rest := name[i+len(".checkpoint"):]
		return ok && (rest == "" || strings.HasPrefix(rest, ".") && strings.HasSuffix(rest, unfinished))
	}
	return false
}

// sweep removes what a crash left unfinished. Only the holder of the lock may.
func (f Folder) sweep() error {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), unfinished) || !f.own(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(f.Path, e.Name())); err != nil {
			return fmt.Errorf("remove an unfinished file: %w", err)
		}
	}
	return nil
}

func closeToOthers(path string, info fs.FileInfo, mode fs.FileMode, mended []string) ([]string, error) {
	if info.Mode().Perm()&0o077 == 0 {
		return mended, nil
	}
	if err := os.Chmod(path, mode); err != nil {
		return mended, fmt.Errorf("close %s to other users: %w", path, err)
	}
	return append(mended, fmt.Sprintf("%s was open to other users (mode %04o), now it is %04o", path, info.Mode().Perm(), mode)), nil
}

// OpenFolder names a data folder, or a copy of one, for reading.
func OpenFolder(path string) (Folder, error) {
	f, err := (Config{Data: path}).folder()
	if err != nil {
		return f, err
	}
	if _, err := os.Stat(f.Database()); err != nil {
		return f, kernel.Errorf(kernel.Invalid, "%s: no decision log here", f.Path).
			WithHint("name a data folder with --data DIR; a kernel that was never started has none")
	}
	return f, nil
}

func owner(info fs.FileInfo) (uid int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
