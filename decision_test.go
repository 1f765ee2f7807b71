package kernel_test

import (
	"slices"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

// TestADoorIsLeftWithWhatNobodyElseKeeps: what a decision does not say of a
// constraint, and what nobody understands, is the door's.
func TestADoorIsLeftWithWhatNobodyElseKeeps(t *testing.T) {
	d := kernel.Decision{Verdict: kernel.Verdict{Constraints: map[string]any{"a": true, "b": true, "c": true, "d": true}}}
	for _, c := range []struct {
		by   kernel.KeptBy
		kept []string
		want []string
	}{
		{nil, nil, []string{"a", "b", "c", "d"}},
		{nil, []string{"b", "x"}, []string{"a", "c", "d"}},
		{kernel.KeptBy{"a": "kernel", "b": "caller", "c": "door", "d": "somebody", "x": "caller"}, nil, []string{"c", "d"}},
		{kernel.KeptBy{"a": "kernel", "b": "caller"}, []string{"c", "d"}, nil},
		{kernel.KeptBy{"a": ""}, []string{"b", "c", "d"}, []string{"a"}},
	} {
		d.KeptBy = c.by
		if got := d.Unkept(c.kept...); !slices.Equal(got, c.want) {
			t.Errorf("Unkept(%v) by %v = %v, want %v", c.kept, c.by, got, c.want)
		}
	}
}
