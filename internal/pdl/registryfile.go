package pdl

import (
	"bytes"
	"strings"
)

// IsRegistryFile reports whether a file in the folder of a bundle is the
// registry's beside the policies, and no part of the bundle: its name is
// registry.yaml, it says `registry:`, and nothing in it could be a document of
// PDL, each of which says `pdl:`.
func IsRegistryFile(f File) bool {
	name := f.Name[strings.LastIndexAny(f.Name, `/\`)+1:]
	if name != "registry.yaml" || bytes.Contains(f.Data, []byte("pdl")) {
		return false
	}
	return bytes.HasPrefix(f.Data, []byte("registry:")) || bytes.Contains(f.Data, []byte("\nregistry:"))
}
