package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// serveChild is the other process: a kernel with the settings of its
// environment.
func serveChild() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := app.Load(app.Sources{Environ: os.Environ()})
	if err == nil {
		err = app.Serve(ctx, cfg, app.Process{Stderr: os.Stderr, Environ: os.Environ()})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernel: error:", err)
		return 1
	}
	return 0
}

// A process is a kernel that runs as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	folder app.Folder
	log    *syncBuffer
	url    string
	ended  chan error
}

// spawn starts a kernel on a data folder, without waiting for it.
func spawn(t *testing.T, data, policies string, environ ...string) *process {
	t.Helper()
	p := &process{t: t, folder: app.Folder{Path: data}, log: new(syncBuffer), ended: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append([]string{
		"TEST_SERVE=1", "HOME=" + data, "KERNEL_DATA=" + data, "KERNEL_POLICIES=" + policies, "KERNEL_LISTEN=127.0.0.1:0",
	}, environ...)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// start starts a kernel and waits until it answers.
func start(t *testing.T, data, policies string, environ ...string) *process {
	t.Helper()
	p := spawn(t, data, policies, environ...)
	eventually(t, "the kernel answers", func() bool {
		select {
		case err := <-p.ended:
			t.Fatalf("the kernel ended: %v\n%s", err, p.log)
		default:
		}
		h, running, err := app.Running(p.folder)
		p.url = h.URL
		return err == nil && running && h.PID == p.cmd.Process.Pid && h.URL != ""
	})
	return p
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case err := <-p.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		p.t.Fatalf("the kernel does not end\n%s", p.log)
		return -1
	}
}

// stop ends it gently and wants success.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		p.t.Fatalf("exit code %d after SIGTERM, want 0\n%s", code, p.log)
	}
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.wait()
}

// admin returns a client with the data folder's own token.
func (p *process) admin() *client.Client {
	p.t.Helper()
	c, err := app.Connect(app.Config{Data: p.folder.Path})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// status asks without a token and returns status and body.
func (p *process) status(path string) (int, string) {
	p.t.Helper()
	c := http.Client{Timeout: 10 * time.Second}
	resp, err := c.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// deploy is a request of the starter bundle.
func deploy(environment string) kernel.Request {
	return kernel.Request{
		Agent:  kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": "developer"}},
		Action: "deploy",
		Resource: kernel.Resource{
			Type: "service", ID: "checkout", Attributes: map[string]any{"environment": environment},
		},
		Params: map[string]any{"version": "1.4.2"},
	}
}

// starterBundle writes the starter bundle and returns its folder.
func starterBundle(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policies")
	if _, err := app.InitBundle(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// replace changes a file in place.
func replace(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s does not contain %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), old, new)), 0o600); err != nil {
		t.Fatal(err)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
