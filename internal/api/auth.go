package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

const challenge = `Bearer realm="execution-kernel"`

// authenticate establishes the caller from the header Authorization and from
// nothing else.
func (d *door) authenticate(c *call) error {
	sent := c.r.Header.Values("Authorization")
	if len(sent) == 0 && d.cfg.Dev && fromThisMachine(c.r) {
		c.caller, c.known = devCaller(), true
		return nil
	}
	caller, err := d.byToken(sent)
	if err != nil {
		c.w.Header().Set("WWW-Authenticate", challenge)
		return err
	}
	c.caller, c.known = caller, true
	return nil
}

func (d *door) byToken(sent []string) (kernel.Caller, error) {
	const hint = "send Authorization: Bearer kt_…"
	switch {
	case len(sent) == 0:
		return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "no token was sent").WithHint(hint)
	case len(sent) > 1:
		return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "more than one Authorization was sent").WithHint(hint)
	}
	scheme, secret, found := strings.Cut(sent[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "the Authorization is not a bearer token").WithHint(hint)
	}
	return d.cfg.Kernel.Authenticate(secret)
}

// devCaller is everybody who calls without a token a kernel that runs with
// --dev. It has every role but approver: a vote is somebody's.
func devCaller() kernel.Caller {
	roles := slices.DeleteFunc(kernel.Roles(), func(r kernel.Role) bool { return r == kernel.RoleApprover })
	return kernel.Caller{Principal: "dev", Roles: roles, SpeaksFor: []string{"*"}}
}

func fromThisMachine(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}
