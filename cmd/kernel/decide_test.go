package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// TestWhoWaitsIsAnsweredByAKernelThatWasStartedAgain: what was asked is in its
// log. One that stays away is an error that says how to go on.
func TestWhoWaitsIsAnsweredByAKernelThatWasStartedAgain(t *testing.T) {
	t.Parallel()
	const id = "01KFG8XN3B2M4Q5R6S7T8V9WXY"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	k, err := client.New("http://"+at, "")
	if err != nil {
		t.Fatal(err)
	}
	asked := kernel.Decision{ID: id, Approval: &kernel.Approval{ID: id, State: "PENDING"}}
	asked.Decision = kernel.RequireApproval

	var out, said bytes.Buffer
	c := &cli{stdout: &out, stderr: &said}
	err = c.answered(t.Context(), k, asked, 50*time.Millisecond)
	if code := c.report(err); code != exitUnreachable || !strings.Contains(said.String(), "kernel decisions show "+id+" --wait 50ms goes on") || out.Len() > 0 {
		t.Errorf("without a kernel: exit code %d, said %q, printed %q", code, said.String(), out.String())
	}

	answer := fmt.Sprintf(`{"decision_id":%q,"decision":"REQUIRE_APPROVAL","risk_level":"low","approvals_required":1,"constraints":{},"reason":"r","code":"RULE","rules":["p/r"],`+
		`"policy_version":"sha256:%[2]s","request_digest":"sha256:%[2]s","decided_at":"2026-01-01T00:00:00Z","entry":{"shard":0,"seq":1,"leaf":"%[2]s"},`+
		`"approval":{"id":%[1]q,"state":"REJECTED","code":"VOTE","expires_at":"2026-01-01T00:01:00Z"}}`, id, strings.Repeat("ab", 32))
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, answer)
	})}
	t.Cleanup(func() { _ = srv.Close() })
	said.Reset()
	time.AfterFunc(300*time.Millisecond, func() {
		if l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", at); err == nil {
			_ = srv.Serve(l)
		}
	})
	err = c.answered(t.Context(), k, asked, time.Minute)
	if code := c.report(err); code != exitApproval || !strings.Contains(out.String(), "REJECTED") || strings.Count(said.String(), "no kernel answers") != 1 {
		t.Errorf("with one that is started again: exit code %d, said %q, printed %q", code, said.String(), out.String())
	}
}
