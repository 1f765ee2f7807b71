package pdl_test

import (
	"syscall"
	"testing"
	"time"
)

// stopwatch starts to count the time that this process computes, which other
// processes of a busy machine do not lengthen.
func stopwatch(t testing.TB) (took func() time.Duration) {
	t.Helper()
	start := computed(t)
	return func() time.Duration { return computed(t) - start }
}

func computed(t testing.TB) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
