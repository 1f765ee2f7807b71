package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel/internal/grant"
)

// The changes of a grant.
const (
	GrantIssued   = string(grant.Issued)
	GrantRedeemed = string(grant.Redeemed)
	GrantSettled  = string(grant.Settled)
	GrantExpired  = string(grant.Expired)
)

// GrantChange is the body of a grant entry: what became of the single-use
// permission of one ALLOW. Who did it is the entry's caller.
type GrantChange struct {
	Change   string    // issued, redeemed, settled or expired
	ID       string    // of the decision, and so of the grant
	Agent    string    // of the decision
	Action   string    // of the decision
	Expires  time.Time // issued: it may be redeemed before
	Outcome  string    // settled: succeeded, failed or abandoned
	Result   string    // settled: sha256:…, where one was given
	Released bool      // settled: it had no effect, and does not count any more; what expired never does
}

// GrantKeyChange is the body of a grantkey entry: which keys sign grants.
type GrantKeyChange struct {
	Change string // "added" or "retired"
	KID    string // thumbprint of the public key (RFC 7638)
	Public string // the Ed25519 public key, base64url
}

type wireGrant struct {
	Action   string `json:"action"`
	Agent    string `json:"agent"`
	Change   string `json:"change"`
	Expires  string `json:"expires"`
	ID       string `json:"id"`
	Outcome  string `json:"outcome"`
	Released bool   `json:"released"`
	Result   string `json:"result"`
}

type wireGrantKey struct {
	Change string `json:"change"`
	KID    string `json:"kid"`
	Public string `json:"public"`
}

func (c *canonical) grant(g *GrantChange) {
	c.keep(g.check())
	c.object("grant")
	c.text("action", g.Action)
	c.text("agent", g.Agent)
	c.text("change", g.Change)
	if !g.Expires.IsZero() {
		expires, err := formatInstant(g.Expires)
		c.keep(err)
		c.text("expires", expires)
	}
	c.text("id", g.ID)
	c.textIfAny("outcome", g.Outcome)
	if g.Released {
		c.flag("released", true)
	}
	c.textIfAny("result", g.Result)
	c.close('}')
}

func (g *GrantChange) check() error {
	settled := grant.Settlement{Outcome: grant.Outcome(g.Outcome), Result: g.Result, NoEffect: g.Released}
	switch {
	case g.ID == "" || g.Agent == "" || g.Action == "":
		return errors.New("a grant entry has an id, an agent and an action")
	case g.Change != GrantIssued && g.Change != GrantRedeemed && g.Change != GrantSettled && g.Change != GrantExpired:
		return fmt.Errorf("a grant was issued, redeemed, settled or expired, not %q", g.Change)
	case (g.Change == GrantIssued) == g.Expires.IsZero():
		return errors.New("a grant says when it expires when it is issued, and then only")
	case g.Change != GrantSettled && (g.Outcome != "" || g.Result != "" || g.Released):
		return errors.New("a grant has an outcome when it is settled, and then only")
	case g.Change == GrantSettled:
		return settled.Check()
	}
	return nil
}

func grantFromWire(w *wireGrant) (*GrantChange, error) {
	g := &GrantChange{
		Change: w.Change, ID: w.ID, Agent: w.Agent, Action: w.Action, Outcome: w.Outcome, Result: w.Result, Released: w.Released,
	}
	if w.Expires == "" {
		return g, nil
	}
	var err error
	g.Expires, err = parseInstant(w.Expires)
	return g, err
}

func (c *canonical) grantKey(k *GrantKeyChange) {
	if k.Change != "added" && k.Change != "retired" {
		c.keep(fmt.Errorf("a key of grants was added or retired, not %q", k.Change))
	}
	c.keep(grant.Keys{}.Add(k.KID, k.Public))
	c.object("grantkey")
	c.text("change", k.Change)
	c.text("kid", k.KID)
	c.text("public", k.Public)
	c.close('}')
}
