package api_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/api"
)

// running starts a server that the test stops by itself.
func running(t *testing.T, k api.Kernel, grace time.Duration) (url string, stop func(), ended chan error) {
	t.Helper()
	handler, err := api.New(api.Config{Kernel: k, Hosts: api.LoopbackHosts(), Now: time.Now, Dev: true})
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- api.Serve(ctx, api.NewServer(handler, api.Limits{}, nil), listener, grace) }()
	return "http://" + listener.Addr().String(), cancel, ended
}

func TestAStopLetsCallsUnderWayEnd(t *testing.T) {
	f, entered, release := busy()
	url, stop, ended := running(t, f, 10*time.Second)
	status := make(chan int, 1)
	go func() {
		resp, err := http.Post(url+"/v1/decisions", "application/json", strings.NewReader(deployTo("development", "")))
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-entered
	stop()
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break // no new calls are taken
		}
		conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before the call did: %v", err)
	default:
	}
	close(release)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the call under way: %d", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

func TestAStopHasAnEnd(t *testing.T) {
	f, entered, _ := busy()
	url, stop, ended := running(t, f, 100*time.Millisecond)
	failed := make(chan error, 1)
	go func() {
		resp, err := http.Post(url+"/v1/decisions", "application/json", strings.NewReader(deployTo("development", "")))
		if err == nil {
			resp.Body.Close()
			err = errors.New(resp.Status)
		}
		failed <- err
	}()
	<-entered
	start := time.Now()
	stop()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("Serve = %v after %v", err, time.Since(start))
	}
	if err := <-failed; err == nil || strings.HasPrefix(err.Error(), "200") {
		t.Errorf("the call that was cut off: %v", err)
	}
}

func TestAListenerThatIsClosedIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	if err := api.Serve(t.Context(), api.NewServer(http.NotFoundHandler(), api.Limits{}, nil), listener, time.Second); err == nil {
		t.Error("Serve = nil")
	}
}
