package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// beginRegistry fills a registry in which nothing ever was with the file that
// lies beside the policies, if one does. It is looked at this once: whoever
// changes the registry later must not see it undone by a restart.
func (s *service) beginRegistry(ctx context.Context) error {
	path := filepath.Join(s.cfg.Policies, "registry.yaml")
	known, err := s.gate.Registry(ctx, self())
	if err != nil || known.Version() > 0 {
		return err
	}
	data, err := registryBeside(path)
	if err != nil || data == nil {
		return err
	}
	document, err := RegistryDocument(path, data)
	if err != nil {
		return err
	}
	tree, err := kernel.DecodeJSON(document)
	if err != nil {
		return err
	}
	d, err := registry.ReadDocument(tree)
	if err != nil {
		return err
	}
	applied, err := s.gate.Apply(ctx, self(), d, gate.ApplyOptions{})
	if err != nil {
		return fmt.Errorf("apply %s: %w", path, err)
	}
	for _, w := range applied.Warnings {
		s.log.Warn("the registry file does not fit the policy", "file", path, "at", w.Path, "problem", w.Message)
	}
	s.log.Info("the registry was empty and begins with the file beside the policies", "file", path, "changes", len(applied.Changes))
	return nil
}

// registryBeside reads the file, or nothing where there is none, and where it
// is a part of the bundle.
func registryBeside(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return nil, nil
	case err != nil:
		return nil, openError(path, err)
	case !info.Mode().IsRegular():
		return nil, nil // a bundle's links are read with the bundle
	}
	data, err := readBounded(path, maxBundleFile)
	if err != nil || !pdl.IsRegistryFile(pdl.File{Name: path, Data: data}) {
		return nil, err
	}
	return data, nil
}
