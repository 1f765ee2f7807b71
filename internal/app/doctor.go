package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// A Health is what doctor thinks of one thing.
type Health string

// The healths, from the best.
const (
	Fine Health = "ok"
	Warn Health = "warn"
	Fail Health = "fail"
)

// A Finding is one line of doctor.
type Finding struct {
	Check  string `json:"check"`
	Health Health `json:"health"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitzero"` // what to do
}

// Doctor looks whether everything is installed and safe, for the user that
// runs it: as the kernel's own user it looks at the installation, as the user
// that agents run as it makes sure that they can read nothing of it.
func Doctor(ctx context.Context, cfg Config) []Finding {
	d := doctor{cfg: cfg, uid: os.Geteuid()}
	d.program()
	var err error
	if d.folder, err = cfg.folder(); err != nil {
		d.say("data", Fail, "name it: --data DIR", "%v", err)
	} else {
		d.data()
	}
	d.store(ctx)
	d.policies()
	d.server(ctx)
	return d.findings
}

type doctor struct {
	cfg      Config
	folder   Folder
	uid      int  // of this user
	stranger bool // this user is not the owner of the data folder
	findings []Finding
}

func (d *doctor) say(check string, h Health, fix, format string, args ...any) {
	d.findings = append(d.findings, Finding{Check: check, Health: h, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

func (d *doctor) program() {
	version, err := sqlite.LibraryVersion()
	if err != nil {
		d.say("sqlite", Fail, "install a build of the kernel with a newer SQLite", "%v", err)
	} else {
		d.say("sqlite", Fine, "", "SQLite %s", version)
	}
	// Nothing was decided before this program was written: an earlier clock is
	// one that was never set.
	if now := Clock().UTC(); now.Year() < 2026 {
		d.say("clock", Fail, "set the clock; decisions carry its time", "the clock says %s", now.Format("2006-01-02"))
	} else {
		d.say("clock", Fine, "", "the clock says %s", now.Format("2006-01-02T15:04:05Z"))
	}
}

func (d *doctor) data() {
	info, err := os.Stat(d.folder.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say("data", Warn, "start the kernel once: kernel serve", "there is no data folder %s yet", d.folder.Path)
		return
	case err != nil:
		d.say("data", Fine, "", "%s is closed to this user", d.folder.Path)
		d.stranger = true
		return
	}
	if uid, known := owner(info); known && uid != d.uid && d.uid != 0 {
		d.stranger = true
		d.closed("data", d.folder.Path)
		return
	}
	d.own(info)
	d.space()
}

// closed makes sure that a user who is not the kernel's cannot read a folder.
func (d *doctor) closed(check, path string) {
	if err := unix.Access(path, unix.R_OK); err == nil {
		d.say(check, Fail, "chmod -R go-rwx "+path, "this user can read %s, and so can agents that run as it", path)
		return
	}
	d.say(check, Fine, "", "%s is closed to this user", path)
}

// own looks at the folder as its owner.
func (d *doctor) own(info fs.FileInfo) {
	if d.uid == 0 {
		d.say("user", Warn, "run kernel and doctor as a user of their own, and doctor as the agents' user too",
			"this is root, whom nothing is closed to")
	}
	paths := []string{d.folder.Path, d.folder.LogKey(), d.folder.GrantKey(), d.folder.AdminToken(), d.folder.Database()}
	healthy := true
	for i, path := range paths {
		mode := fs.FileMode(0o600)
		if i == 0 {
			mode = 0o700
		} else if got, err := os.Stat(path); err != nil {
			continue // not made yet
		} else {
			info = got
		}
		if info.Mode().Perm()&0o077 != 0 {
			healthy = false
			d.say("data", Fail, fmt.Sprintf("chmod %o %s", mode, path), "other users can get at %s (mode %04o)", path, info.Mode().Perm())
		}
	}
	if err := d.folder.inspect(); err != nil {
		healthy = false
		d.say("data", Fail, "find out who put it there, and remove it", "%v", err)
	}
	if healthy {
		d.say("data", Fine, "", "%s is open to its owner alone", d.folder.Path)
	}
}

func (d *doctor) space() {
	var s unix.Statfs_t
	if err := unix.Statfs(d.folder.Path, &s); err != nil {
		d.say("space", Warn, "", "free space is unknown: %v", err)
		return
	}
	switch free := uint64(s.Bavail) * uint64(s.Bsize); { //nolint:unconvert // the types differ between systems
	case free < sqlite.DefaultFreeBytesFloor:
		d.say("space", Fail, "delete something or extend the disk", "%d MiB free: decisions are refused below %d MiB",
			free>>20, int64(sqlite.DefaultFreeBytesFloor)>>20)
	case free < 1<<30:
		d.say("space", Warn, "delete something or extend the disk", "%d MiB free", free>>20)
	default:
		d.say("space", Fine, "", "%d GiB free", free>>30)
	}
}

func (d *doctor) store(ctx context.Context) {
	if d.cfg.Store == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	switch s, err := Status(ctx, d.cfg); {
	case err != nil:
		d.say("store", Fail, "kernel store status", "%v", err)
	case s.Schema != s.Newest:
		d.say("store", Fail, "kernel store migrate", "%s: the schema has version %d, this program needs %d", s.Store, s.Schema, s.Newest)
	default:
		d.say("store", Fine, "", "%s answers; entries in its log: %d", s.Store, s.Entries)
	}
}

func (d *doctor) policies() {
	path := d.cfg.Policies
	if path == "" {
		d.say("policies", Warn, "name them: --policies PATH or KERNEL_POLICIES", "no policies are named, so they were not looked at")
		return
	}
	if d.stranger {
		d.closed("policies", path)
		return
	}
	report, err := testPath(path)
	switch {
	case err != nil:
		d.say("policies", Fail, "kernel check "+path, "%v", err)
		return
	case report.Failed > 0:
		d.say("policies", Fail, "kernel test "+path, "%s: %d of %d tests fail", path, report.Failed, report.Failed+report.Passed)
	case report.Passed == 0:
		d.say("policies", Warn, "write tests; \"kernel init\" shows some", "%s: valid, without tests", path)
	default:
		d.say("policies", Fine, "", "%s: valid, %s pass", path, plural(report.Passed, "test"))
	}
	d.writable(path)
}

func testPath(path string) (TestReport, error) {
	files, err := ReadBundle(path)
	if err != nil {
		return TestReport{}, err
	}
	return RunTests(BundleSource{Name: path, Files: files}, false)
}

// writable finds what others could change: whoever writes policies decides.
func (d *doctor) writable(path string) {
	worst, where := fs.FileMode(0), ""
	err := filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(p)
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			return err
		}
		if open := info.Mode().Perm() & 0o022; open&0o002 > worst&0o002 || worst == 0 && open != 0 {
			worst, where = open, p
		}
		return nil
	})
	switch fix := "chmod go-w " + cmp.Or(where, path); {
	case err != nil:
		d.say("policies", Warn, "", "not everything could be looked at: %v", err)
	case worst&0o002 != 0:
		d.say("policies", Fail, fix, "every user can change %s", where)
	case worst != 0:
		d.say("policies", Warn, fix, "the group can change %s", where)
	default:
		d.say("policies", Fine, "", "only the owner can change them")
	}
}

func (d *doctor) server(ctx context.Context) {
	url := d.cfg.Server
	if url == "" && d.folder.Path == "" {
		return
	}
	if url == "" {
		holder, running, err := Running(d.folder)
		if err != nil || !running || holder.URL == "" {
			if !d.stranger {
				d.say("server", Warn, "start it: kernel serve --policies PATH", "no kernel runs on %s", d.folder.Path)
			}
			return
		}
		url = holder.URL
	}
	k, err := client.New(url, "")
	if err == nil {
		err = k.Ready(ctx)
	}
	if err != nil {
		d.say("server", Fail, "look at the log of kernel serve", "%s: %v", url, err)
		return
	}
	d.say("server", Fine, "", "%s answers and is ready", url)
}
