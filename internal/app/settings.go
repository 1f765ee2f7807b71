package app

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

// A Setting is one thing that can be configured: as the key of the file, as a
// flag and as a variable of the environment.
type Setting struct {
	Key     string // listen; --listen; KERNEL_LISTEN
	Value   string // what stands for its value in help texts; empty for a switch
	Default string // empty when there is none, or when it depends on the machine
	Usage   string

	secret bool // never printed
	path   bool // relative paths of the configuration file start at its folder
	set    func(c *Config, text string) error
}

// Variable is the setting's name in the environment.
func (s Setting) Variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.Key, "-", "_"))
}

const variablePrefix = "KERNEL_"

// Settings lists every setting, in the order help texts show them.
func Settings() []Setting { return slices.Clone(settings) }

var settings = []Setting{
	{Key: "data", Value: "DIR", Usage: "the data folder (default: $XDG_STATE_HOME/execution-kernel, else ~/.local/state/execution-kernel)",
		path: true, set: text(func(c *Config) *string { return &c.Data })},
	{Key: "store", Value: "URL", Usage: "the PostgreSQL database that keeps the log, postgres://… (default: SQLite in the data folder); other users can see it in the list of processes, prefer KERNEL_STORE when it holds a password",
		set: storeURL},
	{Key: "policies", Value: "PATH", Usage: "the bundle to decide by, a folder or one file; kernel serve picks up changes (default: the policy that was active last; not with --store)",
		path: true, set: text(func(c *Config) *string { return &c.Policies })},
	{Key: "require-proof", Value: "FILE", Usage: "public keys of proof records: no policy decides without a record that one of them signed, which proves all properties of its bundle",
		path: true, set: text(func(c *Config) *string { return &c.RequireProof })},
	{Key: "proof", Value: "FILE", Usage: "the proof record of the bundle that --policies names, where --require-proof takes one",
		path: true, set: text(func(c *Config) *string { return &c.Proof })},
	{Key: "listen", Value: "HOST:PORT", Default: "127.0.0.1:7373", Usage: "the address to listen on; port 0 picks a free one",
		set: text(func(c *Config) *string { return &c.Listen })},
	{Key: "hosts", Value: "NAMES", Usage: "names this server answers to besides the loopback names, separated by commas",
		set: list(func(c *Config) *[]string { return &c.Hosts })},
	{Key: "tls-cert", Value: "FILE", Usage: "certificate chain (PEM); needed to listen on other than loopback addresses",
		path: true, set: text(func(c *Config) *string { return &c.TLSCert })},
	{Key: "tls-key", Value: "FILE", Usage: "private key of the certificate (PEM)",
		path: true, set: text(func(c *Config) *string { return &c.TLSKey })},
	{Key: "dev", Usage: "answer calls without a token, on loopback only; never where others can log in",
		set: toggle(func(c *Config) *bool { return &c.Dev })},
	{Key: "min-free-mib", Value: "N", Default: "64", Usage: "MiB kept free on the disk of the data folder: with less, decisions are refused until there is more",
		set: positive(func(c *Config) *int64 { return &c.MinFreeMiB })},
	{Key: "budget-ms", Value: "N", Usage: "milliseconds that a caller waits at most for its decision to be recorded (default 5000, with --store 250)",
		set: positive(func(c *Config) *int64 { return &c.BudgetMS })},
	{Key: "log-format", Value: "auto|text|json", Default: "auto", Usage: "how the service writes its own log; auto is text on a terminal, else JSON",
		set: text(func(c *Config) *string { return &c.LogFormat })},
	{Key: "log-level", Value: "debug|info|warn|error", Default: "info", Usage: "what the service writes into its own log; debug has a line for each call",
		set: text(func(c *Config) *string { return &c.LogLevel })},
	{Key: "public-url", Value: "URL", Usage: "where people reach this kernel with a browser, https://kernel.example.org: approvals then have links to pages to vote on (default: none)",
		set: public},
	{Key: "webhooks", Value: "FILE", Usage: "a YAML file that says whom to tell of approvals and kill switches, by signed webhooks",
		path: true, set: text(func(c *Config) *string { return &c.Webhooks })},
	{Key: "server", Value: "URL", Usage: "the kernel to talk to (default: the one running on the data folder)",
		set: text(func(c *Config) *string { return &c.Server })},
	{Key: "token", Value: "TOKEN", Usage: "the token to show; other users can see it in the list of processes, prefer --token-file or KERNEL_TOKEN",
		secret: true, set: text(func(c *Config) *string { return &c.Token })},
	{Key: "token-file", Value: "FILE", Usage: "a file that holds the token (default: the data folder's admin.token, for the kernel running on it)",
		path: true, set: text(func(c *Config) *string { return &c.TokenFile })},
	{Key: "solver", Value: "cvc5|z3|both|PATH", Usage: "the solver that kernel prove asks (default: those of cvc5 and z3 that are installed)",
		set: text(func(c *Config) *string { return &c.Solver })},
}

func settingByKey(key string) (Setting, bool) {
	i := slices.IndexFunc(settings, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return settings[i], true
}

// unknownSetting says that nothing is called name, and what was meant.
func unknownSetting(where, name string, known []string) error {
	e := kernel.Errorf(kernel.Invalid, "%sunknown setting %q", where, name)
	if near := suggest.DidYouMean(name, known); near != "" {
		return e.WithHint("%s", near)
	}
	return e.WithHint("the settings are %s", strings.Join(known, ", "))
}

func settingKeys() []string {
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.Key)
	}
	return keys
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, s string) error {
		*field(c) = s
		return nil
	}
}

func storeURL(c *Config, s string) error {
	c.Store = s
	return postgres.CheckURL(s)
}

func public(c *Config, s string) error {
	c.PublicURL = s
	_, err := publicURL(s)
	return err
}

func list(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, s string) error {
		*field(c) = nil
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item == "" {
				return kernel.Errorf(kernel.Invalid, "the list %q has an empty element", s)
			}
			*field(c) = append(*field(c), item)
		}
		return nil
	}
}

func positive(field func(*Config) *int64) func(*Config, string) error {
	return func(c *Config, s string) error {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n < 1 {
			return kernel.Errorf(kernel.Invalid, "%q is not a number from 1 to %d", s, math.MaxInt32)
		}
		*field(c) = n
		return nil
	}
}

func toggle(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, s string) error {
		on, err := strconv.ParseBool(s)
		if err != nil || s != "true" && s != "false" {
			return kernel.Errorf(kernel.Invalid, "%q is neither true nor false", s)
		}
		*field(c) = on
		return nil
	}
}
