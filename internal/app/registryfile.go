package app

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// RegistryDocument makes of a registry file in YAML the JSON that a kernel
// applies. The error is a DiagnosticsError that says where the file is wrong.
func RegistryDocument(name string, data []byte) ([]byte, error) {
	file, diags := pdl.ReadPlain(pdl.File{Name: name, Data: data})
	if file == nil {
		return nil, DiagnosticsError{Name: name, Diagnostics: diags}
	}
	var wrong *kernel.Error
	switch _, err := registry.ReadDocument(file.Value); {
	case errors.As(err, &wrong):
		return nil, DiagnosticsError{Name: name, Diagnostics: pdl.Diagnostics{file.Wrong(wrong)}}
	case err != nil:
		return nil, err
	}
	document, ok := canonical.AppendValue(nil, file.Value)
	if !ok {
		return nil, fmt.Errorf("%s: it holds what JSON cannot", name)
	}
	return document, nil
}

// RegistryFile writes the document of a registry, in JSON, as the file that
// [RegistryDocument] reads.
func RegistryFile(document []byte) ([]byte, error) {
	tree, err := kernel.DecodeJSON(document)
	if err != nil {
		return nil, err
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, errors.New("the document of the registry is no object")
	}
	format := top["registry"]
	delete(top, "registry")
	out, err := yaml.Dump(map[string]any{"registry": format}, yaml.WithIndent(2))
	if err != nil || len(top) == 0 {
		return out, err
	}
	rest, err := yaml.Dump(top, yaml.WithIndent(2))
	return append(out, rest...), err
}
