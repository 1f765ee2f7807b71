package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// startKernel [BUNDLE] starts a real kernel, by default with the shipped
// bundle, and points solo at it. KERNEL_TOKEN is a token that may ask for
// agents whose ids begin with agent-.
func startKernel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: kernel [BUNDLE]")
	}
	policies, err := filepath.Abs("../../policies/shipping")
	ts.Check(err)
	if len(args) == 1 {
		policies = ts.MkAbs(args[0])
	}
	cfg, err := app.Load(app.Sources{Flags: map[string]string{
		"data": ts.MkAbs("data"), "policies": policies, "listen": "127.0.0.1:0", "log-format": "text",
	}})
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	log, ended := &listening{url: make(chan string, 1)}, make(chan error, 1)
	go func() { ended <- app.Serve(ctx, cfg, app.Process{Stderr: log}) }()
	ts.Defer(func() {
		stop()
		if err := <-ended; err != nil {
			ts.Logf("the kernel stopped: %v", err)
		}
	})
	select {
	case url := <-log.url:
		ts.Setenv("KERNEL_SERVER", url)
	case err := <-ended:
		ended <- nil
		ts.Fatalf("the kernel did not start: %v\n%s", err, log.text())
	case <-time.After(30 * time.Second):
		ts.Fatalf("the kernel did not start within 30s:\n%s", log.text())
	}
	secret, _, err := admin(ts).CreateToken(ctx, client.TokenSpec{Name: "solo", Role: kernel.RoleGateway, SpeaksFor: []string{"agent-*"}})
	ts.Check(err)
	ts.Setenv("KERNEL_TOKEN", secret)
	ts.Check(os.WriteFile(ts.MkAbs("token"), []byte(secret+"\n"), 0o600))
}

// admin is a client that may do everything.
func admin(ts *testscript.TestScript) *client.Client {
	c, err := client.New(ts.Getenv("KERNEL_SERVER"), strings.TrimSpace(ts.ReadFile("data/admin.token")))
	ts.Check(err)
	return c
}

// recorded N checks how many decisions the kernel has in its log.
func recorded(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	page, err := admin(ts).Decisions(context.Background(), client.Query{})
	ts.Check(err)
	if len(page.Decisions) != want {
		ts.Fatalf("%d decisions are recorded, want %d: %+v", len(page.Decisions), want, page.Decisions)
	}
}

// listening waits for the line that says where the kernel answers.
type listening struct {
	url chan string

	mu   sync.Mutex
	seen strings.Builder
}

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.Write(p)
	for line := range strings.Lines(string(p)) {
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on "); ok {
			l.url <- url
		}
	}
	return len(p), nil
}

func (l *listening) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.String()
}
