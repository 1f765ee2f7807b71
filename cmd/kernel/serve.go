package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --policies PATH",
		Short: "Run the service",
		Long: `Run the service until it is told to stop (SIGTERM, SIGINT): calls that wait are
answered, a checkpoint of the log is signed, and it ends within 10 seconds.
A second signal ends it at once.`,
		Example: "  kernel serve --policies policies\n  kernel serve --policies policies --listen 127.0.0.1:0 --dev",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			context.AfterFunc(ctx, stop) // from now on a signal ends the process
			return app.Serve(ctx, cfg, app.Process{Stderr: c.stderr, Terminal: terminal(c.stderr), Version: c.version, Environ: c.environ})
		},
	}
	settingFlags(cmd, "policies", "require-proof", "proof", "data", "store", "listen", "hosts", "tls-cert", "tls-key", "dev", "min-free-mib", "budget-ms", "webhooks", "public-url", "log-format", "log-level")
	return cmd
}
