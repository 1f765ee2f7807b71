package main

import (
	"strconv"
	"time"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// A ratio is by how much less processor time we want to need than a peer, in
// the first of the tables: the one that leaves out what conversion costs.
type ratio struct {
	peer  string
	least float64
	only  int // the number of rules it is about; 0: every one
}

// ratios are the goals that compare.
var ratios = []ratio{
	{"OPA", 30, 0},
	{"Cerbos", 20, 0},
	{"cedar-go", 40, 1000},
	{"cedar-go, indexed by hand", 5, 0},
	{"cel-go, indexed by hand", 2, 0},
}

// bounds are the goals for our own numbers.
const (
	mostPrepared  = 500             // ns from a Go value
	mostJSON      = 2000            // ns from JSON
	mostGrowth    = 2               // of the first, from the fewest rules to the most
	mostLoad      = 200_000         // ns of processor time a rule
	mostHeap      = 2048            // bytes a rule
	mostLoadWall  = 2 * time.Second // of most rules
	leastServices = 2               // times the answers of OPA with its log
)

func (w *writer) goals(p plan, all results, served []service) {
	w.head(p, []string{"goal"})
	ours := func(n int) result { return all[oursName][n] }
	w.goal(p, "at most 500 ns", 0, func(n int) (string, bool) {
		v := ours(n).cost[contest.Prepared].CPU
		return nanoseconds(v), v <= mostPrepared
	})
	w.goal(p, "no allocation", 0, func(n int) (string, bool) {
		v := ours(n).cost[contest.Prepared].Allocs
		return number(v), number(v) == "0" // a measurement itself allocates a little
	})
	for _, r := range ratios {
		if all[r.peer] == nil {
			continue
		}
		w.goal(p, "at least "+times(r.least)+" less than "+r.peer, r.only, func(n int) (string, bool) {
			v := all[r.peer][n].cost[contest.Prepared].CPU / ours(n).cost[contest.Prepared].CPU
			return times(v), v >= r.least
		})
	}
	fewest, most := p.sizes[0], p.sizes[len(p.sizes)-1]
	w.goal(p, "at most "+times(mostGrowth)+" growth from "+grouped(strconv.Itoa(fewest))+" rules", most, func(n int) (string, bool) {
		v := ours(n).cost[contest.Prepared].CPU / ours(fewest).cost[contest.Prepared].CPU
		return times(v), v <= mostGrowth
	})
	w.goal(p, "from JSON at most 2 µs", most, func(n int) (string, bool) {
		v := ours(n).cost[contest.JSON].CPU
		return nanoseconds(v), v <= mostJSON
	})
	w.goal(p, "from JSON no allocation", most, func(n int) (string, bool) {
		v := ours(n).cost[contest.JSON].Allocs
		return number(v), number(v) == "0"
	})
	w.goal(p, "loading at most 200 µs of CPU time a rule", most, func(n int) (string, bool) {
		v := float64(ours(n).ready.Load) / float64(n)
		return nanoseconds(v), v <= mostLoad
	})
	w.goal(p, "loading at most 2 s", most, func(n int) (string, bool) {
		v := ours(n).ready.LoadWall
		return nanoseconds(float64(v)), v <= mostLoadWall
	})
	w.goal(p, "at most 2 KiB a rule", most, func(n int) (string, bool) {
		v := float64(ours(n).ready.Heap) / float64(n)
		return number(v) + " B", v <= mostHeap
	})
	if len(served) > 1 {
		w.goal(p, "at least "+times(leastServices)+" the answers/s of OPA with its log", serviceRules, func(int) (string, bool) {
			v := served[0].median().rate / served[1].median().rate
			return times(v), v >= leastServices
		})
	}
}

// goal writes a row. A goal that is about one number of rules is empty beside
// the others.
func (w *writer) goal(p plan, what string, only int, look func(n int) (value string, reached bool)) {
	cells := []string{what}
	for _, n := range p.sizes {
		if only != 0 && n != only {
			cells = append(cells, "")
			continue
		}
		value, reached := look(n)
		if reached {
			cells = append(cells, value+" reached")
		} else {
			cells = append(cells, "**"+value+" not reached**")
		}
	}
	w.row(cells...)
}
