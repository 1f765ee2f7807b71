package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A FormattedFile is a file of a bundle and its canonical form.
type FormattedFile struct {
	Name    string
	Changed bool // the canonical form is another than what the file holds
	text    []byte
}

// FormatFiles makes the canonical form of the files that a command line names.
// When one of them is not YAML the error is a DiagnosticsError about all that
// are not, and there is nothing to write.
func FormatFiles(paths []string) ([]FormattedFile, error) {
	sources, err := ReadBundles(paths)
	if err != nil {
		return nil, err
	}
	var files []FormattedFile
	invalid := DiagnosticsError{Name: strings.Join(paths, ", ")}
	seen := map[string]bool{}
	for _, source := range sources {
		for _, f := range source.Files {
			if seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			text, found := pdl.Format(f)
			invalid.Diagnostics = append(invalid.Diagnostics, found...)
			files = append(files, FormattedFile{Name: f.Name, Changed: !bytes.Equal(text, f.Data), text: text})
		}
	}
	if len(invalid.Diagnostics) > 0 {
		return nil, invalid
	}
	return files, nil
}

// Write replaces the file by its canonical form, whole or not at all; its mode
// stays, and a link goes on leading to it.
func (f FormattedFile) Write() error {
	path, err := filepath.EvalSymlinks(f.Name)
	if err != nil {
		return openError(f.Name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return openError(f.Name, err)
	}
	return replaceFile(path, f.text, info.Mode().Perm())
}

// FormatText makes the canonical form of a text, called name in messages.
func FormatText(name string, text []byte) ([]byte, error) {
	out, found := pdl.Format(pdl.File{Name: name, Data: text})
	if len(found) > 0 {
		return nil, DiagnosticsError{Name: name, Diagnostics: found}
	}
	return out, nil
}
