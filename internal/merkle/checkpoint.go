package merkle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Checkpoint says what the tree of a log was at one size. Signed, it is what
// the log can be held to (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string // names the log; no spaces, no plus sign
	Size   uint64 // leaves
	Root   Hash
}

// ErrMalformed is returned by ParseCheckpoint.
var ErrMalformed = errors.New("not a checkpoint: want three lines, origin, size in decimal and root in base64")

// String returns the text that is signed: three lines, each ended by a line feed.
func (c Checkpoint) String() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// ParseCheckpoint reads exactly what [Checkpoint.String] writes. Extension
// lines, which the specification allows, are refused: nothing here makes them,
// and what is not understood is not vouched for.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || !ValidOrigin(lines[0]) {
		return Checkpoint{}, ErrMalformed
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, ErrMalformed
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(Hash{}) {
		return Checkpoint{}, ErrMalformed
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: Hash(root)}
	if c.String() != text {
		return Checkpoint{}, ErrMalformed
	}
	return c, nil
}

// ValidOrigin reports whether name can name a log and its key: not empty,
// UTF-8, without spaces, control characters and plus signs.
func ValidOrigin(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}
