package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
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

// Nodes of one log learn from each other within nodeLag, and the clock of one
// is at most nodeSkew ahead of another's. What one shard says about another's
// entries is held to no more than that; inside a shard the order is exact.
const (
	nodeSkew = time.Second
	nodeLag  = 2 * time.Second
)

// A mark is where in the log something changed.
type mark struct {
	shard   int
	seq     uint64
	instant time.Time
	batch   string
}

func markOf(e Entry) mark { return mark{e.Shard, e.Seq, e.Instant, e.Batch} }

// known reports whether an entry may rest on a change.
func (m mark) known(e Entry) bool {
	if m.shard == e.Shard {
		return m.seq < e.Seq
	}
	return !m.instant.After(e.Instant.Add(nodeSkew))
}

// unknown reports whether an entry may not have known a change.
func (m mark) unknown(e Entry) bool {
	if m.shard == e.Shard {
		return m.seq > e.Seq
	}
	return !e.Instant.After(m.instant.Add(nodeLag))
}

// A history is what the entries so far say was in force: which policy, which
// tokens. It grows with the number of tokens and policies, not of decisions.
type history struct {
	policyPast
	seen   map[string]bool // bundles that were pushed or activated
	tokens map[string]*tokenPast
	byHash map[string]string // ids
	registryPast
	grantsPast
	approvalPast
}

// A policyPast is which policies the entries made the active one, in order.
type policyPast struct{ changes []activation }

type activation struct {
	mark
	version string
}

func (p *policyPast) active() string {
	if len(p.changes) == 0 {
		return ""
	}
	return p.changes[len(p.changes)-1].version
}

// change takes the next policy entry and returns what contradicts those before
// it. Inside a batch it may name the one that was active before the batch.
func (p *policyPast) change(e Entry) (problems []string) {
	c, n := e.Policy, len(p.changes)
	for n > 0 && p.changes[n-1].batch == e.Batch {
		n--
	}
	before := ""
	if n > 0 {
		before = p.changes[n-1].version
	}
	if active := p.active(); c.Previous != active && c.Previous != before {
		problems = append(problems, fmt.Sprintf("it says that policy %q was active before it, the entries say %q", c.Previous, active))
	}
	p.changes = append(p.changes, activation{markOf(e), c.Version})
	return problems
}

// decided returns what contradicts that the policy of a decision decided there.
func (p *policyPast) decided(e Entry) (problems []string) {
	version, last := e.Decision.Verdict.PolicyVersion, ""
	later := func(i int) bool { return p.changes[i].instant.After(e.Instant.Add(2 * nodeSkew)) }
	for i := sort.Search(len(p.changes), later) - 1; i >= 0; i-- {
		a := &p.changes[i]
		if !a.known(e) {
			continue
		}
		if a.version == version && version != "" {
			return nil
		}
		// A policy decides from the commit of its entry on, not in its batch.
		if last = cmp.Or(last, a.version); !a.unknown(e) && a.batch != e.Batch {
			break
		}
	}
	return []string{fmt.Sprintf("it was decided under policy %s, but %s was active", version, orNone(last))}
}

// A tokenPast is what the token entries say of one token.
type tokenPast struct {
	TokenChange // as it was created
	created     mark
	revoked     time.Time // zero: it is not
}

func newHistory() *history {
	return &history{
		seen: map[string]bool{}, tokens: map[string]*tokenPast{}, byHash: map[string]string{},
		approvalPast: newApprovalPast(),
		registryPast: registryPast{objects: map[registry.Key][32]byte{}},
		grantsPast:   grantsPast{grants: map[string]grantPast{}, keys: map[string]Entry{}},
	}
}

// isDecision tells the body of a decision without reading it: unescaped quotes
// stand only around members, and no other entry than a decision, an event or a
// change of the registry, which have their own kinds too, holds attributes that
// somebody named. A decision that is taken for something else is read, and that is all.
func isDecision(body []byte) bool {
	return bytes.Contains(body, []byte(`,"kind":"decision",`)) && !bytes.Contains(body, []byte(`,"kind":"registry",`)) && !bytes.Contains(body, []byte(`,"kind":"event",`)) &&
		!bytes.Contains(body, []byte(`,"approval":{`)) && !bytes.Contains(body, []byte(`,"answers":"`)) // what approvals rest on is read
}

// change takes the next entry that changes what is in force, and returns what
// contradicts those before it. Entries of other kinds change nothing.
func (h *history) change(e Entry) (problems []string) {
	switch {
	case e.Policy != nil:
		h.seen[e.Policy.Version] = true
		return h.policyPast.change(e)
	case e.Bundle != nil:
		h.seen[e.Bundle.Version] = true
	case e.Token != nil:
		return h.token(e)
	case e.Registry != nil:
		return h.registry(e)
	}
	return problems
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
		h.tokens[t.ID] = &tokenPast{TokenChange: *t, created: markOf(e)}
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

// decision returns what contradicts a decision, or an event; other entries
// nothing does.
func (h *history) decision(e Entry) (problems []string) {
	if e.Event != nil {
		_, problems = h.caller(e)
		return problems
	}
	if e.Decision == nil {
		return nil
	}
	past, more := h.caller(e)
	problems = append(h.decided(e), more...)
	if past == nil {
		return problems
	}
	caller := kernel.Caller{Principal: e.Caller, Roles: past.Roles, Agent: past.Agent, SpeaksFor: past.SpeaksFor}
	if !caller.MaySpeakFor(e.Decision.Agent) {
		problems = append(problems, fmt.Sprintf("its caller is token %s, which may not speak for agent %q", past.ID, e.Decision.Agent))
	}
	return problems
}

// caller finds the token behind an entry, nil where there is none, and says
// what contradicts that it was in force.
func (h *history) caller(e Entry) (past *tokenPast, problems []string) {
	id, isToken := strings.CutPrefix(e.Caller, tokenPrefix)
	if !isToken {
		if e.Caller != "dev" { // the caller of a kernel that runs with --dev
			problems = append(problems, fmt.Sprintf("its caller %q is no token", e.Caller))
		}
		return nil, problems
	}
	past, known := h.tokens[id]
	late := e.Decision != nil && e.Decision.Answers != "" // the caller asked before, and others answered
	switch {
	case !known || !past.created.known(e):
		return nil, append(problems, "its caller is token "+id+", which no entry before it created")
	case late:
	case !past.revoked.IsZero() && e.Instant.Sub(past.revoked) > raceGrace:
		problems = append(problems, "its caller is token "+id+", which was revoked at "+past.revoked.Format(time.RFC3339))
	case !past.Expires.IsZero() && e.Instant.Sub(past.Expires) > raceGrace:
		problems = append(problems, "its caller is token "+id+", which expired at "+past.Expires.Format(time.RFC3339))
	}
	return past, problems
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}
