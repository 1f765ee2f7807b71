package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Limits of solo.yaml; the kernel's own limit of a list is 256 elements.
const (
	maxConfig = 1 << 20 // bytes
	maxSteps  = 256
)

// A config is what solo.yaml says.
type config struct {
	Artifact artifact
	Agent    string // the agent id that asks
	Kernel   string // the kernel's base address; may be empty here
	Steps    []step

	dir string // the folder of solo.yaml, where steps run
}

// An artifact is what is shipped.
type artifact struct {
	Name string `json:"name"`
	Type string `json:"type"` // a resource type of the kernel's bundle
}

// A step is one command on the way.
type step struct {
	Name string // what the kernel is asked about
	Run  string // what `sh -c` gets
}

// stepName keeps names such that a policy can compare them: no spaces and no
// look-alikes beside `modify_db_schema`.
var stepName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// loadConfig reads a file once; what it returns is what is asked about and
// what runs.
func loadConfig(path string) (config, error) {
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return config{}, failf(exitMisuse, "there is no %s here", path).withHint("solo init writes one")
	}
	if err != nil {
		return config{}, failf(exitMisuse, "read %s: %v", path, err)
	}
	cfg, err := parseConfig(path, data)
	if err != nil {
		return config{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return config{}, failf(exitMisuse, "find the folder of %s: %v", path, err)
	}
	cfg.dir = dir
	return cfg, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = errors.New("it is larger than 1 MiB")
	}
	return data, err
}
