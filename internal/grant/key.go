package grant

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/strixlabs/execution-kernel"
)

// A Key signs grants. It is not the key of the log: whoever has it can permit
// for a minute, and rewrite nothing.
type Key struct {
	kid     string
	private ed25519.PrivateKey
}

// NewKey returns the key of an Ed25519 seed of 32 bytes.
func NewKey(seed []byte) (*Key, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the seed of an Ed25519 key has %d bytes, not %d", ed25519.SeedSize, len(seed))
	}
	private := ed25519.NewKeyFromSeed(seed)
	return &Key{kid: thumbprint(public(private)), private: private}, nil
}

func public(private ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(private[ed25519.SeedSize:])
}

// ID is the key's name: the thumbprint of its public part (RFC 7638, RFC 8037).
func (k *Key) ID() string { return k.kid }

// Public returns the public part, base64url.
func (k *Key) Public() string { return encoding.EncodeToString(public(k.private)) }

func thumbprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + encoding.EncodeToString(key) + `"}`))
	return encoding.EncodeToString(sum[:])
}

// Keys are the public keys that tokens are checked with, by their names.
type Keys map[string]ed25519.PublicKey

// Add adds a public key by its text. Its name has to be its thumbprint.
func (k Keys) Add(kid, x string) error {
	raw, err := encoding.DecodeString(x)
	if err != nil || len(raw) != ed25519.PublicKeySize || encoding.EncodeToString(raw) != x {
		return errors.New("not an Ed25519 public key in base64url")
	}
	if thumbprint(raw) != kid {
		return fmt.Errorf("the key is not the one that %q is the thumbprint of", kid)
	}
	k[kid] = raw
	return nil
}

// ReadJWKS reads a JWK set (RFC 7517). Keys for anything but grants, and of
// other kinds than Ed25519, are left out; a key that is not what its name says
// is an error, and so is a set without any.
func ReadJWKS(data []byte) (Keys, error) {
	tree, err := kernel.DecodeJSON(data)
	if err != nil {
		return nil, fmt.Errorf("read the key set: %w", err)
	}
	top, _ := tree.(map[string]any)
	list, _ := top["keys"].([]any)
	keys := Keys{}
	for _, one := range list {
		m, _ := one.(map[string]any)
		if text(m, "kty") != "OKP" || text(m, "crv") != "Ed25519" || text(m, "use") != "sig" || text(m, "alg") != "EdDSA" {
			continue
		}
		if err := keys.Add(text(m, "kid"), text(m, "x")); err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("read the key set: it holds no Ed25519 key")
	}
	return keys, nil
}

// A JWK is a public key as a JWK set has it.
type JWK struct {
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	ID        string `json:"kid"`
	Type      string `json:"kty"`
	Use       string `json:"use"`
	X         string `json:"x"`
}

// JWKS returns the keys as the members of a JWK set, sorted by name.
func (k Keys) JWKS() []JWK {
	list := make([]JWK, 0, len(k))
	for _, kid := range kernel.SortedKeys(k) {
		list = append(list, JWK{Algorithm: "EdDSA", Curve: "Ed25519", ID: kid, Type: "OKP", Use: "sig", X: encoding.EncodeToString(k[kid])})
	}
	return list
}
