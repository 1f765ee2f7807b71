package registry

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// With returns the registry after some changes, which count as one: its
// version is one more. Changes that change nothing are left out; when none is
// left the snapshot itself comes back. The records that were changed come in
// the order given, the one of the version last, each with the version that it
// had before.
//
// The error is a *kernel.Error with code Invalid that says what contradicts
// what. Nothing of a set of changes is taken when one cannot be.
func (s *Snapshot) With(changes []Record) (next *Snapshot, changed []Record, err error) {
	if s == nil || !s.read {
		return nil, nil, kernel.Errorf(kernel.Unavailable, "the registry was not read")
	}
	if len(changes) > MaxChanges {
		return nil, nil, kernel.Errorf(kernel.Invalid, "more than %d changes at once", MaxChanges).WithHint("make them in several steps")
	}
	records := maps.Clone(s.records)
	for _, c := range changes {
		old, there := records[c.Key]
		if there && c.Value != nil && bytes.Equal(old.Value, c.Value) || !there && c.Value == nil {
			continue
		}
		changed = append(changed, Record{Key: c.Key, Version: old.Version, Value: c.Value})
		if delete(records, c.Key); c.Value == nil {
			continue
		}
		c.Version = old.Version + 1
		if err := c.read(); err != nil {
			return nil, nil, err
		}
		records[c.Key] = c
	}
	if len(changed) == 0 {
		return s, nil, nil
	}
	counter := versionRecord(s.version+1, records[Key{RecordVersion, "version"}].Version)
	changed = append(changed, counter)
	counter.Version++
	records[counter.Key] = counter
	next, err = Build(slices.Collect(maps.Values(records)))
	if err != nil {
		return nil, nil, err
	}
	return next, changed, nil
}

// SetStatus changes the status of a principal. One that is retired stays so.
func (s *Snapshot) SetStatus(id string, to Status) ([]Record, error) {
	p, known := s.Principal(id)
	switch {
	case !known:
		return nil, kernel.Errorf(kernel.NotFound, "the registry knows no %q", clip(id)).At("$.id")
	case p.Status == Retired && to != Retired:
		return nil, kernel.Errorf(kernel.Invalid, "%s is retired, which is for ever", id).At("$.id").WithHint("register another id")
	}
	p.Status = to
	r, err := p.Record()
	return []Record{r}, err
}

// Switch sets a kill switch, or leaves one that is set as it is.
func (s *Snapshot) Switch(k Kill) ([]Record, error) {
	r, err := k.Record()
	if _, on := s.records[r.Key]; on {
		return nil, err
	}
	return []Record{r}, err
}

// Lift ends a kill switch.
func (s *Snapshot) Lift(scope Scope, target string) ([]Record, error) {
	key := Target{string(scope), target}.key(RecordKill)
	if _, on := s.records[key]; !on {
		return nil, kernel.Errorf(kernel.NotFound, "no such kill switch is on").
			WithHint("name it as it was switched on; \"kernel kill list\" shows those that are")
	}
	return []Record{{Key: key}}, nil
}

// Lend makes the record of a new delegation, which must be narrower than what
// is lent is at this instant: nobody lends what they do not have.
func (s *Snapshot) Lend(d Delegation, now time.Time) ([]Record, error) {
	from := s.members[d.From]
	if from == nil || from.Kind != Agent || from.Status != Active {
		return nil, kernel.Errorf(kernel.Invalid, "%q is no active agent, and lends nothing", clip(d.From)).At("$.from")
	}
	to := s.members[d.To]
	if to == nil || to.Kind != Agent || to.Status != Active {
		return nil, kernel.Errorf(kernel.Invalid, "%q is no active agent, and is lent nothing", clip(d.To)).At("$.to")
	}
	whole, err := s.lendable(from, d.Of)
	if err != nil {
		return nil, err
	}
	if !d.Expires.After(now) {
		return nil, kernel.Errorf(kernel.Invalid, "it would have ended already").At("$.expires")
	}
	switch wider := d.Within(*whole); wider {
	case "":
	case widerLimit(d.Limits, whole.Limits):
		return nil, kernel.Errorf(kernel.Invalid, "%s has %s with %s, and the delegation has no limit within that", d.From, d.Of, wider).
			WithHint("lend every limit again, the same or a narrower one; of {min: 1, max: 100} both bounds")
	default:
		return nil, kernel.Errorf(kernel.Invalid, "%s of the delegation is beyond what %s has by %s", wider, d.From, d.Of).
			WithHint("lend what is narrower, ends no later and may be lent on less often")
	}
	r, err := d.Record()
	return append(s.ended(to, now), r), err
}

// ended removes what was lent to an agent and is over, so that it holds nobody's
// place; what was lent on from it is over too.
func (s *Snapshot) ended(to *member, now time.Time) (gone []Record) {
	for _, d := range to.lent {
		if d.Expires.After(now) {
			continue
		}
		more, err := s.Revoke(d.ID)
		if err != nil {
			continue
		}
		for _, r := range more {
			if !slices.ContainsFunc(gone, func(g Record) bool { return g.Key == r.Key }) {
				gone = append(gone, r)
			}
		}
	}
	return gone
}

// lendable returns a capability that the agent has, its own or lent to it.
func (s *Snapshot) lendable(from *member, of string) (*Capability, error) {
	if c := from.own(of); c != nil {
		return c, nil
	}
	if d := s.delegations[of]; d != nil && d.To == from.ID {
		return &d.Capability, nil
	}
	return nil, kernel.Errorf(kernel.NotFound, "%s has no capability %q", from.ID, clip(of)).At("$.of")
}

// Lender returns the agent that lent by a delegation.
func (s *Snapshot) Lender(id string) (agent string, known bool) {
	if d := s.delegations[id]; d != nil {
		return d.From, true
	}
	return "", false
}

// Revoke removes a delegation and everything that was lent on from it.
func (s *Snapshot) Revoke(id string) ([]Record, error) {
	if s.delegations[id] == nil {
		return nil, kernel.Errorf(kernel.NotFound, "there is no delegation %q", clip(id))
	}
	gone := []Record{{Key: Key{RecordDelegation, id}}}
	for i := 0; i < len(gone); i++ {
		for _, other := range kernel.SortedKeys(s.delegations) {
			if s.delegations[other].Of == gone[i].ID {
				gone = append(gone, Record{Key: Key{RecordDelegation, other}})
			}
		}
	}
	return gone, nil
}
