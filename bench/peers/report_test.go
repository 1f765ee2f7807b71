package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

func TestNumbersHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.004: "0", 0.457: "0.46", 1.5: "1.5", 9.994: "9.99", 38.25: "38.2", 405: "405", 1234.5: "1,234", 1234567: "1,234,567",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	for ns, want := range map[float64]string{38: "38 ns", 1500: "1.5 µs", 4.2e6: "4.2 ms", 2.3e9: "2.3 s"} {
		if got := nanoseconds(ns); got != want {
			t.Errorf("nanoseconds(%v) = %q, want %q", ns, got, want)
		}
	}
}

// TestGoalsAreJudged: a goal is reached at its bound and not beside it.
func TestGoalsAreJudged(t *testing.T) {
	p := plan{sizes: []int{10, 1000}}
	text := reportOf(t, p, map[string][2]float64{oursName: {250, 501}, "OPA": {7500, 7500}, "cedar-go": {1, 40 * 501}})
	for _, want := range []string{
		"| at most 500 ns | 250 ns reached | **501 ns not reached** |",
		"| at least 30× less than OPA | 30× reached | **15× not reached** |",
		"| at least 40× less than cedar-go |  | 40× reached |",
		"| at most 2× growth from 10 rules |  | **2× not reached** |",
		"| OPA | 7.5 µs (30×) | 7.5 µs (15×) | 0 | every rule that holds |",
		"| at least 2× the answers/s of OPA with its log |  | 2.5× reached |",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Casbin") {
		t.Errorf("the report speaks of an engine that was not there:\n%s", text)
	}
}

func reportOf(t *testing.T, p plan, cpu map[string][2]float64) string {
	t.Helper()
	all, f := results{}, &field{}
	for _, name := range []string{oursName, "OPA", "cedar-go"} {
		f.names = append(f.names, name)
		all[name] = map[int]result{}
		for i, n := range p.sizes {
			cost := contest.Cost{CPU: cpu[name][i]}
			all[name][n] = result{contest.Ready{Evidence: contest.EveryRule, Load: time.Millisecond},
				map[contest.Form]contest.Cost{contest.Prepared: cost, contest.Struct: cost, contest.JSON: cost}}
		}
	}
	var out strings.Builder
	served := []service{{name: "ours", rate: []float64{250}, cpu: []float64{9}}, {name: "OPA with its log", rate: []float64{100}, cpu: []float64{9}}}
	if err := report(&out, p, f, all, served); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlansAreChecked(t *testing.T) {
	for args, want := range map[string]string{
		"-rules ten": `"ten" is no number`, "-rules 0": "from 1 to", "-runs 0": "must be positive", "-heat -1s": "must be positive", "-http -1s": "must not be negative",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse(%s) = %v, want an error with %q", args, err, want)
		}
	}
	p, err := parse([]string{"-short"}, io.Discard)
	if err != nil || p.runs != 1 || len(p.sizes) != 2 {
		t.Errorf("parse(-short) = %+v, %v, want one run of two sizes", p, err)
	}
}

func TestMedianIsTheMiddle(t *testing.T) {
	costs := []contest.Cost{{CPU: 9, Wall: 1}, {CPU: 1, Wall: 3}, {CPU: 2, Wall: 2}}
	if got := medians(costs); got.CPU != 2 || got.Wall != 2 {
		t.Errorf("medians(%v) = %+v, want 2 and 2", costs, got)
	}
}
