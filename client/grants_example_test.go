package client_test

import (
	"context"
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// An enforcement point redeems before the effect, and settles after it.
func ExampleClient_Redeem() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)
	ctx, req := context.Background(), deploy("development")
	req.Grant = true
	d, err := c.Decide(ctx, req)
	check(err)
	if d.Decision != kernel.Allow || len(d.Unkept("max_rows", "hosts")) > 0 {
		return // it is not allowed, or not like this
	}

	_, err = c.Redeem(ctx, d.Grant.ID, d.Grant.Token, d.RequestDigest)
	check(err) // whatever is an error: nothing may be executed
	fmt.Println("deploying", req.Resource.ID)
	g, err := c.Settle(ctx, d.Grant.ID, client.Settlement{Outcome: "succeeded"})
	check(err)
	fmt.Println(g.State, g.Outcome)
	_, err = c.Redeem(ctx, d.Grant.ID, d.Grant.Token, d.RequestDigest)
	fmt.Println(err)
	// Output:
	// deploying svc/checkout
	// settled succeeded
	// the grant was redeemed before
}

// Whoever is handed a grant checks it without asking the kernel: that it is
// genuine, about this very request, and not over.
func ExampleKeys_Check() {
	url, secret, stop := start()
	defer stop()
	c, err := client.New(url, secret)
	check(err)
	req := deploy("development")
	req.Grant = true
	d, err := c.Decide(context.Background(), req)
	check(err)
	keys, err := c.GrantKeys(context.Background())
	check(err)

	p, err := keys.Check(d.Grant.Token, req, noon)
	check(err)
	fmt.Println(p.Agent, "may", p.Action, "within", p.Unkept())
	_, err = keys.Check(d.Grant.Token, deploy("production"), noon)
	fmt.Println(err)
	// Output:
	// agent-001 may deploy_service within [hosts max_rows]
	// the grant is about another request
}
