package pgtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

// A Line is a network between this machine and a server of its own. While it
// is cut, nothing that either side sends arrives, and neither is told.
type Line struct {
	*Cluster
	How string // namespaces, or where the machine allows none, proxy

	host       string
	parameters url.Values
	network    interface {
		Cut() error
		Mend() error
		Close() error
	}
}

// StartBehindLine starts a server that is reached over a line: one of network
// namespaces, whose packets are dropped, or else, said loudly, one through a
// proxy, which keeps what it reads.
func StartBehindLine() (*Line, error) {
	c, err := create()
	if err != nil {
		return nil, err
	}
	l, err := c.namespaced()
	if err != nil {
		fmt.Fprintln(os.Stderr, "NO NETWORK NAMESPACES, a partition is that of a proxy instead:", err)
		l, err = c.proxied()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.Dir))
	}
	return l, nil
}

// Over returns the URL of a database of the cluster over the line.
func (l *Line) Over(database string) (string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return "", err
	}
	u.Host, u.User = l.host, url.User("kernel")
	q := url.Values{}
	for name, values := range l.parameters {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Cut lets nothing pass any more.
func (l *Line) Cut() error { return l.network.Cut() }

// Mend lets everything pass again.
func (l *Line) Mend() error { return l.network.Mend() }

// Close stops the server and takes the line away.
func (l *Line) Close() error { return errors.Join(l.Cluster.Close(), l.network.Close()) }

// proxied starts the server behind a proxy.
func (c *Cluster) proxied() (*Line, error) {
	if err := c.Restart(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	p := &relay{listener: listener, server: filepath.Join(c.Socket(), ".s.PGSQL.5432")}
	go p.serve()
	return &Line{Cluster: c, How: "proxy", host: listener.Addr().String(), parameters: url.Values{"sslmode": {"disable"}}, network: p}, nil
}

// A relay passes bytes between a port and the socket of a server.
type relay struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (p *relay) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("unix", p.server)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		p.mu.Unlock()
		go p.pass(far, near)
		go p.pass(near, far)
	}
}

func (p *relay) pass(to, from net.Conn) {
	_, _ = io.Copy(whileWhole{p, to}, from)
	_ = to.Close()
	_ = from.Close()
}

// whileWhole writes to a connection, and nowhere while the line is cut.
type whileWhole struct {
	*relay
	to net.Conn
}

func (w whileWhole) Write(data []byte) (int, error) {
	w.mu.Lock()
	cut := w.cut
	w.mu.Unlock()
	if cut {
		return len(data), nil
	}
	return w.to.Write(data)
}

// Cut implements the network of a [Line].
func (p *relay) Cut() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	return nil
}

// Mend hangs up what was cut: what was swallowed cannot be continued.
func (p *relay) Mend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	return nil
}

// Close ends the proxy.
func (p *relay) Close() error { return errors.Join(p.listener.Close(), p.Mend()) }
