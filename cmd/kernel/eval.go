package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

func (c *cli) evalCommand() *cobra.Command {
	var request, now, facts string
	var explain, asJSON bool
	cmd := &cobra.Command{
		Use:   "eval --policies PATH --request FILE|-",
		Short: "Evaluate one request without a kernel",
		Long: `Evaluate one request without a kernel; nothing is recorded, so this is no
decision. The instant is --now, else the request's context.now, else the clock;
then it stands in the answer.

--explain says why, and which change of one attribute (or of two, where one is
not enough) would change the decision; for people, with --json for programs.

Exit codes: 0 ALLOW, 3 DENY, 4 REQUIRE_APPROVAL, 2 invalid input.`,
		Example: "  kernel eval --policies policies --request request.json\n" +
			"  kernel eval --policies policies --request - --explain < request.json",
		Args: noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			if cfg.Policies == "" {
				return misuse("--policies is missing").WithHint("name the folder or file of the bundle")
			}
			program, err := app.CompilePath(cfg.Policies)
			if err != nil {
				return err
			}
			data, err := c.request(request)
			if err != nil {
				return err
			}
			in, byClock, err := app.EvaluationInput(data, now, app.Clock)
			if err != nil {
				return err
			}
			if in.Facts, err = c.facts(facts); err != nil {
				return err
			}
			return c.evaluate(program.Program, in, byClock, explain, asJSON)
		},
	}
	settingFlags(cmd, "policies")
	requestFlag(cmd, &request)
	cmd.Flags().Var(newText("FILE", &facts), "facts", "what rules read of the history, as a JSON object; counts and sums that are absent are 0")
	cmd.Flags().Var(newText("INSTANT", &now), "now", "the instant to decide for, RFC 3339")
	cmd.Flags().BoolVar(&explain, "explain", false, "say what every rule saw, and what would change the decision")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) evaluate(p *eval.Program, in eval.Input, byClock, explain, asJSON bool) error {
	var printed time.Time
	if byClock {
		printed = in.Now
	}
	if explain {
		return c.explain(p, in, printed, asJSON)
	}
	verdict, err := p.Decide(in)
	if err != nil {
		return err
	}
	err = c.printJSON(struct {
		kernel.Verdict
		Now time.Time `json:"now,omitzero"`
	}{verdict, printed})
	return orCode(err, verdict.Decision)
}

// facts reads the file of --facts, if there is one.
func (c *cli) facts(name string) (map[string]any, error) {
	if name == "" {
		return nil, nil
	}
	data, err := c.input(name)
	if err != nil {
		return nil, err
	}
	return app.ReadFacts(data)
}

// orCode is err, else the exit code of a decision.
func orCode(err error, e kernel.Effect) error {
	if err != nil {
		return err
	}
	return codeOfDecision(e)
}

func requestFlag(cmd *cobra.Command, request *string) {
	cmd.Flags().Var(newText("FILE", request), "request", "the request as JSON; - reads standard input")
}

func (c *cli) request(name string) ([]byte, error) {
	if name == "" {
		return nil, misuse("--request is missing").WithHint("name a file with a JSON request, or - for standard input")
	}
	return c.input(name)
}
