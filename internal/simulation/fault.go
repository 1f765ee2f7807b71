package simulation

import (
	"context"
	"slices"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Fault is a mistake planted between the gates and the database. What cannot
// find it proves nothing.
type Fault interface {
	batch(*store.Batch) *store.Batch
	outcome(store.Outcome, error) (store.Outcome, error)
}

// The faults.
var (
	DropGuards     Fault = altered(func(b *store.Batch) { b.Guards = nil })
	DropFactGuards Fault = altered(func(b *store.Batch) {
		b.Guards = slices.DeleteFunc(slices.Clone(b.Guards), func(g store.Guard) bool { return g.Kind == "fact" })
		b.Transitions = slices.DeleteFunc(slices.Clone(b.Transitions), func(t store.Transition) bool { return t.Kind == "fact" })
	})
	GuessUnknown     Fault = guessed{store.Committed}
	ForgetUnknown    Fault = guessed{store.NotCommitted}
	ForgetRequestIDs Fault = altered(func(b *store.Batch) {
		b.Transitions = slices.DeleteFunc(slices.Clone(b.Transitions), func(t store.Transition) bool { return t.Kind == "request" })
	})
)

// altered changes batches on their way.
type altered func(*store.Batch)

func (f altered) batch(b *store.Batch) *store.Batch {
	changed := *b
	f(&changed)
	return &changed
}

func (altered) outcome(out store.Outcome, err error) (store.Outcome, error) { return out, err }

// guessed takes an outcome that nobody knows for another.
type guessed struct{ store.Status }

func (guessed) batch(b *store.Batch) *store.Batch { return b }

func (g guessed) outcome(out store.Outcome, err error) (store.Outcome, error) {
	if out.Status != store.Unknown {
		return out, err
	}
	if g.Status == store.Committed {
		err = nil
	}
	return store.Outcome{Status: g.Status}, err
}

func (w *World) context() context.Context { return context.Background() }
