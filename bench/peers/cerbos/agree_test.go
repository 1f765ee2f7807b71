package main

import (
	"fmt"
	"testing"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// TestDecisionsAgree: Cerbos decides thousands of requests, in every form, as
// the reference does.
func TestDecisionsAgree(t *testing.T) {
	for _, entry := range entries() {
		for _, n := range []int{10, 100, 400} {
			t.Run(fmt.Sprintf("%s, %d rules", entry.Name, n), func(t *testing.T) {
				set := contest.Generate(7, n)
				engine, err := entry.New(set)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := contest.Agree(entry, engine, set, 2000); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
