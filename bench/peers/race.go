package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// A field is who takes part, and the programs that they run in.
type field struct {
	names   []string
	program map[string][]string // by name: the command of a contestant
	self    string              // this program
	folder  string              // temporary
	absent  string              // who is not there, and why
}

// assemble builds Cerbos, whose dependencies do not go together with OPA's,
// from the module beside this one. Without it the others run all the same.
func assemble(ctx context.Context, stderr io.Writer) (*field, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return nil, err
	}
	f := &field{program: map[string][]string{}, self: self, folder: folder}
	for _, e := range entries() {
		f.names = append(f.names, e.Name)
		f.program[e.Name] = []string{self, "contestant"}
	}
	fmt.Fprintln(stderr, "building Cerbos, some minutes the first time")
	binary := filepath.Join(folder, "cerbos")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", "cerbos", "-o", binary, ".").CombinedOutput(); err != nil {
		f.absent = fmt.Sprintf("Cerbos is left out, it does not build here: %v: %s", err, out)
		fmt.Fprintln(stderr, f.absent)
		return f, nil
	}
	f.names = slices.Insert(f.names, 2, "Cerbos")
	f.program["Cerbos"] = []string{binary}
	return f, nil
}

func (f *field) clear() { os.RemoveAll(f.folder) }

// A result is what was found out about one engine with one number of rules.
type result struct {
	ready contest.Ready
	cost  map[contest.Form]contest.Cost // medians
}

// results are found by name and number of rules.
type results map[string]map[int]result

// race measures everything. The runs of all engines take turns, so that what
// else the machine does meets all of them.
func race(ctx context.Context, p plan, f *field, stderr io.Writer) (results, error) {
	all := results{}
	for _, name := range f.names {
		all[name] = map[int]result{}
	}
	for _, n := range p.sizes {
		if err := raceOver(ctx, p, f, n, all, stderr); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func raceOver(ctx context.Context, p plan, f *field, n int, all results, stderr io.Writer) error {
	var runners []*contest.Runner
	defer func() {
		for _, r := range runners {
			if err := r.Close(); err != nil {
				fmt.Fprintf(stderr, "%s ended with: %v\n", r.Task.Engine, err)
			}
		}
	}()
	for _, name := range f.names {
		fmt.Fprintf(stderr, "%d rules: %s loads them and is compared with the reference\n", n, name)
		task := contest.Task{Engine: name, Seed: p.seed, Rules: n, Requests: p.requests, Checked: p.toCheck(n)}
		runner, err := contest.Start(ctx, task, stderr, f.program[name][0], f.program[name][1:]...)
		if err != nil {
			return err
		}
		runners = append(runners, runner)
		all[name][n] = result{runner.Ready, map[contest.Form]contest.Cost{}}
	}
	for _, form := range contest.Forms {
		fmt.Fprintf(stderr, "%d rules: measure, %s\n", n, form)
		costs := map[string][]contest.Cost{}
		for range p.runs {
			for _, r := range runners {
				cost, err := r.Measure(contest.Heat{Form: form, About: p.heat})
				if err != nil {
					return err
				}
				costs[r.Task.Engine] = append(costs[r.Task.Engine], cost)
			}
		}
		for name, list := range costs {
			all[name][n].cost[form] = medians(list)
		}
	}
	return nil
}

// medians takes each number's own.
func medians(costs []contest.Cost) contest.Cost {
	return contest.Cost{
		Decisions: median(costs, func(c contest.Cost) int { return c.Decisions }),
		CPU:       median(costs, func(c contest.Cost) float64 { return c.CPU }),
		Wall:      median(costs, func(c contest.Cost) float64 { return c.Wall }),
		Allocs:    median(costs, func(c contest.Cost) float64 { return c.Allocs }),
		Bytes:     median(costs, func(c contest.Cost) float64 { return c.Bytes }),
	}
}

// median returns the middle of the sorted values, of an even number the upper.
func median[T any, N cmp.Ordered](list []T, value func(T) N) N {
	values := make([]N, len(list))
	for i, v := range list {
		values[i] = value(v)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
