package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// head is the head of a POST of an admin, without the empty line that ends it.
const head = "POST /v1/decisions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin\r\nContent-Type: application/json\r\n"

// A wire is a connection with nothing between the test and the server.
type wire struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (s *server) dial() *wire {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	must(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	must(s.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &wire{s.t, conn, bufio.NewReader(conn)}
}

func (w *wire) send(text string) {
	w.t.Helper()
	_, err := io.WriteString(w, text)
	must(w.t, err)
}

// answer reads one answer.
func (w *wire) answer() answer {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	must(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(w.t, err)
	if resp.Close {
		resp.Header.Set("Connection", "close") // the library takes it out
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// closed waits until the server has closed the connection.
func (w *wire) closed() bool {
	_, err := io.Copy(io.Discard, w.in)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func quick(c *api.Config) {
	c.Limits = api.Limits{Header: 300 * time.Millisecond, Body: 300 * time.Millisecond}
}

func TestSlowClientsAreAnswered(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, quick)
	w := s.dial()
	start := time.Now()
	w.send(head + "Content-Length: 500\r\n\r\n")
	stop := make(chan struct{})
	var trickle sync.WaitGroup
	trickle.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
			}
		}
	})
	isProblem(t, "a trickling client", w.answer(), http.StatusRequestTimeout, kernel.Timeout)
	if took := time.Since(start); took < 250*time.Millisecond || took > 3*time.Second {
		t.Errorf("it was told after %v", took)
	}
	close(stop)
	trickle.Wait()
	if r := f.recorded(); len(r) != 1 || r[0].Code != kernel.Timeout {
		t.Errorf("recorded %+v", r)
	}
}

func TestAClientThatTricklesItsHeadIsCutOff(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}}, quick)
	w := s.dial()
	start := time.Now()
	for i := range 100 {
		if _, err := fmt.Fprintf(w, "%c", head[i]); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !w.closed() || time.Since(start) > 5*time.Second {
		t.Errorf("the connection was open for %v", time.Since(start))
	}
}

// TestAStrangerThatSendsNoBodyIsAnsweredAtOnce: who is refused anyway may not
// hold a place while the server waits for its body.
func TestAStrangerThatSendsNoBodyIsAnsweredAtOnce(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}}, nil)
	w := s.dial()
	start := time.Now()
	w.send(strings.Replace(head, "admin", "nobody", 1) + "Content-Length: 500\r\n\r\n")
	isProblem(t, "a stranger", w.answer(), http.StatusUnauthorized, kernel.Unauthenticated)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it was answered after %v", took)
	}
}

func TestALongBodyIsReadAndDroppedSoThatTheAnswerIsSeen(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, nil)
	for name, framing := range map[string]string{"length": "Content-Length: %d\r\n\r\n", "chunks": "Transfer-Encoding: chunked\r\n\r\n%x\r\n"} {
		w := s.dial()
		const size = 6 << 20
		w.send(head + fmt.Sprintf(framing, size))
		block := strings.Repeat(" ", 1<<16)
		for range size / len(block) { // a client that sends all before it reads
			w.send(block)
		}
		a := w.answer()
		isProblem(t, name, a, http.StatusRequestEntityTooLarge, kernel.TooLarge)
		if !strings.EqualFold(a.header.Get("Connection"), "close") {
			t.Errorf("%s: the connection is kept after half a body", name)
		}
	}
	if r := f.recorded(); len(r) != 2 || r[0].Size <= kernel.MaxBody {
		t.Errorf("recorded %+v", r)
	}
}

func TestADroppedBodyHasAnEnd(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}}, nil)
	w := s.dial()
	w.send(head + "Content-Length: 1000000000\r\n\r\n")
	isProblem(t, "a gigabyte", w.answer(), http.StatusRequestEntityTooLarge, kernel.TooLarge)
	block := strings.Repeat(" ", 1<<16)
	sent := 0
	for sent < 1<<30 {
		n, err := io.WriteString(w, block)
		if sent += n; err != nil {
			break
		}
	}
	if sent > 64<<20 { // 8 MiB and what the two kernels buffer
		t.Errorf("%d bytes were taken", sent)
	}
}

func TestAClientThatAsksFirstIsNotToldToGoOn(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}}, nil)
	w := s.dial()
	start := time.Now()
	w.send(head + "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
	isProblem(t, "a long body", w.answer(), http.StatusRequestEntityTooLarge, kernel.TooLarge)
	if !w.closed() || time.Since(start) > 3*time.Second {
		t.Errorf("the connection was open for %v", time.Since(start))
	}
	w = s.dial()
	body := deployTo("development", "")
	w.send(head + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body)))
	if line, err := w.in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := w.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	w.send(body)
	if a := w.answer(); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestGarbageOnTheWireIsRefused(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, quick)
	body := deployTo("development", "")
	for _, c := range []struct {
		name, text string
		status     int
	}{
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"no host", strings.Replace(head, "Host: localhost\r\n", "", 1) + "\r\n", 400},
		{"two hosts", head + "Host: localhost\r\n\r\n", 400},
		{"HTTP/1.0 without a host", "POST /v1/decisions HTTP/1.0\r\n\r\n", 421},
		{"another host in the target", "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 421},
		{"HTTP/3.0", "GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n", 505},
		{"options of everything", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404},
		{"options of another host", "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
		{"a tunnel", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 421},
		{"a space in a header's name", head + "X Y: 1\r\n\r\n", 400},
		{"a NUL in a header", head + "X-Y: a\x00b\r\n\r\n", 400},
		{"a negative length", head + "Content-Length: -1\r\n\r\n", 400},
		{"two lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ", 400},
		{"an unknown transfer encoding", head + "Transfer-Encoding: gzip\r\n\r\n", 501},
		{"chunks that are none", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400},
		{"a chunk of another size", head + "Transfer-Encoding: chunked\r\n\r\n3\r\n" + body + "\r\n0\r\n\r\n", 400},
		{"a chunk size beyond numbers", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
		{"a chunk size with ballast", head + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 10_000) + "\r\n{\r\n0\r\n\r\n", 400},
		{"a header of 100 kB", head + "X-Bomb: " + strings.Repeat("x", 100_000) + "\r\n\r\n", 431},
		{"20,000 headers", head + strings.Repeat("X: y\r\n", 20_000) + "\r\n", 431},
		{"a target of 100 kB", "GET /" + strings.Repeat("x", 100_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431},
		{"a token of 60 kB", strings.Replace(head, "admin", strings.Repeat("x", 60_000), 1) + "Content-Length: 2\r\n\r\n{}", 401},
	} {
		w := s.dial()
		_, _ = io.WriteString(w, c.text) // the server may have enough before all is sent
		a := w.answer()
		if a.status != c.status || strings.Contains(a.body, "goroutine") || strings.Contains(a.body, "decision_id") {
			t.Errorf("%s: %d %q, want %d", c.name, a.status, a.body, c.status)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("%d questions reached the kernel", len(f.asked))
	}
}

func TestABodyThatEndsEarlyIsNoQuestion(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, nil)
	body := deployTo("development", "")
	for _, framing := range []string{
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body)+1, body),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body),
	} {
		w := s.dial()
		w.send(head + framing)
		must(t, w.Conn.(*net.TCPConn).CloseWrite())
		isProblem(t, framing, w.answer(), http.StatusBadRequest, kernel.Malformed)
	}
	if len(f.asked) > 0 {
		t.Errorf("%d questions reached the kernel", len(f.asked))
	}
}

func TestASecondRequestOnAConnectionIsItsOwn(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}}, nil)
	w := s.dial()
	body := deployTo("development", "")
	whole := head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	w.send(whole + strings.Replace(whole, "Bearer admin", "Bearer nobody", 1))
	if a := w.answer(); a.status != http.StatusOK {
		t.Errorf("the first: %d %s", a.status, a.body)
	}
	isProblem(t, "the second", w.answer(), http.StatusUnauthorized, kernel.Unauthenticated)
}

// busy returns a kernel whose decisions last until release is closed.
func busy() (f *fake, entered chan struct{}, release chan struct{}) {
	entered, release = make(chan struct{}, 100), make(chan struct{})
	return &fake{decide: func(ctx context.Context, _ kernel.Caller, _ gate.Ask) (kernel.Decision, error) {
		entered <- struct{}{}
		select {
		case <-release:
			return someDecision(), nil
		case <-ctx.Done():
			return kernel.Decision{}, ctx.Err()
		}
	}}, entered, release
}

func TestOverloadIsAnsweredAtOnceAndProbesGoOn(t *testing.T) {
	f, entered, release := busy()
	s := serve(t, api.Config{Kernel: f, Dev: true}, func(c *api.Config) { c.Limits.InFlight = 3 })
	var calls sync.WaitGroup
	statuses := make(chan int, 3)
	for range 3 {
		calls.Go(func() { statuses <- s.do(s.request("POST", "/v1/decisions", deployTo("development", ""))).status })
		<-entered
	}
	start := time.Now()
	a := s.do(s.request("POST", "/v1/decisions", deployTo("development", "")))
	p := isProblem(t, "one too many", a, http.StatusServiceUnavailable, kernel.Unavailable)
	if p.Decision != "DENY" || a.header.Get("Retry-After") != "1" || time.Since(start) > 2*time.Second {
		t.Errorf("one too many: %s after %v", a.body, time.Since(start))
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if a := s.do(s.request("GET", path, "")); a.status != http.StatusOK {
			t.Errorf("GET %s under load: %d", path, a.status)
		}
	}
	close(release)
	calls.Wait()
	for range 3 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a call under way: %d", status)
		}
	}
	if a := s.do(s.request("POST", "/v1/decisions", deployTo("development", ""))); a.status != http.StatusOK {
		t.Errorf("after the load: %d", a.status)
	}
}

func TestACallHasAnEnd(t *testing.T) {
	f, entered, _ := busy()
	s := serve(t, api.Config{Kernel: f, Dev: true}, func(c *api.Config) { c.Limits.Call = 200 * time.Millisecond })
	isProblem(t, "a slow kernel", s.do(s.request("POST", "/v1/decisions", deployTo("development", ""))), http.StatusServiceUnavailable, kernel.Unavailable)
	<-entered
}

func TestAClientThatLeavesEndsItsCall(t *testing.T) {
	ended := make(chan struct{})
	f := &fake{decide: func(ctx context.Context, _ kernel.Caller, _ gate.Ask) (kernel.Decision, error) {
		<-ctx.Done()
		close(ended)
		return kernel.Decision{}, ctx.Err()
	}}
	s := serve(t, api.Config{Kernel: f}, nil)
	w := s.dial()
	body := deployTo("development", "")
	w.send(head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
	time.Sleep(50 * time.Millisecond)
	must(t, w.Close())
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the call goes on")
	}
}

// TestADecisionMayTakeLongerThanItsBody: the deadline of the body does not end
// the call.
func TestADecisionMayTakeLongerThanItsBody(t *testing.T) {
	f := &fake{decide: func(ctx context.Context, _ kernel.Caller, _ gate.Ask) (kernel.Decision, error) {
		select {
		case <-ctx.Done():
			return kernel.Decision{}, ctx.Err()
		case <-time.After(900 * time.Millisecond):
			return someDecision(), nil
		}
	}}
	s := serve(t, api.Config{Kernel: f, Dev: true}, quick)
	for range 2 {
		if a := s.do(s.request("POST", "/v1/decisions", deployTo("development", ""))); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}
