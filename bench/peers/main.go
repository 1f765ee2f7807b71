// Command peers compares the kernel with other policy engines: the same rules
// and requests, in one run, on one machine, each engine in a process of its
// own. It prints tables in Markdown. See README.md for what is fair about it,
// and what is not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// entries are the engines that live in this module. Cerbos has its own.
func entries() []contest.Entry {
	return []contest.Entry{
		{Name: oursName, Evidence: contest.EveryRule, New: newOurs},
		{Name: "OPA", Evidence: contest.EveryRule, New: newOPA},
		{Name: "cedar-go", Evidence: contest.WinningSet, New: newCedar},
		{Name: "cedar-go, indexed by hand", Evidence: contest.WinningSet, New: newCedarIndexed},
		{Name: "cel-go, indexed by hand", Evidence: contest.EveryRule, New: newCEL},
		{Name: "Casbin", Evidence: contest.OneRule, New: newCasbin},
	}
}

// roles are what the command starts itself again for.
var roles = map[string]func(context.Context, []string) error{
	"contestant": func(context.Context, []string) error { return contest.Serve(entries(), os.Stdin, os.Stdout) },
	"kernel":     serveKernel,
	"opa":        serveOPA,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && roles[args[0]] != nil {
		return roles[args[0]](ctx, args[1:])
	}
	p, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	field, err := assemble(ctx, stderr)
	if err != nil {
		return err
	}
	defer field.clear()
	results, err := race(ctx, p, field, stderr)
	if err != nil {
		return err
	}
	var served []service
	if p.http > 0 {
		if served, err = serveAll(ctx, p, field, stderr); err != nil {
			return err
		}
	}
	return report(stdout, p, field, results, served)
}

// A plan says what is measured, and for how long.
type plan struct {
	seed              uint64
	sizes             []int
	runs              int
	heat              time.Duration // of one measurement, on a processor
	requests, checked int
	http              time.Duration // of one run of one server; 0: none
	limit             time.Duration // when everything ends
}

// toCheck is less for many rules: some engines take milliseconds with them.
func (p plan) toCheck(rules int) int {
	if rules > 1000 {
		return p.checked / 8
	}
	return p.checked
}

func parse(args []string, stderr io.Writer) (plan, error) {
	p := plan{requests: 1024, checked: 4000, limit: 20 * time.Minute}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	short := flags.Bool("short", false, "a minute: fewer rules, one short run each")
	sizes := flags.String("rules", "10,100,1000,10000", "how many rules, a table column each")
	flags.Uint64Var(&p.seed, "seed", 1, "what rules and requests are made from")
	flags.IntVar(&p.runs, "runs", 5, "how often each number is measured; the median is printed")
	flags.DurationVar(&p.heat, "heat", 150*time.Millisecond, "how much processor time one measurement takes")
	flags.DurationVar(&p.http, "http", 3*time.Second, "how long one run of a server takes; 0 leaves servers out")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if *short {
		*sizes, p.runs, p.heat, p.http, p.checked = "10,1000", 1, 50*time.Millisecond, time.Second, 1000
	}
	for size := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 || n > 100_000 {
			return p, fmt.Errorf("-rules %s: %q is no number from 1 to 100000", *sizes, size)
		}
		p.sizes = append(p.sizes, n)
	}
	if p.runs < 1 || p.heat <= 0 || p.http < 0 {
		return p, errors.New("-runs and -heat must be positive, -http must not be negative")
	}
	return p, nil
}
