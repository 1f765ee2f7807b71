package app

import (
	"crypto/rand"
	"fmt"
	"os"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/proof"
)

// maxRecord bounds a proof record, in bytes.
const maxRecord = 8 << 20

// MakeProofKey writes a key that signs proof records to a file that only its
// owner can read, and its public key beside it, to FILE.pub. Neither may exist.
func MakeProofKey(path, name string) error {
	private, public, err := proof.GenerateKey(name, rand.Reader)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path, text string
		mode       os.FileMode
	}{{path, private, 0o600}, {path + ".pub", public, 0o644}} {
		if there, err := exists(f.path); err != nil || there {
			return kernel.Errorf(kernel.Invalid, "%s: it exists already", f.path).WithHint("name another file; records that the old key signed need it")
		}
		if err := replaceFile(f.path, []byte(f.text+"\n"), f.mode); err != nil {
			return fmt.Errorf("write the key: %w", err)
		}
	}
	return nil
}

// ReadRecord reads a proof record; no path is none.
func ReadRecord(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := ReadInput(path, maxRecord)
	return string(data), err
}

// proofKeys are the keys of the setting require-proof; nil: no record is taken.
func (c Config) proofKeys() (*proof.Keys, error) {
	if c.RequireProof == "" {
		if c.Proof != "" {
			return nil, kernel.Errorf(kernel.Invalid, "--proof without --require-proof: nobody would look at it").WithHint("name the public keys with --require-proof FILE")
		}
		return nil, nil
	}
	data, err := ReadInput(c.RequireProof, maxKeyFile)
	if err != nil {
		return nil, err
	}
	keys, err := proof.ParseKeys(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.RequireProof, err)
	}
	return keys, nil
}
