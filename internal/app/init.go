package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app/starter"
)

// InitBundle writes the starter bundle into a folder and returns the paths it
// wrote. A folder that holds anything but hidden files is left alone: what
// lies there could become a part of the bundle.
func InitBundle(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // policies are no secret, and others may review them
		return nil, openError(dir, err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	for _, e := range there {
		if !strings.HasPrefix(e.Name(), ".") {
			return nil, kernel.Errorf(kernel.Invalid, "%s is not empty: it holds %s", dir, e.Name()).
				WithHint("name a new folder; nothing was written")
		}
	}
	var written []string
	err = fs.WalkDir(starter.Files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		written = append(written, path)
		return copyNew(path, name)
	})
	return written, err
}

func copyNew(path, name string) error {
	data, err := starter.Files.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return openError(path, err)
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return f.Close()
}
