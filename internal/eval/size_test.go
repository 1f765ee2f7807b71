package eval_test

import (
	"runtime"
	"testing"
)

// TestAProgramTakesTwoKilobytesARule measures what is left of a bundle once
// only its program is kept, schema and explanations included.
func TestAProgramTakesTwoKilobytesARule(t *testing.T) {
	const rules = 2000
	benchProgram(t, 10) // what is made once
	before := heap()
	p := benchProgram(t, rules)
	size := (heap() - before) / rules
	runtime.KeepAlive(p)
	t.Logf("%d bytes a rule", size)
	if size > 2048 {
		t.Errorf("a program of %d rules takes %d bytes a rule, want at most 2048", rules, size)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC() // what finalizers of the first let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
