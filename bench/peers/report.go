package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// titles say what a table measures.
var titles = map[contest.Form]string{
	contest.Prepared: "From the value that each engine's API takes, built beforehand",
	contest.Struct:   "From a Go struct that no engine knows, converting it included",
	contest.JSON:     fmt.Sprintf("From the bytes of a request of %d bytes, decoding it included", contest.BodySize),
}

// report writes everything as Markdown.
func report(out io.Writer, p plan, f *field, all results, served []service) error {
	w := &writer{out: out}
	for _, form := range contest.Forms {
		w.say("\n#### %s\n\n", titles[form])
		w.costs(p, f, all, form)
	}
	w.say("\n#### Goals\n\n")
	w.goals(p, all, served)
	if len(served) > 0 {
		w.say("\n#### Servers, %d rules, %d connections\n\n", serviceRules, connections)
		w.services(served)
	}
	w.say("\n#### Loading\n\n")
	w.loads(p, f, all)
	w.say("\n#### Every number\n\n")
	w.everything(p, f, all)
	w.say("\nMedians of %d runs of %v each; seed %d; %d different requests, %d answers of each engine checked beforehand in every form (with more than 1,000 rules %d).\n%s\n",
		p.runs, p.heat, p.seed, p.requests, p.checked, p.toCheck(1001), machine())
	if f.absent != "" {
		w.say("\n%s\n", f.absent)
	}
	return w.err
}

// A writer keeps the first error.
type writer struct {
	out io.Writer
	err error
}

func (w *writer) say(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format, args...)
	}
}

func (w *writer) row(cells ...string) { w.say("| %s |\n", strings.Join(cells, " | ")) }

// head writes the head of a table with a column for each size, between those
// before and after.
func (w *writer) head(p plan, before []string, after ...string) {
	cells, rule := append([]string(nil), before...), strings.Repeat("---|", len(before))
	for _, n := range p.sizes {
		cells, rule = append(cells, grouped(strconv.Itoa(n))+" rules"), rule+"--:|"
	}
	w.row(append(cells, after...)...)
	w.say("|%s%s\n", rule, strings.Repeat("---|", len(after)))
}

// costs compares processor time. Behind each is how many times ours it is.
func (w *writer) costs(p plan, f *field, all results, form contest.Form) {
	w.head(p, []string{"CPU time per decision"}, "allocations", "names")
	for _, name := range f.names {
		cells := []string{name}
		for _, n := range p.sizes {
			cost, ours := all[name][n].cost[form], all[oursName][n].cost[form]
			cell := nanoseconds(cost.CPU)
			if name != oursName {
				cell += " (" + times(cost.CPU/ours.CPU) + ")"
			}
			cells = append(cells, cell)
		}
		last := all[name][p.sizes[len(p.sizes)-1]]
		w.row(append(cells, number(last.cost[form].Allocs), string(last.ready.Evidence))...)
	}
}

func (w *writer) services(served []service) {
	w.row("", "answers/s", "ratio", "CPU µs of the server per answer")
	w.say("|---|--:|--:|--:|\n")
	ours := served[0].median()
	for i, s := range served {
		m, ratio := s.median(), ""
		if i > 0 {
			ratio = times(ours.rate / m.rate)
		}
		w.row(s.name, number(m.rate), ratio, number(m.cpu))
	}
}

func (w *writer) loads(p plan, f *field, all results) {
	w.head(p, []string{"CPU time per rule, and memory that it keeps"})
	for _, name := range f.names {
		cells := []string{name}
		for _, n := range p.sizes {
			r := all[name][n].ready
			cells = append(cells, nanoseconds(float64(r.Load)/float64(n))+", "+number(float64(r.Heap)/float64(n))+" B")
		}
		w.row(cells...)
	}
}

func (w *writer) everything(p plan, f *field, all results) {
	w.row("", "from", "rules", "CPU ns", "wall ns", "allocations", "bytes", "decisions in a run")
	w.say("|---|---|%s\n", strings.Repeat("--:|", 6))
	for _, form := range contest.Forms {
		for _, name := range f.names {
			for _, n := range p.sizes {
				c := all[name][n].cost[form]
				w.row(name, string(form), grouped(strconv.Itoa(n)), number(c.CPU), number(c.Wall), number(c.Allocs), number(c.Bytes), grouped(strconv.Itoa(c.Decisions)))
			}
		}
	}
}

func nanoseconds(ns float64) string {
	switch {
	case ns < 1e3:
		return number(ns) + " ns"
	case ns < 1e6:
		return number(ns/1e3) + " µs"
	case ns < 1e9:
		return number(ns/1e6) + " ms"
	}
	return number(ns/1e9) + " s"
}

func times(ratio float64) string { return number(ratio) + "×" }

// number writes three digits that count, and commas between thousands.
func number(v float64) string {
	if v < 0.005 {
		return "0"
	}
	digits := strconv.FormatFloat(v, 'f', max(0, 3-len(strconv.Itoa(int(v)))), 64)
	if v < 1 {
		digits = strconv.FormatFloat(v, 'f', 2, 64)
	}
	return grouped(digits)
}

func grouped(digits string) string {
	whole, fraction, _ := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	return whole
}
