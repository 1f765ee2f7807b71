// Command kernel runs the execution kernel, works with its policies, asks it
// and checks its log.
package main

import (
	"context"
	"io"
	"os"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	c := cli{
		ctx: context.Background(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		environ: os.Environ(), version: version,
	}
	os.Exit(c.run(os.Args[1:]))
}

// A cli is one call of the program: what it was given and where it answers.
type cli struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	version        string
}

// run executes a command line and returns the exit code.
func (c *cli) run(args []string) int {
	out := &sink{w: c.stdout}
	c.stdout = out
	root := c.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(c.ctx)
	if err == nil && out.err != nil {
		err = out.err
	}
	return c.report(err)
}

// A sink remembers that writing failed, so that an answer cut short by a full
// disk is not taken for the whole one.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}
