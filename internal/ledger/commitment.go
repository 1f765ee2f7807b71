package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// SaltSize is the number of random bytes that keep a commitment from being
// guessed after its request was erased.
const SaltSize = 32

// Commit returns SHA-256(salt ‖ canonicalRequest). The salt has a fixed
// length, so distinct pairs are distinct inputs.
func Commit(salt, canonicalRequest []byte) [32]byte {
	h := sha256.New()
	h.Write(salt)
	h.Write(canonicalRequest)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// NewPrivate returns the private part of a decision on a canonical request,
// with a salt of SaltSize bytes fresh from a source of randomness.
func NewPrivate(salt, canonicalRequest []byte) *store.Private {
	return &store.Private{Request: canonicalRequest, Salt: salt, Digest: kernel.Digest(canonicalRequest)}
}

// CheckPrivate reports whether a private part is what a decision was
// committed to.
func CheckPrivate(commitment [32]byte, p *store.Private) error {
	if err := checkParts(p); err != nil {
		return err
	}
	if Commit(p.Salt, p.Request) != commitment {
		return errors.New("request and salt are not what the entry is committed to")
	}
	return nil
}

// checkParts reports why nothing can be committed to a private part.
func checkParts(p *store.Private) error {
	switch {
	case p == nil:
		return errors.New("the request is missing")
	case len(p.Salt) != SaltSize:
		return fmt.Errorf("the salt has %d bytes instead of %d", len(p.Salt), SaltSize)
	case p.Digest != kernel.Digest(p.Request):
		return errors.New("the digest is not that of the request")
	}
	return nil
}
