package eval_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// indexed is a bundle of n rules over one action, whose atoms have every
// combination of three attributes, some of several values.
func indexed(n int) *pdl.Bundle {
	b := small()
	b.Schema.Agent[2].Type.MaxLen = 20
	b.Rules = nil
	values := func(i, of int) []string {
		list := []string{fmt.Sprint("v", i%of)}
		if i%7 == 0 {
			list = append(list, fmt.Sprint("v", (i+1)%of))
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	for i := range n {
		r := &pdl.Rule{Name: fmt.Sprintf("p/r%d", i), Actions: []string{"deploy"}, Effect: kernel.Effect(i % 3), Risk: kernel.Risk(i % 4)}
		if r.Effect == kernel.RequireApproval {
			r.Approvals = 1 + i%3
		}
		if i%2 == 0 {
			r.Match = append(r.Match, pdl.Atom{Path: "agent.team", Values: values(i/8, 1+n/50)})
		}
		if i%3 == 0 {
			r.Match = append(r.Match, pdl.Atom{Path: "agent.trusted", Values: []string{fmt.Sprint(i%6 == 0)}})
		}
		if i%11 != 0 || len(r.Match) == 0 {
			r.Match = append(r.Match, pdl.Atom{Path: "resource.zone", Values: values(i/3, 1+n/20)})
		}
		b.Rules = append(b.Rules, r)
	}
	return b
}

func indexedRequest(i, n int) kernel.Request {
	return kernel.Request{
		Agent: kernel.Agent{ID: "agent-001", Attributes: map[string]any{
			"level": int64(i % 10), "team": fmt.Sprint("v", i%(2+n/50)), "trusted": i%2 == 0}},
		Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "a", Attributes: map[string]any{"zone": fmt.Sprint("v", i*7%(2+n/20))}},
	}
}

// TestIndexesOfManySizesFindWhatAScanFinds: a paranoid evaluator refuses when
// its index and the scan of all rules differ.
func TestIndexesOfManySizesFindWhatAScanFinds(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097}
	if !testing.Short() {
		sizes = append(sizes, 65_534, 65_535, 65_536, 65_537)
	}
	for _, n := range sizes {
		p, held := lower(t, indexed(n)), 0
		e := p.NewEvaluator(eval.Config{Paranoid: true})
		requests := 40
		if n > 10_000 {
			requests = 6
		}
		for i := range requests {
			v, err := e.Decide(eval.Input{Request: indexedRequest(i, n), Now: noon(), Digest: "sha256:0"})
			if err != nil {
				t.Fatalf("%d rules: %v", n, err)
			}
			held += len(v.Rules)
		}
		if held == 0 && n > 2 {
			t.Errorf("%d rules: none ever held", n)
		}
	}
}

// TestUnrelatedRulesChangeNothing adds rules that cannot hold, before, between
// and behind the others, with conditions and without.
func TestUnrelatedRulesChangeNothing(t *testing.T) {
	for _, path := range corpusFiles(t) {
		b := compile(t, pdl.File{Name: "corpus.yaml", Data: read(t, path)})
		want := verdictsOf(t, b)
		more := *b
		more.Rules = slices.Clone(b.Rules)
		for i, r := range b.Rules {
			for _, name := range []string{"a/unrelated", r.Name + "-unrelated", "zz/unrelated"} {
				u := *r
				u.Name = fmt.Sprint(name, i)
				u.Match = append(slices.Clone(r.Match), pdl.Atom{Path: "agent.id", Values: []string{"nobody", fmt.Sprint("nobody", i)}})
				more.Rules = append(more.Rules, &u)
			}
		}
		if have := verdictsOf(t, &more); fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s: verdicts change when rules that cannot hold are added", path)
		}
	}
}

// TestARuleOfManyValuesIsFoundByEach: what does not fit into the keys of an
// index is left out of them, not lost.
func TestARuleOfManyValuesIsFoundByEach(t *testing.T) {
	b := small()
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("%04d", i))
	}
	b.Rules = []*pdl.Rule{{Name: "p/r", Actions: []string{"deploy"}, Effect: kernel.Allow, Match: []pdl.Atom{
		{Path: "agent.team", Values: many}, {Path: "agent.trusted", Values: []string{"false", "true"}}, {Path: "resource.zone", Values: many}}}}
	e := lower(t, b).NewEvaluator(eval.Config{Paranoid: true})
	for i := 0; i < 1000; i += 37 {
		for _, zone := range []string{many[999-i], "none"} {
			req := indexedRequest(i, 1)
			req.Agent.Attributes["team"], req.Resource.Attributes["zone"] = many[i], zone
			v, err := e.Decide(eval.Input{Request: req, Now: noon()})
			if err != nil || (v.Decision == kernel.Allow) != (zone != "none") {
				t.Errorf("Decide(%s, %s) = %v, %v", many[i], zone, v.Decision, err)
			}
		}
	}
}

// TestALargeTableDecidesByItsMostExplicitRow: the last row loses to all others.
func TestALargeTableDecidesByItsMostExplicitRow(t *testing.T) {
	b := small()
	row := func(team, zone string) *pdl.Rule {
		r := &pdl.Rule{Name: "t/" + team + "-" + zone, Actions: []string{"deploy"}, Effect: kernel.Allow}
		if team != "*" {
			r.Match = append(r.Match, pdl.Atom{Path: "agent.team", Values: []string{team}})
		}
		if zone != "*" {
			r.Match = append(r.Match, pdl.Atom{Path: "resource.zone", Values: []string{zone}})
		}
		return r
	}
	last := row("*", "*")
	b.Rules = []*pdl.Rule{last}
	for i := range 40 {
		team := fmt.Sprint("t", i)
		open := row(team, "*")
		for j := range 40 {
			r := row(team, fmt.Sprint("z", j))
			b.Rules = append(b.Rules, r)
			open.Beats = append(open.Beats, r.Match)
			last.Beats = append(last.Beats, r.Match)
		}
		last.Beats = append(last.Beats, open.Match)
		b.Rules = append(b.Rules, open)
	}
	e := lower(t, b).NewEvaluator(eval.Config{Paranoid: true})
	for _, c := range []struct{ team, zone, want string }{
		{"t0", "z0", "t/t0-z0"}, {"t39", "z39", "t/t39-z39"}, {"t7", "other", "t/t7-*"}, {"other", "z3", "t/*-*"}, {"other", "other", "t/*-*"},
	} {
		req := indexedRequest(0, 1)
		req.Agent.Attributes["team"], req.Resource.Attributes["zone"] = c.team, c.zone
		v, err := e.Decide(eval.Input{Request: req, Now: noon()})
		if err != nil || !slices.Equal(v.Rules, []string{c.want}) {
			t.Errorf("Decide(%s, %s) = %v, %v, want %s", c.team, c.zone, v.Rules, err, c.want)
		}
	}
}

// TestOutcomesAreNotMistaken decides more outcomes than an evaluator
// remembers, and each again.
func TestOutcomesAreNotMistaken(t *testing.T) {
	b := small()
	b.Rules = nil
	for i := range 13 {
		b.Rules = append(b.Rules, &pdl.Rule{Name: fmt.Sprintf("p/r%02d", i), Actions: []string{"deploy"}, Effect: kernel.Allow,
			Match: []pdl.Atom{{Path: "agent.team", Values: teamsWithBit(i)}}})
	}
	e := lower(t, b).NewEvaluator(eval.Config{Paranoid: true})
	for round := range 2 {
		for team := range 1 << 13 {
			if team%5 != 0 && round > 0 {
				continue
			}
			req := indexedRequest(0, 1)
			req.Agent.Attributes["team"] = fmt.Sprint(team)
			v, err := e.Decide(eval.Input{Request: req, Now: noon()})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for i := range 13 {
				if team&(1<<i) != 0 {
					want = append(want, fmt.Sprintf("p/r%02d", i))
				}
			}
			if !slices.Equal(v.Rules, want) {
				t.Fatalf("team %d: rules %v, want %v", team, v.Rules, want)
			}
		}
	}
}

func teamsWithBit(bit int) []string {
	var teams []string
	for team := range 1 << 13 {
		if team&(1<<bit) != 0 {
			teams = append(teams, fmt.Sprint(team))
		}
	}
	slices.Sort(teams)
	return teams
}
