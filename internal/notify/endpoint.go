// Package notify tells endpoints what the log says: signed webhooks, as the
// Standard Webhooks specification has them.
//
// It promises that whatever was entered in the log is told to every endpoint
// that wants it, once at least and with the same id at each attempt, and that
// no endpoint keeps another, or a decision, waiting.
package notify

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// An Endpoint is whom to tell. The zero Endpoint is told nothing.
type Endpoint struct {
	Name    string
	URL     string           // https, or http to this machine
	Secrets []webhook.Secret // each signs: two while one is replaced by the other
	Events  []string         // names out of [gate.Events], or beginnings of them and a *
	Request bool             // send the whole request, with its parameters
	Private bool             // the receiver may have an address of a private network
}

// Limits of an endpoint.
const (
	maxEndpointURL = 2048 // bytes
	maxSecrets     = 4
)

var endpointName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Check says what of an endpoint could not work, or would not be safe.
func (e Endpoint) Check() error {
	switch {
	case !endpointName.MatchString(e.Name):
		return kernel.Errorf(kernel.Invalid, "a name of a webhook begins with a small letter, and has small letters, digits, _ and -, at most 64")
	case len(e.Secrets) == 0:
		return kernel.Errorf(kernel.Invalid, "a webhook needs a secret to sign with").At("secrets").WithHint("secrets: [{file: hook.secret}]")
	case len(e.Secrets) > maxSecrets:
		return kernel.Errorf(kernel.Invalid, "more than %d secrets", maxSecrets).At("secrets").WithHint("remove those that no receiver knows any more")
	case len(e.Events) == 0:
		return kernel.Errorf(kernel.Invalid, "a webhook is told something at least").At("events").WithHint(`events: ["approval.*"]`)
	}
	for _, pattern := range e.Events {
		if !slices.ContainsFunc(gate.Events(), func(event string) bool { return covers(pattern, event) }) {
			return kernel.Errorf(kernel.Invalid, "there is no event %q", pattern).At("events").
				WithHint("it is one of %s, or approval.*, breakglass.*, kill.*, *", strings.Join(gate.Events(), ", "))
		}
	}
	_, err := e.target()
	return err
}

func (e Endpoint) target() (*url.URL, error) {
	u, err := url.Parse(e.URL)
	bad := func(what string) (*url.URL, error) {
		return nil, kernel.Errorf(kernel.Invalid, "the url %s", what).At("url").WithHint("write it as https://hooks.example.org/kernel")
	}
	switch {
	case err != nil || len(e.URL) > maxEndpointURL || u.Hostname() == "" || u.Opaque != "":
		return bad("is none")
	case u.User != nil:
		return bad("holds a user or password, which would be sent and logged; the signature says who sends")
	case u.Fragment != "":
		return bad("has a fragment, which is not sent")
	case u.Scheme == "http" && loopbackHost(u.Hostname()):
		return u, nil
	case u.Scheme != "https":
		return bad("is not https, and anybody on the way could read what is sent; http is for this machine only")
	}
	return u, nil
}

// Target is where an endpoint is, as it may be shown: paths of webhooks are
// often secrets.
func (e Endpoint) Target() string {
	u, err := e.target()
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Wants reports whether an endpoint is told of an event.
func (e Endpoint) Wants(event string) bool {
	return slices.ContainsFunc(e.Events, func(pattern string) bool { return covers(pattern, event) })
}

func covers(pattern, event string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	if !open {
		return pattern == event
	}
	return (prefix == "" || strings.HasSuffix(prefix, ".")) && strings.HasPrefix(event, prefix)
}

// loopbackHost reports whether a host names this machine itself.
func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
