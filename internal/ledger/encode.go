package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/strixlabs/execution-kernel"
	rfc8785 "github.com/strixlabs/execution-kernel/internal/canonical"
)

const maxInteger = rfc8785.MaxInteger

// Encode returns the canonical JSON (RFC 8785) of the entry: the bytes whose
// hash is the leaf. It refuses what [Decode] could not give back as it was:
// no or several bodies, a verdict with a request digest, constraints that are
// not a bool, an integer within ±(2^53−1) or a list of strings, invalid UTF-8.
func Encode(e Entry) ([]byte, error) {
	c := canonical{buf: make([]byte, 0, 1024)}
	c.entry(e)
	if c.err != nil {
		return nil, fmt.Errorf("encode entry %d: %w", e.Seq, c.err)
	}
	return c.buf, nil
}

// entry writes the members in the order of RFC 8785: by name, which puts each
// body where its kind belongs.
func (c *canonical) entry(e Entry) {
	kind := e.Kind()
	c.keep(checkEnvelope(e, kind))
	instant, err := formatInstant(e.Instant)
	c.keep(err)
	if c.err != nil {
		return
	}
	c.open('{')
	if kind == KindAccess {
		c.access(e.Access)
	}
	if kind == KindApproval {
		c.approval(e.Approval)
	}
	c.text("batch", e.Batch)
	if kind == KindGlass {
		c.glass(e.Glass)
	}
	if kind == KindBundle {
		c.bundle(e.Bundle)
	}
	c.text("caller", e.Caller)
	if kind == KindDecision {
		c.decision(e.Decision)
	}
	c.textIfAny("door", e.Door)
	switch kind {
	case KindGrant:
		c.grant(e.Grant)
	case KindGrantKey:
		c.grantKey(e.GrantKey)
	case KindEvent:
		c.event(e.Event)
	}
	c.text("instant", instant)
	c.text("kind", string(kind))
	c.text("node", e.Node)
	switch kind {
	case KindPolicy:
		c.policy(e.Policy)
	case KindRefusal:
		c.refusal(e.Refusal)
	case KindRegistry:
		c.registry(e.Registry)
	}
	c.integer("seq", int64(e.Seq))
	c.integer("shard", int64(e.Shard))
	if kind == KindToken {
		c.token(e.Token)
	}
	c.integer("v", Version)
	if kind == KindWitness {
		c.witness(e)
	}
	c.close('}')
}

func (c *canonical) witness(e Entry) {
	w := e.Witness
	if w.Shard < 0 || w.Shard > math.MaxInt32 || w.Shard == e.Shard || w.Size > maxInteger {
		c.keep(fmt.Errorf("a witness entry says what another shard was, not %d entries of shard %d", w.Size, w.Shard))
	}
	c.object("witness")
	c.text("root", hex.EncodeToString(w.Root[:]))
	c.integer("shard", int64(w.Shard))
	c.integer("size", int64(w.Size))
	c.close('}')
}

func checkEnvelope(e Entry, kind Kind) error {
	switch {
	case kind == "":
		return errors.New("an entry has exactly one body")
	case e.Seq > maxInteger:
		return fmt.Errorf("seq is beyond %d", maxInteger)
	case e.Shard < 0 || e.Shard > math.MaxInt32:
		return fmt.Errorf("shard %d; it is between 0 and %d", e.Shard, math.MaxInt32)
	}
	return nil
}

func (c *canonical) decision(d *Decided) {
	v := d.Verdict
	c.keep(checkDecision(d))
	c.object("decision")
	c.text("action", d.Action)
	c.text("agent", d.Agent)
	c.textIfAny("answers", d.Answers)
	if d.Opened != nil {
		c.opened(d.Opened)
	}
	c.textIfAny("claimed_at", d.ClaimedAt)
	c.text("commitment", hex.EncodeToString(d.Commitment[:]))
	if len(d.Facts) > 0 {
		c.facts(d.Facts)
	}
	c.text("id", d.ID)
	if d.Phase1 {
		c.flag("phase1", true)
	}
	// Once, beside the verdict and not in it: two could disagree.
	c.text("policy_version", v.PolicyVersion)
	c.standing(d.Standing)
	c.object("verdict")
	c.textIfAny("advice", v.Advice)
	c.integer("approvals_required", int64(v.ApprovalsRequired))
	c.text("code", string(v.Code))
	c.constraints("constraints", v.Constraints)
	c.spelling("decision", v.Decision)
	c.text("reason", v.Reason)
	c.spelling("risk_level", v.RiskLevel)
	texts(c, "rules", v.Rules)
	if len(v.Workflows) > 0 { // entries from before there were any stay as they are
		texts(c, "workflows", v.Workflows)
	}
	c.close('}')
	c.close('}')
}

func checkDecision(d *Decided) error {
	switch {
	case d.ID == "" || d.Agent == "" || d.Action == "" || d.Verdict.PolicyVersion == "":
		return errors.New("a decision has an id, an agent, an action and a policy version")
	case d.Commitment == [32]byte{}:
		return errors.New("a decision has a commitment to its request")
	case d.Verdict.RequestDigest != "":
		return errors.New("a request digest does not belong into an entry: it would tell what erasure removes")
	case d.Opened != nil && d.Verdict.Decision != kernel.RequireApproval, d.Answers != "" && d.Verdict.Decision != kernel.Allow:
		return errors.New("a REQUIRE_APPROVAL opens an approval, and an ALLOW answers one")
	case d.Verdict.ApprovalsRequired < 0:
		return fmt.Errorf("approvals_required is %d", d.Verdict.ApprovalsRequired)
	}
	return nil
}

// spelling writes an effect or a risk; one without a name is an error.
func (c *canonical) spelling(name string, v interface{ MarshalText() ([]byte, error) }) {
	text, err := v.MarshalText()
	c.keep(err)
	c.text(name, string(text))
}

func (c *canonical) refusal(r *Refused) {
	if r.Code == "" || r.Count < 1 || r.Size < 0 {
		c.keep(fmt.Errorf("a refusal has a code, a count from 1 and a size from 0, not %q, %d, %d", r.Code, r.Count, r.Size))
	}
	c.object("refusal")
	c.text("code", string(r.Code))
	c.integer("count", int64(r.Count))
	c.textIfAny("path", r.Path)
	c.integer("size", r.Size)
	c.close('}')
}

func (c *canonical) policy(p *PolicyChange) {
	if p.Change != "activated" || p.Version == "" {
		c.keep(fmt.Errorf("a policy entry says which version was activated, not %q, %q", p.Change, p.Version))
	}
	c.object("policy")
	c.text("change", p.Change)
	c.textIfAny("previous", p.Previous)
	c.textIfAny("proof", p.Proof)
	c.textIfAny("reason", p.Reason)
	c.text("version", p.Version)
	c.close('}')
}

func (c *canonical) event(r *Reported) {
	if r.Event == "" || r.Commitment == [32]byte{} {
		c.keep(errors.New("an event has a name and a commitment to what was reported"))
	}
	c.object("event")
	c.text("commitment", hex.EncodeToString(r.Commitment[:]))
	c.text("event", r.Event)
	c.standing(r.Standing)
	c.close('}')
}

func (c *canonical) bundle(p *Pushed) {
	if p.Version == "" || min(p.Rules, p.Passed, p.Failed) < 0 {
		c.keep(errors.New("a bundle entry has a version, and counts from 0"))
	}
	c.object("bundle")
	c.integer("failed", int64(p.Failed))
	c.integer("passed", int64(p.Passed))
	c.textIfAny("reason", p.Reason)
	c.integer("rules", int64(p.Rules))
	c.text("version", p.Version)
	c.close('}')
}

func (c *canonical) token(t *TokenChange) {
	if t.Change != "created" && t.Change != "revoked" || t.ID == "" {
		c.keep(fmt.Errorf("a token entry says which id was created or revoked, not %q, %q", t.Change, t.ID))
	}
	c.object("token")
	c.textIfAny("agent", t.Agent)
	c.text("change", t.Change)
	if !t.Expires.IsZero() {
		expires, err := formatInstant(t.Expires)
		c.keep(err)
		c.text("expires", expires)
	}
	c.textIfAny("hash", t.Hash)
	c.text("id", t.ID)
	c.text("name", t.Name)
	c.textIfAny("principal", t.Principal)
	texts(c, "roles", t.Roles)
	if len(t.SpeaksFor) > 0 {
		texts(c, "speaks_for", t.SpeaksFor)
	}
	c.close('}')
}

func (c *canonical) access(a *Access) {
	if a.What == "" {
		c.keep(errors.New("an access entry says what was read"))
	}
	c.object("access")
	c.text("query", a.Query)
	c.text("what", a.What)
	c.close('}')
}
