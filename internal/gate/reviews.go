package gate

import (
	"context"
	"errors"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Kinds of records of broken glasses. Their keys are the ids of approvals, and
// a glass has one of both.
const (
	recordGlassOpen = "breakglass_open" // with a review that is open
	recordGlass     = "breakglass"      // without
)

func openGlassKey(id string) store.RecordKey { return store.RecordKey{Kind: recordGlassOpen, Key: id} }

// A versionedGlass is the record of a broken glass and its version.
type versionedGlass struct {
	approval.Glass
	version uint64
}

// A Review is what somebody says of a glass that was broken.
type Review struct {
	ID        string // of the approval
	Justified bool
	Note      string // for people; required
}

// Review closes the reviews of a broken glass that are for the caller, who is
// neither whoever broke it nor whoever asked.
func (g *Gate) Review(ctx context.Context, caller kernel.Caller, r Review) (ApprovalView, error) {
	if !caller.Is(kernel.RoleApprover) || caller.StandsFor == "" {
		return ApprovalView{}, kernel.Errorf(kernel.Forbidden, "only an approver may review, with a token that stands for them").
			WithHint("kernel tokens create --role approver --principal PERSON")
	}
	if err := checkID(r.ID, r.Note); err != nil {
		return ApprovalView{}, err
	}
	var shown ApprovalView
	err := g.sit(ctx, r.ID, func(s *sitting) (err error) {
		switch {
		case !s.visible(caller):
			return noApproval(r.ID)
		case s.glass == nil:
			return kernel.Errorf(kernel.Conflict, "nobody broke the glass of approval %s", r.ID)
		case s.batch.changes(openGlassKey(r.ID)):
			return errLater // its record is changed once in a batch
		}
		s.glass.Glass, err = s.glass.Review(s.Case, s.q, approval.Finding{By: caller.StandsFor, Justified: r.Justified, Note: r.Note})
		if err != nil {
			return err
		}
		if shown, err = s.view(caller); err != nil {
			return err
		}
		return g.changeGlass(s.batch, caller.Principal, ledger.GlassReviewed, *s.glass)
	})
	if err != nil {
		return ApprovalView{}, err // it may be under way yet
	}
	return shown, nil
}

// dueReviews records, once, that reviews are overdue, and tells how many there
// are.
func (g *Gate) dueReviews(ctx context.Context, now time.Time) error {
	open, err := g.openGlasses(ctx)
	if err != nil {
		return err
	}
	late := 0
	for _, glass := range open {
		if len(glass.Late(now)) == 0 {
			continue
		}
		if late++; glass.Overdue {
			continue
		}
		if err := g.submit(ctx, &job{urgent: true, apply: func(b *batch) error { return g.overdue(b, glass.ID) }}); err != nil {
			g.cfg.Log.Warn("that a review is overdue could not be recorded", "approval", glass.ID, "error", err)
		}
	}
	if g.cfg.OnReviews != nil {
		g.cfg.OnReviews(len(open), late)
	}
	return nil
}

// overdue adds to a batch that a review is overdue, unless another node did.
func (g *Gate) overdue(b *batch, id string) error {
	glass, err := g.believeGlass(context.Background(), id)
	switch {
	case err != nil:
		return err
	case b.changes(openGlassKey(id)):
		return errLater
	case glass.Overdue || len(glass.Late(b.now)) == 0:
		return nil
	}
	glass.Overdue = true
	return g.changeGlass(b, g.cfg.Node, ledger.GlassOverdue, *glass)
}

// openGlasses reads the broken glasses that have a review that is open.
func (g *Gate) openGlasses(ctx context.Context) (list []approval.Glass, err error) {
	for rec, err := range g.cfg.Store.Records(ctx, recordGlassOpen, "") {
		if err != nil {
			return nil, unavailable("the reviews that are open could not be read")
		}
		v, err := readGlass(rec)
		if err != nil {
			return nil, err
		}
		list = append(list, v.Glass)
	}
	return list, nil
}

// glassOf reads the record of a broken glass.
func (g *Gate) glassOf(ctx context.Context, id string) (*versionedGlass, error) {
	for _, kind := range []string{recordGlassOpen, recordGlass} {
		rec, err := g.cfg.Store.Record(ctx, store.RecordKey{Kind: kind, Key: id})
		if err == nil {
			return readGlass(rec)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, unavailable("the record of the broken glass could not be read")
		}
	}
	return nil, unavailable("the record of the broken glass of approval %s is missing", id)
}

func readGlass(rec store.Record) (*versionedGlass, error) {
	v, err := approval.DecodeGlass(rec.Value)
	if err != nil || v.ID != rec.Key {
		return nil, unavailable("the record of the broken glass of approval %s is damaged", rec.Key)
	}
	return &versionedGlass{v, rec.Version}, nil
}
