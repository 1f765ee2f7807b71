// Package contract holds the specification of the doors: OpenAPI 3.1 and the
// JSON Schemas (2020-12) it refers to; and those of policies, for editors.
//
// It comes first: the code is tested against these files, and the server hands
// out the very same ones.
package contract

import (
	"bytes"
	"embed"
	"slices"
	"strings"
)

//go:embed openapi.yaml *.schema.json pdl/*.schema.json
var files embed.FS

const openAPI = "openapi.yaml"

// File returns openapi.yaml or a schema by its name, as it is in this folder.
func File(name string) ([]byte, bool) {
	data, err := files.ReadFile(name)
	return data, err == nil
}

// PDL returns the schema of a kind of policy document, or, for "pdl", that of
// documents of any kind.
func PDL(kind string) ([]byte, bool) {
	if strings.Contains(kind, "/") {
		return nil, false
	}
	return File("pdl/" + kind + ".schema.json")
}

// Schemas lists the names of the schemas of the doors, sorted.
func Schemas() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // the folder is part of the program
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Name() != openAPI && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// Served returns openapi.yaml for a server that keeps the schemas one folder
// below it, in schemas/.
func Served() []byte {
	data, _ := File(openAPI) // part of the program
	data = bytes.ReplaceAll(data, []byte("$ref: ./"), []byte("$ref: ./schemas/"))
	return bytes.ReplaceAll(data, []byte("$ref: './"), []byte("$ref: './schemas/"))
}
