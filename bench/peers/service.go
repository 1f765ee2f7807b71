package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// What servers are asked: with how many rules, over how many connections.
const (
	serviceRules = 1000
	connections  = 32
)

// A service is a server, and what was measured of it.
type service struct {
	name   string
	role   []string                                    // of its process: the role, and arguments behind the usual ones
	write  func(*running, []byte) []byte               // a request for the wire
	effect func(answer []byte) (contest.Effect, error) // of an answer
	rate   []float64                                   // answers in a second
	cpu    []float64                                   // microseconds of the server's processor time for an answer
}

func services() []service {
	return []service{
		{name: "execution-kernel, on the disk before the answer", role: []string{"kernel"}, write: writeKernel, effect: kernelEffect},
		{name: "OPA, log on the console", role: []string{"opa", "log"}, write: writeOPA, effect: opaEffect},
		{name: "OPA, no log", role: []string{"opa"}, write: writeOPA, effect: opaEffect},
	}
}

// serveAll measures the servers in turns, all of them from this process.
func serveAll(ctx context.Context, p plan, f *field, stderr io.Writer) ([]service, error) {
	all, set := services(), contest.Generate(p.seed, serviceRules)
	requests := set.Requests(p.requests)
	var started []*running
	defer func() {
		for _, r := range started {
			r.stop(stderr)
		}
	}()
	for i, s := range all {
		fmt.Fprintf(stderr, "%s: start, and compare with the reference\n", s.name)
		r, err := s.start(ctx, p, filepath.Join(f.folder, fmt.Sprintf("service%d", i)), f.self)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		started = append(started, r)
		if err := s.agree(r, set, requests); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for range min(p.runs, 3) {
		for i := range all {
			fmt.Fprintf(stderr, "%s: measure\n", all[i].name)
			if err := all[i].measure(started[i], p, requests); err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
		}
	}
	return all, nil
}

// A running service is a process of this program.
type running struct {
	folder, address string
	command         *exec.Cmd
	log             *os.File // what it writes to its console
	token           string   // of a kernel
	ended           chan error
}

func (s service) start(ctx context.Context, p plan, folder, self string) (*running, error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "console.log"))
	if err != nil {
		return nil, err
	}
	args := append([]string{s.role[0], folder, strconv.FormatUint(p.seed, 10), strconv.Itoa(serviceRules)}, s.role[1:]...)
	r := &running{folder: folder, log: log, command: exec.CommandContext(ctx, self, args...), ended: make(chan error, 1)}
	r.command.Stdout, r.command.Stderr = log, log
	r.command.Cancel = func() error { return r.command.Process.Signal(os.Interrupt) }
	r.command.WaitDelay = 15 * time.Second
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	go func() { r.ended <- r.command.Wait() }()
	return r, r.wait(ctx)
}

// wait returns when the server listens.
func (r *running) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for tick := time.Tick(20 * time.Millisecond); ; {
		address, err := os.ReadFile(filepath.Join(r.folder, addressFile))
		if err == nil {
			r.address = string(address)
			break
		}
		select {
		case err := <-r.ended:
			words, _ := os.ReadFile(r.log.Name())
			return fmt.Errorf("it ended with %v, and said: %s", err, words)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("it does not listen: %w", ctx.Err()), r.command.Process.Kill())
		case <-tick:
		}
	}
	token, err := os.ReadFile(app.Folder{Path: kernelData(r.folder)}.AdminToken())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r.token = strings.TrimSpace(string(token))
	return nil
}

func (r *running) stop(stderr io.Writer) {
	defer r.log.Close()
	if err := r.command.Process.Signal(os.Interrupt); err != nil {
		fmt.Fprintf(stderr, "stop %s: %v\n", r.folder, err)
	}
	if err := <-r.ended; err != nil {
		fmt.Fprintf(stderr, "%s ended with: %v\n", r.folder, err)
	}
}

// usedCPU returns the processor time of another process, to a hundredth of a
// second (proc_pid_stat(5), utime and stime).
func (r *running) usedCPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, i := range []int{11, 12} { // fields 14 and 15; two are cut off with the name
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil
}

type rates struct{ rate, cpu float64 }

func (s service) median() rates {
	same := func(v float64) float64 { return v }
	return rates{median(s.rate, same), median(s.cpu, same)}
}
