package gate

import "context"

// Waiting returns how many jobs wait for the committer.
func (g *Gate) Waiting() int { return int(g.waiting.Load()) }

// Examine takes the place of the bundle that is checked, until the returned
// function is called.
func (g *Gate) Examine() (done func()) {
	g.examining <- struct{}{}
	return func() { <-g.examining }
}

// Adopt takes up the grants of nodes that are gone.
func (g *Gate) Adopt(ctx context.Context) error { return g.adopt(ctx, g.instant(), g.instant()) }
