package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

const starter = `# What "solo ship --env ENVIRONMENT" ships, and how.

# The artifact. Its type is a resource type of the kernel's bundle; the shipped
# one (policies/shipping) has webapp, page, automation, app, integration and
# content.
artifact:
  name: %s
  type: webapp

# Who asks.
agent: agent-001

# Where the kernel is. KERNEL_SERVER and --server go before it. The token comes
# from KERNEL_TOKEN or --token-file and never stands here.
kernel: http://127.0.0.1:7373

# What shipping does, in this order, once the kernel has allowed it. Each
# command runs with "sh -c" in this folder, without input, and stops the rest
# when it fails. It finds in its environment SOLO_ARTIFACT, SOLO_ENVIRONMENT,
# SOLO_STEP and SOLO_DECISION (the id under which the kernel recorded the
# ALLOW); the kernel's token is not there.
#
# The names of the steps are what the kernel is told, as params.actions. Every
# step is written to .solo/ship.log before and after it runs.
steps:
  - name: build
    run: echo "say here how $SOLO_ARTIFACT is built"
  - name: test
    run: echo "say here how $SOLO_ARTIFACT is tested"
  - name: deploy
    run: echo "say here how $SOLO_ARTIFACT goes to $SOLO_ENVIRONMENT"
`

func initCommand(stdout *os.File) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a commented solo.yaml",
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return writeStarter(stdout, file) },
	}
	fileFlag(c, &file)
	return c
}

func writeStarter(stdout *os.File, file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return failf(exitMisuse, "%s is already there", file).withHint("solo plan --env development shows what it would do")
	}
	if err != nil {
		return failf(exitFailed, "write %s: %v", file, err)
	}
	_, err = fmt.Fprintf(f, starter, folderName(file))
	if err := errors.Join(err, f.Close()); err != nil {
		return failf(exitFailed, "write %s: %v", file, err)
	}
	fmt.Fprintf(stdout, "wrote %s\nnext: name your steps, then solo plan --env development\n", file)
	return nil
}

var unfit = regexp.MustCompile(`[^a-z0-9_-]+`)

// folderName suggests the artifact's name: what the folder is called.
func folderName(file string) string {
	const fallback = "my-artifact"
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fallback
	}
	name := strings.Trim(unfit.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "-"), "-")
	return orElse(name, fallback)
}

func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "file", "solo.yaml", "the `FILE` that says what is shipped and how")
}
