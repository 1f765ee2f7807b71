package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// LoopbackHosts are the names by which a machine calls itself.
func LoopbackHosts() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// hostSet checks the names a server was given. An empty list is an error: it
// would otherwise come to mean "any".
func hostSet(names []string) (map[string]bool, error) {
	if len(names) == 0 {
		return nil, errors.New("the HTTP door needs the names it answers to")
	}
	set := map[string]bool{}
	for _, name := range names {
		host := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
		_, notIP := netip.ParseAddr(host)
		if host == "" || notIP != nil && strings.ContainsAny(host, ":/*@?# \t") {
			return nil, fmt.Errorf("%q is not a host name: write it without scheme, port, path or wildcard", name)
		}
		set[host] = true
	}
	return set, nil
}

// checkHost refuses a Host this server was not given. A page in a browser can
// make a name of its own resolve to this machine (DNS rebinding), but it
// cannot make the browser send another Host.
func (d *door) checkHost(r *http.Request) error {
	if d.hosts[hostName(r.Host)] {
		return nil
	}
	return kernel.Errorf(kernel.WrongHost, "this server does not answer to that host").
		WithHint("ask it by a name it was given; a server is given more names with --hosts")
}

// hostName returns the name in a Host header, in lower case and without port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return strings.ToLower(name)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return ""
		}
	}
	return strings.ToLower(host)
}

// checkOrigin refuses calls that a browser makes for a page of somebody else.
// Browsers send no Origin with a plain GET, but they say in Sec-Fetch-Site
// where it comes from. A page of ours may be gone to from anywhere, by people.
func (d *door) checkOrigin(c *call) error {
	r, page := c.r, c.route != nil && c.route.page
	if page && r.Method != http.MethodPost && isNavigation(r.Header) {
		return nil
	}
	foreign := kernel.Errorf(kernel.Forbidden, "the request comes from a page of another origin")
	own := "http://" + r.Host
	if r.TLS != nil {
		own = "https://" + r.Host
	}
	for _, origin := range r.Header.Values("Origin") {
		if !strings.EqualFold(origin, own) && !(page && d.cfg.Origin != "" && origin == d.cfg.Origin) {
			return foreign
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return foreign
		}
	}
	return nil
}

// isNavigation reports whether a browser opens a page in a tab of its own: not
// in a frame, and not for a script.
func isNavigation(h http.Header) bool {
	mode, dest := h.Values("Sec-Fetch-Mode"), h.Values("Sec-Fetch-Dest")
	return len(mode) == 1 && mode[0] == "navigate" && len(dest) == 1 && dest[0] == "document" && len(h.Values("Origin")) == 0
}
