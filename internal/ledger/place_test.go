package ledger_test

import (
	"math"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/ledger"
)

func TestPlacesAreReadAsWritten(t *testing.T) {
	for _, p := range []ledger.Place{{}, {0, 17}, {3, 0}, {math.MaxInt32, 1<<53 - 1}} {
		got, err := ledger.ParsePlace(p.Text())
		if err != nil || got != p {
			t.Errorf("ParsePlace(%s) = %v, %v", p.Text(), got, err)
		}
	}
	if got, err := ledger.ParsePlace([]byte("17")); err != nil || got != (ledger.Place{Seq: 17}) {
		t.Errorf("ParsePlace(17) = %v, %v, want entry 17 of shard 0", got, err)
	}
	for _, bad := range []string{"", "-1", "[1]", "[1,2,3]", "[-1,2]", "[2147483648,0]", "[0,9007199254740992]", "[0,1.5]", `["0","1"]`, "null"} {
		if got, err := ledger.ParsePlace([]byte(bad)); err == nil {
			t.Errorf("ParsePlace(%s) = %v, want an error", bad, got)
		}
	}
}

func TestCheckpointKeysAreReadAsWritten(t *testing.T) {
	last := ""
	for _, size := range []uint64{0, 9, 10, 1 << 53} {
		for _, shard := range []int{0, 1, 10, math.MaxInt32} {
			key := ledger.CheckpointKey(shard, size).Key
			gotShard, gotSize, err := ledger.ParseCheckpointKey(key)
			if err != nil || gotShard != shard || gotSize != size {
				t.Errorf("ParseCheckpointKey(%s) = %d, %d, %v, want %d, %d", key, gotShard, gotSize, err, shard, size)
			}
		}
		if key := ledger.CheckpointKey(7, size).Key; key <= last {
			t.Errorf("%s does not follow %s", key, last)
		} else {
			last = key
		}
	}
	for _, bad := range []string{"", "17", "0000000000000000001x", "000000000000000000000000000017", "+000000001" + "00000000000000000017", "-0000000000000000017"} {
		if shard, size, err := ledger.ParseCheckpointKey(bad); err == nil {
			t.Errorf("ParseCheckpointKey(%s) = %d, %d, want an error", bad, shard, size)
		}
	}
}
