package app

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

// grantKey returns the key that signs grants, and makes one where there is
// none. It is no loss to lose it: grants live for a minute, and the next start
// makes another, which is how it is rotated.
func (f Folder) grantKey() (*grant.Key, error) {
	there, err := exists(f.GrantKey())
	if err != nil {
		return nil, err
	}
	if !there {
		if err := f.newGrantKey(); err != nil {
			return nil, err
		}
	}
	if err := f.inspectFile(f.GrantKey()); err != nil {
		return nil, err
	}
	data, err := readBounded(f.GrantKey(), maxKeyFile)
	if err != nil {
		return nil, err
	}
	bad := kernel.Errorf(kernel.Invalid, "%s holds no Ed25519 key (PKCS #8, PEM)", f.GrantKey()).
		WithHint("put the key back, or remove the file: the next start makes another")
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, bad
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, bad
	}
	return grant.NewKey(private.Seed())
}

func (f Folder) newGrantKey() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of grants: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("encode the key of grants: %w", err)
	}
	return writeFile(f.GrantKey(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// keyOwner is who the keys of grants of this data folder belong to: of the keys
// of one owner the last is in use.
func (s *service) keyOwner() (string, error) {
	if s.cfg.Store == "" {
		return "local", nil
	}
	return s.folder.nodeID()
}
