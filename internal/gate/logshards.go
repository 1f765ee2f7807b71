package gate

import "context"

// A LogShard is a part of the log that one kernel writes.
type LogShard struct {
	Shard       int    `json:"shard"`
	Size        uint64 `json:"size"`         // entries
	WrittenHere bool   `json:"written_here"` // by this gate
}

// LogShards returns the shards of the log by their numbers. That of this gate
// is among them before anything was written to it.
func (g *Gate) LogShards(ctx context.Context) ([]LogShard, error) {
	numbers, err := g.shardsOf(ctx, nil)
	if err != nil {
		return nil, err
	}
	list := make([]LogShard, len(numbers))
	for i, n := range numbers {
		list[i] = LogShard{Shard: n, Size: g.Size(), WrittenHere: n == g.shard()}
		if list[i].WrittenHere {
			continue
		}
		head, err := g.cfg.Store.Head(ctx, n)
		if err != nil {
			return nil, unavailable("the shards of the log could not be read")
		}
		list[i].Size = head.Size
	}
	return list, nil
}
