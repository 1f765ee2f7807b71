package ledger

import (
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json"

	rfc8785 "github.com/strixlabs/execution-kernel/internal/canonical"
)

// A Place is where an entry lies in the log: what the record of a request_id
// holds.
type Place struct {
	Shard int
	Seq   uint64
}

// String names the entry as findings do.
func (p Place) String() string { return Finding{Shard: p.Shard, Seq: p.Seq, HasSeq: true}.place() }

// Text is the JSON array [shard, seq].
func (p Place) Text() []byte { return fmt.Appendf(nil, "[%d,%d]", p.Shard, p.Seq) }

// ParsePlace reads what Text wrote, or a lone seq: that of shard 0, as earlier
// versions wrote it.
func ParsePlace(text []byte) (Place, error) {
	if seq, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return Place{Seq: seq}, nil
	}
	var parts []uint64
	if err := json.Unmarshal(text, &parts); err != nil || len(parts) != 2 || parts[0] > math.MaxInt32 || parts[1] > rfc8785.MaxInteger {
		return Place{}, fmt.Errorf("%q is not the place of an entry, as [0,17] is", text)
	}
	return Place{int(parts[0]), parts[1]}, nil
}
