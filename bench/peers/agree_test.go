package main

import (
	"fmt"
	"testing"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// TestDecisionsAgree: what is compared must be the same. Every engine decides
// thousands of requests, in every form, as the reference does.
func TestDecisionsAgree(t *testing.T) {
	for _, entry := range entries() {
		for _, n := range []int{10, 100, 400} {
			t.Run(fmt.Sprintf("%s, %d rules", entry.Name, n), func(t *testing.T) {
				set := contest.Generate(7, n)
				engine, err := entry.New(set)
				if err != nil {
					t.Fatal(err)
				}
				seen, err := contest.Agree(entry, engine, set, 2000)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d denied, %d to be approved, %d allowed", seen[contest.Deny], seen[contest.RequireApproval], seen[contest.Allow])
			})
		}
	}
}
