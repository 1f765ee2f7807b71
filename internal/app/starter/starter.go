// Package starter holds the bundle that `kernel init` writes.
//
// What it writes passes `kernel check` and `kernel test` as it is.
package starter

import "embed"

// Files is the bundle: schema.yaml, policies.yaml and tests.yaml, with nothing
// above them.
//
//go:embed schema.yaml policies.yaml tests.yaml
var Files embed.FS
