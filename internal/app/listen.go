package app

import (
	"context"
	"crypto/tls"
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
		return nil, err
	}
	if certificate == nil {
		return l, nil
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}), nil
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
