package approval_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

// The search goes through every interleaving of what two nodes do to one
// question and to the grant that answers it: each reads its record, works out
// what becomes of it, and writes it by compare-and-set, or crashes before or
// after. In between time passes, a voter is suspended, another loses the role,
// the policy comes to deny, and another policy asks for more votes.

// deeds are what a node may begin, each until it was done once: votes, the
// timers of the question and of the grant, and two who would redeem it.
var deeds = []string{"sre-1", "sre-2", "sre-3", "-sre-3", "expire", "cancel", "redeem gw-1", "redeem gw-2", "end"}

// turns are what happens around the nodes, each once.
const (
	turnTime = iota
	turnSuspend
	turnUnrole
	turnDeny
	turnMore
	turnsAll
)

// policies are the turns that make another policy the active one.
const policies = 1<<turnDeny | 1<<turnMore

const needed = 2 // votes, and one more after turnMore

// A kept is what is kept of the question and of its grant.
type kept struct {
	Q      approval.Question
	G      grant.Record
	Policy uint8 // that the grant was issued under
}

// A place is a state of the search, small and comparable.
type place struct {
	record uint16 // what is kept: its number
	done   uint16 // deeds, a bit each
	turned uint8  // turns, a bit each
	nodes  [2]flight
}

// A flight is what a node has worked out and not written yet.
type flight struct {
	read   uint16 // the record that it rests on
	write  uint16
	deed   uint8 // 0: nothing; else the number of the deed from 1
	turned uint8 // what had happened around it
}

// A search is one exhaustive search.
type search struct {
	t       *testing.T
	fault   string          // planted: the search has to find what breaks
	find    string          // what a search with a fault ends with
	cases   []approval.Case // by turned
	seen    map[place]struct{}
	records []kept
	numbers map[string]uint16 // of records, by their encoding
	worked  map[flight]flight // what was worked out before; without write: what to work out
	written map[flight]bool   // what was checked before
	reached map[uint16]int    // how many places have a record
	broken  map[string]bool
}

func newSearch(t *testing.T, fault, find string) *search {
	s := &search{
		t: t, fault: fault, find: find, seen: map[place]struct{}{}, numbers: map[string]uint16{}, worked: map[flight]flight{},
		written: map[flight]bool{}, reached: map[uint16]int{}, broken: map[string]bool{},
	}
	for turned := range uint8(1 << turnsAll) {
		w := asking(t)
		if turned>>turnTime&1 == 1 {
			w.Now = noon.Add(4 * time.Hour)
		}
		if turned>>turnUnrole&1 == 1 {
			w.unrole(t)
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
	s.visit(place{record: s.number(kept{Q: w.q})})
}

// number is that of a record, as the kernel keeps it.
func (s *search) number(k kept) uint16 {
	value, err := k.Q.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	granted, err := json.Marshal(k.G)
	if err != nil {
		s.t.Fatal(err)
	}
	name := fmt.Sprintf("%s %s %d", value, granted, k.Policy)
	n, known := s.numbers[name]
	if known {
		return n
	}
	if k.Q, err = approval.Decode(value); err != nil {
		s.t.Fatal(err)
	}
	if n = uint16(len(s.records)); int(n) != len(s.records) {
		s.t.Fatal("there are more records than numbers for them")
	}
	s.records, s.numbers[name] = append(s.records, k), n
	return n
}

func (s *search) visit(p place) {
	if a, b := p.nodes[0], p.nodes[1]; cmp.Or(cmp.Compare(a.deed, b.deed), cmp.Compare(a.write, b.write), cmp.Compare(a.read, b.read), cmp.Compare(a.turned, b.turned)) > 0 {
		p.nodes[0], p.nodes[1] = b, a // which node it is makes no difference
	}
	if _, seen := s.seen[p]; seen || s.broken[s.find] {
		return
	}
	s.seen[p] = struct{}{}
	s.reached[p.record]++
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
		what := flight{deed: uint8(d) + 1, read: p.record, turned: p.turned}
		f, known := s.worked[what]
		if !known {
			if k, ok := s.does(s.records[p.record], deed, p.turned); ok {
				f = what
				f.write = s.number(k)
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

// end has a node write what it worked out, or not. A commit does not rest on
// the time: what is written says when it was worked out.
func (s *search) end(p place, node int, f flight) {
	p.nodes[node] = flight{}
	s.visit(p) // a crash, or a conflict: nothing was written, and it may be tried again
	if moved := f.turned^p.turned > 1<<turnTime; s.fault != "no compare" && (f.read != p.record || moved) {
		return
	}
	s.wrote(p.record, f)
	p.record = f.write
	s.visit(p) // a crash after it was written: whoever asked for it tries again
	p.done |= 1 << (f.deed - 1)
	s.visit(p)
}

// does is what a kernel makes of a deed.
func (s *search) does(k kept, deed string, turned uint8) (kept, bool) {
	c := s.cases[turned]
	if s.fault == "no clock" {
		c.Now = noon
	}
	if redeemer, redeems := strings.CutPrefix(deed, "redeem "); redeems {
		return s.redeems(k, redeemer, turned, c.Now)
	}
	q, pending := k.Q, k.Q.State == approval.Pending
	var err error
	switch deed {
	case "end":
		g, ends := k.G.Expire(c.Now)
		k.G = g
		return k, ends
	case "expire":
		k.Q, err = q.Settle(approval.Expired, approval.TooLate, "", "", c.Now)
		return k, err == nil
	case "cancel":
		k.Q, err = q.Settle(approval.Cancelled, approval.Withdrawn, "asker", "", c.Now)
		return k, err == nil
	}
	if turned>>turnMore&1 == 1 && pending && s.fault != "no new needs" {
		q.Needs = []approval.Need{{Workflow: "w", Needed: needed + 1}}
	}
	vote := approval.Vote{By: deed, Approve: deed[0] != '-', At: c.Now}
	if !vote.Approve {
		vote.By = deed[1:]
	}
	if q, err = q.Cast(&c, vote); err != nil {
		return k, false
	}
	if vote.Approve {
		if q, err = s.concludes(q, c, turned); err != nil {
			return k, false
		}
	}
	if q.State == approval.Approved {
		q.Answer = "01KB000000000000000000000B"
		k.G = grant.Record{ID: q.Answer, State: grant.Issued, IssuedAt: c.Now, ExpiresAt: c.Now.Add(grant.Life)}
		k.Policy = turned & policies
	}
	k.Q = q
	return k, true
}

func (s *search) concludes(q approval.Question, c approval.Case, turned uint8) (approval.Question, error) {
	v := kernel.Verdict{Decision: kernel.RequireApproval}
	if turned>>turnDeny&1 == 1 && s.fault != "no second look at the policy" {
		v.Decision = kernel.Deny
	}
	if s.fault == "no second look at voters" {
		c.Registry = s.cases[0].Registry
	}
	return q.Conclude(&c, nil, v, false)
}

// redeems is what the gate does beside [grant.Record.Redeem]: what was decided
// under another policy does not stand any more.
func (s *search) redeems(k kept, by string, turned uint8, now time.Time) (kept, bool) {
	if s.fault == "a record put back" && k.G.State == grant.Redeemed {
		k.G.State = grant.Issued
	}
	if k.Policy != turned&policies && s.fault != "no look at the policy of a grant" {
		return k, false
	}
	g, err := k.G.Redeem(by, now)
	k.G = g
	return k, err == nil
}

// wrote checks one write against the promises, without the code that keeps them.
func (s *search) wrote(record uint16, f flight) {
	was := f
	if was.read = record; s.written[was] {
		return
	}
	s.written[was] = true
	before, after, now := s.records[record], s.records[f.write], s.cases[f.turned].Now
	if strings.HasPrefix(deeds[f.deed-1], "redeem ") || deeds[f.deed-1] == "end" {
		s.granted(before, after, now, f.turned)
	} else {
		s.asked(before, after, now, f.turned)
	}
}

// ends counts the places by what came of the question and its grant.
func (s *search) ends() map[string]int {
	counts := map[string]int{}
	for n, places := range s.reached {
		if k := s.records[n]; k.Q.State != approval.Pending {
			counts[strings.TrimSpace(fmt.Sprint(k.Q.State, " ", k.Q.Code, " ", k.G.State))] += places
		}
	}
	return counts
}

func (s *search) bad(what string) { s.broken[what] = true }

func (s *search) granted(before, after kept, now time.Time, turned uint8) {
	switch redeemed := after.G.State == grant.Redeemed; {
	case after.Q.State != approval.Approved || after.Q.Answer != after.G.ID:
		s.bad("a grant of what was not approved")
	case before.G.State != grant.Issued:
		s.bad("a grant is spent a second time")
	case redeemed && !now.Before(after.G.IssuedAt.Add(grant.Life)):
		s.bad("redeemed after it expired")
	case redeemed && turned&policies != after.Policy:
		s.bad("redeemed under another policy")
	}
}

func (s *search) asked(before, after kept, now time.Time, turned uint8) {
	if before.Q.State != approval.Pending {
		s.bad("a second outcome")
	}
	if wrong := after.Q.Follows(before.Q, now); wrong != "" {
		s.bad("the audit: " + wrong)
	}
	var voters []string
	for _, v := range after.Q.Votes {
		gone := v.By == "sre-1" && turned>>turnSuspend&1 == 1 || v.By == "sre-2" && turned>>turnUnrole&1 == 1
		if v.Approve && !slices.Contains(voters, v.By) && !gone {
			voters = append(voters, v.By)
		}
	}
	want := needed + int(turned>>turnMore&1)
	if after.Q.State == approval.Approved {
		switch {
		case len(voters) < want:
			s.bad("allowed without the quorum")
		case turned>>turnTime&1 == 1:
			s.bad("allowed after it expired")
		case turned>>turnDeny&1 == 1:
			s.bad("allowed although it is denied by now")
		}
	}
	if len(after.Q.Votes) > len(before.Q.Votes) && turned>>turnTime&1 == 1 {
		s.bad("a vote after it expired")
	}
	if after.Q.State == approval.Pending && len(voters) >= want {
		s.bad("a quorum, and nothing comes of it")
	}
	if (after.Q.State == approval.Approved) != (after.G.State == grant.Issued) {
		s.bad("a grant without an approval, or the other way")
	}
}

func TestNoInterleavingBreaksAnApprovalOrItsGrant(t *testing.T) {
	s := newSearch(t, "", "")
	s.run()
	for _, what := range kernel.SortedKeys(s.broken) {
		t.Errorf("two nodes can come to this: %s", what)
	}
	ends := s.ends()
	for _, end := range []string{
		"APPROVED QUORUM issued", "APPROVED QUORUM redeemed", "APPROVED QUORUM expired",
		"REJECTED VOTE", "REJECTED POLICY_CHANGED", "EXPIRED TIMEOUT", "CANCELLED WITHDRAWN",
	} {
		if ends[end] == 0 {
			t.Errorf("no interleaving ends with %s", end)
		}
	}
	t.Logf("%d states, ends: %v", len(s.seen), ends)
}

// TestTheSearchFindsPlantedFaults: each is found as what it breaks.
func TestTheSearchFindsPlantedFaults(t *testing.T) {
	for _, c := range [][2]string{
		{"no compare", "a second outcome"},
		{"no compare", "the audit: it takes back what was said"},
		{"no compare", "a grant is spent a second time"},
		{"no clock", "a vote after it expired"},
		{"no clock", "redeemed after it expired"},
		{"no second look at voters", "allowed without the quorum"},
		{"no second look at the policy", "allowed although it is denied by now"},
		{"no new needs", "allowed without the quorum"},
		{"a record put back", "a grant is spent a second time"},
		{"no look at the policy of a grant", "redeemed under another policy"},
	} {
		s := newSearch(t, c[0], c[1])
		s.run()
		if !s.broken[c[1]] {
			t.Errorf("%s: the search finds %v, want %s", c[0], kernel.SortedKeys(s.broken), c[1])
		}
	}
}
