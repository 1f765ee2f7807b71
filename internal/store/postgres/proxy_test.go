package postgres_test

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A proxy stands between a store and its server, and cuts the line when told to.
type proxy struct {
	t      *testing.T
	server string // the server's socket

	mu    sync.Mutex
	conns []net.Conn
	cut   *cut
}

// A cut is where a line ends.
type cut struct {
	up     bool // counted is what the store sends; else what the server does
	left   int  // bytes until the line ends
	silent bool // nothing passes any more, but the line stays: a partition
	once   bool // the next connection is a good one
	done   bool
}

// through returns the URL of a server behind a proxy.
func through(t *testing.T, target string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	p := &proxy{t: t, server: filepath.Join(q.Get("host"), ".s.PGSQL.5432")}
	dir, err := os.MkdirTemp("", "px") //nolint:usetesting // a short path: those of sockets have at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		p.hangUp()
	})
	go p.serve(l)
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	return p, u.String()
}

func (p *proxy) serve(l net.Listener) {
	for {
		store, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.server)
		if err != nil {
			store.Close()
			continue
		}
		p.mu.Lock()
		if c := p.cut; c != nil && c.done && !c.once && !c.silent {
			store.Close()
			server.Close()
		}
		p.conns = append(p.conns, store, server)
		p.mu.Unlock()
		go p.pass(server, store, true)
		go p.pass(store, server, false)
	}
}

func (p *proxy) pass(to, from net.Conn, up bool) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		keep, end := p.spend(n, up)
		if _, werr := to.Write(buf[:keep]); werr != nil || err != nil || end {
			to.Close()
			from.Close()
			return
		}
	}
}

// spend counts bytes and says how many of them pass, and whether the line ends.
func (p *proxy) spend(n int, up bool) (keep int, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cut
	switch {
	case c == nil || c.done && c.once:
		return n, false
	case c.done:
		return 0, !c.silent
	case c.up != up || n < c.left:
		if c.up == up {
			c.left -= n
		}
		return n, false
	}
	c.done = true
	return c.left, !c.silent
}

// arm makes the line end after some more bytes.
func (p *proxy) arm(c cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = &c
}

// mend lets everything pass again, and reports whether the line was cut.
func (p *proxy) mend() (met bool) {
	p.mu.Lock()
	c := p.cut
	p.cut = nil
	p.mu.Unlock()
	if c != nil && c.silent && c.done {
		p.hangUp() // what was swallowed cannot be continued
	}
	return c != nil && c.done
}

func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
