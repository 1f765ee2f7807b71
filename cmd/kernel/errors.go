package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// Exit codes, a part of the contract.
const (
	exitDone        = 0 // done, or ALLOW
	exitFailed      = 1
	exitMisuse      = 2 // misuse or invalid input
	exitDeny        = 3
	exitApproval    = 4 // REQUIRE_APPROVAL
	exitUnreachable = 5 // no kernel could answer
	exitUndecided   = 6 // of kernel prove: neither proved nor refuted
)

// An exitError ends the program with a code and says nothing more: what there
// was to say is on stdout.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// misuse is an error in the command line.
func misuse(format string, args ...any) *kernel.Error {
	return kernel.Errorf(kernel.Invalid, format, args...)
}

// report prints an error with what to do about it, and returns the exit code.
func (c *cli) report(err error) int {
	var silent exitError
	var diags app.DiagnosticsError
	var ours *kernel.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &silent):
		return int(silent)
	case errors.As(err, &diags):
		for _, d := range diags.Diagnostics {
			fmt.Fprintln(c.stderr, d)
		}
		c.say(diags.Error(), "")
		return exitMisuse
	case errors.As(err, &ours):
		c.say(err.Error(), ours.Hint)
		return codeOf(ours.Code)
	case errors.Is(err, client.ErrUnreachable):
		c.say(err.Error(), "is the kernel running there? nothing was decided")
		return exitUnreachable
	case errors.Is(err, context.Canceled):
		c.say("interrupted", "")
		return exitFailed
	}
	c.say(err.Error(), "")
	return exitFailed
}

func (c *cli) say(message, hint string) {
	fmt.Fprintln(c.stderr, "kernel: error:", message)
	if hint != "" {
		fmt.Fprintln(c.stderr, "kernel: hint:", hint)
	}
}

func codeOf(code kernel.Code) int {
	input := []kernel.Code{kernel.Invalid, kernel.Malformed, kernel.Unsupported, kernel.TooLarge, kernel.MediaType, kernel.Reused}
	switch {
	case slices.Contains(input, code):
		return exitMisuse
	case code == kernel.Unavailable:
		return exitUnreachable
	}
	return exitFailed
}

func codeOfDecision(e kernel.Effect) error {
	if code := codeOfEffect(e); code != exitDone {
		return exitError(code)
	}
	return nil
}

func codeOfEffect(e kernel.Effect) int {
	switch e {
	case kernel.Allow:
		return exitDone
	case kernel.RequireApproval:
		return exitApproval
	case kernel.Deny:
		return exitDeny
	}
	return exitDeny
}
