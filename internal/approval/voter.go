package approval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A Case is what a question is looked at with: everything that who may vote
// depends on, as it is at one instant.
type Case struct {
	Registry *registry.Snapshot
	Workflow func(name string) (pdl.Approval, bool) // the approval documents that hold now
	Request  kernel.Request                         // with what the registry says of its agent and resource
	Chain    []string                               // the agents that lent the capability
	Authors  []string                               // the principals that pushed the policy and made it the active one; none: nobody knows
	NoSelf   bool                                   // the policy obliges whoever executes to no_self_approval
	Now      time.Time
}

// Role is what everybody who votes has, in the registry and as a token.
const Role = string(kernel.RoleApprover)

// unnamed is the workflow of rules that name none: whoever may vote at all,
// but not who asked or owns the agent.
var unnamed = pdl.Approval{Quorum: 1, Of: []pdl.Voter{{Kind: "role", Name: Role}}, Expires: 24 * time.Hour}

// workflow returns the approval document of a need.
func (c *Case) workflow(name string) (pdl.Approval, bool) {
	if name == "" {
		return unnamed, true
	}
	return c.Workflow(name)
}

// Open is a question that a decision asks. It expires with the first of its
// workflows; one that does not exist cannot be asked.
func (c *Case) Open(q Question) (Question, error) {
	q.State, q.Opened = Pending, c.Now
	for _, n := range q.Needs {
		w, ok := c.workflow(n.Workflow)
		if !ok {
			return q, fmt.Errorf("no approval document is called %q", n.Workflow)
		}
		if at := c.Now.Add(w.Expires); q.Expires.IsZero() || at.Before(q.Expires) {
			q.Expires = at
		}
	}
	return q, nil
}

// MayVote says why somebody may not vote on a question now, or nil. To vote
// once it takes one workflow that asks them.
func (q Question) MayVote(c *Case, id string) error {
	switch {
	case q.State != Pending:
		return q.closed()
	case !c.Now.Before(q.Expires):
		return kernel.Errorf(kernel.Conflict, "the approval expired at %s", q.Expires.Format(time.RFC3339)).WithHint("ask for a new decision")
	}
	for _, v := range q.Votes {
		if c.same(v.By, id) {
			return kernel.Errorf(kernel.Conflict, "%s voted already", v.By).WithHint("everybody has one vote, and no other by what they own")
		}
	}
	var why []string
	for _, n := range q.Needs {
		reason := q.barred(c, n.Workflow, id)
		if reason == "" {
			return nil
		}
		if !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	return kernel.Errorf(kernel.Forbidden, "%s may not vote on this: %s", id, strings.Join(why, "; ")).
		WithHint("kernel approvals show says whom it asks")
}

// barred says why somebody's vote does not count in a workflow, or "".
func (q Question) barred(c *Case, workflow, id string) string {
	w, ok := c.workflow(workflow)
	if !ok {
		return fmt.Sprintf("the policy has no approval document called %q any more", workflow)
	}
	if !slices.ContainsFunc(q.voters(c, w), func(v pdl.Voter) bool { return c.is(id, v) }) {
		return "the workflow asks others"
	}
	return cmp.Or(q.unfit(c, w, id), c.unable(id))
}

// unable says why the registry does not let somebody vote themselves, or "": a
// role that was taken takes with it what they said before.
func (c *Case) unable(id string) string {
	if p, _ := c.Registry.Principal(id); !slices.Contains(p.Roles, Role) {
		return "whoever votes has the role " + Role + " in the registry"
	}
	return ""
}

// unfit says why nobody would let a principal vote in a workflow, whether it
// is asked or votes by itself.
func (q Question) unfit(c *Case, w pdl.Approval, id string) string {
	if why := c.nobody(id); why != "" {
		return why
	}
	if c.NoSelf || w.Name == "" {
		if why := q.apart(c, "requester", id) + q.owns(c, id); why != "" {
			return why
		}
	}
	for _, word := range w.Apart {
		if why := q.apart(c, word, id); why != "" {
			return why
		}
	}
	return ""
}

// nobody says why the registry does not let somebody vote on anything, or "".
func (c *Case) nobody(id string) string {
	p, known := c.Registry.Principal(id)
	switch {
	case !known:
		return "the registry does not know who votes"
	case p.Kind == registry.Agent:
		return "agents do not vote"
	case p.Status != registry.Active:
		return "whoever votes is active in the registry"
	}
	return ""
}

// voters lists whom a workflow asks now, those it has escalated to included.
func (q Question) voters(c *Case, w pdl.Approval) []pdl.Voter {
	list := slices.Clone(w.Of)
	for _, e := range w.Escalate {
		if !c.Now.Before(q.Opened.Add(e.After)) {
			list = append(list, e.To...)
		}
	}
	return list
}

// Asks reports whether a question is for somebody, whatever keeps them from
// voting now: they may vote, or break the glass.
func (q Question) Asks(c *Case, id string) bool {
	for _, n := range q.Needs {
		w, ok := c.workflow(n.Workflow)
		if !ok {
			continue
		}
		voters := q.voters(c, w)
		if w.BreakGlass != nil {
			voters = append(voters, w.BreakGlass.Of...)
		}
		if slices.ContainsFunc(voters, func(v pdl.Voter) bool { return c.is(id, v) }) {
			return true
		}
	}
	return slices.ContainsFunc(q.Votes, func(v Vote) bool { return v.By == id })
}

// is reports whether a principal is one of those that a voter stands for.
func (c *Case) is(id string, v pdl.Voter) bool {
	p, known := c.Registry.Principal(id)
	if !known || v.Name == "" {
		return false
	}
	switch v.Kind {
	case "role":
		return slices.Contains(p.Roles, v.Name)
	case "group":
		return slices.Contains(p.Groups, v.Name)
	case "principal":
		return id == v.Name
	case "team_of":
		team, _ := c.attribute(v.Name).(string)
		return team != "" && slices.Contains(p.Groups, team)
	}
	return false
}

// attribute is what the request says at a path, such as resource.owner_team.
func (c *Case) attribute(path string) any {
	root, name, _ := strings.Cut(path, ".")
	switch root {
	case "agent":
		return c.Request.Agent.Attributes[name]
	case "resource":
		switch name {
		case "id":
			return c.Request.Resource.ID
		case "type":
			return c.Request.Resource.Type
		}
		return c.Request.Resource.Attributes[name]
	case "params":
		return c.Request.Params[name]
	case "context":
		return c.Request.Context[name]
	}
	return nil
}
