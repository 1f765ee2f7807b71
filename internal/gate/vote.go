package gate

import (
	"cmp"
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// A Ballot is a vote as somebody gives it. Whose it is the caller says, and
// nothing else.
type Ballot struct {
	ID      string // of the approval
	Digest  string // of the request that the voter was shown
	Approve bool
	Reason  string // for people
}

// Vote records a vote, and what comes of it. It returns what became of the
// approval once that is on disk.
//
// The error is a *kernel.Error: Forbidden for whoever may not vote, Conflict
// for a vote too many, too late, or about another request than the one shown.
func (g *Gate) Vote(ctx context.Context, caller kernel.Caller, vote Ballot) (*kernel.Approval, error) {
	if err := mayVote(caller, vote.ID, vote.Digest, vote.Reason); err != nil {
		return nil, err
	}
	var result *kernel.Approval
	err := g.sit(ctx, vote.ID, func(s *sitting) error {
		if !s.visible(caller) {
			return noApproval(vote.ID)
		}
		if err := s.isAbout(vote.Digest); err != nil {
			return err
		}
		q, err := s.q.Cast(s.Case, approval.Vote{By: caller.StandsFor, Approve: vote.Approve, At: s.Now, Reason: vote.Reason})
		if err != nil {
			return err
		}
		s.q = q
		if err := s.record(caller.Principal, ledger.ChangeVoted); err != nil {
			return err
		}
		if vote.Approve {
			if err := s.conclude(); err != nil {
				return err
			}
		}
		result = view(s.q)
		return s.keep()
	})
	if err != nil {
		return nil, err // it may be under way yet
	}
	return result, nil
}

// isAbout makes sure that whoever acts was shown the request that is asked.
func (s *sitting) isAbout(digest string) error {
	if digest != s.private.Digest {
		return kernel.Errorf(kernel.Conflict, "the vote is about another request than approval %s", s.q.ID).
			At("$.request_digest").WithHint("kernel approvals show prints the request and its digest")
	}
	return nil
}

func mayVote(caller kernel.Caller, id, digest, reason string) error {
	if !caller.Is(kernel.RoleApprover) || caller.StandsFor == "" {
		return kernel.Errorf(kernel.Forbidden, "only an approver may vote, with a token that stands for them").
			WithHint("kernel tokens create --role approver --principal PERSON")
	}
	if digest == "" {
		return kernel.Errorf(kernel.Invalid, "request_digest is required").At("$.request_digest").
			WithHint("send the digest of the request that was shown")
	}
	return checkID(id, reason)
}

func checkID(id, reason string) error {
	if _, err := ulid.ParseStrict(id); err != nil {
		return kernel.Errorf(kernel.NotFound, "there is no such approval").WithHint("an id has 26 letters and digits")
	}
	if utf8.RuneCountInString(reason) > approval.MaxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) {
		return kernel.Errorf(kernel.Invalid, "a reason has at most %d characters, and no control characters", approval.MaxReason).At("$.reason")
	}
	return nil
}

// Cancel withdraws a question. Whoever asked may, and an admin.
func (g *Gate) Cancel(ctx context.Context, caller kernel.Caller, id, reason string) (*kernel.Approval, error) {
	if err := checkID(id, reason); err != nil {
		return nil, err
	}
	var result *kernel.Approval
	err := g.look(ctx, id, false, func(s *sitting) error {
		if !caller.Is(kernel.RoleAdmin) && !owns(caller, s.first.row) {
			if s.visible(caller) {
				return kernel.Errorf(kernel.Forbidden, "only whoever asked, or an admin, may withdraw this").WithHint("vote against it instead")
			}
			return noApproval(id)
		}
		q, err := s.q.Settle(approval.Cancelled, approval.Withdrawn, cmp.Or(caller.StandsFor, caller.Principal), reason, s.Now)
		if err != nil {
			return err
		}
		s.q = q
		if err := s.record(caller.Principal, ledger.ChangeSettled); err != nil {
			return err
		}
		result = view(s.q)
		return s.keep()
	})
	if err != nil {
		return nil, err // it may be under way yet
	}
	return result, nil
}

// visible reports whether a caller may know of a question: whoever asked, whom
// it asks, an auditor or admin.
func (s *sitting) visible(caller kernel.Caller) bool {
	return caller.Is(kernel.RoleAdmin, kernel.RoleAuditor) || owns(caller, s.first.row) ||
		caller.Is(kernel.RoleApprover) && caller.StandsFor != "" &&
			(s.q.Asks(s.Case, caller.StandsFor) || s.glass != nil && s.glass.Asks(s.Case, caller.StandsFor))
}

// tokenID is the id of the token that a principal in the log is.
func tokenID(principal string) (string, bool) { return strings.CutPrefix(principal, "token:") }

// name is what a token is called; empty where it is not known.
func (t *tokens) name(id string) string {
	v, _ := t.find(func(t token.Token) bool { return t.ID == id })
	return v.Name
}

// revoked reports whether a token was revoked, or is not known.
func (t *tokens) revoked(id string) bool {
	v, known := t.find(func(t token.Token) bool { return t.ID == id })
	return !known || !v.Revoked.IsZero()
}
