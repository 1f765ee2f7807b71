package ledger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Decision gives back the answer that a decision entry recorded. After erasure
// its RequestDigest is empty. A row that does not hash to its leaf, whose
// columns are not what its body says, or whose request is not what was
// committed to, is an error: no answer is made of it.
func Decision(row store.Entry) (kernel.Decision, error) {
	e, err := Decode(row.Body)
	if err != nil {
		return kernel.Decision{}, fmt.Errorf("entry %d: %w", row.Seq, err)
	}
	if e.Decision == nil {
		return kernel.Decision{}, fmt.Errorf("entry %d is a %s, not a decision", row.Seq, e.Kind())
	}
	if err := checkRow(e, row); err != nil {
		return kernel.Decision{}, fmt.Errorf("entry %d was changed: %w; run \"kernel log verify\"", row.Seq, err)
	}
	return Answer(e, row), nil
}

// Read gives back what an entry says, and why its row is not to be believed:
// it does not hash to its leaf, its columns are not what its body says, or its
// request is not what was committed to. Of a body that cannot be read the
// entry is the zero one.
func Read(row store.Entry) (Entry, error) {
	e, err := Decode(row.Body)
	if err != nil {
		return Entry{}, fmt.Errorf("its body cannot be read: %w", err)
	}
	return e, checkRow(e, row)
}

func checkRow(e Entry, row store.Entry) error {
	want := derive(e, row.Body)
	switch {
	case row.Leaf != want.Leaf:
		return errors.New("it does not hash to its leaf")
	case row.Shard != want.Shard || row.Seq != want.Seq:
		return errors.New("it stands in another place than its body says")
	case row.ID != want.ID || row.Caller != want.Caller || row.Agent != want.Agent || row.Instant != want.Instant ||
		row.Kind != want.Kind || row.Action != want.Action || row.Decision != want.Decision:
		return errors.New("its columns are not what its body says")
	case row.Private == nil:
		return nil
	case e.commitment() == nil:
		return errors.New("there is a request beside it, but it is no decision")
	}
	return CheckPrivate(*e.commitment(), row.Private)
}

// Answer is what [Decision] reads from the row of an entry, for whoever just
// made the entry and the row and need not read it. The entry is a decision.
// The maps and slices of the verdict are copies.
func Answer(e Entry, row store.Entry) kernel.Decision {
	verdict := e.Decision.Verdict
	if row.Private != nil {
		verdict.RequestDigest = row.Private.Digest
	}
	verdict.Rules, verdict.Constraints = slices.Clone(verdict.Rules), maps.Clone(verdict.Constraints)
	verdict.Workflows = slices.Clone(verdict.Workflows)
	for name, v := range verdict.Constraints {
		if set, ok := v.([]string); ok {
			verdict.Constraints[name] = slices.Clone(set)
		}
	}
	var asked *kernel.Approval
	if q, ok := e.Question(); ok {
		asked = &kernel.Approval{ID: q.ID, State: string(q.State), ExpiresAt: q.Expires}
	}
	return kernel.Decision{
		ID: e.Decision.ID, Verdict: verdict, Approval: asked, Answers: e.Decision.Answers, DecidedAt: e.Instant.UTC().Round(0),
		Entry: RefOf(row),
	}
}

// RefOf says where an entry is.
func RefOf(row store.Entry) kernel.EntryRef {
	return kernel.EntryRef{Shard: row.Shard, Seq: row.Seq, Leaf: hex.EncodeToString(row.Leaf[:])}
}
