// Package merkle keeps the head of an append-only Merkle tree in the format of
// RFC 6962 §2.1, which C2SP's tlog tools read.
//
// It promises that the same leaves in the same order have the same root as any
// other implementation computes, from a state of at most 64 hashes.
package merkle

import (
	"crypto/sha256"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
)

// A Hash is a SHA-256 hash: of a leaf, a node or a tree.
type Hash = [32]byte

// Domain separation of RFC 6962 §2.1.
const (
	leafPrefix = 0
	nodePrefix = 1
)

// LeafHash returns SHA-256(0x00 ‖ body).
func LeafHash(body []byte) Hash {
	h := sha256.New()
	h.Write([]byte{leafPrefix})
	h.Write(body)
	var leaf Hash
	h.Sum(leaf[:0])
	return leaf
}

func hashChildren(left, right []byte) []byte {
	var node [1 + 2*sha256.Size]byte
	node[0] = nodePrefix
	copy(node[1:], left)
	copy(node[1+sha256.Size:], right)
	sum := sha256.Sum256(node[:])
	return sum[:]
}

// A Tree is the right edge of a Merkle tree, enough to append and to tell the
// root. The zero Tree is empty. It is not safe for concurrent use.
type Tree struct{ edge *compact.Range }

func factory() *compact.RangeFactory { return &compact.RangeFactory{Hash: hashChildren} }

// Restore returns the tree with this many leaves and these hashes, as
// [Tree.Hashes] returned them. It checks their number; whether they are the
// right ones only the root can tell.
func Restore(size uint64, hashes []Hash) (*Tree, error) {
	list := make([][]byte, len(hashes))
	for i := range hashes {
		list[i] = append([]byte(nil), hashes[i][:]...)
	}
	edge, err := factory().NewRange(0, size, list)
	if err != nil {
		return nil, fmt.Errorf("restore tree of %d leaves: %w", size, err)
	}
	return &Tree{edge: edge}, nil
}

// Append adds a leaf on the right. It fails only when the tree holds 2⁶⁴−1
// leaves; the tree is then unchanged.
func (t *Tree) Append(leaf Hash) error {
	if t.edge == nil {
		t.edge = factory().NewEmptyRange(0)
	}
	if t.edge.End()+1 == 0 {
		return fmt.Errorf("append leaf: the tree is full")
	}
	if err := t.edge.Append(append([]byte(nil), leaf[:]...), nil); err != nil {
		return fmt.Errorf("append leaf %d: %w", t.edge.End(), err)
	}
	return nil
}

// Size returns the number of leaves.
func (t *Tree) Size() uint64 {
	if t.edge == nil {
		return 0
	}
	return t.edge.End()
}

// Root returns the Merkle tree hash; of the empty tree it is SHA-256 of nothing.
func (t *Tree) Root() Hash {
	if t.Size() == 0 {
		return sha256.Sum256(nil)
	}
	root, err := t.edge.GetRootHash(nil)
	if err != nil || len(root) != sha256.Size {
		panic("merkle: the range of a tree begins at its first leaf")
	}
	return Hash(root)
}

// Hashes returns the hashes of the perfect subtrees that cover the leaves, the
// largest first: one for every bit that is set in Size.
func (t *Tree) Hashes() []Hash {
	if t.edge == nil {
		return nil
	}
	hashes := make([]Hash, len(t.edge.Hashes()))
	for i, h := range t.edge.Hashes() {
		hashes[i] = Hash(h)
	}
	return hashes
}

// Clone returns an independent copy.
func (t *Tree) Clone() *Tree {
	if t.edge == nil {
		return &Tree{}
	}
	// A range replaces hashes and never writes into one, so they are shared.
	edge, err := factory().NewRange(0, t.edge.End(), append([][]byte(nil), t.edge.Hashes()...))
	if err != nil {
		panic("merkle: the range of a tree has as many hashes as its size has bits")
	}
	return &Tree{edge: edge}
}
