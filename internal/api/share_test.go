package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
)

// half sends the head of a body of so many bytes, and nothing of the body.
func (s *server) half(role kernel.Role, size int) *wire {
	w := s.dial()
	w.send(strings.Replace(head, "admin", string(role), 1) + fmt.Sprintf("Content-Length: %d\r\n\r\n", size))
	return w
}

func small(c *api.Config) { c.Limits = api.Limits{Bodies: 4 << 20, Body: 5 * time.Second} }

// TestBodiesUnderWayAreBounded: what would be over the bound is refused before
// it is sent, and when those before it have ended there is room again.
func TestBodiesUnderWayAreBounded(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, small)
	var held []*wire
	for _, role := range []kernel.Role{kernel.RoleAdmin, kernel.RoleAdmin, kernel.RoleGateway, kernel.RoleGateway} {
		held = append(held, s.half(role, 1<<20))
	}
	start := time.Now()
	refused := s.untilRefused(kernel.RoleAgent)
	p := isProblem(t, "over the bound", refused, http.StatusServiceUnavailable, kernel.Unavailable)
	if p.Decision != "DENY" || refused.header.Get("Retry-After") != "1" || time.Since(start) > 4*time.Second {
		t.Errorf("over the bound: %+v after %v", p, time.Since(start))
	}
	if a := s.do(s.request("GET", "/healthz", "")); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
	body := deployTo("development", "")
	held[0].send(body + strings.Repeat(" ", 1<<20-len(body)))
	if a := held[0].answer(); a.status != http.StatusOK {
		t.Errorf("one that had room: %d %s", a.status, a.body)
	}
	w := s.half(kernel.RoleAgent, 1<<20)
	w.send(body + strings.Repeat(" ", 1<<20-len(body)))
	if a := w.answer(); a.status != http.StatusOK {
		t.Errorf("when there is room again: %d %s", a.status, a.body)
	}
}

// untilRefused sends a request of 1 MiB by halves until one is refused: those
// before it may not have reached the server yet.
func (s *server) untilRefused(role kernel.Role) answer {
	s.t.Helper()
	return s.untilAnswered(func() *wire { return s.half(role, 1<<20) })
}

// untilAnswered sends halves of requests until one is answered.
func (s *server) untilAnswered(half func() *wire) answer {
	s.t.Helper()
	for range 50 {
		w := half()
		_ = w.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := w.in.Peek(1); err == nil {
			_ = w.SetReadDeadline(time.Now().Add(5 * time.Second))
			return w.answer()
		}
		w.Close()
	}
	s.t.Fatal("nothing is refused")
	return answer{}
}

func TestOneCallerLeavesRoomForOthers(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f}, small)
	for range 2 {
		s.half(kernel.RoleAdmin, 1<<20)
	}
	isProblem(t, "a third of one caller", s.untilRefused(kernel.RoleAdmin), http.StatusServiceUnavailable, kernel.Unavailable)
	r := s.request("POST", "/v1/decisions", deployTo("development", strings.Repeat(" ", 1<<20-1000)))
	r.Header.Set("Authorization", "Bearer gateway")
	if a := s.do(r); a.status != http.StatusOK {
		t.Errorf("another caller: %d %s", a.status, a.body)
	}
}

func TestOneCallerDoesNotTakeEveryPlace(t *testing.T) {
	f, entered, release := busy()
	s := serve(t, api.Config{Kernel: f}, func(c *api.Config) { c.Limits.InFlight = 4 })
	as := func(role string) answer {
		r := s.request("POST", "/v1/decisions", deployTo("development", ""))
		r.Header.Set("Authorization", "Bearer "+role)
		return s.do(r)
	}
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() { as("gateway") })
		<-entered
	}
	isProblem(t, "a fourth of one caller", as("gateway"), http.StatusServiceUnavailable, kernel.Unavailable)
	var other answer
	calls.Go(func() { other = as("admin") })
	<-entered
	close(release)
	calls.Wait()
	if other.status != http.StatusOK {
		t.Errorf("another caller: %d %s", other.status, other.body)
	}
	if a := as("gateway"); a.status != http.StatusOK {
		t.Errorf("afterwards: %d", a.status)
	}
}

// TestALargeRequestAboutSomethingUndeclaredIsNotKept: no schema bounds it, and
// decisions keep their requests.
func TestALargeRequestAboutSomethingUndeclaredIsNotKept(t *testing.T) {
	h := newHouse(t, nil)
	sink := func(size int) string {
		return `{"agent":{"id":"agent-001"},"action":"sink","resource":{"type":"ship","id":"s"},"params":{"x":"` + strings.Repeat("y", size) + `"}}`
	}
	if d := into[decisionBody](t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", sink(16_000)))); d.Code != kernel.CodeUnknownAction {
		t.Errorf("16,000 bytes: %+v", d)
	}
	for name, c := range map[string]struct{ path, body string }{
		"an action":          {"/v1/decisions", sink(17_000)},
		"a resource type":    {"/v1/decisions", strings.Replace(sink(500_000), "sink", "deploy_service", 1)},
		"an artifact":        {"/evaluate", `{"artifact_type":"` + strings.Repeat("y", 140_000) + `"}`},
		"what it would ship": {"/evaluate", `{"artifact_type":"ship","actions":["` + strings.Repeat("y", 280_000) + `"]}`},
	} {
		before := len(h.everything())
		isProblem(t, name, h.do(h.as(kernel.RoleGateway, "POST", c.path, c.body)), http.StatusRequestEntityTooLarge, kernel.TooLarge)
		if grown := len(h.everything()) - before; grown > 1000 || h.last().Refusal == nil {
			t.Errorf("%s: the log grows by %d bytes, the last %+v", name, grown, h.last())
		}
	}
	got := h.batch(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(deployTo("development", ""), sink(17_000))))
	if got[0].Decision != kernel.Allow || got[1].Error == nil || got[1].Error.Code != kernel.TooLarge {
		t.Errorf("in a batch: %+v", got)
	}
}

// TestWhoVotesSlowlyKeepsNobodyFromVoting, nor the kernel from being seen alive.
func TestWhoVotesSlowlyKeepsNobodyFromVoting(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", "")))
	asked := h.pending()
	slow := func() *wire {
		w := h.dial()
		w.send("POST /v1/approvals/" + asked.ID + ":approve HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + people["person-001"] +
			"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
		return w
	}
	for range 8 {
		slow()
	}
	refused := h.untilAnswered(slow)
	isProblem(t, "a ninth vote under way", refused, http.StatusServiceUnavailable, kernel.Unavailable)
	if a := h.approves(people["person-002"], asked); a.status != http.StatusOK {
		t.Errorf("somebody else's vote: %d %s", a.status, a.body)
	}
	if a := h.do(h.request("GET", "/healthz", "")); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
}
