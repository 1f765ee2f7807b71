package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/store"
)

const (
	shardDigits = 10
	sizeDigits  = 20
)

// CheckpointKey names the record of a shard's checkpoint of this size: the size
// in 20 digits and, unless the shard is 0, the shard in 10 digits before it.
// Among a shard's keys, byte order is that of the sizes.
func CheckpointKey(shard int, size uint64) store.RecordKey {
	key := fmt.Sprintf("%0*d", sizeDigits, size)
	if shard > 0 {
		key = fmt.Sprintf("%0*d%s", shardDigits, shard, key)
	}
	return store.RecordKey{Kind: RecordCheckpoint, Key: key}
}

// ParseCheckpointKey reads the key of a record that CheckpointKey named.
func ParseCheckpointKey(key string) (shard int, size uint64, err error) {
	digits := key
	if len(key) == shardDigits+sizeDigits {
		shard, err = strconv.Atoi(key[:shardDigits])
		digits = key[shardDigits:]
	}
	if err == nil {
		size, err = strconv.ParseUint(digits, 10, 64)
	}
	if err != nil || strings.ContainsAny(key, "+-") || CheckpointKey(shard, size).Key != key {
		return 0, 0, fmt.Errorf("%q is not the key of a checkpoint", key)
	}
	return shard, size, nil
}
