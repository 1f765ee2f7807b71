// Package registry knows who may ask and what is asked about: agents, people,
// services and resources, what the kernel trusts of them, what an agent may
// ask for at all, and what is stopped.
//
// It promises that nobody is given more than somebody wrote down for them: the
// zero Snapshot stops everything, what is not registered is unknown, and what
// was lent is never wider than what its lender has at that instant.
package registry

import "time"

// A Kind says what a principal is.
type Kind string

// The kinds of principals. Only an agent may be the agent of a request.
const (
	Agent   Kind = "agent"
	Person  Kind = "person"
	Service Kind = "service"
)

// A Status says whether a principal may act. The zero Status is that of
// somebody the registry does not know.
type Status string

// The statuses. Retired is for ever: an id is not given out twice.
const (
	Active    Status = "active"
	Suspended Status = "suspended"
	Retired   Status = "retired"
)

// Limits of a registry; what exceeds one is refused, never cut.
const (
	MaxID           = 256    // characters of an id, of a type and of a pattern
	MaxAttributes   = 256    // of one principal or resource
	MaxValue        = 16_384 // bytes of the attributes of one principal or resource, as JSON
	MaxNames        = 256    // groups or roles of one principal
	MaxCapabilities = 64     // of one agent, and delegations to one
	MaxPatterns     = 64     // of actions, and of resources, in one capability
	MaxLimits       = 32     // of one capability
	MaxValues       = 256    // that a limit lists
	MaxText         = 1_024  // bytes of a text that a limit names
	MaxLend         = 8      // times that a capability may be lent on
	MaxKills        = 1_000
	MaxChanges      = 10_000 // in one change of the registry
	MaxReason       = 512    // characters
)

// A Principal is somebody the kernel knows.
type Principal struct {
	ID           string
	Kind         Kind
	Status       Status
	Owner        string         // the id of the principal that answers for it; empty: nobody is named
	Attributes   map[string]any // trusted: what a request may not contradict; bool, int64, string, []any, map[string]any
	Groups       []string       // sorted
	Roles        []string       // sorted
	Capabilities []Capability   // of agents; sorted by ID
}

// A Capability is what an agent may ask for at all: each of the actions on
// each of the resources, with values within the limits. Whether it is allowed
// is for the policy to say.
type Capability struct {
	ID        string    // within its agent; [a-z][a-z0-9_-]*
	Actions   []string  // patterns; never empty
	Resources []Target  // never empty
	Limits    []Limit   // all hold; sorted by Path
	Expires   time.Time // the first instant at which it is gone; zero: never
	Lend      int       // how many times in a row it may be lent on; 0: not at all
}

// A Target is a pattern of resources.
type Target struct{ Type, ID string }

// A Resource is something acted upon of which the kernel trusts attributes.
type Resource struct {
	Type, ID   string
	Attributes map[string]any
}

// A Delegation lends a capability, narrowed, from one agent to another.
type Delegation struct {
	ID   string // a ULID
	From string // the agent that lends
	To   string // the agent that may ask with it
	Of   string // what is lent: a capability of From, or a delegation to From
	Capability
}

// A Kill is a switch that stops requests until it is lifted.
type Kill struct {
	Scope  Scope
	Target string // with ScopeAction a pattern, with ScopeAgent an id, else empty
	Reason string // for people
	By     string // the caller who set it
	Since  time.Time
}

// A Scope says what a kill switch stops.
type Scope string

// The scopes.
const (
	ScopeAll    Scope = "all"
	ScopeAction Scope = "action"
	ScopeAgent  Scope = "agent"
)
