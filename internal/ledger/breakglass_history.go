package ledger

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
)

// recordGlassOpen is the kind of the records of broken glasses with a review
// that is open, by the id of their approval; recordGlass of those without.
const (
	recordGlassOpen = "breakglass_open"
	recordGlass     = "breakglass"
)

// glass takes a change of a broken glass, and returns what contradicts the
// entries before it.
func (p *approvalPast) glass(e Entry) (problems []string) {
	g, change := e.Glass.Glass, e.Glass.Change
	before, known := p.glasses[g.ID]
	q, open := p.pending[g.ID]
	wrong := ""
	switch {
	case change == GlassBroken && known:
		wrong = "it was broken before"
	case change == GlassBroken && (!open || q.Agent != g.Agent || q.Action != g.Action):
		wrong = "nobody was asked, or about something else"
	case change == GlassBroken && p.allowed[g.ID] != g.Answer:
		wrong = "another decision allows it, or none"
	case change == GlassBroken && !g.At.Equal(e.Instant):
		wrong = "it was broken at another instant than it says"
	case change != GlassBroken && !known:
		wrong = "no entry says that it was broken"
	case change != GlassBroken:
		wrong = e.Glass.follows(before, e.Instant)
	}
	if wrong == "" && change == GlassOverdue && len(g.Late(e.Instant)) == 0 {
		wrong = "no review of it is overdue"
	}
	if wrong != "" {
		problems = append(problems, fmt.Sprintf("the glass of approval %s: %s", g.ID, wrong))
	}
	p.glasses[g.ID] = g
	return problems
}

// follows says what is wrong with a change as what comes after a glass, or "".
func (c *GlassChange) follows(before approval.Glass, now time.Time) string {
	wrong, closes := c.Glass.Follows(before, now), c.Glass.Closes(before)
	switch {
	case wrong != "":
		return wrong
	case c.Change == GlassReviewed && closes == 0:
		return "a review is said to be closed, and nobody closed it"
	case c.Change == GlassOverdue && closes > 0:
		return "it closes a review, and says that it is overdue"
	}
	return ""
}

// farthest keeps the latest that entries of any order say of a broken glass:
// reviews are closed, and never opened again.
func (p *approvalPast) farthest(g approval.Glass) {
	if before, known := p.glasses[g.ID]; !known || g.Far() > before.Far() {
		p.glasses[g.ID] = g
	}
}

// glassDifferences compares the records of broken glasses with the entries.
func (v *verification) glassDifferences(ctx context.Context) (problems []string, err error) {
	glasses, seen := v.history.glasses, map[string]bool{}
	for _, kind := range []string{recordGlassOpen, recordGlass} {
		for r, err := range v.reader.Records(ctx, kind, "") {
			if err != nil {
				return nil, err
			}
			g, known := glasses[r.Key]
			value, _ := g.Encode() // it was decoded
			if !known || seen[r.Key] || !bytes.Equal(r.Value, value) || g.Closed() != (kind == recordGlass) {
				problems = append(problems, fmt.Sprintf("the record of the broken glass of approval %s: it is not what the entries say", r.Key))
			}
			seen[r.Key] = true
		}
	}
	for _, id := range kernel.SortedKeys(glasses) {
		if !seen[id] {
			problems = append(problems, fmt.Sprintf("the record of the broken glass of approval %s is missing", id))
		}
	}
	return problems, nil
}
