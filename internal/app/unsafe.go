package app

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// CheckServe refuses what would not be safe to start: the service in the
// clear or without authentication where other machines reach it, or several
// sources of policies.
func (c Config) CheckServe() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return kernel.Errorf(kernel.Invalid, "listen: %q is not host:port", c.Listen).WithHint("write --listen 127.0.0.1:7373")
	}
	switch tls := c.TLSCert != ""; {
	case !slices.Contains([]string{"auto", "text", "json"}, c.LogFormat):
		return kernel.Errorf(kernel.Invalid, "log-format: %q is not auto, text or json", c.LogFormat)
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel):
		return kernel.Errorf(kernel.Invalid, "log-level: %q is not debug, info, warn or error", c.LogLevel)
	case c.Policies != "" && c.Store != "":
		return kernel.Errorf(kernel.Invalid, "with --store no --policies: nodes with folders of their own would take turns at deciding by another policy").
			WithHint("leave out --policies; \"kernel policies push %s\" and \"kernel policies activate\" bring them to all nodes", c.Policies)
	case tls != (c.TLSKey != ""):
		return kernel.Errorf(kernel.Invalid, "tls-cert and tls-key go together; only one is set")
	case loopback(host):
		return nil
	case c.Dev:
		return kernel.Errorf(kernel.Invalid, "--dev answers calls without a token and so listens on loopback only, not on %s", c.Listen).
			WithHint("leave out --dev, or listen on 127.0.0.1:7373")
	case !tls:
		return kernel.Errorf(kernel.Invalid, "listening on %s without TLS would show tokens and decisions to the network", c.Listen).
			WithHint("set --tls-cert and --tls-key, or listen on 127.0.0.1:7373")
	case len(c.Hosts) == 0:
		return kernel.Errorf(kernel.Invalid, "listening on %s without a name: every call from outside would be refused", c.Listen).
			WithHint("say what callers call this server: --hosts kernel.example.org")
	}
	return nil
}

// loopback reports whether only this machine reaches the address. An empty
// host means every address; a name other than localhost may mean any.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
