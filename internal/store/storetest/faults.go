package storetest

import (
	"errors"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Fault is how one commit fails. Written says whether the batch is kept all
// the same: possible with Unknown only.
type Fault struct {
	Status  store.Status // NotCommitted or Unknown
	Written bool
	Err     error // nil: an error of no kind
}

var errInjected = errors.New("injected fault")

// faults are guarded by Memory.mu.
type faults struct {
	queue     []Fault
	unsettled string // the batch whose outcome is unknown
	lookupErr error
	readErr   error
	watcher   func(*store.Batch)
}

// Fail makes the next commits fail, one after another, each in its way. Batches
// that are malformed, follow another head or are in conflict use up no fault
// that is Written.
func (m *Memory) Fail(next ...Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue = append(m.queue, next...)
}

// FailLookups makes every Lookup fail until it is called with nil.
func (m *Memory) FailLookups(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lookupErr = err
}

// FailReads makes every read fail until it is called with nil.
func (m *Memory) FailReads(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readErr = err
}

// OnCommit has f called at the start of each commit, with nothing locked, so
// that it may wait, look or count. The batch is the caller's and must not be
// changed or kept.
func (m *Memory) OnCommit(f func(*store.Batch)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watcher = f
}

func (m *Memory) watch(b *store.Batch) {
	m.mu.Lock()
	f := m.watcher
	m.mu.Unlock()
	if f != nil {
		f(b)
	}
}

func (m *Memory) next() (Fault, bool) {
	if len(m.queue) == 0 {
		return Fault{}, false
	}
	return m.queue[0], true
}

func (m *Memory) fail(b *store.Batch, f Fault) (store.Outcome, error) {
	m.queue = m.queue[1:]
	if f.Status == store.Unknown {
		m.unsettled = b.ID
	}
	err := f.Err
	if err == nil {
		err = errInjected
	}
	return store.Outcome{Status: f.Status}, err
}
