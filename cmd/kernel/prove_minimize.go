package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

// A minimizing is what the flags of kernel prove minimize say beside those of
// kernel prove.
type minimizing struct {
	proving
	since, until, values, write string
}

func (c *cli) proveMinimizeCommand() *cobra.Command {
	var m minimizing
	cmd := &cobra.Command{
		Use:   "minimize [PATH]",
		Short: "Propose the narrowest policy that keeps every logged ALLOW",
		Long: `Propose the narrowest policy that keeps every logged ALLOW: from the log of a
data folder or a database (--store) it reads what was allowed, and says of each
rule that allows which it did, within which bounds, with which values and for
which resources. Rules that allowed nothing are removed, others are held to what
was seen; rules that deny or ask for approvals are left as they are.

Before it is printed, every logged ALLOW was decided again by the proposal, from
its recorded request, instant and facts, and the solver proved that the proposal
is a subset of today's policy. What cannot be proved is dropped, and it says so.
Of a request that was erased nobody can tell what it needed: the rules that cover
its action are left as they are.

Exit codes: 0 what it proposes is proved, or there is nothing to propose; 1 all
proposals were dropped, some because of counterexamples, 2 misuse, no solver, or
no ALLOW to learn from, 6 all were dropped because they were not decided.`,
		Example: "  kernel prove minimize --since 30d policies\n  kernel prove minimize --since 30d --write narrower policies",
		Args:    arguments(0, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return c.minimizing(cmd, &m, args[0])
		},
	}
	m.flags(cmd, "data", "store")
	cmd.Flags().Var(newText("TIME", &m.since), "since", "keep what was allowed from this time on (default 30d)")
	cmd.Flags().Var(newText("TIME", &m.until), "until", "and before this time")
	cmd.Flags().Var(newText("N", &m.values), "values", "hold a text to the values seen where they are at most so many, and come back (default 8)")
	cmd.Flags().Var(newText("FOLDER", &m.write), "write", "write the proposal into a new folder")
	return cmd
}

// config reads the flags.
func (m *minimizing) config(now time.Time) (c app.MinimizeConfig, err error) {
	if m.since == "" {
		m.since = "30d"
	}
	c.Values = 8
	if m.values != "" {
		if c.Values, err = strconv.Atoi(m.values); err != nil || c.Values < 1 || c.Values > 1000 {
			return c, misuse("--values: %q is no number from 1 to 1000", m.values)
		}
	}
	since, err := moment("--since", m.since, now)
	if err != nil {
		return c, err
	}
	c.Since = time.Unix(0, since).UTC()
	until, err := moment("--until", m.until, now)
	if until != 0 {
		c.Until = time.Unix(0, until).UTC()
	}
	if err == nil && until != 0 && until <= since {
		return c, misuse("--until is not after --since")
	}
	return c, err
}

func (c *cli) minimizing(cmd *cobra.Command, m *minimizing, path string) error {
	config, err := m.config(time.Now())
	if err != nil {
		return err
	}
	sources, err := app.ReadBundles([]string{path})
	if err != nil {
		return err
	}
	cfg, err := c.settings(cmd)
	if err != nil {
		return err
	}
	log, err := app.OpenLog(cmd.Context(), cfg, nil)
	if err != nil {
		return err
	}
	err = c.proving(cmd, &m.proving, func(ctx context.Context, p *app.Prover) (*app.Proof, error) {
		proof, err := p.Minimize(ctx, log, sources[0], config)
		if err == nil && m.write != "" && proof.Minimized.Proposed != "" {
			err = proof.Minimized.WriteFiles(m.write)
		}
		return proof, err
	})
	return errors.Join(err, log.Close())
}

// printMinimized prints what the log says of each rule.
func (c *cli) printMinimized(m *app.Minimized) {
	since := m.Since.Format(time.RFC3339)
	fmt.Fprintf(c.stdout, "log       since %s: %s, %d allowed", since, plural(m.Decisions, "decision"), m.Allowed)
	if m.Approved > 0 {
		fmt.Fprintf(c.stdout, ", %d of them after approvals", m.Approved)
	}
	fmt.Fprintf(c.stdout, "\n          the first is of %s\n", m.First.Format(time.RFC3339))
	for _, l := range m.Left {
		fmt.Fprintf(c.stdout, "          %s not to keep: %s (such as %s)\n", plural(l.Count, "ALLOW"), l.Why, l.Example)
	}
	for _, r := range m.Rules {
		fmt.Fprintf(c.stdout, "%-8s  %s  (%s:%d)  %s\n", r.Advice, safe(r.Rule), safe(r.File), r.Line, plural(r.Uses, "use"))
		if r.Why != "" {
			fmt.Fprintf(c.stdout, "    %s\n", safe(r.Why))
		}
		for _, s := range r.Seen {
			mark := " "
			if s.Narrows {
				mark = "*"
			}
			fmt.Fprintf(c.stdout, "  %s %s  %s\n", mark, safe(s.Path), safe(s.Seen))
		}
		if len(r.Resources) > 0 {
			more := ""
			if r.More > 0 {
				more = fmt.Sprintf(", and %s of others", plural(r.More, "use"))
			}
			fmt.Fprintf(c.stdout, "    resources  %s%s\n", safe(strings.Join(r.Resources, ", ")), more)
		}
	}
	if m.Patch != "" {
		fmt.Fprintf(c.stdout, "\n%s\n", c.lines(m.Patch))
	}
	for _, name := range m.Tests {
		fmt.Fprintf(c.stdout, "note: the test %s passes today and fails with the proposal\n", safe(name))
	}
	for _, name := range m.Unproved {
		fmt.Fprintf(c.stdout, "note: the property %s is not proved of the proposal\n", safe(name))
	}
}

// lines makes foreign text of several lines fit for a terminal.
func (c *cli) lines(text string) string {
	list := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, l := range list {
		list[i] = safe(l)
	}
	return strings.Join(list, "\n")
}

// printAdvice prints what became of a proposal, or what was proved of all.
func (c *cli) printAdvice(q app.Question) {
	verdict := c.paint(c.outcomeColour(q.Outcome), fmt.Sprintf("%-14s", q.Verdict))
	fmt.Fprintf(c.stdout, "%s  %-8s  %s", verdict, q.Kind, safe(q.Name))
	if q.Why != "" && (q.Outcome != app.Noted || q.Verdict != "PROVED") {
		fmt.Fprintf(c.stdout, "  %s", safe(q.Why))
	}
	fmt.Fprintln(c.stdout)
	for _, x := range q.Examples {
		c.printExample(app.ProofExample{Request: x.Request, Facts: x.Facts, Verdict: x.Verdict, Refused: x.Refused, Other: x.Other})
	}
}
