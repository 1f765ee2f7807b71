package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
)

// recordApproval is the kind of the records of approvals, by the id of their
// decision; recordDue of those that say when something happens to one.
const (
	recordApproval = "approval"
	recordDue      = "approval_due"
)

// An approvalPast is what the entries so far say of approvals.
type approvalPast struct {
	pending map[string]approval.Question
	closed  map[string][32]byte // hashes of their records
	allowed map[string]string   // ALLOWs whose approval the next entries settle: by the decision that asked
	tales   map[string]*tale    // of several shards: what does not make a whole yet
	glasses map[string]approval.Glass
}

func newApprovalPast() approvalPast {
	return approvalPast{map[string]approval.Question{}, map[string][32]byte{}, map[string]string{}, map[string]*tale{}, map[string]approval.Glass{}}
}

// people takes an entry that is about an approval. Where several shards are
// read one after the other, their order does not tell which came first: then
// the entries about each approval are put in order once they were read.
func (p *approvalPast) people(e Entry, several bool) []string {
	switch {
	case several:
		p.collect(e)
		p.tell(e)
	case e.Approval != nil:
		return p.changes(e)
	case e.Glass != nil:
		return p.glass(e)
	case e.Decision != nil:
		return p.asks(e)
	}
	return nil
}

// collect keeps the latest that entries of any order say of an approval.
func (p *approvalPast) collect(e Entry) {
	if e.Glass != nil {
		p.farthest(e.Glass.Glass)
		return
	}
	q, asks := e.Question()
	if e.Approval != nil {
		q, asks = e.Approval.Question, true
	}
	if _, closed := p.closed[q.ID]; !asks || closed {
		return
	}
	if q.State != approval.Pending {
		p.close(q)
		return
	}
	if known, open := p.pending[q.ID]; !open || len(q.Votes)+q.Escalated >= len(known.Votes)+known.Escalated && q.Due.Compare(known.Due) >= 0 {
		p.pending[q.ID] = q
	}
}

func (p *approvalPast) close(q approval.Question) {
	value, _ := q.Encode() // it was decoded
	p.closed[q.ID] = sha256.Sum256(value)
	delete(p.pending, q.ID)
	delete(p.allowed, q.ID)
}

// asks takes a decision that opens an approval, or answers one, and returns
// what contradicts the entries before it.
func (p *approvalPast) asks(e Entry) (problems []string) {
	if q, ok := e.Question(); ok {
		p.pending[q.ID] = q
	}
	first := e.Decision.Answers
	if first == "" {
		return nil
	}
	q, open := p.pending[first]
	switch {
	case !open:
		problems = append(problems, "it answers decision "+first+", which asks nobody")
	case q.Agent != e.Decision.Agent || q.Action != e.Decision.Action || q.Caller != e.Caller:
		problems = append(problems, "it answers decision "+first+", which is about something else")
	case p.allowed[first] != "":
		problems = append(problems, "it answers decision "+first+" a second time")
	}
	p.allowed[first] = e.Decision.ID
	return problems
}

// changes takes a change of an approval.
func (p *approvalPast) changes(e Entry) (problems []string) {
	after := e.Approval.Question
	before, open := p.pending[after.ID]
	if !open {
		return []string{"it is about approval " + after.ID + ", which is not open"}
	}
	if wrong := after.Follows(before, e.Instant); wrong != "" {
		problems = append(problems, fmt.Sprintf("approval %s: %s", after.ID, wrong))
	}
	if g := p.glasses[after.ID]; after.Code == approval.GlassBroken && (g.By != after.By || g.Reason != after.Reason || g.Answer != after.Answer) {
		problems = append(problems, fmt.Sprintf("approval %s: no entry says that %s broke the glass", after.ID, after.By))
	}
	if after.Answer != p.allowed[after.ID] {
		problems = append(problems, fmt.Sprintf("approval %s is answered by decision %q, and it says %q", after.ID, p.allowed[after.ID], after.Answer))
	}
	p.pending[after.ID] = after
	if after.State != approval.Pending {
		p.close(after)
	}
	return problems
}

// approvalDifferences compares the records of approvals with the entries.
func (v *verification) approvalDifferences(ctx context.Context) (problems []string, err error) {
	past := &v.history.approvalPast
	seen, due := map[string]bool{}, map[string]bool{}
	for r, err := range v.reader.Records(ctx, recordDue, "") {
		if err != nil {
			return nil, err
		}
		if due[r.Key] = true; past.pending[r.Key].ID == "" {
			problems = append(problems, fmt.Sprintf("approval %s is not open, and a record says when it ends", r.Key))
		}
	}
	for r, err := range v.reader.Records(ctx, recordApproval, "") {
		if err != nil {
			return nil, err
		}
		want, known := past.closed[r.Key]
		if q, open := past.pending[r.Key]; open {
			value, _ := q.Encode()
			want, known = sha256.Sum256(value), true
		}
		switch {
		case !known:
			problems = append(problems, fmt.Sprintf("the record of approval %s: no entry says that it was opened", r.Key))
		case sha256.Sum256(r.Value) != want:
			problems = append(problems, fmt.Sprintf("the record of approval %s: it is not what the entries say", r.Key))
		}
		seen[r.Key] = true
	}
	for _, id := range kernel.SortedKeys(past.pending) {
		if !seen[id] || !due[id] {
			problems = append(problems, fmt.Sprintf("a record of approval %s is missing", id))
		}
	}
	for _, id := range kernel.SortedKeys(past.tales) {
		for _, wrong := range past.tales[id].wrong() {
			problems = append(problems, fmt.Sprintf("approval %s: %s", id, wrong))
		}
	}
	for _, first := range kernel.SortedKeys(past.allowed) {
		problems = append(problems, fmt.Sprintf("decision %s is allowed by %s, and no entry says that it was approved", first, past.allowed[first]))
	}
	more, err := v.glassDifferences(ctx)
	return append(problems, more...), err
}
