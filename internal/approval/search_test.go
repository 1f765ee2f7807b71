package approval_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
)

// The search goes through every interleaving of what two nodes do to one
// question: each reads its record, works out what becomes of it, and writes it
// by compare-and-set, or crashes before. In between time passes, the policy
// comes to deny, a voter is suspended, and more votes are needed.

// deeds are what a node may begin, each until it was done once.
var deeds = []string{"sre-1", "sre-2", "sre-3", "-sre-3", "expire", "cancel"}

// turns are what happens around the nodes, each once.
const (
	turnTime = iota
	turnDeny
	turnSuspend
	turnMore
	turnsAll
)

const needed = 2 // votes, and one more after turnMore

// A place is a state of the search, small and comparable.
type place struct {
	record int   // the question as it is kept: its number
	done   uint8 // deeds, a bit each
	turned uint8 // turns, a bit each
	nodes  [2]flight
}

// A flight is what a node has worked out and not written yet.
type flight struct {
	deed   int   // 0: nothing; else the number of the deed from 1
	read   int   // the record that it rests on
	turned uint8 // and what had happened around it
	write  int
}

// A search is one exhaustive search.
type search struct {
	t       *testing.T
	blind   bool            // the store writes without comparing: the search has to find what breaks
	cases   []approval.Case // by turned
	seen    map[place]bool
	records []approval.Question
	numbers map[string]int    // of records, by their encoding
	worked  map[flight]flight // what was worked out before; without write: what to work out
	written map[flight]bool   // what was checked before
	reached map[string]int    // ends, by state and code
	broken  map[string]bool
}

func newSearch(t *testing.T, blind bool) *search {
	s := &search{t: t, blind: blind, seen: map[place]bool{}, numbers: map[string]int{}, worked: map[flight]flight{}, written: map[flight]bool{}, reached: map[string]int{}, broken: map[string]bool{}}
	for turned := range uint8(1 << turnsAll) {
		w := asking(t)
		if turned>>turnTime&1 == 1 {
			w.Now = noon.Add(4 * time.Hour)
		}
		if turned>>turnSuspend&1 == 1 {
			w.suspend("sre-1")
		}
		s.cases = append(s.cases, w.Case)
	}
	return s
}

func (s *search) run() {
	w := asking(s.t)
	w.open(s.t)
	s.visit(place{record: s.number(w.q)})
}

// number is that of a record, as the kernel keeps it.
func (s *search) number(q approval.Question) int {
	value, err := q.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	n, known := s.numbers[string(value)]
	if known {
		return n
	}
	if q, err = approval.Decode(value); err != nil {
		s.t.Fatal(err)
	}
	s.records = append(s.records, q)
	s.numbers[string(value)] = len(s.records) - 1
	return len(s.records) - 1
}

func (s *search) visit(p place) {
	if a, b := p.nodes[0], p.nodes[1]; cmp.Or(cmp.Compare(a.deed, b.deed), cmp.Compare(a.write, b.write), cmp.Compare(a.read, b.read), cmp.Compare(a.turned, b.turned)) > 0 {
		p.nodes[0], p.nodes[1] = b, a // which node it is makes no difference
	}
	if s.seen[p] || s.blind && len(s.broken) > 1 {
		return
	}
	s.seen[p] = true
	if q := s.records[p.record]; q.State != approval.Pending {
		s.reached[fmt.Sprint(q.State, " ", q.Code)]++
	}
	for turn := range turnsAll {
		next := p
		next.turned |= 1 << turn
		s.visit(next)
	}
	for i, f := range p.nodes {
		if f.deed == 0 {
			s.begin(p, i)
		} else {
			s.end(p, i, f)
		}
	}
}

// begin has a node work out every deed that is left.
func (s *search) begin(p place, node int) {
	for d, deed := range deeds {
		if p.done>>d&1 == 1 {
			continue
		}
		what := flight{deed: d + 1, read: p.record, turned: p.turned}
		f, known := s.worked[what]
		if !known {
			if q, ok := s.does(s.records[p.record], deed, p.turned); ok {
				f = what
				f.write = s.number(q)
			}
			s.worked[what] = f
		}
		if f.deed > 0 {
			next := p
			next.nodes[node] = f
			s.visit(next)
		}
	}
}

// end has a node write what it worked out, or not.
func (s *search) end(p place, node int, f flight) {
	p.nodes[node] = flight{}
	s.visit(p) // a crash, or a conflict: nothing was written, and it may be tried again
	if !s.blind && (f.read != p.record || f.turned != p.turned) {
		return
	}
	s.wrote(p.record, f)
	p.record = f.write
	s.visit(p) // a crash after it was written: whoever asked for it tries again
	p.done |= 1 << (f.deed - 1)
	s.visit(p)
}

// does is what a kernel makes of a deed.
func (s *search) does(q approval.Question, deed string, turned uint8) (approval.Question, bool) {
	c := s.cases[turned]
	if turned>>turnMore&1 == 1 && q.State == approval.Pending {
		q.Needs = []approval.Need{{Workflow: "w", Needed: needed + 1}}
	}
	switch deed {
	case "expire":
		q, err := q.Settle(approval.Expired, approval.TooLate, "", "", c.Now)
		return q, err == nil
	case "cancel":
		q, err := q.Settle(approval.Cancelled, approval.Withdrawn, "asker", "", c.Now)
		return q, err == nil
	}
	v := kernel.Verdict{Decision: kernel.RequireApproval}
	if turned>>turnDeny&1 == 1 {
		v.Decision = kernel.Deny
	}
	vote := approval.Vote{By: deed, Approve: deed[0] != '-', At: c.Now}
	if !vote.Approve {
		vote.By = deed[1:]
	}
	q, err := q.Cast(&c, vote)
	if err != nil {
		return q, false
	}
	if vote.Approve {
		if q, err = q.Conclude(&c, nil, v, false); err != nil {
			return q, false
		}
	}
	if q.State == approval.Approved {
		q.Answer = "01KB000000000000000000000B"
	}
	return q, true
}

// wrote checks one write against the promises, without the code that keeps them.
func (s *search) wrote(record int, f flight) {
	was := f
	if was.read = record; s.written[was] {
		return
	}
	s.written[was] = true
	before, after, now := s.records[record], s.records[f.write], s.cases[f.turned].Now
	bad := func(what string) { s.broken[what] = true }
	if before.State != approval.Pending {
		bad("a second outcome")
	}
	if wrong := after.Follows(before, now); wrong != "" {
		bad("the audit: " + wrong)
	}
	var voters []string
	for _, v := range after.Votes {
		if v.Approve && !slices.Contains(voters, v.By) && !(v.By == "sre-1" && f.turned>>turnSuspend&1 == 1) {
			voters = append(voters, v.By)
		}
	}
	want := needed + int(f.turned>>turnMore&1)
	if after.State == approval.Approved {
		switch {
		case len(voters) < want:
			bad("allowed without the quorum")
		case f.turned>>turnTime&1 == 1:
			bad("allowed after it expired")
		case f.turned>>turnDeny&1 == 1:
			bad("allowed although it is denied by now")
		}
	}
	if len(after.Votes) > len(before.Votes) && f.turned>>turnTime&1 == 1 {
		bad("a vote after it expired")
	}
	if after.State == approval.Pending && len(voters) >= want {
		bad("a quorum, and nothing comes of it")
	}
}

func TestNoInterleavingBreaksAnApproval(t *testing.T) {
	s := newSearch(t, false)
	s.run()
	for _, what := range kernel.SortedKeys(s.broken) {
		t.Errorf("two nodes can come to this: %s", what)
	}
	for _, end := range []string{"APPROVED QUORUM", "REJECTED VOTE", "REJECTED POLICY_CHANGED", "EXPIRED TIMEOUT", "CANCELLED WITHDRAWN"} {
		if s.reached[end] == 0 {
			t.Errorf("no interleaving ends with %s", end)
		}
	}
	t.Logf("%d states, ends: %v", len(s.seen), s.reached)
}

// TestTheSearchSeesAStoreThatDoesNotCompare: without compare-and-set the same
// search finds what two nodes break.
func TestTheSearchSeesAStoreThatDoesNotCompare(t *testing.T) {
	s := newSearch(t, true)
	s.run()
	if len(s.broken) < 2 || !s.broken["a second outcome"] && !s.broken["the audit: it takes back what was said"] {
		t.Errorf("the search finds %v", kernel.SortedKeys(s.broken))
	}
}
