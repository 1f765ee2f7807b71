package kernel

import (
	"slices"
	"strings"
)

// A Role is what a caller may do at the kernel's doors.
type Role string

// The roles of this version.
const (
	RoleAdmin   Role = "admin"   // administers; on a single machine also asks for any agent
	RoleGateway Role = "gateway" // asks for the agents it is allowed to speak for
	RoleAgent   Role = "agent"   // asks for itself and reads its own decisions
	RoleAuditor Role = "auditor" // reads the log and explanations

	RoleReporter Role = "reporter" // reports what happened elsewhere, for facts to count
	RoleApprover Role = "approver" // votes on what waits for approval, as the principal its token stands for
)

// Roles lists every role.
func Roles() []Role {
	return []Role{RoleAdmin, RoleGateway, RoleAgent, RoleAuditor, RoleReporter, RoleApprover}
}

// A Caller is who stands behind a call, established by authentication and
// never by the body. The zero Caller may do nothing.
type Caller struct {
	Principal string   // the id recorded in the log
	Roles     []Role   // what it may do
	Agent     string   // with RoleAgent: the one agent it is
	SpeaksFor []string // with RoleGateway: agent ids, or prefixes that end in *
	StandsFor string   // the person or service of the registry; empty: nobody
}

// Is reports whether the caller has one of the roles.
func (c Caller) Is(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(c.Roles, r) })
}

// MaySpeakFor reports whether the caller may ask for the agent.
func (c Caller) MaySpeakFor(agent string) bool {
	if c.Is(RoleAdmin) || c.Is(RoleAgent) && c.Agent != "" && c.Agent == agent {
		return true
	}
	return c.Is(RoleGateway) && slices.ContainsFunc(c.SpeaksFor, func(p string) bool {
		prefix, open := strings.CutSuffix(p, "*")
		return p == agent || open && strings.HasPrefix(agent, prefix)
	})
}
