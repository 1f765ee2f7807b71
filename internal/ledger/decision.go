package ledger

import (
	"encoding/hex"
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Decision gives back the answer that a decision entry recorded. After erasure
// its RequestDigest is empty.
func Decision(row store.Entry) (kernel.Decision, error) {
	e, err := Decode(row.Body)
	if err != nil {
		return kernel.Decision{}, fmt.Errorf("entry %d: %w", row.Seq, err)
	}
	if e.Decision == nil {
		return kernel.Decision{}, fmt.Errorf("entry %d is a %s, not a decision", row.Seq, e.Kind())
	}
	verdict := e.Decision.Verdict
	if row.Private != nil {
		verdict.RequestDigest = row.Private.Digest
	}
	return kernel.Decision{
		ID: e.Decision.ID, Verdict: verdict, DecidedAt: e.Instant,
		Entry: kernel.EntryRef{Shard: row.Shard, Seq: row.Seq, Leaf: hex.EncodeToString(row.Leaf[:])},
	}, nil
}
