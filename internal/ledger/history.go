package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// raceGrace is how long after the end of a token a decision for it may still
// be recorded: the caller was known before the token ended, and its call was
// under way.
const raceGrace = time.Minute

// tokenPrefix begins the principals that are tokens.
const tokenPrefix = "token:"

// A history is what the entries so far say was in force: which policy, which
// tokens. It grows with the number of tokens and policies, not of decisions.
type history struct {
	policyPast
	seen   map[string]bool // bundles that were pushed or activated
	tokens map[string]*tokenPast
	byHash map[string]string // ids
	registryPast
}

// A policyPast is which policy the entries so far made the active one.
type policyPast struct {
	batch  string // of the entry before
	before string // the policy active when that batch began
	active string // the policy active now
}

// enter takes the batch of the next entry.
func (p *policyPast) enter(batch string) {
	if batch != p.batch {
		p.batch, p.before = batch, p.active
	}
}

// change takes a policy entry and returns what contradicts those before it.
func (p *policyPast) change(c *PolicyChange) (problems []string) {
	if c.Previous != p.active && c.Previous != p.before {
		problems = append(problems, fmt.Sprintf("it says that policy %q was active before it, the entries say %q", c.Previous, p.active))
	}
	p.active = c.Version
	return problems
}

// decided returns what contradicts that a policy decided here. Inside a batch
// the one before may have: the change is in force from its commit on.
func (p *policyPast) decided(version string) (problems []string) {
	if version == "" || version != p.active && version != p.before {
		problems = append(problems, fmt.Sprintf("it was decided under policy %s, but %s was active", version, orNone(p.active)))
	}
	return problems
}

// A tokenPast is what the token entries say of one token.
type tokenPast struct {
	TokenChange           // as it was created
	revoked     time.Time // zero: it is not
}

func newHistory() *history {
	return &history{
		seen: map[string]bool{}, tokens: map[string]*tokenPast{}, byHash: map[string]string{},
		registryPast: registryPast{objects: map[registry.Key][32]byte{}},
	}
}

// isDecision tells the body of a decision without reading it: unescaped quotes
// stand only around members, and no other entry than a decision or a change of
// the registry, which has its own kind too, holds attributes that somebody
// named. A decision that is taken for something else is read, and that is all.
func isDecision(body []byte) bool {
	return bytes.Contains(body, []byte(`,"kind":"decision",`)) && !bytes.Contains(body, []byte(`,"kind":"registry",`))
}

// follow takes the next entry and returns what contradicts those before it.
func (h *history) follow(e Entry) (problems []string) {
	h.enter(e.Batch)
	switch {
	case e.Policy != nil:
		return h.policy(e.Policy)
	case e.Bundle != nil:
		h.seen[e.Bundle.Version] = true
	case e.Token != nil:
		return h.token(e)
	case e.Registry != nil:
		return h.registry(e)
	case e.Decision != nil:
		return h.decision(e)
	}
	return nil
}

func (h *history) policy(p *PolicyChange) (problems []string) {
	h.seen[p.Version] = true
	return h.change(p)
}

func (h *history) token(e Entry) []string {
	t := e.Token
	past, known := h.tokens[t.ID]
	switch {
	case t.Change == "created" && known:
		return []string{"token " + t.ID + " was created before"}
	case t.Change == "created" && t.Hash != "" && h.byHash[t.Hash] != "":
		return []string{"token " + t.ID + " has the secret of token " + h.byHash[t.Hash]}
	case t.Change == "created":
		h.tokens[t.ID] = &tokenPast{TokenChange: *t}
		if t.Hash != "" {
			h.byHash[t.Hash] = t.ID
		}
		return nil
	case !known:
		return []string{"token " + t.ID + " is revoked, but no entry says that it was created"}
	}
	if past.revoked.IsZero() {
		past.revoked = e.Instant
	}
	if !past.same(*t) {
		return []string{"it revokes another token " + t.ID + " than was created"}
	}
	return nil
}

// same compares all that entries and records both say of a token.
func (p *tokenPast) same(t TokenChange) bool {
	return p.Name == t.Name && slices.Equal(p.Roles, t.Roles) && p.Agent == t.Agent &&
		slices.Equal(p.SpeaksFor, t.SpeaksFor) && p.Expires.Equal(t.Expires) && p.Hash == t.Hash && p.Principal == t.Principal
}

func (h *history) decision(e Entry) (problems []string) {
	problems = h.decided(e.Decision.Verdict.PolicyVersion)
	id, isToken := strings.CutPrefix(e.Caller, tokenPrefix)
	if !isToken {
		if e.Caller != "dev" { // the caller of a kernel that runs with --dev
			problems = append(problems, fmt.Sprintf("its caller %q is no token", e.Caller))
		}
		return problems
	}
	past, known := h.tokens[id]
	switch {
	case !known:
		return append(problems, "its caller is token "+id+", which no entry before it created")
	case !past.revoked.IsZero() && e.Instant.Sub(past.revoked) > raceGrace:
		problems = append(problems, "its caller is token "+id+", which was revoked at "+past.revoked.Format(time.RFC3339))
	case !past.Expires.IsZero() && e.Instant.Sub(past.Expires) > raceGrace:
		problems = append(problems, "its caller is token "+id+", which expired at "+past.Expires.Format(time.RFC3339))
	}
	caller := kernel.Caller{Principal: e.Caller, Roles: past.Roles, Agent: past.Agent, SpeaksFor: past.SpeaksFor}
	if !caller.MaySpeakFor(e.Decision.Agent) {
		problems = append(problems, fmt.Sprintf("its caller is token %s, which may not speak for agent %q", id, e.Decision.Agent))
	}
	return problems
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}
