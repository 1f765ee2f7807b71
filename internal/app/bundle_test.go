package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func TestReadBundleTakesEveryDocumentBelowTheFolder(t *testing.T) {
	dir := tree(t, "b.yaml", "a.yml", "notes.txt", "team/c.yaml", ".hidden.yaml", ".git/d.yaml")
	if err := os.Symlink("b.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	files, err := app.ReadBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		name, _ := filepath.Rel(dir, f.Name)
		names = append(names, name)
	}
	if got, want := strings.Join(names, " "), "a.yml b.yaml link.yaml team/c.yaml"; got != want {
		t.Errorf("ReadBundle read %s, want %s", got, want)
	}
	if string(files[2].Data) != "b.yaml" {
		t.Errorf("the link holds %q, want what it leads to", files[2].Data)
	}
}

// A cluster mounts a folder of settings like this, and swaps one link when
// they change.
func TestReadBundleFollowsLinksInsideTheFolder(t *testing.T) {
	dir := tree(t, "..2026_11_23/a.yaml")
	for name, target := range map[string]string{"..data": "..2026_11_23", "a.yaml": "..data/a.yaml"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := app.ReadBundle(dir)
	if err != nil || len(files) != 1 || filepath.Base(files[0].Name) != "a.yaml" {
		t.Errorf("ReadBundle = %v, %v, want a.yaml", files, err)
	}
}

func TestReadBundleTakesOneFile(t *testing.T) {
	path := filepath.Join(tree(t, "only.policy"), "only.policy")
	files, err := app.ReadBundle(path)
	if err != nil || len(files) != 1 || files[0].Name != path {
		t.Errorf("ReadBundle = %v, %v, want the one file", files, err)
	}
}

func TestReadBundleRefusesWhatItCannotReadSafely(t *testing.T) {
	outside := tree(t, "secret.yaml")
	for _, c := range []struct {
		name, want string
		make       func(dir string) error
	}{
		{"an empty folder", "no *.yaml or *.yml here", func(dir string) error { return os.Remove(filepath.Join(dir, "a.yaml")) }},
		{"an ending in capitals", "files of a bundle end in", func(dir string) error { return os.WriteFile(filepath.Join(dir, "DENY.YAML"), []byte("x"), 0o600) }},
		{"an empty file", "the file is empty", func(dir string) error { return os.WriteFile(filepath.Join(dir, "deny.yaml"), []byte(" \n"), 0o600) }},
		{"a missing folder", "no such file", os.RemoveAll},
		{"a link that leaves the folder", "a link that leaves the folder", func(dir string) error {
			return os.Symlink(filepath.Join(outside, "secret.yaml"), filepath.Join(dir, "x.yaml"))
		}},
		{"a link that climbs out", "a link that leaves the folder", func(dir string) error {
			return os.Symlink("../"+filepath.Base(outside)+"/secret.yaml", filepath.Join(dir, "x.yaml"))
		}},
		{"a link to a folder outside", "a link to a folder", func(dir string) error {
			return os.Symlink(outside, filepath.Join(dir, "more"))
		}},
		{"a link to a folder inside", "a link to a folder", func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, "inside"), 0o700); err != nil {
				return err
			}
			return os.Symlink("inside", filepath.Join(dir, "more"))
		}},
		{"a link to nothing", "no such file", func(dir string) error { return os.Symlink("gone.yaml", filepath.Join(dir, "x.yaml")) }},
		{"a pipe", "not a regular file", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "x.yaml"), 0o600) }},
		{"a folder called like a document holds no document", "no *.yaml or *.yml here", func(dir string) error {
			if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
				return err
			}
			return os.Mkdir(filepath.Join(dir, "a.yaml"), 0o700)
		}},
		{"a huge file", "larger than", func(dir string) error { return os.Truncate(filepath.Join(dir, "a.yaml"), 5<<20) }},
	} {
		dir := tree(t, "a.yaml")
		if err := c.make(dir); err != nil {
			t.Fatal(err)
		}
		_, err := app.ReadBundle(dir)
		wantError(t, c.name, err, c.want, "")
	}
}

func TestReadBundlesMakesOneBundleOfFiles(t *testing.T) {
	one, other := tree(t, "a.yaml", "b.yaml"), tree(t, "c.yaml")
	got, err := app.ReadBundles([]string{one, filepath.Join(other, "c.yaml"), filepath.Join(one, "a.yaml"), filepath.Join(one, "a.yaml")})
	if err != nil || len(got) != 2 {
		t.Fatalf("ReadBundles = %v, %v, want two bundles", got, err)
	}
	if got[0].Name != one || len(got[0].Files) != 2 || len(got[1].Files) != 2 {
		t.Errorf("ReadBundles = %v, want the folder with two files and the two loose files", got)
	}
}

// tree makes a folder of files that hold their own names.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		path := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
