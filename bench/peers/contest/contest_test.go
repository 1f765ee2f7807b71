package contest_test

import (
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

func TestSetsAreReproducible(t *testing.T) {
	a, b, other := contest.Generate(1, 100), contest.Generate(1, 100), contest.Generate(2, 100)
	for i := range a.Rules {
		if a.Rules[i] != b.Rules[i] {
			t.Fatalf("rule %d is %v and %v from one seed", i, a.Rules[i], b.Rules[i])
		}
	}
	if a.Rules[0] == other.Rules[0] && a.Rules[1] == other.Rules[1] {
		t.Errorf("two seeds begin with the same rules: %v", a.Rules[:2])
	}
}

func TestSetsHaveTheirShare(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		count := map[contest.Effect]int{}
		for _, r := range contest.Generate(1, n).Rules {
			count[r.Effect]++
		}
		if count[contest.Deny] != n/5 || count[contest.RequireApproval] != n/10 {
			t.Errorf("of %d rules %d deny and %d ask for approval, want 20 %% and 10 %%", n, count[contest.Deny], count[contest.RequireApproval])
		}
	}
}

func TestRequestsReachEveryEffect(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		set := contest.Generate(1, n)
		seen := map[contest.Effect]int{}
		for _, q := range set.Requests(1024) {
			seen[set.Decide(&q).Effect()]++
			if got := len(q.Body()); got != contest.BodySize {
				t.Fatalf("the body of a request has %d bytes, want %d", got, contest.BodySize)
			}
		}
		for _, e := range []contest.Effect{contest.Deny, contest.RequireApproval, contest.Allow} {
			if seen[e] < 20 {
				t.Errorf("%d rules: of 1024 requests %d are decided %v", n, seen[e], e)
			}
		}
	}
}

// TestCheckFindsDifferences: a comparison that lets everything pass would make
// every engine equal.
func TestCheckFindsDifferences(t *testing.T) {
	set := contest.Set{Rules: []contest.Rule{
		{ID: "no", Op: ">=", Effect: contest.Deny}, {ID: "ask", Op: "<", Limit: 10, Effect: contest.RequireApproval, Approvals: 2}, {ID: "yes", Op: "<", Limit: 20},
	}}
	set.Rules[0].Limit, set.Rules[2].Effect = 15, contest.Allow
	denied, asked, allowed, unmatched := at(set, 17), at(set, 5), at(set, 12), at(set, 12)
	unmatched = contest.Verdict{}
	for _, c := range []struct {
		name    string
		verdict contest.Verdict
		answer  contest.Answer
		by      contest.Evidence
		wrong   string
	}{
		{"another effect", denied, contest.Answer{Effect: contest.Allow}, contest.EveryRule, "want DENY"},
		{"every rule", denied, contest.Answer{Rules: []string{"yes", "no"}}, contest.EveryRule, ""},
		{"a rule missing", denied, contest.Answer{Rules: []string{"no"}}, contest.EveryRule, "want [no yes]"},
		{"the denying rule alone", denied, contest.Answer{Rules: []string{"no"}}, contest.WinningSet, ""},
		{"one rule", denied, contest.Answer{Rules: []string{"no"}}, contest.OneRule, ""},
		{"one rule of another effect", denied, contest.Answer{Rules: []string{"yes"}}, contest.OneRule, "want one of [no]"},
		{"no rule", allowed, contest.Answer{Effect: contest.Allow}, contest.OneRule, "want one of [yes]"},
		{"too few approvals", asked, contest.Answer{Effect: contest.RequireApproval, Approvals: 1, Rules: []string{"ask", "yes"}}, contest.EveryRule, "want 2"},
		{"approvals", asked, contest.Answer{Effect: contest.RequireApproval, Approvals: 2, Rules: []string{"ask", "yes"}}, contest.WinningSet, ""},
		{"a rule that does not hold", unmatched, contest.Answer{Rules: []string{"no"}}, contest.EveryRule, "want []"},
		{"one rule that does not hold", unmatched, contest.Answer{Rules: []string{"no"}}, contest.OneRule, "want one of []"},
	} {
		err := c.verdict.Check(c.answer, c.by)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: Check(%v, %s) = %v, want an error with %q", c.name, c.answer, c.by, err, c.wrong)
		}
	}
}

func at(set contest.Set, amount int64) contest.Verdict {
	return set.Decide(&contest.Request{Params: contest.Params{Amount: amount}})
}
