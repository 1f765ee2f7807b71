package ledger

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/strixlabs/execution-kernel/internal/merkle"
)

// shardMark stands between the name of a log and the number of a shard.
const shardMark = "/shard/"

// ShardOrigin is what the checkpoints of a shard name as their origin: the name
// of the log for shard 0, as when there was but one, and for the others that
// name with /shard/ and their number.
func ShardOrigin(log string, shard int) string {
	if shard == 0 {
		return log
	}
	return log + shardMark + strconv.Itoa(shard)
}

// shardOf is the shard of a log that an origin names.
func shardOf(log, origin string) (shard int, ok bool) {
	if origin == log {
		return 0, true
	}
	digits, ok := strings.CutPrefix(origin, log+shardMark)
	if !ok {
		return 0, false
	}
	shard, err := strconv.Atoi(digits)
	if err != nil || shard < 1 || shard > math.MaxInt32 || ShardOrigin(log, shard) != origin {
		return 0, false
	}
	return shard, true
}

// OpenShardNote returns the checkpoint in a note that the key signed for a
// shard of the log whose name is the key's, and the shard. Any other note is an
// error.
func OpenShardNote(verifierKey, signed string) (shard int, c merkle.Checkpoint, err error) {
	v, err := note.NewVerifier(strings.TrimSpace(verifierKey))
	if err != nil {
		return 0, c, fmt.Errorf("read the log's public key: %w", err)
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return 0, c, fmt.Errorf("open checkpoint: %w", err)
	}
	if c, err = merkle.ParseCheckpoint(n.Text); err != nil {
		return 0, c, err
	}
	shard, ours := shardOf(v.Name(), c.Origin)
	if !ours {
		return 0, merkle.Checkpoint{}, fmt.Errorf("the checkpoint is about %s, the key is %s's", c.Origin, v.Name())
	}
	return shard, c, nil
}

// OpenNote is [OpenShardNote] for shard 0: a checkpoint of another is an error.
func OpenNote(verifierKey, signed string) (merkle.Checkpoint, error) {
	return openOf(verifierKey, signed, 0)
}

func openOf(verifierKey, signed string, want int) (merkle.Checkpoint, error) {
	shard, c, err := OpenShardNote(verifierKey, signed)
	if err == nil && shard != want {
		return merkle.Checkpoint{}, fmt.Errorf("the checkpoint is of shard %d, not of shard %d", shard, want)
	}
	return c, err
}

// openUnsigned reads the text of a note that no key is there for.
func openUnsigned(signed string) (shard int, c merkle.Checkpoint, err error) {
	text, _, found := strings.Cut(signed, "\n\n")
	if !found {
		return 0, c, errors.New("not a signed note")
	}
	if c, err = merkle.ParseCheckpoint(text + "\n"); err != nil {
		return 0, c, err
	}
	if log, digits, found := cutLast(c.Origin, shardMark); found {
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && n <= math.MaxInt32 && ShardOrigin(log, n) == c.Origin {
			shard = n
		}
	}
	return shard, c, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
