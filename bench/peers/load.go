package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

func writeKernel(r *running, body []byte) []byte {
	return fmt.Appendf(nil, "POST /v1/decisions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		r.address, r.token, len(body), body)
}

func writeOPA(r *running, body []byte) []byte {
	body = fmt.Appendf(nil, `{"input":%s}`, body)
	return fmt.Appendf(nil, "POST /v1/data/peers/decision HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		r.address, len(body), body)
}

func kernelEffect(answer []byte) (contest.Effect, error) {
	var a struct{ Decision string }
	return readEffect(answer, &a, &a.Decision)
}

func opaEffect(answer []byte) (contest.Effect, error) {
	var a struct{ Result struct{ Effect string } }
	return readEffect(answer, &a, &a.Result.Effect)
}

func readEffect(answer []byte, document any, effect *string) (contest.Effect, error) {
	if err := json.Unmarshal(answer, document); err != nil {
		return contest.Deny, err
	}
	for _, e := range []contest.Effect{contest.Deny, contest.RequireApproval, contest.Allow} {
		if e.String() == *effect {
			return e, nil
		}
	}
	return contest.Deny, fmt.Errorf("no decision in %s", answer)
}

// A line is a connection to a server.
type line struct {
	net.Conn
	answers *bufio.Reader
}

func dial(address string) (line, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return line{}, err
	}
	return line{conn, bufio.NewReader(conn)}, nil
}

// ask sends a request and returns the body of its answer, which must be 200.
func (l line) ask(request []byte) ([]byte, error) {
	if _, err := l.Write(request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s: %s", answer.Status, body)
	}
	return body, err
}

// agree compares the answer to every request with the reference.
func (s service) agree(r *running, set contest.Set, requests []contest.Request) error {
	l, err := dial(r.address)
	if err != nil {
		return err
	}
	defer l.Close()
	for i := range requests {
		body := requests[i].Body()
		answer, err := l.ask(s.write(r, body))
		if err != nil {
			return err
		}
		effect, err := s.effect(answer)
		if err != nil {
			return err
		}
		if want := set.Decide(&requests[i]).Effect(); effect != want {
			return fmt.Errorf("decided %v, want %v: %s", effect, want, body)
		}
	}
	return nil
}

// measure asks over all connections for the time of the plan. The load is
// closed: a slow answer delays the next question.
func (s *service) measure(r *running, p plan, requests []contest.Request) error {
	wire := make([][]byte, len(requests))
	for i := range requests {
		wire[i] = s.write(r, requests[i].Body())
	}
	var (
		lines  []line
		all    sync.WaitGroup
		sent   atomic.Int64
		failed = make(chan error, connections)
	)
	for range connections {
		l, err := dial(r.address)
		if err != nil {
			return err
		}
		defer l.Close()
		lines = append(lines, l)
	}
	used, err := r.usedCPU()
	if err != nil {
		return err
	}
	start := time.Now()
	for _, l := range lines {
		all.Go(func() {
			for time.Since(start) < p.http {
				if _, err := l.ask(wire[int(sent.Add(1))%len(wire)]); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	wall := time.Since(start)
	after, err := r.usedCPU()
	if err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	answers := float64(sent.Load())
	s.rate = append(s.rate, answers/wall.Seconds())
	s.cpu = append(s.cpu, float64((after-used).Microseconds())/answers)
	return nil
}
