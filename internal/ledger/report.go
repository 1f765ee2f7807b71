package ledger

import (
	"fmt"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/merkle"
)

// MaxFindings is how many findings a report lists; the rest it counts.
const MaxFindings = 20

// A Finding is one thing that is not as it must be.
type Finding struct {
	Seq     uint64 // the entry it is about
	HasSeq  bool   // false: it is about the log as a whole
	Message string // a sentence
}

func (f Finding) String() string {
	if f.HasSeq {
		return fmt.Sprintf("entry %d: %s", f.Seq, f.Message)
	}
	return f.Message
}

// Findings are the first of a list, and how long it is.
type Findings struct {
	List  []Finding // at most MaxFindings
	Count int
}

// OK reports whether there are none.
func (f *Findings) OK() bool { return f.Count == 0 }

func (f *Findings) add(finding Finding) {
	if f.Count++; len(f.List) < MaxFindings {
		f.List = append(f.List, finding)
	}
}

func (f *Findings) entry(seq uint64, format string, args ...any) {
	f.add(Finding{Seq: seq, HasSeq: true, Message: fmt.Sprintf(format, args...)})
}

func (f *Findings) log(format string, args ...any) {
	f.add(Finding{Message: fmt.Sprintf(format, args...)})
}

// A Report says what Verify read and found. A log may be trusted as far as
// Trust says, and only when OK.
type Report struct {
	Entries uint64          // entries that were read
	Kinds   map[Kind]uint64 // of them, those that could be decoded, by kind
	Root    merkle.Hash     // of the entries as they were read; meaningless unless OK
	Trust   TrustUsed
	Findings
}

// TrustUsed is what a verification rests on.
type TrustUsed struct {
	Log         string // the origin that the key is named after; empty without a key
	Checkpoints int    // signed checkpoints that the log agrees with
	Size        uint64 // entries that the largest of them vouches for
}

func (t TrustUsed) String() string {
	var s strings.Builder
	switch {
	case t.Log == "":
		s.WriteString("own hashes only: no verifier key was given, so a log rewritten as a whole would not be noticed")
	case t.Checkpoints == 0:
		fmt.Fprintf(&s, "own hashes only: no checkpoint is signed by the key of %s, so a log rewritten as a whole would not be noticed", t.Log)
	default:
		fmt.Fprintf(&s, "signed checkpoint of size %d by the key of %s", t.Size, t.Log)
		if t.Checkpoints > 1 {
			fmt.Fprintf(&s, ", and %d before it", t.Checkpoints-1)
		}
	}
	return s.String()
}
