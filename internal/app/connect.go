package app

import (
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

const maxTokenFile = 4096 // bytes

// Connect returns a client of the configured kernel: the one at cfg.Server,
// else the one that runs on the data folder. The data folder's admin token is
// shown to the kernel of that folder and to no other.
func Connect(cfg Config) (*client.Client, error) {
	secret, err := cfg.secret()
	if err != nil {
		return nil, err
	}
	if cfg.Server != "" && (secret != "" || cfg.Data == "") {
		return client.New(cfg.Server, secret)
	}
	folder, err := cfg.folder()
	if err != nil {
		return nil, err
	}
	holder, running, err := Running(folder)
	switch {
	case cfg.Server != "" && (err != nil || !running || holder.URL != cfg.Server):
		return client.New(cfg.Server, "")
	case err != nil:
		return nil, kernel.Errorf(kernel.Unavailable, "which kernel runs here cannot be seen: %v", err).
			WithHint("name it with --server URL, and your token with --token-file FILE")
	case !running || holder.URL == "":
		return nil, errNotRunning(folder)
	}
	if secret == "" {
		if err := folder.inspectFile(folder.AdminToken()); err != nil {
			return nil, err
		}
		if secret, err = readToken(folder.AdminToken()); err != nil {
			return nil, err
		}
	}
	return client.New(holder.URL, secret)
}

// secret is the token that was given, or "".
func (c Config) secret() (string, error) {
	switch {
	case c.Token != "" && c.TokenFile != "":
		return "", kernel.Errorf(kernel.Invalid, "both token and token-file are set").WithHint("leave one out")
	case c.Token != "":
		return c.Token, nil
	case c.TokenFile != "":
		return readToken(c.TokenFile)
	}
	return "", nil
}

func readToken(path string) (string, error) {
	data, err := ReadInput(path, maxTokenFile)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", kernel.Errorf(kernel.Invalid, "%s: the file holds no token", path)
	}
	return secret, nil
}
