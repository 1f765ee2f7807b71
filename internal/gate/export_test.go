package gate

// Waiting returns how many jobs wait for the committer.
func (g *Gate) Waiting() int { return int(g.waiting.Load()) }
