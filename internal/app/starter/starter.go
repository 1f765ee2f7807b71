// Package starter holds the bundle that `kernel init` writes.
//
// What it writes passes `kernel check` and `kernel test` as it is.
package starter

import "embed"

// Files is the bundle (schema.yaml, policies.yaml and tests.yaml) and the
// registry that goes with it, with nothing above them.
//
//go:embed schema.yaml policies.yaml tests.yaml registry.yaml
var Files embed.FS
