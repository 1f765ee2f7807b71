package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func planCommand(stdout, stderr *os.File) *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "plan --env ENVIRONMENT",
		Short: "Show what the kernel says to shipping, and run nothing",
		Long: "plan asks what ship would ask, and runs nothing. It really asks: the kernel\n" +
			"records the question and its answer like any other.\n\n" +
			"Exit codes: 0 ship would run the steps, 2 misuse, 3 denied, 4 approvals required,\n5 no answer from the kernel.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return plan(c.Context(), q, stdout, stderr) },
	}
	q.flags(c)
	return c
}

func plan(ctx context.Context, q question, stdout, stderr *os.File) error {
	s, err := q.open("plan", stdout, stderr)
	if err != nil {
		return err
	}
	err = s.permission(ctx)
	if err == nil {
		fmt.Fprintf(s.out, "ship would run:\n")
		for i, st := range s.cfg.Steps {
			fmt.Fprintf(s.out, "  %d/%d %s  %s\n", i+1, len(s.cfg.Steps), st.Name, painter(s.out).dim(printable(firstLine(st.Run))))
		}
	}
	if s.report.Decision != nil {
		fmt.Fprintf(s.out, "nothing ran; the kernel has recorded the question and its answer\n")
	}
	return s.end(err, outcomeAllowed)
}
