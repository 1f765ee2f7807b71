package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// A proving is what the flags of kernel prove say.
type proving struct {
	app.ProveConfig
	timeout, workers string
	json, sarif      bool
}

func (c *cli) proveCommand() *cobra.Command {
	var p proving
	cmd := &cobra.Command{
		Use:   "prove [PATH…]",
		Short: "Prove what policies say of all requests",
		Long: `Prove what policies say of all requests: the documents of kind property of each
bundle, the current folder where none is named. A solver (cvc5 or z3) looks for a
request that breaks a property, or proves that there is none. A counterexample
was decided by the evaluator itself before it is printed; below it stands a test
document to paste. A property that speaks of no request is not proved.

Verdicts: PROVED, COUNTEREXAMPLE, POSSIBLE (something was approximated, and the
evaluator did not confirm what the solver found), UNKNOWN (the solver gave up),
UNSUPPORTED (something is outside of what can be proved, and where).

Exit codes: 0 everything is proved, 1 a counterexample, a difference or a
finding, 2 misuse or no solver, 6 undecided.`,
		Example: "  kernel prove policies\n  kernel prove --cross-check --record proof.json policies\n  kernel prove diff --fail-on more-permissive old new",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			sources, err := app.ReadBundles(args)
			if err != nil {
				return taskMeant(cmd, args[0], err)
			}
			return c.proving(cmd, &p, func(ctx context.Context, pr *app.Prover) (*app.Proof, error) { return pr.Properties(ctx, sources) })
		},
	}
	p.flags(cmd)
	cmd.AddCommand(c.proveLintCommand(), c.proveDiffCommand(), c.proveEquivCommand(), c.proveSubsetCommand(), c.proveMinimizeCommand(), c.proveKeyCommand())
	return cmd
}

// taskMeant says that a path may be a subcommand that was misspelt.
func taskMeant(cmd *cobra.Command, path string, err error) error {
	if near := suggest.DidYouMean(path, subcommands(cmd)); near != "" {
		return misuse("%v", err).WithHint("%s", near)
	}
	return err
}

func (p *proving) flags(cmd *cobra.Command, settings ...string) {
	settingFlags(cmd, append(settings, "solver")...)
	cmd.Flags().Var(newText("DURATION", &p.timeout), "timeout", "how long a solver may take for one question (default 3s)")
	cmd.Flags().Var(newText("N", &p.workers), "workers", "solvers at a time (default: one for each CPU); the answers are the same for any number")
	cmd.Flags().BoolVar(&p.CrossCheck, "cross-check", false, "ask cvc5 and z3, who must agree")
	cmd.Flags().Var(newText("FILE", &p.Export), "export", "write the questions to a file in SMT-LIB 2, for anybody to ask again")
	cmd.Flags().Var(newText("FILE", &p.Record), "record", "write the proof record: policy versions, solvers with their digests, questions, verdicts, time")
	cmd.Flags().Var(newText("FILE", &p.Sign), "sign", "sign the record with a key that \"kernel prove key\" made")
	jsonFlag(cmd, &p.json)
	cmd.Flags().BoolVar(&p.sarif, "sarif", false, "print SARIF 2.1.0, for tools that show findings beside the code")
}

// read checks the flags.
func (p *proving) read(c *cli, cmd *cobra.Command) error {
	cfg, err := c.settings(cmd)
	if err != nil {
		return err
	}
	p.Solver = cfg.Solver
	if p.json && p.sarif {
		return misuse("--json and --sarif are two forms of one answer").WithHint("leave one of them out")
	}
	if p.Sign != "" && p.Record == "" {
		return misuse("--sign without --record: there is nothing to sign").WithHint("name the file of the record with --record")
	}
	if p.timeout != "" {
		if p.Timeout, err = time.ParseDuration(p.timeout); err != nil || p.Timeout < time.Millisecond || p.Timeout > time.Hour {
			return misuse("--timeout: %q is no time from 1ms to 1h", p.timeout).WithHint("write 3s or 500ms")
		}
	}
	if p.workers != "" {
		if p.Workers, err = strconv.Atoi(p.workers); err != nil || p.Workers < 1 || p.Workers > 256 {
			return misuse("--workers: %q is no number from 1 to 256", p.workers)
		}
	}
	if terminal(c.stderr) {
		p.Progress = func(done, total int) { fmt.Fprintf(c.stderr, "\r\x1b[K%d of %d questions", done, total) }
	}
	return nil
}

// proving runs a task and prints what it found out.
func (c *cli) proving(cmd *cobra.Command, p *proving, task func(context.Context, *app.Prover) (*app.Proof, error)) error {
	if err := p.read(c, cmd); err != nil {
		return err
	}
	prover, err := app.NewProver(cmd.Context(), p.ProveConfig)
	if err != nil {
		return err
	}
	proof, err := task(cmd.Context(), prover)
	if p.Progress != nil {
		c.endProgress()
	}
	if err != nil {
		return err
	}
	switch {
	case p.json:
		err = c.printJSON(proof)
	case p.sarif:
		err = c.printJSON(proof.SARIF(c.version))
	default:
		c.printProof(proof)
	}
	if err == nil {
		err = prover.Finish(proof, c.version)
	}
	if err != nil {
		return err
	}
	return codeOfProof(proof)
}

func codeOfProof(p *app.Proof) error {
	switch p.Outcome {
	case app.Broken:
		return exitError(exitFailed)
	case app.Undecided:
		return exitError(exitUndecided)
	case app.Holds, app.Noted:
		return nil
	}
	return exitError(exitUndecided)
}

func (c *cli) proveLintCommand() *cobra.Command {
	var p proving
	cmd := &cobra.Command{
		Use:   "lint PATH…",
		Short: "Find rules that can err, never decide or change nothing",
		Long: `Find rules that can err, never hold, are always overridden by others, or change
nothing; constraints that exclude each other; actions that nobody can ever be
allowed; requests that only the default denies, which is noted and no fault.
Each rule is judged by itself against all others: redundant means that without
it every decision, workflow, count, risk and constraint stays. Without a solver
it prints what the compiler warns of, and exits with 2.

Exit codes: 0 nothing, 1 a finding, 2 misuse or no solver, 6 undecided.`,
		Example: "  kernel prove lint policies\n  kernel prove lint --sarif policies > lint.sarif",
		Args:    arguments(1, 0, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sources, err := app.ReadBundles(args)
			if err != nil {
				return err
			}
			if err := c.warnings(sources); err != nil {
				return err
			}
			return c.proving(cmd, &p, func(ctx context.Context, pr *app.Prover) (*app.Proof, error) { return pr.Lint(ctx, sources) })
		},
	}
	p.flags(cmd)
	return cmd
}

// warnings prints what the compiler finds by itself.
func (c *cli) warnings(sources []app.BundleSource) error {
	for _, source := range sources {
		compiled, err := app.Compile(source)
		if err != nil {
			return err
		}
		for _, d := range compiled.Warnings {
			fmt.Fprintln(c.stderr, d)
		}
	}
	return nil
}

func (c *cli) proveDiffCommand() *cobra.Command {
	var p proving
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say for which requests two versions of a policy differ",
		Long: `Say for each action whether the newer policy is equivalent, stricter, looser or
incomparable: in what is allowed at once, in what is allowed at once or after
approvals, in how many approvals it takes, in who may vote, and in who may break
the glass. Each change comes with one request that shows it. OLD and NEW are
folders or files.

Without --fail-on it exits with 0. With --fail-on more-permissive it exits with
1 where something is looser, with --fail-on any where anything differs, and
with 6 where that was not decided.`,
		Example: "  git worktree add /tmp/main origin/main\n  kernel prove diff --fail-on more-permissive /tmp/main/policies policies",
		Args:    arguments(2, 2, "OLD or NEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.FailOn != "" && p.FailOn != app.FailOnMorePermissive && p.FailOn != app.FailOnAny {
				return misuse("--fail-on: %q is not known", p.FailOn).WithHint("it is %s or %s", app.FailOnMorePermissive, app.FailOnAny)
			}
			return c.provingTwo(cmd, &p, args, (*app.Prover).Diff)
		},
	}
	p.flags(cmd)
	cmd.Flags().Var(newText(app.FailOnMorePermissive+"|"+app.FailOnAny, &p.FailOn), "fail-on", "which changes exit with 1")
	return cmd
}

func (c *cli) proveEquivCommand() *cobra.Command {
	var p proving
	cmd := &cobra.Command{
		Use:   "equiv A B",
		Short: "Prove that two policies decide the same",
		Long: `Prove that two policies decide the same for every request: decision, workflows,
counts, constraints and who may vote. Or show a request for which they do not.

Exit codes: 0 they are equivalent, 1 they differ, 2 misuse or no solver,
6 undecided.`,
		Example: "  kernel prove equiv policies refactored",
		Args:    arguments(2, 2, "A or B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.provingTwo(cmd, &p, args, (*app.Prover).Equiv)
		},
	}
	p.flags(cmd)
	return cmd
}

func (c *cli) proveSubsetCommand() *cobra.Command {
	var p proving
	cmd := &cobra.Command{
		Use:   "subset CHILD PARENT",
		Short: "Prove that a policy allows no more than another",
		Long: `Prove that a child stays within its parent: what it allows the parent allows,
what it allows after approvals the parent allows so too, and for no fewer of
them, which are no easier to get. Or show a request for which it does not.

Exit codes: 0 it does, 1 it does not, 2 misuse or no solver, 6 undecided.`,
		Example: "  kernel prove subset team/policies company/policies",
		Args:    arguments(2, 2, "CHILD or PARENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.provingTwo(cmd, &p, args, (*app.Prover).Subset)
		},
	}
	p.flags(cmd)
	return cmd
}

// provingTwo runs a task over two bundles.
func (c *cli) provingTwo(cmd *cobra.Command, p *proving, paths []string, task func(*app.Prover, context.Context, app.BundleSource, app.BundleSource) (*app.Proof, error)) error {
	var sources []app.BundleSource
	for _, path := range paths {
		files, err := app.ReadBundle(path)
		if err != nil {
			return err
		}
		sources = append(sources, app.BundleSource{Name: path, Files: files})
	}
	return c.proving(cmd, p, func(ctx context.Context, pr *app.Prover) (*app.Proof, error) {
		return task(pr, ctx, sources[0], sources[1])
	})
}
