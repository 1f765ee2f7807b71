package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hooksFile writes a file of webhooks, its secret beside it.
func hooksFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{"hook.secret": hookSecret + "\n", "webhooks.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "webhooks.yaml")
}

// An inbox takes webhooks as a receiver has to: genuine ones, once each.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	ids    map[string]bool
	opened map[string]int // how many different messages say that an approval was opened
	taken  int
}

func receive(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{ids: map[string]bool{}, opened: map[string]int{}}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the kernel was killed in the middle
		}
		event, err := client.VerifyWebhook(r.Header, body, time.Now(), hookSecret)
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		in.take(t, event)
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) take(t *testing.T, event client.WebhookEvent) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.taken++; in.ids[event.ID] {
		return
	}
	in.ids[event.ID] = true
	if event.Type == "approval.opened" {
		var data struct{ Approval struct{ ID string } }
		if err := json.Unmarshal(event.Data, &data); err != nil {
			t.Error(err)
		}
		in.opened[data.Approval.ID]++
	}
}

func (in *inbox) missing(ids []string) (list []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, id := range ids {
		if in.opened[id] != 1 {
			list = append(list, fmt.Sprintf("%s: %d", id, in.opened[id]))
		}
	}
	return list
}

// TestKilledWhileItTellsNothingIsLost kills the kernel while approvals are
// opened and told of: a receiver that takes each id once is told of each once.
func TestKilledWhileItTellsNothingIsLost(t *testing.T) {
	t.Parallel()
	kills := 6
	if testing.Short() {
		kills = 2
	}
	in := receive(t)
	hooks := hooksFile(t, "webhooks: v1\nendpoints:\n  pager: {url: \""+in.URL+"/hook\", secrets: [{file: hook.secret}], events: [approval.opened]}\n")
	data, policies := t.TempDir(), starterBundle(t)
	var acknowledged []string
	production := deploy("production")
	production.Context = map[string]any{"ticket": "CHG-17"}
	for range kills {
		p := start(t, data, policies, "KERNEL_WEBHOOKS="+hooks)
		k := p.admin()
		stop := time.Now().Add(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		for len(acknowledged) < 30*kills && time.Now().Before(stop) {
			d, err := k.Decide(t.Context(), production)
			if err != nil {
				t.Fatal(err)
			}
			if d.Approval == nil {
				t.Fatalf("%s asks nobody", d.ID)
			}
			acknowledged = append(acknowledged, d.ID)
		}
		p.kill()
	}
	p := start(t, data, policies, "KERNEL_WEBHOOKS="+hooks)
	eventually(t, "everything is told", func() bool { return len(in.missing(acknowledged)) == 0 })
	eventually(t, "nothing is left", func() bool {
		list, err := p.admin().Webhooks(t.Context())
		return err == nil && len(list) == 1 && list[0].Pending == 0 && list[0].Dead == 0 && list[0].Target == in.URL
	})
	if delivered, note, err := p.admin().TestWebhook(t.Context(), "pager"); err != nil || !delivered || note != "answered 200" {
		t.Errorf("TestWebhook = %v, %s, %v", delivered, note, err)
	}
	if n, err := p.admin().RetryWebhook(t.Context(), "pager", ""); err != nil || n != 0 {
		t.Errorf("RetryWebhook = %d, %v", n, err)
	}
	p.stop()
	t.Logf("%d approvals were opened, %d messages received", len(acknowledged), in.taken)
	if strings.Contains(p.log.String(), hookSecret[6:]) || strings.Contains(p.log.String(), "/hook") {
		t.Errorf("the kernel's own log holds the secret or the path:\n%s", p.log)
	}
	verified(t, data, "")
}

// TestAFileOfWebhooksIsReadStrictly: what is wrong is said where it stands, and
// never with the secret.
func TestAFileOfWebhooksIsReadStrictly(t *testing.T) {
	const good = `{url: "https://hooks.example.org/x", secrets: [{file: hook.secret}], events: ["approval.*"]}`
	for name, c := range map[string]struct{ old, new, want string }{
		"as it is":               {"", "", ""},
		"plain http":             {"https://", "http://", "webhooks.yaml:3:11: the url is not https"},
		"a password":             {"hooks.example", "me:pw@hooks.example", "holds a user or password"},
		"no host":                {"hooks.example.org", "", "the url is none"},
		"an unknown member":      {"events:", "event:", `unknown member; did you mean "events"?`},
		"an unknown event":       {"approval.*", "approval.open*", `there is no event "approval.open*"`},
		"no event":               {`["approval.*"]`, "[]", "told something at least"},
		"no secret":              {"[{file: hook.secret}]", "[]", "needs a secret"},
		"a secret in the file":   {"{file: hook.secret}", hookSecret, "it is an object"},
		"a missing file":         {"hook.secret", "gone.secret", "no such file"},
		"no variable":            {"{file: hook.secret}", "{env: GONE}", "there is no variable GONE"},
		"a bad variable":         {"{file: hook.secret}", "{env: HOOK}", "begins with whsec_"},
		"a variable":             {"{file: hook.secret}", "{env: HOOK_SECRET}", ""},
		"a name in capitals":     {"pager:", "Pager:", "a name of a webhook"},
		"another format":         {"webhooks: v1", "webhooks: v2", "begin the file with webhooks: v1"},
		"http to this machine":   {"https://hooks.example.org", "http://127.0.0.1:1", ""},
		"http to a name like it": {"https://hooks.example.org", "http://localhost.example.org", "is not https"},
	} {
		text := "webhooks: v1\nendpoints:\n  pager: " + good + "\n"
		path := hooksFile(t, strings.Replace(text, c.old, c.new, 1))
		list, err := app.ReadWebhooks(path, []string{"HOOK=secret", "HOOK_SECRET=" + hookSecret})
		if c.want == "" {
			if err != nil || len(list) != 1 || list[0].Name != "pager" || len(list[0].Secrets) != 1 {
				t.Errorf("%s: %v, %v", name, list, err)
			}
			continue
		}
		if err == nil || !strings.Contains(explained(err), c.want) || strings.Contains(explained(err), hookSecret) {
			t.Errorf("%s: ReadWebhooks = %v, want %q", name, explained(err), c.want)
		}
	}
	path := hooksFile(t, "webhooks: v1\nendpoints:\n  pager: "+good+"\n")
	if err := os.Chmod(filepath.Join(filepath.Dir(path), "hook.secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := app.ReadWebhooks(path, nil); err == nil || !strings.Contains(explained(err), "mode 0644") {
		t.Errorf("a secret that everybody can read: %v", err)
	}
}

// explained is an error with its findings.
func explained(err error) string {
	var found app.DiagnosticsError
	if !errors.As(err, &found) {
		return fmt.Sprint(err)
	}
	var all strings.Builder
	for _, d := range found.Diagnostics {
		fmt.Fprintf(&all, "%s:%d:%d: %s; %s\n", d.File, d.Line, d.Col, d.Message, d.Suggestion)
	}
	return all.String()
}
