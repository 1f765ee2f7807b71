package postgres

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strixlabs/execution-kernel"
)

// IsURL reports whether a store is named by a URL of this engine.
func IsURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

// CheckURL reports, as a *[kernel.Error], why a URL cannot name a store or
// would not be safe: another machine is spoken to over TLS that proves who
// answers, or somebody in between could acknowledge what is written nowhere.
// No message holds a password.
func CheckURL(s string) error {
	_, err := parse(s)
	return err
}

func parse(s string) (*pgxpool.Config, error) {
	hint := "write postgres://user@host:5432/database?sslmode=verify-full"
	if !IsURL(s) {
		return nil, kernel.Errorf(kernel.Invalid, "store: not a URL that begins with postgres://").WithHint("%s", hint)
	}
	// What the library says of a URL that it cannot read may hold parts of the
	// password, so none of it is passed on.
	config, err := pgxpool.ParseConfig(s)
	if err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "store: the URL cannot be read%s", reason(s)).WithHint("%s", hint)
	}
	c := config.ConnConfig
	if c.Database == "" {
		return nil, kernel.Errorf(kernel.Invalid, "store: the URL names no database").WithHint("%s", hint)
	}
	trusted := local(c.Host) || c.TLSConfig != nil && verifies(c.TLSConfig)
	for _, f := range c.Fallbacks {
		trusted = trusted && (local(f.Host) || f.TLSConfig != nil && verifies(f.TLSConfig))
	}
	if !trusted {
		return nil, kernel.Errorf(kernel.Invalid, "store: %s is another machine, and the URL does not ask for TLS that proves which", c.Host).
			WithHint("add sslmode=verify-full, and sslrootcert=FILE for an authority of your own")
	}
	return config, nil
}

// reason says what is wrong with a URL where that can be said safely.
func reason(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ": a part of it is not escaped as URLs are"
	}
	switch mode := u.Query().Get("sslmode"); mode {
	case "", "disable", "allow", "prefer", "require", "verify-ca", "verify-full":
		return ""
	}
	return ": sslmode is none that is known"
}

// local reports whether a host is this machine: a socket's folder, or an
// address that no other machine can have.
func local(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Redact returns a URL as it may be printed: without its password, and without
// parameters, which may hold one too.
func Redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || !IsURL(s) {
		return "postgres://…"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User != nil {
		shown.User = url.User(u.User.Username())
	}
	return shown.String()
}

var errReadOnly = errors.New("the log was opened for reading only")
