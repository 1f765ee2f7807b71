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
	Store    string // the URL of a PostgreSQL database; empty: SQLite in the data folder
	Policies string // the bundle's folder or file

	RequireProof string // a file with the public keys whose proof records every policy takes; empty: none is taken
	Proof        string // a file with the proof record of Policies

	Listen          string // host:port
	Hosts           []string
	TLSCert, TLSKey string // files; both or neither
	Dev             bool
	MinFreeMiB      int64  // MiB kept free on the disk
	BudgetMS        int64  // milliseconds that a caller waits for its decision to be recorded; 0: by the store
	LogFormat       string // auto, text or json
	LogLevel        string // debug, info, warn or error
	PublicURL       string // where people reach the kernel; empty: there are no links
	Webhooks        string // the file of webhooks; empty: nobody is told

	Server           string // base URL; empty: the kernel that runs on Data
	Token, TokenFile string

	Solver string // cvc5, z3, both or a path; empty: what is installed
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
	l, err := load(s)
	if err != nil {
		return Config{}, err
	}
	return l.Config, nil
}

// A loader is a Config in the making, and where its values come from.
type loader struct {
	Config
	file   string
	origin map[string]origin // by key, of what was given
}

// An origin is a text that a setting was given, and by what.
type origin struct {
	from Source
	text string
	at   string // --listen; KERNEL_LISTEN; kernel.yaml:3:1
}

func load(s Sources) (*loader, error) {
	l := &loader{origin: map[string]origin{}}
	vars, err := variables(s.Environ)
	if err != nil {
		return nil, err
	}
	for _, d := range settings {
		if d.Default != "" {
			if err := l.assign(d, origin{FromDefault, d.Default, "the default"}); err != nil {
				return nil, err
			}
		}
	}
	l.file = s.File
	if l.file == "" {
		l.file = vars["config"]
	}
	if l.file != "" {
		if err := l.readFile(l.file); err != nil {
			return nil, err
		}
	}
	for _, d := range settings {
		if v, given := vars[d.Key]; given {
			if err := l.assign(d, origin{FromEnvironment, v, d.Variable()}); err != nil {
				return nil, err
			}
		}
		if v, given := s.Flags[d.Key]; given {
			if err := l.assign(d, origin{FromFlag, v, "--" + d.Key}); err != nil {
				return nil, err
			}
		}
	}
	l.findData(s.Environ)
	return l, nil
}

func (l *loader) assign(d Setting, o origin) error {
	if o.text == "" {
		return kernel.Errorf(kernel.Invalid, "%s: the value is empty", o.at).WithHint("leave it out instead")
	}
	l.origin[d.Key] = o
	if err := d.set(&l.Config, o.text); err != nil {
		var ours *kernel.Error
		if errors.As(err, &ours) {
			return kernel.Errorf(kernel.Invalid, "%s: %s", o.at, ours.Message).WithHint("%s", ours.Hint)
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
func (l *loader) findData(environ []string) {
	if l.Data != "" {
		return
	}
	if state := variable(environ, "XDG_STATE_HOME"); filepath.IsAbs(state) {
		l.Data = filepath.Join(state, "execution-kernel")
	} else if home := variable(environ, "HOME"); filepath.IsAbs(home) {
		l.Data = filepath.Join(home, ".local", "state", "execution-kernel")
	}
	if l.Data != "" {
		l.origin["data"] = origin{FromDefault, l.Data, "the default"}
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
