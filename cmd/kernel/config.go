package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) configCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, and where each value comes from",
		Long: `Print the effective configuration, and where each value comes from: a flag, a
variable of the environment, the configuration file, or the default. Secrets are
masked. Give it the flags of another command to see what that would run with.`,
		Example: "  kernel config\n  kernel config --config kernel.yaml --listen 127.0.0.1:8000",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := c.sources(cmd)
			if err != nil {
				return err
			}
			effective, err := app.LoadEffective(from)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(effective)
			}
			return c.printConfig(effective)
		},
	}
	var keys []string
	for _, s := range app.Settings() {
		keys = append(keys, s.Key)
	}
	settingFlags(cmd, keys...)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printConfig(e app.Effective) error {
	t := c.table()
	for _, s := range e.Settings {
		value, from := "-", string(s.From)
		if s.Value != nil {
			value = *s.Value
		}
		if s.At != "" {
			from += " " + s.At
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Key, safe(value), safe(from))
	}
	return t.Flush()
}
