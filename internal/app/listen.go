package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/strixlabs/execution-kernel"
)

// certificate loads the TLS certificate, or returns nil where none is set.
func (s *service) certificate() (*tls.Certificate, error) {
	if s.cfg.TLSCert == "" {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(s.cfg.TLSCert, s.cfg.TLSKey)
	if err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "tls-cert and tls-key: %v", err)
	}
	return &c, nil
}

func listen(ctx context.Context, addr string, certificate *tls.Certificate) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, kernel.Errorf(kernel.Internal, "%v", err).WithHint("choose another address with --listen; port 0 picks a free one")
	}
	if certificate == nil {
		return l, onlyLoopback(l)
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}), nil
}

// onlyLoopback closes a listener in the clear that other machines could reach:
// what localhost means is a matter of configuration too.
func onlyLoopback(l net.Listener) error {
	host, _, err := net.SplitHostPort(l.Addr().String())
	if err == nil && loopback(host) {
		return nil
	}
	return errors.Join(kernel.Errorf(kernel.Invalid, "%s is no loopback address", l.Addr()).WithHint("listen on 127.0.0.1:7373"), l.Close())
}

// address is the URL of a listener: by the first name the server was given
// where it has a certificate or listens on every address, else by address.
func address(l net.Addr, cfg Config) string {
	scheme := "http://"
	if cfg.TLSCert != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(l.String())
	if err != nil {
		return scheme + l.String()
	}
	if len(cfg.Hosts) > 0 && cfg.TLSCert != "" {
		host = cfg.Hosts[0]
	}
	return scheme + net.JoinHostPort(host, port)
}
