package ledger

import (
	"context"
	"fmt"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// CheckStart checks what a kernel must know of its log before it goes on with
// it: every body is hashed again, the policies, tokens and everything from the
// entry `signed` on is read as [Verify] reads it, and the tokens and the active
// policy are what the entries say. That the leaf hashes of the first `signed`
// entries are those that were signed is for [NewSealer] to say. A log that was
// changed is [ErrDiffers].
//
// It reads every entry: its time grows with the log.
func CheckStart(ctx context.Context, r store.Reader, signed uint64) error {
	v := verification{reader: r, history: newHistory(), light: signed}
	v.Kinds = map[Kind]uint64{}
	head, err := r.Head(ctx, onlyShard)
	if err != nil {
		return err
	}
	for _, q := range []store.Query{{From: 0, Bare: true}, {From: signed}} {
		for row, err := range r.Entries(ctx, q) {
			if err != nil {
				return err
			}
			if q.Bare && row.Seq >= signed {
				break
			}
			if row.Seq != v.next {
				return fmt.Errorf("%w: entry %d is missing", ErrDiffers, v.next)
			}
			if v.entry(row); !v.OK() {
				return fmt.Errorf("%w: %s", ErrDiffers, v.List[0])
			}
		}
	}
	if v.next != head.Size {
		return fmt.Errorf("%w: entry %d is missing; the head says that there are %d", ErrDiffers, v.next, head.Size)
	}
	problems, err := v.differences(ctx)
	if err == nil && len(problems) > 0 {
		err = fmt.Errorf("%w: %s", ErrDiffers, problems[0])
	}
	return err
}
