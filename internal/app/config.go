package app

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// A Config is the effective configuration: flags over variables over the file
// over the defaults.
type Config struct {
	Data     string // the data folder; empty where there is neither a setting nor a home
	Policies string // the bundle's folder or file

	Listen          string // host:port
	Hosts           []string
	TLSCert, TLSKey string // files; both or neither
	Dev             bool
	MinFreeMiB      int64  // MiB kept free on the disk
	LogFormat       string // auto, text or json
	LogLevel        string // debug, info, warn or error

	Server           string // base URL; empty: the kernel that runs on Data
	Token, TokenFile string
}

// Sources is where settings come from.
type Sources struct {
	File    string            // the configuration file; empty: what KERNEL_CONFIG names, else none
	Flags   map[string]string // key → text, of the flags that were given
	Environ []string          // NAME=value, as os.Environ returns it
}

// Load makes a Config of its sources. An unknown key of the file, an unknown
// KERNEL_ variable and a value that cannot be read are errors
// (*[kernel.Error]) that say where.
func Load(s Sources) (Config, error) {
	var c Config
	vars, err := variables(s.Environ)
	if err != nil {
		return Config{}, err
	}
	for _, d := range settings {
		if d.Default != "" {
			if err := c.assign(d, d.Default, "the default"); err != nil {
				return Config{}, err
			}
		}
	}
	if s.File == "" {
		s.File = vars["config"]
	}
	if s.File != "" {
		if err := c.readFile(s.File); err != nil {
			return Config{}, err
		}
	}
	for _, d := range settings {
		if v, given := vars[d.Key]; given {
			if err := c.assign(d, v, d.Variable()); err != nil {
				return Config{}, err
			}
		}
		if v, given := s.Flags[d.Key]; given {
			if err := c.assign(d, v, "--"+d.Key); err != nil {
				return Config{}, err
			}
		}
	}
	c.findData(s.Environ)
	return c, nil
}

func (c *Config) assign(d Setting, value, source string) error {
	if value == "" {
		return kernel.Errorf(kernel.Invalid, "%s: the value is empty", source).WithHint("leave it out instead")
	}
	if err := d.set(c, value); err != nil {
		var ours *kernel.Error
		if errors.As(err, &ours) {
			return kernel.Errorf(kernel.Invalid, "%s: %s", source, ours.Message)
		}
		return err
	}
	return nil
}

// variables picks the settings out of the environment. An empty variable is
// an unset one: that is how container files write "not this one".
func variables(environ []string) (map[string]string, error) {
	vars := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, variablePrefix) || value == "" {
			continue
		}
		key := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, variablePrefix), "_", "-"))
		d, known := settingByKey(key)
		if name != d.Variable() || !known {
			if name != variablePrefix+"CONFIG" {
				return nil, unknownSetting("in the environment: ", name, variableNames())
			}
		}
		vars[key] = value
	}
	return vars, nil
}

func variableNames() []string {
	names := []string{variablePrefix + "CONFIG"}
	for _, d := range settings {
		names = append(names, d.Variable())
	}
	return names
}

// findData fills in the default data folder, if there is one (XDG Base
// Directory Specification 0.8: a relative XDG_STATE_HOME is ignored).
func (c *Config) findData(environ []string) {
	if c.Data != "" {
		return
	}
	if state := variable(environ, "XDG_STATE_HOME"); filepath.IsAbs(state) {
		c.Data = filepath.Join(state, "execution-kernel")
	} else if home := variable(environ, "HOME"); filepath.IsAbs(home) {
		c.Data = filepath.Join(home, ".local", "state", "execution-kernel")
	}
}

// folder is the data folder of commands that need one.
func (c Config) folder() (Folder, error) {
	if c.Data == "" {
		return Folder{}, kernel.Errorf(kernel.Invalid, "no data folder: neither HOME nor XDG_STATE_HOME is an absolute path").
			WithHint("name one with --data DIR")
	}
	return Folder{Path: filepath.Clean(c.Data)}, nil
}

func variable(environ []string, name string) string {
	i := slices.IndexFunc(environ, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
	if i < 0 {
		return ""
	}
	return strings.TrimPrefix(environ[i], name+"=")
}
