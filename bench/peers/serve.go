package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/runtime"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// A server's process is told a folder of its own, the seed and the number of
// rules. It writes where it listens, on the loopback interface, to the file
// address in that folder.
const addressFile = "address"

func serverSet(args []string) (folder string, set contest.Set, rest []string, err error) {
	if len(args) < 3 {
		return "", contest.Set{}, nil, errors.New("a server needs a folder, a seed and the number of rules")
	}
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return "", contest.Set{}, nil, err
	}
	n, err := strconv.Atoi(args[2])
	return args[0], contest.Generate(seed, n), args[3:], err
}

func announce(folder, address string) error {
	unfinished := filepath.Join(folder, addressFile+".new")
	if err := os.WriteFile(unfinished, []byte(address), 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, filepath.Join(folder, addressFile))
}

// serveKernel is `kernel serve` as it comes: every decision is on the disk
// before its answer.
func serveKernel(ctx context.Context, args []string) error {
	folder, set, _, err := serverSet(args)
	if err != nil {
		return err
	}
	policies := filepath.Join(folder, "policies")
	if err := os.Mkdir(policies, 0o700); err != nil {
		return err
	}
	for _, f := range oursFiles(set) {
		if err := os.WriteFile(filepath.Join(policies, f.Name), f.Data, 0o600); err != nil {
			return err
		}
	}
	said, stderr := io.Pipe()
	go func() {
		defer said.Close()
		for lines := bufio.NewScanner(said); lines.Scan(); {
			fmt.Fprintln(os.Stderr, lines.Text())
			if _, address, ok := strings.Cut(lines.Text(), "listening on http://"); ok {
				if err := announce(folder, address); err != nil {
					fmt.Fprintf(os.Stderr, "error: %v\n", err)
				}
			}
		}
	}()
	defer stderr.Close()
	config, err := app.Load(app.Sources{Flags: map[string]string{"data": kernelData(folder), "policies": policies, "listen": "127.0.0.1:0"}})
	if err != nil {
		return err
	}
	return app.Serve(ctx, config, app.Process{Stderr: stderr})
}

func kernelData(folder string) string { return filepath.Join(folder, "data") }

// serveOPA is `opa run --server`, with its log of decisions on the console
// where asked for. It logs no more than that.
func serveOPA(ctx context.Context, args []string) error {
	folder, set, rest, err := serverSet(args)
	if err != nil {
		return err
	}
	module := filepath.Join(folder, "peers.rego")
	if err := os.WriteFile(module, []byte(opaModule(set)), 0o600); err != nil {
		return err
	}
	p := runtime.NewParams()
	p.Addrs, p.AddrSetByUser = &[]string{"127.0.0.1:0"}, true
	p.Paths, p.Output, p.Logging.Level = []string{module}, os.Stdout, "error"
	p.GracefulShutdownPeriod = 1
	if len(rest) > 0 && rest[0] == "log" {
		p.ConfigOverrides = []string{"decision_logs.console=true"}
	}
	server, err := runtime.NewRuntime(ctx, p)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	for tick := time.Tick(10 * time.Millisecond); ; {
		select {
		case err := <-ended:
			return err
		case <-tick:
			addresses := server.Addrs() // none until it listens
			if len(addresses) == 0 {
				continue
			}
			if err := announce(folder, addresses[0]); err != nil {
				return err
			}
			return <-ended
		}
	}
}
