package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/contract"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// AnyKind names the schema of documents of every kind.
const AnyKind = "pdl"

// PolicySchema returns the JSON Schema of a kind of policy document, or of
// AnyKind.
func PolicySchema(kind string) ([]byte, error) {
	if kind == AnyKind || slices.Contains(pdl.Kinds(), kind) {
		if schema, ok := contract.PDL(kind); ok {
			return schema, nil
		}
	}
	e := kernel.Errorf(kernel.Invalid, "there are no documents of kind %q", kind)
	if near := suggest.DidYouMean(kind, pdl.Kinds()); near != "" {
		return nil, e.WithHint("%s", near)
	}
	return nil, e.WithHint("kinds are %s", strings.Join(pdl.Kinds(), ", "))
}

// WritePolicySchemas writes the schemas of some kinds into a folder, which is
// made when it is not there, and returns the paths.
func WritePolicySchemas(dir string, kinds []string) ([]string, error) {
	texts := make([][]byte, len(kinds))
	for i, kind := range kinds {
		var err error
		if texts[i], err = PolicySchema(kind); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // schemas are no secret
		return nil, openError(dir, err)
	}
	var written []string
	for i, kind := range kinds {
		path := filepath.Join(dir, kind+".schema.json")
		if err := replaceFile(path, texts[i], 0o644); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}
