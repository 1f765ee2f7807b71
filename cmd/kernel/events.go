package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Report what happened elsewhere, for rules to read",
		Long: `Report what happened elsewhere, for rules to read as facts. The schema of the
active policy declares the events and who may report them. This takes a token with
the role reporter that stands for a person or service of the registry.`,
		Example: "  kernel events report --file event.json --token-file ci.token",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.eventsReportCommand())
	return cmd
}

func (c *cli) eventsReportCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report --file FILE",
		Short: "Report one event",
		Long: `Report one event: a JSON object with event, resource, and where the schema asks for
them params and agent. Every decision counts it once the command returned. An event
that is reported again counts again.`,
		Example: "  kernel events report --file event.json --token-file ci.token\n  echo '{\"event\": \"tests_passed\", \"resource\": {\"type\": \"service\", \"id\": \"svc/checkout\"}}' | kernel events report --file -",
		Args:    noArguments(),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
		if file == "" {
			return misuse("--file is missing").WithHint("name a file, or - for the standard input")
		}
		data, err := c.input(file)
		if err != nil {
			return err
		}
		recorded, err := k.ReportJSON(ctx, data)
		if err != nil {
			return err
		}
		if asJSON {
			return c.printJSON(recorded)
		}
		_, err = fmt.Fprintf(c.stdout, "recorded as entry %d at %s\n", recorded.Entry.Seq, recorded.ReportedAt.UTC().Format(time.RFC3339))
		return err
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVarP(&file, "file", "f", "", "the `FILE` with the event; - is the standard input")
	jsonFlag(cmd, &asJSON)
	return cmd
}
