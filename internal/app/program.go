package app

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A DiagnosticsError says that a bundle is invalid, and where.
type DiagnosticsError struct {
	Name        string // what the bundle was called
	Diagnostics pdl.Diagnostics
}

func (e DiagnosticsError) Error() string {
	errors, warnings := count(e.Diagnostics)
	if warnings == 0 {
		return fmt.Sprintf("%s: %s", e.Name, plural(errors, "error"))
	}
	return fmt.Sprintf("%s: %s, %s", e.Name, plural(errors, "error"), plural(warnings, "warning"))
}

func count(diags pdl.Diagnostics) (errors, warnings int) {
	for _, d := range diags {
		if d.Severity == pdl.Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Compiled is a bundle that may decide.
type Compiled struct {
	Source   BundleSource
	Bundle   *pdl.Bundle
	Program  *eval.Program
	Warnings pdl.Diagnostics
}

// Compile checks a bundle and makes a program of it. The error is a
// DiagnosticsError when the bundle is invalid.
func Compile(source BundleSource) (Compiled, error) {
	bundle, diags := pdl.Compile(source.Files)
	if bundle == nil || diags.HasErrors() {
		return Compiled{}, DiagnosticsError{Name: source.Name, Diagnostics: diags}
	}
	program, err := eval.New(bundle)
	if err != nil {
		return Compiled{}, fmt.Errorf("compile %s: %w", source.Name, err)
	}
	return Compiled{Source: source, Bundle: bundle, Program: program, Warnings: diags}, nil
}

// CompilePath reads and compiles one bundle.
func CompilePath(path string) (Compiled, error) {
	files, err := ReadBundle(path)
	if err != nil {
		return Compiled{}, err
	}
	return Compile(BundleSource{Name: path, Files: files})
}

// kept returns the files as the store keeps them: named from the bundle's
// folder on, because where the folder lay is nobody's business later.
func (s BundleSource) kept() []pdl.File {
	var files []pdl.File
	for _, f := range s.Files {
		name, err := filepath.Rel(s.Name, f.Name)
		if err != nil || name == "." || strings.HasPrefix(name, "..") {
			name = filepath.Base(f.Name)
		}
		files = append(files, pdl.File{Name: filepath.ToSlash(name), Data: f.Data})
	}
	return files
}

// fingerprint tells one content of a folder from another. Lengths go before
// names and contents, so that no two folders share one.
func fingerprint(files []pdl.File) [sha256.Size]byte {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, f := range files {
		add([]byte(f.Name))
		add(f.Data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
