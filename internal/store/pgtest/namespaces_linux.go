package pgtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespaces are a network of three: this process, a router and the server.
// The router is what drops packets: neither end sees its own line go down.
type namespaces struct {
	router, server *namespace
	near, far      string // addresses of this process and of the server
}

// A namespace is one of the network, and lives as long as a process in it.
type namespace struct {
	process *exec.Cmd
	hold    io.Closer
}

func newNamespace() (*namespace, error) {
	cmd := exec.Command("cat") // ends when this process does
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return &namespace{cmd, hold}, nil
}

func (n *namespace) pid() string { return strconv.Itoa(n.process.Process.Pid) }

// run runs a command in the namespace.
func (n *namespace) run(args ...string) error {
	return runAll([][]string{append([]string{"nsenter", "-t", n.pid(), "-n"}, args...)})
}

// start starts a command in the namespace.
func (n *namespace) start(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		f, err := os.Open("/proc/" + n.pid() + "/ns/net")
		if err == nil {
			defer f.Close()
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

func (n *namespace) close() error {
	if n == nil {
		return nil
	}
	err := n.hold.Close()
	_ = n.process.Wait()
	return err
}

func runAll(commands [][]string) error {
	for _, args := range commands {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	return nil
}

// connect makes the network.
func connect() (_ *namespaces, err error) {
	subnet := os.Getpid() % 256
	address := func(host int) string { return fmt.Sprintf("10.213.%d.%d", subnet, host) }
	n := &namespaces{near: address(1), far: address(6)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if n.router, err = newNamespace(); err != nil {
		return nil, err
	}
	if n.server, err = newNamespace(); err != nil {
		return nil, err
	}
	router := func(args ...string) []string {
		return append([]string{"nsenter", "-t", n.router.pid(), "-n"}, args...)
	}
	server := func(args ...string) []string {
		return append([]string{"nsenter", "-t", n.server.pid(), "-n"}, args...)
	}
	outside := fmt.Sprint("kernel", os.Getpid())
	return n, runAll([][]string{
		{"ip", "link", "add", outside, "type", "veth", "peer", "name", "near", "netns", n.router.pid()},
		router("ip", "link", "add", "far", "type", "veth", "peer", "name", "line", "netns", n.server.pid()),
		{"ip", "address", "add", n.near + "/30", "dev", outside},
		{"ip", "link", "set", outside, "up"},
		router("ip", "address", "add", address(2)+"/30", "dev", "near"),
		router("ip", "link", "set", "near", "up"),
		router("ip", "address", "add", address(5)+"/30", "dev", "far"),
		router("ip", "link", "set", "far", "up"),
		router("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"),
		server("ip", "address", "add", n.far+"/30", "dev", "line"),
		server("ip", "link", "set", "line", "up"),
		server("ip", "link", "set", "lo", "up"),
		server("ip", "route", "add", "default", "via", address(5)),
		{"ip", "route", "add", address(4) + "/30", "via", address(2)},
	})
}

// Cut implements the network of a [Line].
func (n *namespaces) Cut() error {
	return errors.Join(n.router.run("ip", "route", "add", "blackhole", n.far+"/32"), n.router.run("ip", "route", "add", "blackhole", n.near+"/32"))
}

// Mend implements the network of a [Line].
func (n *namespaces) Mend() error {
	return errors.Join(n.router.run("ip", "route", "del", "blackhole", n.far+"/32"), n.router.run("ip", "route", "del", "blackhole", n.near+"/32"))
}

// Close takes the namespaces away, and their devices with them.
func (n *namespaces) Close() error { return errors.Join(n.router.close(), n.server.close()) }

// namespaced starts the server in a namespace of its own.
func (c *Cluster) namespaced() (_ *Line, err error) {
	n, err := connect()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.start = nil
			err = errors.Join(err, n.Close())
		}
	}()
	c.start = n.server.start
	authority, err := c.certify(net.ParseIP(n.far))
	if err != nil {
		return nil, err
	}
	rules, err := os.OpenFile(filepath.Join(c.data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(rules, "hostssl all all %s/32 trust\n", n.near)
	if err := errors.Join(err, rules.Close()); err != nil {
		return nil, err
	}
	if err := c.Restart("listen_addresses="+n.far, "ssl=on", "ssl_cert_file="+c.file("server.crt"), "ssl_key_file="+c.file("server.key")); err != nil {
		return nil, err
	}
	return &Line{
		Cluster: c, How: "namespaces", host: net.JoinHostPort(n.far, "5432"), network: n,
		parameters: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {authority}},
	}, nil
}
