package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

// limits lets an agent act five times an hour, and spend 1,000.00 within it.
const limits = `pdl: v1
kind: schema
name: limits
agents: any
resources: {thing: {}}
actions:
  act: {resource: thing}
  pay: {resource: thing, params: {cents: "int(0..)"}}
facts:
  acts: {event: act, by: [agent.id], count: true, within: 1h}
  spent: {event: pay, by: [agent.id], sum: params.cents, within: 1h}
---
pdl: v1
kind: policy
name: limits
rules:
  - {id: few, match: {action: act}, when: facts.acts < 5, effect: ALLOW}
  - {id: budget, match: {action: pay}, when: 'params.cents <= 100000 && facts.spent <= 100000 - params.cents', effect: ALLOW}
`

// join gives a data folder what a node of the same log needs.
func join(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"log.key", "log.checkpoint", "admin.token"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// nodes starts three kernels on one database, which decide by the limits.
func nodes(t *testing.T) (url string, list []*process) {
	t.Helper()
	url = database(t)
	serve := func(data string) *process {
		return start(t, data, "", "KERNEL_STORE="+url, "KERNEL_BUDGET_MS=10000")
	}
	first := serve(t.TempDir())
	pushed, err := first.admin().PushPolicy(t.Context(), []client.PolicyFile{{Name: "limits.yaml", Text: limits}}, client.PushOptions{})
	if err == nil {
		err = first.admin().ActivatePolicy(t.Context(), pushed.Version, "", "a test")
	}
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, first)
	for range 2 {
		data := t.TempDir()
		join(t, first.folder.Path, data)
		list = append(list, serve(data))
	}
	return url, list
}

func ask(agent, action string, cents int64) kernel.Request {
	r := kernel.Request{Agent: kernel.Agent{ID: agent}, Action: action, Resource: kernel.Resource{Type: "thing", ID: "t"}}
	if action == "pay" {
		r.Params = map[string]any{"cents": cents}
	}
	return r
}

// allowed counts the decisions in all shards that allow an action of an agent.
func allowed(t *testing.T, url, agent, action string) (n int) {
	t.Helper()
	each(t, url, store.Query{Agent: agent, Action: action, Decision: "ALLOW"}, func() { n++ })
	return n
}

// each calls a function for each entry in all shards that a query selects.
func each(t *testing.T, url string, q store.Query, call func()) {
	t.Helper()
	db, err := postgres.OpenReadOnly(t.Context(), url, postgres.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	shards, err := db.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		q.Shard, q.Bare = shard, true
		for _, err := range db.Entries(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			call()
		}
	}
}

// unanswered reports whether an error means that there is no decision: the
// kernel says so, or is gone.
func unanswered(err error) bool {
	var ours *kernel.Error
	return !errors.As(err, &ours) || ours.Code == kernel.Unavailable
}

// A hundred calls of one agent at once over three kernels, one of which is
// killed in the middle, and after it started again: five are allowed.
func TestAHundredCallsOverThreeKernelsOneOfThemKilled(t *testing.T) {
	t.Parallel()
	url, list := nodes(t)
	for i, victim := range []int{-1, 1, 0} {
		agent := fmt.Sprint("agent-", i)
		var seen atomic.Int64
		var calls sync.WaitGroup
		clients := []*client.Client{list[0].admin(), list[1].admin(), list[2].admin()}
		for call := range 100 {
			calls.Go(func() {
				if call == 50 && victim >= 0 {
					_ = list[victim].cmd.Process.Kill()
				}
				d, err := clients[call%3].Decide(t.Context(), ask(agent, "act", 0))
				switch {
				case err == nil && d.Decision == kernel.Allow:
					seen.Add(1)
				case err != nil && !unanswered(err):
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if victim >= 0 {
			list[victim].wait()
			list[victim] = start(t, list[victim].folder.Path, "", "KERNEL_STORE="+url, "KERNEL_BUDGET_MS=10000")
		}
		for _, p := range list {
			for range 6 { // until the limit is reached, wherever it was not
				eventually(t, "a decision", func() bool {
					d, err := p.admin().Decide(t.Context(), ask(agent, "act", 0))
					if err == nil && d.Decision == kernel.Allow {
						seen.Add(1)
					}
					return err == nil
				})
			}
		}
		if n := allowed(t, url, agent, "act"); n != 5 || seen.Load() > 5 {
			t.Errorf("%s: callers saw %d ALLOW, the log holds %d, want 5", agent, seen.Load(), n)
		}
	}
	for _, p := range list {
		p.stop()
	}
	verified(t, list[0].folder.Path, url)
}

func TestABudgetOverThreeKernelsIsNeverOverspent(t *testing.T) {
	t.Parallel()
	_, list := nodes(t)
	clients := []*client.Client{list[0].admin(), list[1].admin(), list[2].admin()}
	var spent atomic.Int64
	var workers sync.WaitGroup
	for worker := range 50 {
		workers.Go(func() {
			for i := range 6 {
				cents := int64(1 + (worker*37+i*211)%9000)
				d, err := clients[(worker+i)%3].Decide(t.Context(), ask("agent-001", "pay", cents))
				switch {
				case err == nil && d.Decision == kernel.Allow:
					spent.Add(cents)
				case err != nil && !unanswered(err):
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	if n := spent.Load(); n > 100_000 || n < 80_000 {
		t.Errorf("spent %d of 100000", n)
	}
}

// What one kernel is told, all of them do: a kill switch at once, a revoked
// token and an activated policy within a moment.
func TestWhatOneKernelIsToldAllOfThemDo(t *testing.T) {
	t.Parallel()
	_, list := nodes(t)
	admins := []*client.Client{list[0].admin(), list[1].admin(), list[2].admin()}
	if err := admins[1].Kill(t.Context(), "agent", "agent-001", "a test"); err != nil {
		t.Fatal(err)
	}
	for i, c := range admins {
		if d, err := c.Decide(t.Context(), ask("agent-001", "act", 0)); err != nil || d.Code != kernel.CodeKilled {
			t.Errorf("kernel %d: Decide = %v, %v, want KILLED", i, d.Code, err)
		}
	}
	if err := admins[2].Lift(t.Context(), "agent", "agent-001", ""); err != nil {
		t.Fatal(err)
	}
	secret, token, err := admins[0].CreateToken(t.Context(), client.TokenSpec{Name: "gw", Role: "gateway", SpeaksFor: []string{"agent-*"}})
	if err != nil {
		t.Fatal(err)
	}
	gateways := make([]*client.Client, len(list))
	for i, p := range list {
		if gateways[i], err = client.New(p.url, secret); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("kernel %d knows the token", i), func() bool {
			_, err := gateways[i].Decide(t.Context(), ask("agent-002", "act", 0))
			return err == nil
		})
	}
	if err := admins[1].RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	for i, c := range gateways {
		eventually(t, fmt.Sprintf("kernel %d does not know the token", i), func() bool {
			_, err := c.Decide(t.Context(), ask("agent-002", "act", 0))
			var ours *kernel.Error
			return errors.As(err, &ours) && ours.Code == kernel.Unauthenticated
		})
	}
	list[2].govern()
	for i, c := range admins {
		eventually(t, fmt.Sprintf("kernel %d decides by the new policy", i), func() bool {
			d, err := c.Decide(t.Context(), deploy("staging"))
			return err == nil && d.Decision == kernel.Allow
		})
	}
}
