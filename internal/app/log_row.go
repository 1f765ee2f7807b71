package app

import (
	"fmt"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// says fills in what an entry is about.
func (r *Row) says(e ledger.Entry) {
	switch {
	case e.Decision != nil:
		r.ID, r.Agent, r.Action = e.Decision.ID, e.Decision.Agent, e.Decision.Action
		r.Decision = e.Decision.Verdict.Decision.String()
	case e.Approval != nil:
		q := e.Approval.Question
		r.ID, r.Agent, r.Action, r.Change = q.ID, q.Agent, q.Action, e.Approval.Change
		if q.State != approval.Pending {
			r.Change += ": " + string(q.State)
		}
	case e.Glass != nil:
		g := e.Glass.Glass
		r.ID, r.Agent, r.Action, r.Change = g.ID, g.Agent, g.Action, e.Glass.Change
	case e.Grant != nil:
		r.ID, r.Agent, r.Action, r.Change = e.Grant.ID, e.Grant.Agent, e.Grant.Action, e.Grant.Change
		if e.Grant.Outcome != "" {
			r.Change += ": " + e.Grant.Outcome
		}
	case e.Event != nil:
		r.Action, r.Change = e.Event.Event, "reported"
	case e.Token != nil:
		r.token(*e.Token)
	case e.Registry != nil:
		r.Change, r.Object = "set", e.Registry.Object+" "+e.Registry.Key
		if e.Registry.Value == nil {
			r.Change = "removed"
		}
	default:
		r.saysOfKernel(e)
	}
}

// saysOfKernel fills in what an entry says of the kernel itself.
func (r *Row) saysOfKernel(e ledger.Entry) {
	switch {
	case e.Policy != nil:
		r.Change, r.Object = e.Policy.Change, e.Policy.Version
	case e.Bundle != nil:
		r.Change, r.Object = "pushed", e.Bundle.Version
	case e.GrantKey != nil:
		r.Change, r.Object = e.GrantKey.Change, e.GrantKey.KID
	case e.Access != nil:
		r.Change, r.Object = "read "+e.Access.What, e.Access.Query
	case e.Refusal != nil:
		r.Change, r.Object = string(e.Refusal.Code), e.Refusal.Path
	case e.Witness != nil:
		r.Change, r.Object = "seen", fmt.Sprintf("shard %d with %d entries", e.Witness.Shard, e.Witness.Size)
	}
}

func (r *Row) token(t ledger.TokenChange) {
	roles := make([]string, len(t.Roles))
	for i, role := range t.Roles {
		roles[i] = string(role)
	}
	r.Agent, r.Change, r.Object = t.Agent, strings.TrimSpace(t.Change+" "+strings.Join(roles, ", ")), t.ID+" "+t.Name
}
