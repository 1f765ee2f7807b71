package ledger

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
)

// Decode reads what [Encode] wrote, and nothing else: a member it does not
// know, one that is missing, another order, spacing or spelling, and another
// version are errors.
func Decode(body []byte) (Entry, error) {
	var w wireEntry
	if err := json.Unmarshal(body, &w, json.RejectUnknownMembers(true)); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", plain(err))
	}
	if w.V != Version {
		return Entry{}, fmt.Errorf("decode entry: version %d; this program reads version %d", w.V, Version)
	}
	e, err := fromWire(&w)
	if err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	if e.Kind() != w.Kind {
		return Entry{}, errors.New("decode entry: the kind does not name its one body")
	}
	again, err := Encode(e)
	if err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	if !bytes.Equal(again, body) {
		return Entry{}, errors.New("decode entry: not the canonical form of an entry")
	}
	return e, nil
}

// plain keeps of a JSON error what and where it is, without a Go type.
func plain(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		if errors.Is(err, json.ErrUnknownName) {
			return fmt.Errorf("unknown member at %q", semantic.JSONPointer)
		}
		return fmt.Errorf("wrong type or value at %q", semantic.JSONPointer)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return fmt.Errorf("not JSON at byte %d", syntactic.ByteOffset)
	}
	return errors.New("not JSON")
}

func fromWire(w *wireEntry) (e Entry, err error) {
	e = Entry{Shard: w.Shard, Seq: w.Seq, Node: w.Node, Batch: w.Batch, Caller: w.Caller, Door: w.Door}
	if e.Instant, err = parseInstant(w.Instant); err != nil {
		return e, err
	}
	if w.Decision != nil {
		if e.Decision, err = decisionFromWire(w.Decision); err != nil {
			return e, err
		}
	}
	if w.Token != nil {
		if e.Token, err = tokenFromWire(w.Token); err != nil {
			return e, err
		}
	}
	if w.Grant != nil {
		if e.Grant, err = grantFromWire(w.Grant); err != nil {
			return e, err
		}
	}
	if k := w.GrantKey; k != nil {
		e.GrantKey = &GrantKeyChange{Change: k.Change, KID: k.KID, Public: k.Public}
	}
	if r := w.Refusal; r != nil {
		e.Refusal = &Refused{Code: r.Code, Path: r.Path, Size: r.Size, Count: r.Count}
	}
	if r := w.Registry; r != nil {
		e.Registry = &RegistryChange{Object: r.Object, Key: r.Key, Value: r.Value, Version: r.Version, Reason: r.Reason}
	}
	if p := w.Policy; p != nil {
		e.Policy = &PolicyChange{Change: p.Change, Version: p.Version, Previous: p.Previous, Reason: p.Reason, Proof: p.Proof}
	}
	if w.Event != nil {
		if e.Event, err = eventFromWire(w.Event); err != nil {
			return e, err
		}
	}
	if p := w.Bundle; p != nil {
		e.Bundle = &Pushed{Version: p.Version, Rules: p.Rules, Passed: p.Passed, Failed: p.Failed, Reason: p.Reason}
	}
	if a := w.Approval; a != nil {
		if e.Approval, err = approvalFromWire(a); err != nil {
			return e, err
		}
	}
	if g := w.Glass; g != nil {
		if e.Glass, err = glassFromWire(g); err != nil {
			return e, err
		}
	}
	if x := w.Witness; x != nil {
		e.Witness = &Witnessed{Shard: x.Shard, Size: x.Size}
		if e.Witness.Root, err = parseHash("root", x.Root); err != nil {
			return e, err
		}
	}
	if a := w.Access; a != nil {
		e.Access = &Access{What: a.What, Query: a.Query}
	}
	return e, nil
}

func eventFromWire(w *wireEvent) (*Reported, error) {
	commitment, err := parseCommitment(w.Commitment)
	if err != nil {
		return nil, err
	}
	standing, err := standingFromWire(w.Registry)
	return &Reported{Event: w.Event, Commitment: commitment, Standing: standing}, err
}

func decisionFromWire(w *wireDecision) (*Decided, error) {
	commitment, err := parseCommitment(w.Commitment)
	if err != nil {
		return nil, err
	}
	constraints := make(map[string]any, len(w.Verdict.Constraints))
	for _, name := range kernel.SortedKeys(w.Verdict.Constraints) {
		if constraints[name], err = constraintFromWire(w.Verdict.Constraints[name]); err != nil {
			return nil, fmt.Errorf("constraint %s: %w", name, err)
		}
	}
	facts, err := factsFromWire(w.Facts)
	if err != nil {
		return nil, err
	}
	standing, err := standingFromWire(w.Registry)
	if err != nil {
		return nil, err
	}
	opened, err := openedFromWire(w.Approval)
	if err != nil {
		return nil, err
	}
	v := w.Verdict
	if v.Rules == nil {
		v.Rules = []string{}
	}
	return &Decided{
		ID: w.ID, Agent: w.Agent, Action: w.Action, Commitment: commitment, Facts: facts,
		Phase1: w.Phase1, ClaimedAt: w.ClaimedAt, Standing: standing, Opened: opened, Answers: w.Answers,
		Verdict: kernel.Verdict{
			Decision: v.Decision, RiskLevel: v.RiskLevel, ApprovalsRequired: v.ApprovalsRequired, Workflows: v.Workflows,
			Constraints: constraints, Reason: v.Reason, Code: v.Code, Advice: v.Advice, Rules: v.Rules,
			PolicyVersion: w.PolicyVersion,
		},
	}, nil
}

func factsFromWire(w map[string]jsontext.Value) (map[string]any, error) {
	if len(w) == 0 {
		return nil, nil
	}
	facts := make(map[string]any, len(w))
	for _, name := range kernel.SortedKeys(w) {
		var err error
		switch v := w[name]; v.Kind() {
		case '0':
			var n int64
			err = json.Unmarshal(v, &n)
			facts[name] = n
		case '"':
			var text string
			err = json.Unmarshal(v, &text)
			facts[name] = text
		default:
			err = errors.New("neither a count nor an instant")
		}
		if err != nil {
			return nil, fmt.Errorf("fact %s: %w", name, plain(err))
		}
	}
	return facts, nil
}

func constraintFromWire(v jsontext.Value) (any, error) {
	var err error
	switch v.Kind() {
	case 't', 'f':
		return v.Kind() == 't', nil
	case '0':
		var n int64
		err = json.Unmarshal(v, &n)
		return n, plainOrNil(err)
	case '[':
		var set []string
		err = json.Unmarshal(v, &set)
		return set, plainOrNil(err)
	}
	return nil, errors.New("neither a flag nor a bound nor a set")
}

func plainOrNil(err error) error {
	if err == nil {
		return nil
	}
	return plain(err)
}

func tokenFromWire(w *wireToken) (*TokenChange, error) {
	t := &TokenChange{
		Change: w.Change, ID: w.ID, Name: w.Name, Roles: w.Roles,
		Agent: w.Agent, SpeaksFor: w.SpeaksFor, Principal: w.Principal, Hash: w.Hash,
	}
	if w.Expires == "" {
		return t, nil
	}
	var err error
	t.Expires, err = parseInstant(w.Expires)
	return t, err
}
