package app

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/link"
)

// publicURL reads where people reach the kernel; nil where no setting says it.
func publicURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	bad := func(what string) (*url.URL, error) {
		return nil, kernel.Errorf(kernel.Invalid, "public-url: %q %s", text, what).WithHint("write it as https://kernel.example.org")
	}
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return bad("is no URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return bad("has more than scheme, host and port")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return bad("is not https, and tokens would go in clear")
	}
	u.Path = ""
	return u, nil
}

// links makes links to approvals below the public URL; none where there is none.
//
// Their key is derived from that of the log, which every node of a log has: a
// link that one made, another takes. It signs nothing else, and nothing that it
// signs says anything of the log's key.
func (s *service) links() (*link.Maker, error) {
	u, err := publicURL(s.cfg.PublicURL)
	if err != nil || u == nil {
		return nil, err
	}
	private, err := readBounded(s.folder.LogKey(), maxKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, []byte(strings.TrimSpace(string(private))), nil, "execution-kernel approval links v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of links: %w", err)
	}
	return link.New(u.String(), key), nil
}

// publicNames are the names and the origin that a public URL adds to those that
// the door answers to.
func (c Config) publicNames() (hosts []string, origin string) {
	u, err := publicURL(c.PublicURL)
	if err != nil || u == nil {
		return nil, ""
	}
	return []string{u.Hostname()}, strings.ToLower(u.Scheme + "://" + u.Host)
}
