package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// somebody is a registry of an agent, whoever owns it, and two who may vote.
const somebody = `{"registry": "v1",
  "people": {"owner": {"roles": ["approver"]}, "voter-1": {"roles": ["approver"]}, "voter-2": {"roles": ["approver"]}},
  "agents": {"agent-001": {"owner": "owner", "capabilities": {"ship": {"actions": ["ship"], "resources": [{"type": "*", "id": "*"}]}}}}}`

// people registers people, and makes a token for each who may vote.
func people(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, c := context.Background(), admin(ts)
	_, err := c.ApplyRegistry(ctx, json.RawMessage(somebody), client.ApplyOptions{})
	ts.Check(err)
	for _, id := range []string{"owner", "voter-1", "voter-2"} {
		secret, _, err := c.CreateToken(ctx, client.TokenSpec{Name: id, Role: kernel.RoleApprover, Principal: id})
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(id+".token"), []byte(secret), 0o600))
	}
}

// vote WHO [TEXT] has somebody vote for what is pending, once it is; with !
// that has to be refused with the text.
func vote(ts *testscript.TestScript, neg bool, args []string) {
	a := pendingOne(ts)
	c, err := client.New(ts.Getenv("KERNEL_SERVER"), ts.ReadFile(args[0]+".token"))
	ts.Check(err)
	_, err = c.Approve(context.Background(), a.ID, a.RequestDigest, "")
	switch {
	case !neg:
		ts.Check(err)
	case err == nil || !strings.Contains(err.Error(), args[1]):
		ts.Fatalf("the vote of %s was answered with %v, want a refusal: %s", args[0], err, args[1])
	}
}

// pendingOne waits until one approval is pending.
func pendingOne(ts *testscript.TestScript) client.Approval {
	for range 500 {
		list, err := admin(ts).Approvals(context.Background(), client.ApprovalQuery{State: "PENDING"})
		ts.Check(err)
		if len(list) == 1 {
			return list[0]
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("nothing is pending within 10s")
	return client.Approval{}
}

// approvals STATE N checks how many approvals are in a state.
func inState(ts *testscript.TestScript, _ bool, args []string) {
	list, err := admin(ts).Approvals(context.Background(), client.ApprovalQuery{State: args[0]})
	ts.Check(err)
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if len(list) != want {
		ts.Fatalf("%d approvals are %s, want %d: %+v", len(list), args[0], want, list)
	}
}

// refuse WHO has somebody vote against what is pending.
func refuse(ts *testscript.TestScript, _ bool, args []string) {
	a := pendingOne(ts)
	c, err := client.New(ts.Getenv("KERNEL_SERVER"), ts.ReadFile(args[0]+".token"))
	ts.Check(err)
	_, err = c.Reject(context.Background(), a.ID, a.RequestDigest, "not today")
	ts.Check(err)
}

// settled N checks how many grants were settled as succeeded, and that none is
// open.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	list, _, err := admin(ts).Grants(context.Background(), client.GrantQuery{})
	ts.Check(err)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if len(list) != want {
		ts.Fatalf("%d grants, want %d: %+v", len(list), want, list)
	}
	for _, g := range list {
		if g.State != "settled" || g.Outcome != "succeeded" {
			ts.Fatalf("grant %+v, want it settled as succeeded", g)
		}
	}
}
