package main

import (
	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) decideCommand() *cobra.Command {
	var request string
	cmd := &cobra.Command{
		Use:   "decide --request FILE|-",
		Short: "Ask a running kernel",
		Long: `Ask a running kernel and print its decision as JSON: the one on the data folder,
with the folder's admin token, or the one at --server.

Exit codes: 0 ALLOW, 3 DENY, 4 REQUIRE_APPROVAL, 5 no kernel could answer. What
is not 0 is a refusal.`,
		Example: "  kernel decide --request request.json\n" +
			"  KERNEL_TOKEN=kt_… kernel decide --server https://kernel.example.org --request -",
		Args: noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			data, err := c.request(request)
			if err != nil {
				return err
			}
			req, err := kernel.DecodeRequest(data)
			if err != nil {
				return err
			}
			asked, err := app.Connect(cfg)
			if err != nil {
				return err
			}
			d, err := asked.Decide(cmd.Context(), req)
			if err != nil {
				return err
			}
			return orCode(c.printJSON(d), d.Decision)
		},
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	requestFlag(cmd, &request)
	return cmd
}
