package app_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func TestServeDecidesRecordsAndStops(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, data, starterBundle(t))
	for environment, want := range map[string]kernel.Effect{"staging": kernel.Allow, "production": kernel.Deny} {
		d, err := p.admin().Decide(t.Context(), deploy(environment))
		if err != nil || d.Decision != want {
			t.Errorf("Decide(%s) = %v, %v, want %v", environment, d.Decision, err, want)
		}
	}
	ticketed := deploy("production")
	ticketed.Context = map[string]any{"ticket": "CHG-17"}
	d, err := p.admin().Decide(t.Context(), ticketed)
	if err != nil || d.Decision != kernel.RequireApproval || d.ApprovalsRequired != 2 {
		t.Errorf("Decide(production with a ticket) = %v, %v, want REQUIRE_APPROVAL by 2", d, err)
	}
	if !strings.Contains(p.log.String(), "listening on "+p.url+"\n") {
		t.Errorf("stderr does not say where it listens:\n%s", p.log)
	}
	p.stop()
	if _, running, err := app.Running(p.folder); err != nil || running {
		t.Errorf("after the stop Running = %v, %v, want false", running, err)
	}
	note, err := os.ReadFile(p.folder.CheckpointFile())
	if want := fmt.Sprintf("\n%d\n", d.Entry.Seq+1); err != nil || !strings.Contains(string(note), want) {
		t.Errorf("the checkpoint is %q, %v, want one over %d entries", note, err, d.Entry.Seq+1)
	}
	for path, want := range map[string]os.FileMode{
		data: 0o700, p.folder.AdminToken(): 0o600, p.folder.LogKey(): 0o600, p.folder.Database(): 0o600,
	} {
		if got := mode(t, path); got != want {
			t.Errorf("mode of %s = %o, want %o", path, got, want)
		}
	}
}

func TestSecondServeEndsAndNamesTheFirst(t *testing.T) {
	t.Parallel()
	data, policies := t.TempDir(), starterBundle(t)
	first := start(t, data, policies)
	second := spawn(t, data, policies)
	if code := second.wait(); code != 1 {
		t.Errorf("the second one's exit code is %d, want 1", code)
	}
	for _, want := range []string{fmt.Sprint("process ", first.cmd.Process.Pid), first.url} {
		if !strings.Contains(second.log.String(), want) {
			t.Errorf("the second one does not say %q:\n%s", want, second.log)
		}
	}
	if _, err := first.admin().Decide(t.Context(), deploy("staging")); err != nil {
		t.Errorf("the first one does not decide any more: %v", err)
	}
	first.stop()
}

func TestChangedPoliciesAreTakenUpAllOrNothing(t *testing.T) {
	t.Parallel()
	policies := starterBundle(t)
	file := filepath.Join(policies, "policies.yaml")
	p := start(t, t.TempDir(), policies)
	ask := func() kernel.Decision {
		t.Helper()
		d, err := p.admin().Decide(t.Context(), deploy("staging"))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := ask()

	replace(t, file, "environment: [development, staging]", "environment: [development]")
	var after kernel.Decision
	eventually(t, "the changed policy decides", func() bool {
		after = ask()
		return after.PolicyVersion != before.PolicyVersion
	})
	if after.Decision != kernel.Deny {
		t.Errorf("after the change Decide = %v, want DENY", after.Decision)
	}

	replace(t, file, "effect: ALLOW", "effect: PERHAPS")
	eventually(t, "the log names the invalid line", func() bool {
		return strings.Contains(p.log.String(), "policies.yaml:11:") && strings.Contains(p.log.String(), "go on deciding")
	})
	if now := ask(); now.PolicyVersion != after.PolicyVersion {
		t.Errorf("an invalid bundle changed the policy to %s", now.PolicyVersion)
	}
	if code, body := p.status("/readyz"); code != http.StatusOK || !strings.Contains(body, "go on deciding") {
		t.Errorf("readiness = %d %s, want 200 with a word about the invalid bundle", code, body)
	}
	if got := p.metric(`kernel_policy_reloads_total{outcome="refused"}`); got != "1" {
		t.Errorf("refused reloads = %q, want 1", got)
	}

	replace(t, file, "effect: PERHAPS", "effect: ALLOW")
	replace(t, file, "environment: [development]", "environment: [development, staging]")
	eventually(t, "the mended policy decides", func() bool { return ask().PolicyVersion == before.PolicyVersion })
	if got := p.metric("kernel_policy_stale"); got != "0" {
		t.Errorf("kernel_policy_stale = %q, want 0", got)
	}
	p.stop()
}

// metric returns the value of one series.
func (p *process) metric(series string) string {
	p.t.Helper()
	secret, err := os.ReadFile(p.folder.AdminToken())
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, p.url+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), series+" "); found {
			return value
		}
	}
	return ""
}

func TestStopAnswersCallsUnderWay(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), starterBundle(t))
	half := p.halfCall()
	idle := p.halfCall() // never finished
	defer idle.Close()

	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "new calls are refused", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	fmt.Fprint(half, secondHalf)
	resp, err := http.ReadResponse(bufio.NewReader(half), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the call under way got %v, %v, want 200", resp, err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v, want at most 10 s", took)
	}
}

const (
	firstHalf  = `{"agent":{"id":"agent-001","role":"developer"},"action":"deploy",`
	secondHalf = `"resource":{"type":"service","id":"checkout","environment":"staging"},"params":{"version":"1.4.2"}}`
)

// halfCall sends the first half of a call, and returns when the kernel reads it.
func (p *process) halfCall() net.Conn {
	p.t.Helper()
	secret, err := os.ReadFile(p.folder.AdminToken())
	if err != nil {
		p.t.Fatal(err)
	}
	host := strings.TrimPrefix(p.url, "http://")
	c, err := net.Dial("tcp", host)
	if err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprintf(c, "POST /v1/decisions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", host, strings.TrimSpace(string(secret)), len(firstHalf)+len(secondHalf))
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	// The server asks for the body once a handler reads it: the call is under way.
	line := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := c.Read(line); err != nil || !strings.Contains(string(line), "100 Continue") {
		p.t.Fatalf("the kernel answers %q, %v, want 100 Continue", line, err)
	}
	fmt.Fprint(c, firstHalf)
	return c
}

func TestCheckpointThatCannotBePublishedTurnsReadinessRed(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), starterBundle(t))
	eventually(t, "the first checkpoint is published", func() bool {
		_, err := os.Stat(p.folder.CheckpointFile())
		return err == nil
	})
	eventually(t, "a folder stands in its place", func() bool { // nothing can be renamed to one; until then the kernel may write another
		if err := os.Remove(p.folder.CheckpointFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return os.Mkdir(p.folder.CheckpointFile(), 0o700) == nil
	})
	if _, err := p.admin().Decide(t.Context(), deploy("staging")); err != nil {
		t.Errorf("Decide = %v, want a decision: the record is on disk", err)
	}
	eventually(t, "readiness is red", func() bool {
		code, body := p.status("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "no checkpoint")
	})
	if err := os.Remove(p.folder.CheckpointFile()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "readiness is green again", func() bool {
		code, _ := p.status("/readyz")
		return code == http.StatusOK
	})
	p.stop()
}

func TestDevAnswersWithoutAToken(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), starterBundle(t), "KERNEL_DEV=true")
	anybody, err := client.New(p.url, "")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := anybody.Decide(t.Context(), deploy("staging")); err != nil || d.Decision != kernel.Allow {
		t.Errorf("with --dev and without a token Decide = %v, %v, want ALLOW", d, err)
	}
	if !strings.Contains(p.log.String(), "without a token") {
		t.Errorf("the log does not warn of --dev:\n%s", p.log)
	}
	p.stop()
	p = start(t, p.folder.Path, starterBundle(t))
	anybody, err = client.New(p.url, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = anybody.Decide(t.Context(), deploy("staging"))
	wantError(t, "without --dev and without a token", err, "no token", "")
	p.stop()
}

func TestAdminTokenIsShownToItsOwnKernelOnly(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), starterBundle(t))
	seen := make(chan string, 1)
	stranger := http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go stranger.Serve(l)
	defer stranger.Close()
	c, err := app.Connect(app.Config{Data: p.folder.Path, Server: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Decide(t.Context(), deploy("staging")) // no kernel answers there
	if got := <-seen; got != "" {
		t.Errorf("the stranger was sent %q, want nothing", got)
	}
	p.stop()
}

func TestRevokedAdminTokenIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	policies := starterBundle(t)
	p := start(t, t.TempDir(), policies)
	admin := p.admin()
	tokens, err := admin.Tokens(t.Context())
	if err != nil || len(tokens) != 1 {
		t.Fatalf("Tokens = %v, %v, want the admin's alone", tokens, err)
	}
	if err := admin.RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	p.stop()
	again := spawn(t, p.folder.Path, policies)
	if code := again.wait(); code != 1 || !strings.Contains(again.log.String(), "revoked") {
		t.Errorf("exit code %d, want 1 and a word about the revoked token:\n%s", code, again.log)
	}
	if err := os.Remove(p.folder.AdminToken()); err != nil {
		t.Fatal(err)
	}
	p = start(t, p.folder.Path, policies)
	if _, err := p.admin().Tokens(t.Context()); err != nil {
		t.Errorf("with a new admin token Tokens = %v, want the tokens", err)
	}
	p.stop()
}

func TestServeRefusesWhatIsNotSafeBeforeItTouchesAnything(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, want string
		cfg        app.Config
	}{
		{"in the clear", "without TLS", app.Config{Listen: "0.0.0.0:0", Policies: starterBundle(t)}},
		{"no policies", "no policies", app.Config{Listen: "127.0.0.1:0"}},
		{"no such certificate", "tls-cert", app.Config{Listen: "127.0.0.1:0", Policies: starterBundle(t), TLSCert: "x", TLSKey: "y"}},
		{"an empty folder of policies", "no *.yaml", app.Config{Listen: "127.0.0.1:0", Policies: t.TempDir()}},
	} {
		c.cfg.LogFormat, c.cfg.LogLevel, c.cfg.Data, c.cfg.MinFreeMiB = "auto", "info", filepath.Join(dir, "data"), 64
		err := app.Serve(context.Background(), c.cfg, app.Process{Stderr: new(syncBuffer)})
		wantError(t, c.name, err, c.want, "")
		if _, err := os.Stat(c.cfg.Data); err == nil {
			t.Errorf("%s: the data folder was made", c.name)
		}
	}
}
