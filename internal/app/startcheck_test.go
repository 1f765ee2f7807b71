package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestALogWithoutItsCheckpointIsNotServed(t *testing.T) {
	t.Parallel()
	data, policies := filepath.Join(t.TempDir(), "data"), starterBundle(t)
	p := start(t, data, policies)
	p.stop()
	file := p.folder.CheckpointFile()
	for name, c := range map[string]struct {
		spoil func() error
		want  string
	}{
		"emptied": {func() error { return os.Truncate(file, 0) }, "log.checkpoint is empty"},
		"removed": {func() error { return os.Remove(file) }, "log.checkpoint is missing"},
	} {
		note, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		again := spawn(t, data, policies)
		if code := again.wait(); code == 0 || !strings.Contains(again.log.String(), c.want) {
			t.Errorf("%s: serve ends with %d and says %s, want a failure with %q", name, code, again.log, c.want)
		}
		if err := os.WriteFile(file, note, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, data, policies).stop()
}
