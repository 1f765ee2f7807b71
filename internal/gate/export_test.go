package gate

import "context"

// Waiting returns how many jobs wait for the committer.
func (g *Gate) Waiting() int { return int(g.waiting.Load()) }

// Adopt takes up the grants of nodes that are gone.
func (g *Gate) Adopt(ctx context.Context) error { return g.adopt(ctx, g.instant(), g.instant()) }
