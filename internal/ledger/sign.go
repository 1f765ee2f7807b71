package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/strixlabs/execution-kernel/internal/merkle"
)

// A Signer signs checkpoints of one log with one Ed25519 key, as C2SP signed
// notes. The key has no other use.
type Signer struct {
	signer   note.Signer
	verifier string
}

// GenerateKey makes a key pair for the log that origin names. The private key
// is the text of C2SP signed notes' PRIVATE+KEY form, the public one their
// vkey; random yields 32 bytes.
func GenerateKey(origin string, random io.Reader) (private, public string, err error) {
	if !merkle.ValidOrigin(origin) {
		return "", "", fmt.Errorf("origin %q: a name without spaces, control characters and plus signs is wanted", origin)
	}
	private, public, err = note.GenerateKey(random, origin)
	if err != nil {
		return "", "", fmt.Errorf("generate a key for %s: %w", origin, err)
	}
	return private, public, nil
}

// NewSigner returns the signer with a private key that GenerateKey made.
func NewSigner(private string) (*Signer, error) {
	private = strings.TrimSpace(private)
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("read the log's private key: %w", err)
	}
	verifier, err := verifierOf(private, s.Name())
	if err != nil {
		return nil, fmt.Errorf("read the log's private key: %w", err)
	}
	return &Signer{signer: s, verifier: verifier}, nil
}

// verifierOf derives the vkey from PRIVATE+KEY+name+hash+data: data is a byte
// for Ed25519 and the seed, in a base64 that has plus signs of its own.
func verifierOf(private, name string) (string, error) {
	parts := strings.SplitN(private, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", errors.New("it holds no Ed25519 seed")
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errors.New("it has no public key")
	}
	return note.NewEd25519VerifierKey(name, public)
}

// Origin names the log; [ShardOrigin] its shards.
func (s *Signer) Origin() string { return s.signer.Name() }

// VerifierKey returns the public key that opens what s signs.
func (s *Signer) VerifierKey() string { return s.verifier }

// Sign returns the signed note of a checkpoint of this log, of any shard.
func (s *Signer) Sign(c merkle.Checkpoint) (string, error) {
	if _, ours := shardOf(s.Origin(), c.Origin); !ours {
		return "", fmt.Errorf("a checkpoint of %s is not %s's to sign", c.Origin, s.Origin())
	}
	signed, err := note.Sign(&note.Note{Text: c.String()}, s.signer)
	if err != nil {
		return "", fmt.Errorf("sign checkpoint %d: %w", c.Size, err)
	}
	return string(signed), nil
}
