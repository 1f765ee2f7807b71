package main

import (
	"strings"
	"testing"
)

func TestTableHoldsMedians(t *testing.T) {
	const in = `goos: linux
cpu: Example CPU
BenchmarkDecide/rules=10-2   	 1000	 900 ns/op	 1234 cpu-ns/op
BenchmarkDecide/rules=10-2   	 1000	 100 ns/op	 1234 cpu-ns/op
BenchmarkDecide/rules=10-2   	 1000	 200 ns/op	 1234 cpu-ns/op
BenchmarkHTTP/callers=1-2   	 1000	 20.55 ns/op	 0.5 ratio
PASS
`
	var out strings.Builder
	if err := run(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| Decide | ns/op | cpu-ns/op |", "| rules 10 | 200 | 1,234 |",
		"| HTTP | ns/op | ratio |", "| callers 1 | 20.6 | 0.5 |",
		"Medians of 3 runs. Example CPU, ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, out.String())
		}
	}
}

func TestTableOfNothingIsAnError(t *testing.T) {
	if err := run(strings.NewReader("FAIL\n"), &strings.Builder{}); err == nil {
		t.Error("run of no benchmark succeeded, want an error")
	}
}
