package notify

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// private are the addresses of networks that are not the Internet's, which an
// endpoint may be given by a setting.
var private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

// never are addresses that no receiver has: this machine, the link (where clouds
// hand out credentials), ranges of tests and protocols, and those of IPv6 that
// have one of IPv4 inside.
var never = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// mayDial says why an address is not sent to. It is asked with the address that
// is dialled, after its name was resolved: a name can mean another address each
// time that it is asked for.
func mayDial(address string, here, inside bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s is no address", address)
	}
	ip := at.Addr().Unmap().WithZone("")
	within := func(list []netip.Prefix) bool {
		for _, p := range list {
			if p.Contains(ip) {
				return true
			}
		}
		return false
	}
	switch {
	case here && ip.IsLoopback():
		return nil
	case here:
		return fmt.Errorf("%s is not this machine", ip)
	case within(never) || at.Addr().Zone() != "":
		return fmt.Errorf("%s is an address that no webhook is sent to", ip)
	case within(private) && !inside:
		return fmt.Errorf("%s is an address of a private network; an endpoint that is in one says private: true", ip)
	}
	return nil
}

// dialer dials what an endpoint may be.
func dialer(here, inside bool) *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return mayDial(address, here, inside)
	}}
}
