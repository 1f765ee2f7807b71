package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// BenchmarkHTTP asks a kernel with 1,000 rules over HTTP, each decision on
// disk before its answer, and before and after it, with the same clients, an
// echo (see [startEcho]).
//
// Clients and server share the process and the machine: cpu-µs holds both.
// The load is closed: a slow answer delays the next question. So this measures
// throughput, and says nothing about latency.
func BenchmarkHTTP(b *testing.B) {
	k := startKernel(b, 1000)
	echo := startEcho(b, k, body600())
	for _, callers := range []int{1, 32, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			bare := ask(b, echo.address, echo.post(body600()), callers, 2*b.N)
			b.ResetTimer()
			kernel := ask(b, k.address, k.post(body600()), callers, b.N)
			b.StopTimer()
			bare = bare.plus(ask(b, echo.address, echo.post(body600()), callers, 2*b.N))
			b.ReportMetric(kernel.rate(), "decisions/s")
			b.ReportMetric(bare.rate(), "echoes/s")
			b.ReportMetric(kernel.rate()/bare.rate(), "ratio")
			b.ReportMetric(kernel.cpuMicros(), "cpu-µs/decision")
			b.ReportMetric(bare.cpuMicros(), "cpu-µs/echo")
		})
	}
}

// TestHTTPDecisionsAreRecorded keeps the benchmark honest: what it counts are
// decisions in the log.
func TestHTTPDecisionsAreRecorded(t *testing.T) {
	const n = 200
	k := startKernel(t, 10)
	ask(t, k.address, k.post(body600()), 8, n)
	k.stop(t)
	db, err := sqlite.Open(app.Folder{Path: k.data}.Database(), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	recorded := 0
	for _, err := range db.Entries(t.Context(), store.Query{Kind: "decision"}) {
		if err != nil {
			t.Fatal(err)
		}
		recorded++
	}
	if recorded != n {
		t.Errorf("the log holds %d decisions, want %d", recorded, n)
	}
}

// A runningKernel is the whole service, in this process.
type runningKernel struct {
	address, data, token string
	cancel               context.CancelFunc
	ended                chan struct{} // closed when it has ended
	err                  error         // then: why
}

func startKernel(tb testing.TB, n int) *runningKernel {
	tb.Helper()
	policies := tb.TempDir()
	for _, f := range bundle(n) {
		if err := os.WriteFile(filepath.Join(policies, f.Name), f.Data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return serveWith(tb, map[string]string{"policies": policies})
}

// serveWith starts a kernel with further settings.
func serveWith(tb testing.TB, more map[string]string) *runningKernel {
	tb.Helper()
	return serveIn(tb, filepath.Join(tb.TempDir(), "data"), more)
}

// serveIn starts a kernel in a data folder.
func serveIn(tb testing.TB, data string, more map[string]string) *runningKernel {
	tb.Helper()
	flags := map[string]string{"data": data, "listen": "127.0.0.1:0", "log-format": "text", "log-level": "warn"}
	maps.Copy(flags, more)
	cfg, err := app.Load(app.Sources{Flags: flags})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &runningKernel{data: data, cancel: cancel, ended: make(chan struct{})}
	words, stderr := io.Pipe()
	go func() {
		k.err = app.Serve(ctx, cfg, app.Process{Stderr: stderr})
		stderr.Close()
		close(k.ended)
	}()
	tb.Cleanup(func() { k.stop(tb) })
	lines := bufio.NewScanner(words)
	for k.address == "" && lines.Scan() {
		_, k.address, _ = strings.Cut(lines.Text(), "listening on http://")
	}
	go func() { _, _ = io.Copy(io.Discard, words) }() // what it logs from here on
	if k.address == "" {
		tb.Fatal("the kernel does not start")
	}
	token, err := os.ReadFile(app.Folder{Path: k.data}.AdminToken())
	if err != nil {
		tb.Fatal(err)
	}
	k.token = strings.TrimSpace(string(token))
	return k
}

// stop ends the kernel; it may have ended by itself.
func (k *runningKernel) stop(tb testing.TB) {
	tb.Helper()
	k.cancel()
	if <-k.ended; k.err != nil {
		tb.Errorf("the kernel ended with: %v", k.err)
	}
}

// post is the request as it goes over the wire.
func (k *runningKernel) post(body []byte) []byte {
	return fmt.Appendf(nil, "POST /v1/decisions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		k.address, k.token, len(body), body)
}

// startEcho starts a bare net/http server beside a kernel. It costs what HTTP
// costs: it reads each request whole, and answers with the head and as many
// bytes as the kernel's answer to a request has, so that clients and the
// network have the same to do for both.
func startEcho(tb testing.TB, k *runningKernel, request []byte) *runningKernel {
	tb.Helper()
	conn, err := net.Dial("tcp", k.address)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	resp, answer, err := exchange(conn, bufio.NewReader(conn), k.post(request))
	if err != nil {
		tb.Fatal(err)
	}
	resp.Header.Del("Date") // net/http writes its own
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		maps.Copy(w.Header(), resp.Header)
		_, _ = w.Write(answer) // a client that is gone counts as failed where it asked
	}))
	tb.Cleanup(server.Close)
	return &runningKernel{address: server.Listener.Addr().String(), token: k.token}
}

// A cost is what n requests took.
type cost struct {
	n         int
	wall, cpu time.Duration
}

func (c cost) plus(d cost) cost   { return cost{c.n + d.n, c.wall + d.wall, c.cpu + d.cpu} }
func (c cost) rate() float64      { return float64(c.n) / c.wall.Seconds() }
func (c cost) cpuMicros() float64 { return float64(c.cpu.Nanoseconds()) / 1000 / float64(c.n) }

// ask sends a request n times over as many connections as there are callers.
// Any answer but 200 fails the benchmark.
func ask(tb testing.TB, address string, request []byte, callers, n int) cost {
	tb.Helper()
	conns := make([]net.Conn, callers)
	for i := range conns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			tb.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	var left atomic.Int64
	left.Store(int64(n))
	failed := make(chan error, callers)
	var all sync.WaitGroup
	start, used := time.Now(), usedCPU()
	for _, conn := range conns {
		all.Go(func() {
			answers := bufio.NewReader(conn)
			for left.Add(-1) >= 0 {
				if _, _, err := exchange(conn, answers, request); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	c := cost{n: n, wall: time.Since(start), cpu: usedCPU() - used}
	select {
	case err := <-failed:
		tb.Fatal(err)
	default:
	}
	return c
}

// exchange sends a request and reads its answer, which must be a decision.
func exchange(conn net.Conn, answers *bufio.Reader, request []byte) (*http.Response, []byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"decision_id"`))) {
		err = fmt.Errorf("the answer is %s: %s", resp.Status, body)
	}
	return resp, body, err
}
