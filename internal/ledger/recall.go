package ledger

import (
	"fmt"

	"github.com/strixlabs/execution-kernel"
	past "github.com/strixlabs/execution-kernel/internal/history"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Recall reads from a row of the log what happened, as histories count it. ok
// is false for an entry that no fact is about. A row that was changed, or whose
// request was erased, is an error: nobody knows what it would count for.
func Recall(row store.Entry) (e past.Event, ok bool, err error) {
	entry, err := Decode(row.Body)
	if err != nil {
		return e, false, fmt.Errorf("entry %d: %w", row.Seq, err)
	}
	if err := checkRow(entry, row); err != nil {
		return e, false, fmt.Errorf("entry %d was changed: %w; run \"kernel log verify\"", row.Seq, err)
	}
	if g := entry.Grant; g != nil && (g.Change == GrantExpired || g.Released) {
		return past.Event{Name: g.Action, ID: g.ID, At: entry.Instant, Released: true}, true, nil
	}
	if entry.Event == nil && (entry.Decision == nil || !Counts(entry.Decision.Verdict.Code)) {
		return e, false, nil
	}
	if row.Private == nil {
		return e, false, fmt.Errorf("entry %d: its request is not there to count", row.Seq)
	}
	subject, err := requestOf(row.Private.Request)
	if err != nil {
		return e, false, fmt.Errorf("entry %d: %w", row.Seq, err)
	}
	if entry.Event != nil {
		return past.Event{Name: entry.Event.Event, Subject: entry.Event.Standing.Know(subject), At: entry.Instant, Reported: true}, true, nil
	}
	return past.Event{
		Name: subject.Action, Subject: entry.Decision.Standing.Know(subject), At: entry.Instant, ID: entry.Decision.ID, Answers: entry.Decision.Answers != "",
		Allowed: entry.Decision.Verdict.Decision == kernel.Allow,
	}, true, nil
}

// Counts reports whether a decision with this code is one that facts count: one
// that came to the rules. What was denied before them may not fit the schema,
// and a stranger would count against those who are known.
func Counts(code kernel.Code) bool {
	switch code {
	case kernel.CodeRule, kernel.CodeNoMatchingRule, kernel.CodeEvaluationError, kernel.CodeConstraintConflict, kernel.CodeApproved, kernel.CodeBreakGlass:
		return true
	}
	return false
}
