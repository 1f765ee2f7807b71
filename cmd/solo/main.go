// Command solo ships an artifact when the kernel allows it.
//
// It promises that no step runs before a recorded ALLOW, and that an ALLOW
// with a constraint solo does not keep is a refusal.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

// stopSignals end whatever solo is doing. SIGPIPE is among them so that a
// reader who leaves (solo ship | head) stops the steps instead of orphaning
// them. What is ignored at the start (nohup) stays ignored.
func stopSignals() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE}
	return slices.DeleteFunc(all, signal.Ignored)
}

func main() {
	hideEnvironment()
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	defer stop()
	err := execute(ctx, newRoot(os.Stdout, os.Stderr))
	os.Exit(complain(os.Stderr, err))
}

// complain writes an error and its hint, and returns the exit code.
func complain(stderr *os.File, err error) int {
	if err == nil {
		return exitShipped
	}
	f, p := asFailure(err), painter(stderr)
	fmt.Fprintf(stderr, "%s %s\n", p.red("solo: error:"), printable(f.message))
	if f.hint != "" {
		fmt.Fprintf(stderr, "%s %s\n", p.yellow("solo: hint:"), printable(f.hint))
	}
	return f.exit
}
