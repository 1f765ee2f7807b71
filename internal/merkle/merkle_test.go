package merkle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/strixlabs/execution-kernel/internal/merkle"
)

// A hashList keeps every node of a tree, as x/mod's tlog stores them.
type hashList []tlog.Hash

func (l *hashList) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = (*l)[x]
	}
	return out, nil
}

func (l *hashList) add(t *testing.T, n int64, body []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(n, body, l)
	if err != nil {
		t.Fatal(err)
	}
	*l = append(*l, hashes...)
}

func body(n int) []byte { return []byte(strings.Repeat(fmt.Sprintf("entry %d;", n), 1+n%7)) }

func TestRootsAgreeWithTlogAtEverySize(t *testing.T) {
	var tree merkle.Tree
	var foreign hashList
	for n := range 1001 {
		want, err := tlog.TreeHash(int64(n), &foreign)
		if err != nil {
			t.Fatal(err)
		}
		if tree.Size() != uint64(n) || tree.Root() != merkle.Hash(want) {
			t.Fatalf("tree of %d leaves: size %d root %x, want %x", n, tree.Size(), tree.Root(), want)
		}
		if err := tree.Append(merkle.LeafHash(body(n))); err != nil {
			t.Fatal(err)
		}
		foreign.add(t, int64(n), body(n))
	}
}

func TestLeafHashIsThatOfRFC6962(t *testing.T) {
	for _, b := range [][]byte{nil, {0}, []byte("a"), body(12)} {
		if got := merkle.LeafHash(b); string(got[:]) != string(rfc6962.DefaultHasher.HashLeaf(b)) {
			t.Errorf("LeafHash(%q) = %x, want %x", b, got, rfc6962.DefaultHasher.HashLeaf(b))
		}
	}
	var empty merkle.Tree
	if root := empty.Root(); string(root[:]) != string(rfc6962.DefaultHasher.EmptyRoot()) {
		t.Errorf("Root of the empty tree = %x, want %x", root, rfc6962.DefaultHasher.EmptyRoot())
	}
}

func TestARestoredTreeGoesOnAsTheFirst(t *testing.T) {
	var tree merkle.Tree
	for n := range 300 {
		restored, err := merkle.Restore(tree.Size(), tree.Hashes())
		if err != nil {
			t.Fatal(err)
		}
		clone := tree.Clone()
		leaf := merkle.LeafHash(body(n))
		for _, x := range []*merkle.Tree{&tree, restored, clone} {
			if err := x.Append(leaf); err != nil {
				t.Fatal(err)
			}
		}
		if restored.Root() != tree.Root() || !slices.Equal(restored.Hashes(), tree.Hashes()) {
			t.Fatalf("restored at %d: root %x, want %x", n, restored.Root(), tree.Root())
		}
		if clone.Root() != tree.Root() {
			t.Fatalf("cloned at %d: root %x, want %x", n, clone.Root(), tree.Root())
		}
	}
}

func TestACloneIsIndependent(t *testing.T) {
	var tree merkle.Tree
	for n := range 7 {
		if err := tree.Append(merkle.LeafHash(body(n))); err != nil {
			t.Fatal(err)
		}
	}
	before := tree.Root()
	clone := tree.Clone()
	for n := range 5 {
		if err := clone.Append(merkle.LeafHash(body(n))); err != nil {
			t.Fatal(err)
		}
	}
	if tree.Root() != before || tree.Size() != 7 {
		t.Errorf("the original changed to size %d root %x, want 7 and %x", tree.Size(), tree.Root(), before)
	}
}

func TestRestoreChecksTheNumberOfHashes(t *testing.T) {
	for _, c := range []struct {
		size   uint64
		hashes int
	}{{0, 1}, {1, 0}, {1, 2}, {3, 1}, {7, 4}, {8, 3}, {1<<64 - 1, 63}} {
		if _, err := merkle.Restore(c.size, make([]merkle.Hash, c.hashes)); err == nil {
			t.Errorf("Restore(%d, %d hashes) succeeded, want an error", c.size, c.hashes)
		}
	}
}

func TestAFullTreeRefusesAndStaysAsItWas(t *testing.T) {
	full, err := merkle.Restore(1<<64-1, make([]merkle.Hash, 64))
	if err != nil {
		t.Fatal(err)
	}
	before := full.Root()
	if err := full.Append(merkle.Hash{1}); err == nil {
		t.Error("Append to a full tree succeeded, want an error")
	}
	if full.Size() != 1<<64-1 || full.Root() != before {
		t.Error("a refused Append changed the tree")
	}
}

func TestCheckpointTextIsReadExactlyAsWritten(t *testing.T) {
	for _, c := range []merkle.Checkpoint{
		{Origin: "example.org/log", Size: 0, Root: merkle.Hash{}},
		{Origin: "ü/0", Size: 1<<64 - 1, Root: merkle.LeafHash([]byte("x"))},
	} {
		got, err := merkle.ParseCheckpoint(c.String())
		if err != nil || got != c {
			t.Errorf("ParseCheckpoint(%q) = %v, %v, want %v", c.String(), got, err, c)
		}
	}
}

func TestCheckpointTextIsReadStrictly(t *testing.T) {
	const root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for name, text := range map[string]string{
		"empty":                    "",
		"two lines":                "o\n1\n",
		"no last line feed":        "o\n1\n" + root,
		"extension line":           "o\n1\n" + root + "\nmore\n",
		"blank line":               "o\n1\n" + root + "\n\n",
		"no origin":                "\n1\n" + root + "\n",
		"origin with a space":      "o o\n1\n" + root + "\n",
		"origin with a plus":       "o+o\n1\n" + root + "\n",
		"origin with a tab":        "o\to\n1\n" + root + "\n",
		"origin not UTF-8":         "o\xff\n1\n" + root + "\n",
		"size with leading zero":   "o\n01\n" + root + "\n",
		"size with sign":           "o\n+1\n" + root + "\n",
		"negative size":            "o\n-1\n" + root + "\n",
		"size too large":           "o\n18446744073709551616\n" + root + "\n",
		"hexadecimal size":         "o\n0x1\n" + root + "\n",
		"carriage return":          "o\n1\n" + root + "\r\n",
		"carriage return in root":  "o\n1\nAAAA\r" + root[4:] + "\n",
		"short root":               "o\n1\nAAAA\n",
		"long root":                "o\n1\nAAAA" + root + "\n",
		"root without padding":     "o\n1\n" + root[:43] + "\n",
		"root with trailing bits":  "o\n1\n" + root[:42] + "B=\n",
		"root in the URL alphabet": "o\n1\n_" + root[1:] + "\n",
	} {
		if c, err := merkle.ParseCheckpoint(text); err == nil {
			t.Errorf("%s: ParseCheckpoint(%q) = %v, want an error", name, text, c)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add("o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	f.Add("o\n01\nAAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := merkle.ParseCheckpoint(text)
		if err == nil && c.String() != text {
			t.Errorf("ParseCheckpoint(%q) accepted what it does not write: %q", text, c.String())
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	var tree merkle.Tree
	leaf := merkle.LeafHash(body(1))
	b.ReportAllocs()
	for b.Loop() {
		if err := tree.Append(leaf); err != nil {
			b.Fatal(err)
		}
	}
}
