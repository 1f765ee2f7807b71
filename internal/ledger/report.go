package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/merkle"
)

// MaxFindings is how many findings a report lists; the rest it counts.
const MaxFindings = 20

// A Finding is one thing that is not as it must be.
type Finding struct {
	Shard   int    // that it is about, 0 also where it is about the log as a whole
	Seq     uint64 // the entry it is about
	HasSeq  bool   // false: it is about the log as a whole
	Message string // a sentence
}

func (f Finding) String() string {
	if where := f.place(); where != "" {
		return where + ": " + f.Message
	}
	return f.Message
}

// place says where it was found; "" in the log as a whole.
func (f Finding) place() string {
	switch {
	case f.HasSeq && f.Shard > 0:
		return fmt.Sprintf("entry %d of shard %d", f.Seq, f.Shard)
	case f.HasSeq:
		return fmt.Sprintf("entry %d", f.Seq)
	case f.Shard > 0:
		return fmt.Sprintf("shard %d", f.Shard)
	}
	return ""
}

// Findings are the first of a list, and how long it is.
type Findings struct {
	List  []Finding // at most MaxFindings
	Count int
}

// With returns both lists as one.
func (f Findings) With(more Findings) Findings {
	all := Findings{List: slices.Clone(f.List), Count: f.Count + more.Count}
	all.List = append(all.List, more.List[:min(len(more.List), MaxFindings-len(f.List))]...)
	return all
}

// OK reports whether there are none.
func (f *Findings) OK() bool { return f.Count == 0 }

func (f *Findings) add(finding Finding) {
	if f.Count++; len(f.List) < MaxFindings {
		f.List = append(f.List, finding)
	}
}

func (f *Findings) entry(shard int, seq uint64, format string, args ...any) {
	f.add(Finding{Shard: shard, Seq: seq, HasSeq: true, Message: fmt.Sprintf(format, args...)})
}

func (f *Findings) log(format string, args ...any) {
	f.add(Finding{Message: fmt.Sprintf(format, args...)})
}

// A Report says what Verify read and found. A log may be trusted as far as
// Trust says, and only when OK.
type Report struct {
	Entries uint64          // entries that were read
	Kinds   map[Kind]uint64 // of them, those that could be decoded, by kind
	Root    merkle.Hash     // of the entries of shard 0 as they were read; meaningless unless OK
	Shards  []ShardReport   // each shard that there is or ought to be, shard 0 first
	Trust   TrustUsed
	Findings
}

// A ShardReport is what was read of one shard.
type ShardReport struct {
	Shard   int
	Entries uint64
	Root    merkle.Hash // of the entries as they were read; meaningless unless OK
	Signed  uint64      // entries that the largest signed checkpoint vouches for
}

// Unsigned counts the entries that no signed checkpoint vouches for.
func (r *Report) Unsigned() (n uint64) {
	for _, s := range r.Shards {
		n += s.Entries - min(s.Entries, s.Signed)
	}
	return n
}

// TrustUsed is what a verification rests on.
type TrustUsed struct {
	Log         string // the origin that the key is named after; empty without a key
	Checkpoints int    // signed checkpoints that the log agrees with
	Size        uint64 // entries that the largest of them vouches for, of shard 0

	shards []ShardReport
}

func (t TrustUsed) String() string {
	switch {
	case t.Log == "":
		return "own hashes only: no verifier key was given, so a log rewritten as a whole would not be noticed"
	case t.Checkpoints == 0:
		return fmt.Sprintf("own hashes only: no checkpoint is signed by the key of %s, so a log rewritten as a whole would not be noticed", t.Log)
	case len(t.shards) > 1:
		return t.ofShards()
	}
	s := fmt.Sprintf("signed checkpoint of size %d by the key of %s", t.Size, t.Log)
	if t.Checkpoints > 1 {
		s += fmt.Sprintf(", and %d before it", t.Checkpoints-1)
	}
	return s
}

func (t TrustUsed) ofShards() string {
	sizes := make([]string, len(t.shards))
	for i, s := range t.shards {
		sizes[i] = strconv.FormatUint(s.Signed, 10)
	}
	return fmt.Sprintf("signed checkpoints of the sizes %s, shard by shard, by the key of %s", strings.Join(sizes, ", "), t.Log)
}
