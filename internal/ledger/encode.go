package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
)

const maxInteger = 1<<53 - 1 // beyond it RFC 8785 would round

// Encode returns the canonical JSON (RFC 8785) of the entry: the bytes whose
// hash is the leaf. It refuses what [Decode] could not give back as it was:
// no or several bodies, a verdict with a request digest, constraints that are
// not a bool, an integer within ±(2^53−1) or a list of strings, invalid UTF-8.
func Encode(e Entry) ([]byte, error) {
	w, err := toWire(e)
	if err != nil {
		return nil, fmt.Errorf("encode entry %d: %w", e.Seq, err)
	}
	data, err := json.Marshal(w, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode entry %d: %w", e.Seq, err)
	}
	body := jsontext.Value(data)
	if err := body.Canonicalize(); err != nil {
		return nil, fmt.Errorf("encode entry %d: %w", e.Seq, err)
	}
	return body, nil
}

func toWire(e Entry) (*wireEntry, error) {
	kind := e.Kind()
	switch {
	case kind == "":
		return nil, errors.New("an entry has exactly one body")
	case e.Seq > maxInteger:
		return nil, fmt.Errorf("seq is beyond %d", maxInteger)
	case e.Shard < 0 || e.Shard > math.MaxInt32:
		return nil, fmt.Errorf("shard %d; it is between 0 and %d", e.Shard, math.MaxInt32)
	}
	instant, err := formatInstant(e.Instant)
	if err != nil {
		return nil, err
	}
	w := &wireEntry{
		V: Version, Shard: e.Shard, Seq: e.Seq, Instant: instant, Kind: kind,
		Node: e.Node, Batch: e.Batch, Caller: e.Caller, Door: e.Door,
	}
	return w, w.setBody(e)
}

func (w *wireEntry) setBody(e Entry) (err error) {
	switch w.Kind {
	case KindDecision:
		w.Decision, err = decisionToWire(e.Decision)
	case KindRefusal:
		w.Refusal, err = refusalToWire(e.Refusal)
	case KindPolicy:
		w.Policy, err = policyToWire(e.Policy)
	case KindToken:
		w.Token, err = tokenToWire(e.Token)
	case KindAccess:
		w.Access, err = accessToWire(e.Access)
	}
	return err
}

func decisionToWire(d *Decided) (*wireDecision, error) {
	v := d.Verdict
	switch {
	case d.ID == "" || d.Agent == "" || d.Action == "" || v.PolicyVersion == "":
		return nil, errors.New("a decision has an id, an agent, an action and a policy version")
	case d.Commitment == [32]byte{}:
		return nil, errors.New("a decision has a commitment to its request")
	case v.RequestDigest != "":
		return nil, errors.New("a request digest does not belong into an entry: it would tell what erasure removes")
	case v.ApprovalsRequired < 0 || v.ApprovalsRequired > maxInteger:
		return nil, fmt.Errorf("approvals_required is %d", v.ApprovalsRequired)
	}
	constraints := make(map[string]jsontext.Value, len(v.Constraints))
	for _, name := range kernel.SortedKeys(v.Constraints) {
		value, err := constraintToWire(v.Constraints[name])
		if err != nil {
			return nil, fmt.Errorf("constraint %s: %w", name, err)
		}
		constraints[name] = value
	}
	return &wireDecision{
		ID: d.ID, Agent: d.Agent, Action: d.Action, PolicyVersion: v.PolicyVersion,
		Commitment: hex.EncodeToString(d.Commitment[:]), Phase1: d.Phase1, ClaimedAt: d.ClaimedAt,
		Verdict: wireVerdict{
			Decision: v.Decision, RiskLevel: v.RiskLevel, ApprovalsRequired: v.ApprovalsRequired,
			Constraints: constraints, Reason: v.Reason, Code: v.Code, Advice: v.Advice, Rules: v.Rules,
		},
	}, nil
}

func constraintToWire(v any) (jsontext.Value, error) {
	switch v := v.(type) {
	case bool, []string:
	case int64:
		if v < -maxInteger || v > maxInteger {
			return nil, fmt.Errorf("%d is beyond ±%d", v, maxInteger)
		}
	default:
		return nil, fmt.Errorf("%T; a constraint is a bool, an int64 or a []string", v)
	}
	return json.Marshal(v)
}

func refusalToWire(r *Refused) (*wireRefusal, error) {
	if r.Code == "" || r.Count < 1 || r.Count > maxInteger || r.Size < 0 || r.Size > maxInteger {
		return nil, fmt.Errorf("a refusal has a code, a count from 1 and a size from 0, not %q, %d, %d", r.Code, r.Count, r.Size)
	}
	return &wireRefusal{Code: r.Code, Path: r.Path, Size: r.Size, Count: r.Count}, nil
}

func policyToWire(p *PolicyChange) (*wirePolicy, error) {
	if p.Change != "activated" || p.Version == "" {
		return nil, fmt.Errorf("a policy entry says which version was activated, not %q, %q", p.Change, p.Version)
	}
	return &wirePolicy{Change: p.Change, Version: p.Version, Previous: p.Previous}, nil
}

func tokenToWire(t *TokenChange) (*wireToken, error) {
	if t.Change != "created" && t.Change != "revoked" || t.ID == "" {
		return nil, fmt.Errorf("a token entry says which id was created or revoked, not %q, %q", t.Change, t.ID)
	}
	w := &wireToken{
		Change: t.Change, ID: t.ID, Name: t.Name, Roles: t.Roles,
		Agent: t.Agent, SpeaksFor: t.SpeaksFor,
	}
	if t.Expires.IsZero() {
		return w, nil
	}
	var err error
	w.Expires, err = formatInstant(t.Expires)
	return w, err
}

func accessToWire(a *Access) (*wireAccess, error) {
	if a.What == "" {
		return nil, errors.New("an access entry says what was read")
	}
	return &wireAccess{What: a.What, Query: a.Query}, nil
}
