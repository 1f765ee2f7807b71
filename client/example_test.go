package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
	"github.com/strixlabs/execution-kernel/internal/token"
)

const policies = `
pdl: v1
kind: schema
name: shop
agents: any
resources:
  service:
    environment: enum(production, development)
actions:
  deploy_service:
    resource: service
constraints:
  canary_only: flag
  max_rows: int.min
  hosts: set.union
---
pdl: v1
kind: policy
name: deploys
rules:
  - id: development
    match: {action: deploy_service, resource.environment: development}
    effect: ALLOW
    constraints: {max_rows: 100, hosts: [b.example.org, a.example.org]}
    reason: Development is open.
  - id: production
    match: {action: deploy_service, resource.environment: production}
    effect: REQUIRE_APPROVAL
    risk: high
    approvals: 2
    constraints: {canary_only: true}
    reason: Production takes 2 approvals.
`

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// source is randomness that is the same every time.
type source struct {
	mu   sync.Mutex
	rand *rand.ChaCha8
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Read(p)
}

// start serves a real kernel over a store in memory, at noon. It returns its
// address and the token of an administrator.
func start() (url, secret string, stop func()) {
	ctx := context.Background()
	random := &source{rand: rand.NewChaCha8([32]byte{7})}
	key, _, err := ledger.GenerateKey("kernel.example/log", random)
	check(err)
	signer, err := ledger.NewSigner(key)
	check(err)
	grants, err := grant.NewKey(bytes.Repeat([]byte{7}, 32))
	check(err)
	g, err := gate.New(ctx, gate.Config{
		Store: &storetest.Memory{}, Signer: signer, Grants: grants, Clock: func() time.Time { return noon }, Rand: random, Node: "node-1",
	})
	check(err)
	files := []pdl.File{{Name: "shop.yaml", Data: []byte(policies)}}
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		check(errors.New(diags[0].String()))
	}
	program, err := eval.New(bundle)
	check(err)
	admin := kernel.Caller{Principal: "admin", Roles: []kernel.Role{kernel.RoleAdmin}}
	check(g.Activate(ctx, admin, program, files))
	check(g.KnowGrantKey(ctx, "example"))
	secret, _, err = g.CreateToken(ctx, admin, token.Spec{Name: "operations", Role: kernel.RoleAdmin})
	check(err)
	handler, err := api.New(api.Config{Kernel: g, Hosts: api.LoopbackHosts(), Now: time.Now})
	check(err)
	server := httptest.NewServer(handler)
	return server.URL, secret, func() {
		server.Close()
		check(g.Close(ctx))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func deploy(environment string) kernel.Request {
	return kernel.Request{
		Agent:  kernel.Agent{ID: "agent-001"},
		Action: "deploy_service",
		Resource: kernel.Resource{
			Type: "service", ID: "svc/checkout", Attributes: map[string]any{"environment": environment},
		},
	}
}

func ExampleNew() {
	_, err := client.New("http://kernel.example.org", "kt_0123456789012345678901234567890123456789012")
	fmt.Println(err)
	_, err = client.New("http://127.0.0.1:7373", "hunter2")
	fmt.Println(err)
	// Output:
	// a token would go in clear to kernel.example.org
	// that is not a token of a kernel
}

func ExampleClient_Decide() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)

	d, err := c.Decide(context.Background(), deploy("production"))
	check(err) // no decision is a refusal
	switch d.Decision {
	case kernel.Allow:
		fmt.Println("go, and keep", d.Constraints)
	case kernel.RequireApproval:
		fmt.Println("wait:", d.Reason)
	default:
		fmt.Println("no:", d.Reason)
	}
	// Output: wait: Production takes 2 approvals.
}

func ExampleClient_Decision() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)
	made, err := c.Decide(context.Background(), deploy("development"))
	check(err)

	d, err := c.Decision(context.Background(), made.ID)
	check(err)
	fmt.Println(d.Decision, d.Constraints, d.DecidedAt)

	_, err = c.Decision(context.Background(), "nothing")
	var e *kernel.Error
	fmt.Println(errors.As(err, &e) && e.Code == kernel.NotFound)
	// Output:
	// ALLOW map[hosts:[a.example.org b.example.org] max_rows:100] 2026-11-23 12:00:00 +0000 UTC
	// true
}

func ExampleClient_Decisions() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)
	for _, environment := range []string{"development", "production", "development"} {
		_, err := c.Decide(context.Background(), deploy(environment))
		check(err)
	}

	allowed := kernel.Allow
	q := client.Query{Agent: "agent-001", Decision: &allowed, Since: noon, Limit: 1}
	for {
		page, err := c.Decisions(context.Background(), q)
		check(err)
		for _, d := range page.Decisions {
			fmt.Println(d.Entry.Seq, d.Decision)
		}
		if page.NextCursor == "" {
			break
		}
		q.Cursor = page.NextCursor
	}
	// Output:
	// 5 ALLOW
	// 3 ALLOW
}

func ExampleClient_Explain() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)

	trace, err := c.Explain(context.Background(), deploy("development"))
	check(err)
	var t struct {
		Candidates []struct{ Rule, Result string }
	}
	check(json.Unmarshal(trace, &t))
	for _, rule := range t.Candidates {
		fmt.Println(rule.Rule, rule.Result)
	}
	// Output:
	// deploys/development true
	// deploys/production not evaluated
}

func ExampleClient_CreateToken() {
	url, secret, stop := start()
	defer stop()
	admin, err := client.New(url, secret)
	check(err)

	secret, t, err := admin.CreateToken(context.Background(), client.TokenSpec{
		Name: "checkout", Role: kernel.RoleAgent, Agent: "agent-001", ExpiresIn: 24 * time.Hour,
	})
	check(err)
	fmt.Println(t.Role, t.Agent, t.ExpiresAt)

	agent, err := client.New(url, secret)
	check(err)
	d, err := agent.Decide(context.Background(), deploy("development"))
	fmt.Println(d.Decision, err)
	// Output:
	// agent agent-001 2026-11-24 12:00:00 +0000 UTC
	// ALLOW <nil>
}

func ExampleClient_Tokens() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)

	tokens, err := c.Tokens(context.Background())
	check(err)
	for _, t := range tokens {
		fmt.Println(t.Name, t.Role, t.RevokedAt.IsZero())
	}
	// Output: operations admin true
}

func ExampleClient_RevokeToken() {
	url, secret, stop := start()
	defer stop()
	admin, err := client.New(url, secret)
	check(err)
	secret, t, err := admin.CreateToken(context.Background(), client.TokenSpec{
		Name: "pipeline", Role: kernel.RoleGateway, SpeaksFor: []string{"agent-*"},
	})
	check(err)

	check(admin.RevokeToken(context.Background(), t.ID))
	gateway, err := client.New(url, secret)
	check(err)
	_, err = gateway.Decide(context.Background(), deploy("development"))
	fmt.Println(err)
	// Output: the token was revoked
}

func ExampleClient_SignCheckpoint() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)

	note, err := c.SignCheckpoint(context.Background())
	check(err)
	lines := strings.Split(note, "\n")
	fmt.Println("log", lines[0], "with", lines[1], "entries")
	// Output: log kernel.example/log with 3 entries
}

func ExampleClient_LogShards() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)
	_, err = c.SignCheckpoint(context.Background())
	check(err)

	shards, err := c.LogShards(context.Background())
	check(err)
	for _, s := range shards {
		note, err := c.ShardCheckpoint(context.Background(), s.Shard)
		check(err)
		origin, _, _ := strings.Cut(note, "\n")
		fmt.Println("shard", s.Shard, "with", s.Size, "entries, signed as", origin)
	}
	// Output: shard 0 with 3 entries, signed as kernel.example/log
}

func ExampleClient_Checkpoint() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)
	signed, err := c.SignCheckpoint(context.Background())
	check(err)

	latest, err := c.Checkpoint(context.Background())
	fmt.Println(latest == signed, err)
	// Output: true <nil>
}

func ExampleClient_Ready() {
	url, _, stop := start()
	c, err := client.New(url, "")
	check(err)
	fmt.Println(c.Ready(context.Background()))

	stop()
	fmt.Println(errors.Is(c.Ready(context.Background()), client.ErrUnreachable))
	// Output:
	// <nil>
	// true
}
