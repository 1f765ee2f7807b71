package approval

import (
	"slices"

	"github.com/strixlabs/execution-kernel/internal/registry"
)

// apart says why a word of separation_of_duty keeps somebody from voting, or
// "". Where it cannot tell people apart nobody may vote.
func (q Question) apart(c *Case, word, id string) string {
	switch word {
	case "requester":
		if slices.Contains(c.chain(id), c.Request.Agent.ID) || c.same(id, q.Asker) {
			return "whoever asked may not vote"
		}
	case "agent.owner":
		if said, owner := c.owners(); said == "" && owner == "" {
			return "nobody knows who owns the agent, and the owner may not vote"
		}
		return q.owns(c, id)
	case "delegator":
		if slices.ContainsFunc(c.Chain, func(lender string) bool { return c.same(id, lender) }) {
			return "whoever lent the capability, or owns who did, may not vote"
		}
	case "policy_author":
		switch {
		case len(c.Authors) == 0:
			return "nobody knows who made the policy the active one, and that principal may not vote"
		case slices.ContainsFunc(c.Authors, func(author string) bool { return c.same(id, author) }):
			return "whoever pushed the policy, or made it the active one, may not vote"
		}
	}
	return ""
}

// owns says that whoever votes owns the agent, or "".
func (q Question) owns(c *Case, id string) string {
	if said, owner := c.owners(); c.same(id, said) || c.same(id, owner) {
		return "whoever owns the agent may not vote"
	}
	return ""
}

// owners are the agent's by the request, and by the registry.
func (c *Case) owners() (said, owner string) {
	said, _ = c.Request.Agent.Attributes["owner"].(string)
	agent, _ := c.Registry.Principal(c.Request.Agent.ID)
	return said, agent.Owner
}

// chain lists a principal and who answers for it: the owner of an agent or a
// service, up to a person.
func (c *Case) chain(id string) []string {
	var list []string
	for id != "" && !slices.Contains(list, id) {
		list = append(list, id)
		p, _ := c.Registry.Principal(id)
		if p.Kind == registry.Person {
			break
		}
		id = p.Owner
	}
	return list
}

// same reports whether one of two principals answers for the other, or another
// for both: what they say is one voice.
func (c *Case) same(id, other string) bool {
	if id == "" || other == "" {
		return false
	}
	others := c.chain(other)
	return slices.ContainsFunc(c.chain(id), func(p string) bool { return slices.Contains(others, p) })
}

// shared names a group that both are in, or "".
func (c *Case) shared(id, other string) string {
	p, _ := c.Registry.Principal(id)
	o, _ := c.Registry.Principal(other)
	for _, g := range p.Groups {
		if slices.Contains(o.Groups, g) {
			return g
		}
	}
	return ""
}
