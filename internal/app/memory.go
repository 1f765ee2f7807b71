package app

import (
	"os"
	"runtime/debug"
)

// heapGrowth is how much a server may allocate, in percent of what lives on its
// heap, before garbage is collected. Little lives there, so with Go's own
// hundred a busy server would collect tens of times a second.
const heapGrowth = 400

// tuneMemory sets it, unless whoever started the process said otherwise.
func tuneMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}
