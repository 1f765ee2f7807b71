package app

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// Limits of a bundle; one that exceeds them is refused, never cut.
const (
	maxBundleFile  = 4 << 20  // bytes of one file
	maxBundleBytes = 32 << 20 // bytes of all files
	maxBundleFiles = 4096
)

// ReadBundle reads a bundle once: one file, or every *.yaml and *.yml below a
// folder but its registry.yaml ([pdl.IsRegistryFile]), in the order of their names. Hidden files and folders are left out;
// what looks like a part of the bundle but could not be read safely (a link
// that leaves the folder, a link to a folder, a pipe) is an error
// (*[kernel.Error]), because leaving out a rule that denies would allow.
func ReadBundle(name string) ([]pdl.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, openError(name, err)
	}
	if !info.IsDir() {
		data, err := readBounded(name, maxBundleFile)
		if err != nil {
			return nil, err
		}
		return []pdl.File{{Name: name, Data: data}}, nil
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, openError(name, err)
	}
	defer quietly(root)
	return readTree(root, name)
}

func readTree(root *os.Root, folder string) ([]pdl.File, error) {
	names, err := bundleNames(root, folder)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, noFiles(folder)
	}
	var files []pdl.File
	total := 0
	for _, n := range names {
		shown := filepath.Join(folder, filepath.FromSlash(n))
		data, err := readInside(root, n, shown)
		if err != nil {
			return nil, err
		}
		f := pdl.File{Name: shown, Data: data}
		if pdl.IsRegistryFile(f) {
			continue
		}
		if total += len(data); total > maxBundleBytes {
			return nil, kernel.Errorf(kernel.Invalid, "%s: the files of the bundle hold more than %d bytes", folder, maxBundleBytes)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, noFiles(folder)
	}
	return files, nil
}

func noFiles(folder string) error {
	return kernel.Errorf(kernel.Invalid, "%s: no *.yaml or *.yml here", folder).
		WithHint("\"kernel init %s\" writes a bundle to start from", folder)
}

// readInside opens a file so that no link can lead out of the folder.
func readInside(root *os.Root, name, shown string) ([]byte, error) {
	f, err := root.OpenFile(name, openFlags, 0)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil && strings.Contains(inner.Error(), "escapes") {
			return nil, kernel.Errorf(kernel.Invalid, "%s: a link that leaves the folder", shown).
				WithHint("a bundle is read from one folder; put the file there")
		}
		return nil, openError(shown, err)
	}
	defer quietly(f)
	data, err := readOpen(f, shown, maxBundleFile)
	if err == nil && len(bytes.TrimSpace(data)) == 0 {
		// A file that is being written, or was cut to nothing: what it denied
		// must not be allowed meanwhile.
		return nil, kernel.Errorf(kernel.Invalid, "%s: the file is empty", shown).WithHint("remove it if it is not needed")
	}
	return data, err
}

func bundleNames(root *os.Root, folder string) ([]string, error) {
	var names []string
	err := fs.WalkDir(root.FS(), ".", func(p string, e fs.DirEntry, err error) error {
		shown := filepath.Join(folder, filepath.FromSlash(p))
		switch {
		case err != nil:
			return openError(shown, err)
		case p == ".":
			return nil
		case hidden(p) && e.IsDir():
			return fs.SkipDir
		case hidden(p) || e.IsDir():
			return nil
		case e.Type()&fs.ModeSymlink != 0 && leadsToFolder(root, p):
			return kernel.Errorf(kernel.Invalid, "%s: a link to a folder", shown).WithHint("a bundle is one folder; put the files there")
		case isYAML(p):
			names = append(names, p)
		case isYAML(strings.ToLower(p)):
			// Left out in silence, its denials would be allowed.
			return kernel.Errorf(kernel.Invalid, "%s: files of a bundle end in .yaml or .yml", shown).WithHint("rename it, or move it out of the folder")
		}
		if len(names) > maxBundleFiles {
			return kernel.Errorf(kernel.Invalid, "%s: more than %d files", folder, maxBundleFiles)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// leadsToFolder also reports links that lead nowhere inside: only a folder can
// hide documents, and whether one does cannot be seen from here.
func leadsToFolder(root *os.Root, name string) bool {
	info, err := root.Stat(name)
	if err != nil {
		return !isYAML(name) && !errors.Is(err, fs.ErrNotExist)
	}
	return info.IsDir()
}

func hidden(name string) bool { return strings.HasPrefix(path.Base(name), ".") }

func isYAML(name string) bool {
	ext := path.Ext(name)
	return ext == ".yaml" || ext == ".yml"
}

// ReadBundleToPush reads a bundle as a client sends it to a kernel: its files
// are named from its folder on.
func ReadBundleToPush(path string) ([]client.PolicyFile, error) {
	files, err := ReadBundle(path)
	if err != nil {
		return nil, err
	}
	var list []client.PolicyFile
	for _, f := range (BundleSource{Name: path, Files: files}).kept() {
		if !utf8.Valid(f.Data) { // JSON would carry something else
			return nil, kernel.Errorf(kernel.Invalid, "%s: the file is not UTF-8", f.Name)
		}
		list = append(list, client.PolicyFile{Name: f.Name, Text: string(f.Data)})
	}
	return list, nil
}

// A BundleSource is one bundle as a person named it.
type BundleSource struct {
	Name  string // what to call it in messages
	Files []pdl.File
}

// ReadBundles reads what a command line names: each folder is a bundle, the
// files among the paths together are one.
func ReadBundles(paths []string) ([]BundleSource, error) {
	var folders []BundleSource
	var loose BundleSource
	for _, p := range paths {
		files, err := ReadBundle(p)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, openError(p, err)
		}
		if info.IsDir() {
			folders = append(folders, BundleSource{Name: p, Files: files})
			continue
		}
		loose.Name = cmp.Or(loose.Name, p)
		if !slices.ContainsFunc(loose.Files, func(f pdl.File) bool { return f.Name == files[0].Name }) {
			loose.Files = append(loose.Files, files...)
		}
	}
	if len(loose.Files) > 0 {
		folders = append(folders, loose)
	}
	return folders, nil
}
