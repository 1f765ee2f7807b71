package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything is installed and safe",
		Long: `Look whether everything is installed and safe: data folder, policies, SQLite,
clock, the running kernel. Run it as the kernel's own user, and once more as the
user that agents run as: then it fails when they could read data or policies.
Exit code 1 says that a line failed.`,
		Example: "  kernel doctor --policies policies\n  sudo -u agents kernel doctor --data /var/lib/kernel --policies /etc/kernel/policies",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			findings := app.Doctor(cmd.Context(), cfg)
			bad := slices.ContainsFunc(findings, func(f app.Finding) bool { return f.Health == app.Fail })
			if asJSON {
				err = c.printJSON(struct {
					OK       bool          `json:"ok"`
					Findings []app.Finding `json:"findings"`
				}{!bad, findings})
			} else {
				c.printFindings(findings)
			}
			if err == nil && bad {
				return exitError(exitFailed)
			}
			return err
		},
	}
	settingFlags(cmd, "data", "store", "policies", "server")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printFindings(findings []app.Finding) {
	colours := map[app.Health]colour{app.Fine: green, app.Warn: yellow, app.Fail: red}
	for _, f := range findings {
		fmt.Fprintf(c.stdout, "%s %-9s %s\n", c.paint(colours[f.Health], fmt.Sprintf("%-4s", f.Health)), f.Check, f.Detail)
		if f.Fix != "" {
			fmt.Fprintf(c.stdout, "%15s-> %s\n", "", f.Fix)
		}
	}
}
