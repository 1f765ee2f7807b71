package main

import (
	"errors"
	"fmt"
)

// Exit codes; part of the contract, as scripts branch on them.
const (
	exitShipped     = 0 // done, or with plan: allowed
	exitFailed      = 1 // a step failed or was interrupted
	exitMisuse      = 2 // the command line or solo.yaml is wrong
	exitDenied      = 3 // the kernel refused, or asked for what solo cannot keep
	exitPending     = 4 // approvals are required; nothing ran
	exitUnreachable = 5 // no decision could be had; nothing ran
)

// A failure is why solo did not ship: the exit code, a sentence, what to do next.
type failure struct {
	exit    int
	message string
	hint    string
}

func (f *failure) Error() string { return f.message }

func failf(exit int, format string, args ...any) *failure {
	return &failure{exit: exit, message: fmt.Sprintf(format, args...)}
}

func (f *failure) withHint(format string, args ...any) *failure {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

// asFailure takes whatever a command returned. What is not a failure of ours
// comes from the command line parser.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return failf(exitMisuse, "%v", err).withHint("solo --help")
}
