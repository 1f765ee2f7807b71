package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func TestFlagBeatsVariableBeatsFileBeatsDefault(t *testing.T) {
	file := write(t, "kernel.yaml", "listen: 127.0.0.1:1\n")
	flags := map[string]string{"listen": "127.0.0.1:3"}
	variable := []string{"HOME=/home/nobody", "KERNEL_LISTEN=127.0.0.1:2"}
	for _, c := range []struct {
		name string
		from app.Sources
		want string
	}{
		{"nothing is given", app.Sources{Environ: variable[:1]}, "127.0.0.1:7373"},
		{"the file", app.Sources{Environ: variable[:1], File: file}, "127.0.0.1:1"},
		{"the file, named by the environment", app.Sources{Environ: append(variable[:1:1], "KERNEL_CONFIG="+file)}, "127.0.0.1:1"},
		{"file and variable", app.Sources{Environ: variable, File: file}, "127.0.0.1:2"},
		{"all three", app.Sources{Environ: variable, File: file, Flags: flags}, "127.0.0.1:3"},
		{"an empty variable is no variable", app.Sources{Environ: append(variable[:1:1], "KERNEL_LISTEN=")}, "127.0.0.1:7373"},
	} {
		got, err := app.Load(c.from)
		if err != nil || got.Listen != c.want {
			t.Errorf("%s: listen = %q, %v, want %q", c.name, got.Listen, err, c.want)
		}
	}
}

func TestEverySettingComesFromEachSource(t *testing.T) {
	for _, s := range app.Settings() {
		value := map[string]string{"": "true", "N": "1234"}[s.Value]
		if value == "" {
			value = "/somewhere"
		}
		switch s.Key {
		case "store":
			value = "postgres://localhost/kernel"
		case "public-url":
			value = "https://kernel.example.org"
		}
		home := []string{"HOME=/home/nobody"}
		want, err := app.Load(app.Sources{Environ: home, Flags: map[string]string{s.Key: value}})
		if err != nil {
			t.Errorf("--%s: %v", s.Key, err)
			continue
		}
		file := write(t, "kernel.yaml", s.Key+": "+value+"\n")
		for name, from := range map[string]app.Sources{
			s.Variable(): {Environ: append(home, s.Variable()+"="+value)},
			file:         {Environ: home, File: file},
		} {
			got, err := app.Load(from)
			if err != nil || !same(got, want) {
				t.Errorf("%s from %s: %+v, %v, want %+v", s.Key, name, got, err, want)
			}
		}
		none, err := app.Load(app.Sources{Environ: home})
		if err != nil || same(none, want) {
			t.Errorf("setting %s changes nothing", s.Key)
		}
	}
}

func same(a, b app.Config) bool {
	hosts := strings.Join(a.Hosts, ",") == strings.Join(b.Hosts, ",")
	a.Hosts, b.Hosts = nil, nil
	return hosts && a.Data == b.Data && a.Policies == b.Policies && a.RequireProof == b.RequireProof && a.Proof == b.Proof && a.Listen == b.Listen && a.TLSCert == b.TLSCert &&
		a.TLSKey == b.TLSKey && a.Dev == b.Dev && a.LogFormat == b.LogFormat && a.LogLevel == b.LogLevel && a.Server == b.Server &&
		a.Token == b.Token && a.MinFreeMiB == b.MinFreeMiB && a.TokenFile == b.TokenFile && a.Store == b.Store && a.BudgetMS == b.BudgetMS &&
		a.Solver == b.Solver && a.Webhooks == b.Webhooks && a.PublicURL == b.PublicURL
}

func TestUnknownAndUnreadableSettingsAreErrors(t *testing.T) {
	for _, c := range []struct {
		name, file string
		environ    []string
		want, hint string
	}{
		{"a key of the file", "polices: x\n", nil, `kernel.yaml:1:1: unknown setting "polices"`, `did you mean "policies"?`},
		{"a key that resembles nothing", "zebra: x\n", nil, `kernel.yaml:1:1: unknown setting "zebra"`, "the settings are data, "},
		{"a variable", "", []string{"KERNEL_LISTN=x"}, `in the environment: unknown setting "KERNEL_LISTN"`, `did you mean "KERNEL_LISTEN"?`},
		{"a variable with a hyphen", "", []string{"KERNEL_TLS-CERT=x"}, `unknown setting "KERNEL_TLS-CERT"`, `did you mean "KERNEL_TLS_CERT"?`},
		{"a key twice", "dev: true\ndev: false\n", nil, "kernel.yaml:2:1: dev stands here twice", ""},
		{"an anchor", "data: &x here\n", nil, "kernel.yaml:1:7: anchors, aliases and tags are not allowed", ""},
		{"a tag", "data: !!str here\n", nil, "kernel.yaml:1:7: anchors, aliases and tags are not allowed", ""},
		{"a nested value", "data: {a: b}\n", nil, "kernel.yaml:1:7: a setting is one value", ""},
		{"a yes", "dev: yes\n", nil, `kernel.yaml:1:1: "yes" is neither true nor false`, ""},
		{"no number", "min-free-mib: none\n", nil, `kernel.yaml:1:1: "none" is not a number`, ""},
		{"a number that would switch it off", "min-free-mib: 0\n", nil, `"0" is not a number from 1`, ""},
		{"a store that would be trusted blindly", "store: postgres://db.example.org/kernel\n", nil, "kernel.yaml:1:1: store: db.example.org is another machine", "sslmode=verify-full"},
		{"a public URL in clear", "public-url: http://kernel.example.org\n", nil, "is not https", "https://kernel.example.org"},
		{"a public URL with a path", "public-url: https://kernel.example.org/x\n", nil, "more than scheme, host and port", "https://kernel.example.org"},
		{"no value", "data:\n", nil, "kernel.yaml:1:1: the value is empty", "leave it out"},
		{"a list instead of a mapping", "- data\n", nil, "one mapping of settings", ""},
		{"two documents", "dev: true\n---\ndev: false\n", nil, "more than one document", ""},
		{"no YAML", "a: [\n", nil, "not YAML", ""},
		{"an element with a comma", "hosts: ['a,b']\n", nil, "may not contain a comma", ""},
		{"an empty element", "", []string{"KERNEL_HOSTS=a,,b"}, "KERNEL_HOSTS: the list", ""},
	} {
		from := app.Sources{Environ: append(c.environ, "HOME=/home/nobody"), File: write(t, "kernel.yaml", c.file)}
		_, err := app.Load(from)
		wantError(t, c.name, err, c.want, c.hint)
	}
}

func TestPathsOfTheFileStartAtItsFolder(t *testing.T) {
	file := write(t, "kernel.yaml", "policies: policies\ndata: /srv/kernel\nhosts: [a.example, b.example]\n")
	got, err := app.Load(app.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(file), "policies"); got.Policies != want {
		t.Errorf("policies = %q, want %q", got.Policies, want)
	}
	if got.Data != "/srv/kernel" {
		t.Errorf("data = %q, want /srv/kernel", got.Data)
	}
	if strings.Join(got.Hosts, " ") != "a.example b.example" {
		t.Errorf("hosts = %q, want a.example and b.example", got.Hosts)
	}
}

func TestDefaultDataFolder(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"HOME=/home/a", "XDG_STATE_HOME=/state"}, "/state/execution-kernel"},
		{[]string{"HOME=/home/a"}, "/home/a/.local/state/execution-kernel"},
		{[]string{"HOME=/home/a", "XDG_STATE_HOME=state"}, "/home/a/.local/state/execution-kernel"},
	} {
		if got, err := app.Load(app.Sources{Environ: c.environ}); err != nil || got.Data != c.want {
			t.Errorf("Load(%v).Data = %q, %v, want %q", c.environ, got.Data, err, c.want)
		}
	}
	homeless, err := app.Load(app.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = app.Connect(homeless)
	wantError(t, "no home", err, "no data folder", "--data DIR")
	homeless.Server = "http://127.0.0.1:1"
	if _, err := app.Connect(homeless); err != nil {
		t.Errorf("with a server and without a home Connect = %v, want a client", err)
	}
}

func TestUnsafeStartsAreRefused(t *testing.T) {
	safe := app.Config{Policies: "policies", Listen: "127.0.0.1:0", LogFormat: "auto", LogLevel: "info"}
	open := safe
	open.Listen, open.TLSCert, open.TLSKey, open.Hosts = "0.0.0.0:443", "cert", "key", []string{"kernel.example"}
	for _, c := range []struct {
		name   string
		config app.Config
		change func(*app.Config)
		want   string
	}{
		{"loopback", safe, func(*app.Config) {}, ""},
		{"loopback by name", safe, func(c *app.Config) { c.Listen = "localhost:1" }, ""},
		{"loopback, IPv6", safe, func(c *app.Config) { c.Listen = "[::1]:1" }, ""},
		{"loopback with TLS", safe, func(c *app.Config) { c.TLSCert, c.TLSKey = "cert", "key" }, ""},
		{"dev on loopback", safe, func(c *app.Config) { c.Dev = true }, ""},
		{"open with TLS and a name", open, func(*app.Config) {}, ""},
		{"policies of a folder and of a database", safe, func(c *app.Config) { c.Store = "postgres://kernel@localhost/kernel" }, "with --store no --policies"},
		{"no port", safe, func(c *app.Config) { c.Listen = "127.0.0.1" }, "not host:port"},
		{"every address", safe, func(c *app.Config) { c.Listen = ":7373" }, "without TLS"},
		{"an address of the network", safe, func(c *app.Config) { c.Listen = "192.0.2.1:1" }, "without TLS"},
		{"a name that may mean any address", safe, func(c *app.Config) { c.Listen = "kernel.example:1" }, "without TLS"},
		{"dev for everybody", open, func(c *app.Config) { c.Dev = true }, "loopback only"},
		{"a certificate without its key", open, func(c *app.Config) { c.TLSKey = "" }, "go together"},
		{"a key without its certificate", safe, func(c *app.Config) { c.TLSKey = "key" }, "go together"},
		{"open without a name", open, func(c *app.Config) { c.Hosts = nil }, "without a name"},
		{"an unknown log format", safe, func(c *app.Config) { c.LogFormat = "xml" }, "log-format"},
		{"an unknown log level", safe, func(c *app.Config) { c.LogLevel = "loud" }, "log-level"},
		{"the zero configuration", app.Config{}, func(*app.Config) {}, "not host:port"},
	} {
		c.change(&c.config)
		err := c.config.CheckServe()
		if c.want == "" && err != nil {
			t.Errorf("%s: CheckServe() = %v, want nil", c.name, err)
		}
		if c.want != "" {
			wantError(t, c.name, err, c.want, "")
		}
	}
}

// wantError wants a *kernel.Error that says message and hint.
func wantError(t *testing.T, name string, err error, message, hint string) {
	t.Helper()
	var ours *kernel.Error
	if !errors.As(err, &ours) {
		t.Errorf("%s: error = %v, want %q for the caller", name, err, message)
		return
	}
	if !strings.Contains(ours.Error(), message) || !strings.Contains(ours.Hint, hint) {
		t.Errorf("%s: error = %q, hint %q, want %q, hint %q", name, ours.Error(), ours.Hint, message, hint)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
