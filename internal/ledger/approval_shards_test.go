package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// A telling is the entries of one approval over two shards: who asked and the
// end are in shard 0, the votes in shard 1, but for the last.
type telling struct {
	asked         ledger.Entry
	first, second ledger.Entry
	allow, end    ledger.Entry
	without       []*ledger.Entry
	after         func(w *world) // what is written then
}

const overShards = "01KC0000000000000000000000" // the id of the first decision of a world

func tellOverShards() *telling {
	q := approval.Question{
		ID: overShards, State: approval.Pending, Agent: "agent-001", Action: "deploy", Caller: "token:T1", Asker: "svc-001",
		Opened: dawn.Add(time.Minute), Expires: dawn.Add(time.Hour), Due: dawn.Add(time.Hour), Needs: []approval.Need{{Workflow: "pair", Needed: 2}},
	}
	s := &telling{}
	s.asked = decidedBy("token:T1", "agent-001", version)
	s.asked.Decision.Verdict.Decision, s.asked.Decision.Verdict.ApprovalsRequired = kernel.RequireApproval, 2
	s.asked.Decision.Opened = &ledger.Opened{Asker: q.Asker, Expires: q.Expires, Due: q.Due, Needs: q.Needs}
	q.Action = s.asked.Decision.Action
	q = vote(q, "person-001", dawn.Add(2*time.Minute))
	s.first = changed("", "token:V1", ledger.ChangeVoted, q)
	q = vote(q, "person-002", dawn.Add(3*time.Minute))
	s.second = changed("", "token:V2", ledger.ChangeVoted, q)
	s.allow = decidedBy("token:T1", "agent-001", version)
	s.allow.Decision.Answers, s.allow.Decision.Verdict.Code = overShards, kernel.CodeApproved
	q.State, q.Code, q.Settled, q.Answer = approval.Approved, approval.QuorumReached, dawn.Add(3*time.Minute), "01KC0000000000000000000001"
	s.end = changed("", "node-0", ledger.ChangeSettled, q)
	return s
}

func (s *telling) log(t *testing.T) *world {
	w := &world{t: t, signer: newSigner(t, "test.example/log"), sealers: map[int]*ledger.Sealer{}}
	write := func(shard int, at time.Duration, entries ...*ledger.Entry) {
		var list []ledger.Entry
		for _, e := range entries {
			if !slices.Contains(s.without, e) {
				list = append(list, *e)
			}
		}
		if len(list) > 0 {
			w.write(shard, at, list...)
		}
	}
	w.write(0, 0, activated(version, ""), tokenMade("T1", "h1"))
	write(0, time.Minute, &s.asked)
	write(1, 2*time.Minute, &s.first)
	write(0, 3*time.Minute, &s.second, &s.allow, &s.end)
	if s.after != nil {
		s.after(w)
	}
	w.seal(0)
	w.seal(1)
	return w
}

// TestAnApprovalIsFollowedOverShards: verification puts the entries about it in
// order, wherever they are.
func TestAnApprovalIsFollowedOverShards(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*telling)
		want string // "": nothing but the records, which this log has not
	}{
		{"nothing is wrong", func(*telling) {}, ""},
		{"still pending", func(s *telling) { s.without = []*ledger.Entry{&s.second, &s.allow, &s.end} }, ""},
		{"a vote that no entry is about", func(s *telling) {
			s.without = []*ledger.Entry{&s.first}
			s.after = func(w *world) { w.write(1, 4*time.Minute, activated(version, version)) }
		}, "it counts votes that no entry is about"},
		{"too few votes", func(s *telling) { s.without = []*ledger.Entry{&s.second}; q(&s.end).Votes = q(&s.first).Votes }, "approved without votes enough"},
		{"somebody twice", func(s *telling) {
			for _, e := range []*ledger.Entry{&s.second, &s.end} {
				q(e).Votes = slices.Clone(q(e).Votes)
				q(e).Votes[1].By = "person-001"
			}
		}, "it counts somebody twice"},
		{"a second end in another shard", func(s *telling) {
			s.after = func(w *world) { w.write(1, 4*time.Minute, s.end) }
		}, "it had ended before them"},
		{"a vote after the end", func(s *telling) {
			late := changed("", "token:V3", ledger.ChangeVoted, vote(*q(&s.second), "person-003", dawn.Add(4*time.Minute)))
			s.after = func(w *world) { w.write(1, 4*time.Minute, late) }
		}, "it had ended before them"},
		{"never asked", func(s *telling) { s.asked.Decision.Opened = nil }, "none says that it was asked"},
		{"approved, and nothing allows it", func(s *telling) { s.without = []*ledger.Entry{&s.allow} }, "answers it, which does not"},
		{"an ALLOW that no entry approved", func(s *telling) { s.without = []*ledger.Entry{&s.second, &s.end} }, "no entry says that it was approved with it"},
		{"a second ALLOW", func(s *telling) {
			again := decidedBy("token:T1", "agent-001", version)
			again.Decision.Answers = overShards
			s.after = func(w *world) { w.write(1, 4*time.Minute, again) }
		}, "it had ended before them"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := tellOverShards()
			c.do(s)
			w := s.log(t)
			report, err := ledger.Verify(t.Context(), w, w.trust())
			if err != nil {
				t.Fatal(err)
			}
			about := ""
			for _, f := range report.List {
				if text := fmt.Sprint(f); strings.Contains(text, ": approval "+overShards+":") || strings.HasPrefix(text, "approval ") {
					about += text + "; "
				}
			}
			if (c.want == "") != (about == "") || !strings.Contains(about, c.want) {
				t.Errorf("Verify = %v, want %q", report.List, c.want)
			}
		})
	}
}
