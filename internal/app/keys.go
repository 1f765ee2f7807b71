package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/token"
)

const maxKeyFile = 4096 // bytes

// signer returns the signer of checkpoints, with the key in the data folder. A
// log that is yet to be written gets a new key; a log whose key is gone is
// refused, because nobody could tell its next checkpoint from a forger's.
func (f Folder) signer(written bool) (*ledger.Signer, error) {
	there, err := exists(f.LogKey())
	if err != nil {
		return nil, err
	}
	if !there {
		if err := f.newLogKey(written); err != nil {
			return nil, err
		}
	}
	if err := f.inspectFile(f.LogKey()); err != nil {
		return nil, err
	}
	private, err := readBounded(f.LogKey(), maxKeyFile)
	if err != nil {
		return nil, err
	}
	signer, err := ledger.NewSigner(string(private))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.LogKey(), err)
	}
	return signer, f.publish(signer.VerifierKey())
}

func (f Folder) newLogKey(written bool) error {
	if written {
		return kernel.Errorf(kernel.Invalid, "%s is missing, but there is a log that it signed", f.LogKey()).
			WithHint("restore the key from a backup; a new one could not continue this log")
	}
	origin := make([]byte, 8)
	if _, err := rand.Read(origin); err != nil {
		return fmt.Errorf("name the log: %w", err)
	}
	private, _, err := ledger.GenerateKey("execution-kernel.local/"+hex.EncodeToString(origin), random)
	if err != nil {
		return err
	}
	return writeFile(f.LogKey(), []byte(private+"\n"))
}

// publish makes log.pub the public key that belongs to log.key.
func (f Folder) publish(verifier string) error {
	text := []byte(verifier + "\n")
	if old, err := os.ReadFile(f.LogPub()); err == nil && string(old) == string(text) {
		return nil
	}
	return writeFile(f.LogPub(), text)
}

// adminToken returns the secret in the data folder, and makes one on the first
// start. It is on disk before the kernel knows it: a crash between the two
// costs nothing, the other order would leave a token that nobody holds.
func (f Folder) adminToken() (string, error) {
	there, err := exists(f.AdminToken())
	if err != nil {
		return "", err
	}
	if there {
		return readToken(f.AdminToken())
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make the admin token: %w", err)
	}
	secret := token.Prefix + base64.RawURLEncoding.EncodeToString(raw)
	return secret, writeFile(f.AdminToken(), []byte(secret+"\n"))
}

// nodeID is what this data folder is called in leases, made on the first start.
func (f Folder) nodeID() (string, error) {
	there, err := exists(f.NodeFile())
	if err != nil {
		return "", err
	}
	if there {
		id, err := readBounded(f.NodeFile(), maxKeyFile)
		return strings.TrimSpace(string(id)), err
	}
	raw := make([]byte, 8)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("name the node: %w", err)
	}
	id := node() + "-" + hex.EncodeToString(raw)
	return id, writeFile(f.NodeFile(), []byte(id+"\n"))
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", path, err)
	}
	return true, nil
}

// random is the machine's source of randomness; it never fails.
var random = rand.Reader

// self is the caller of what the kernel does by itself.
func self() kernel.Caller {
	return kernel.Caller{Principal: "kernel", Roles: []kernel.Role{kernel.RoleAdmin}}
}

// node is this machine's name in entries.
func node() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "kernel"
	}
	return name
}
