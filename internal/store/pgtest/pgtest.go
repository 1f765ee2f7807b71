// Package pgtest starts a PostgreSQL server of its own for tests.
//
// It promises that the server is real, flushes what it commits, listens on a
// socket in a temporary folder and nowhere else, and is gone when the test
// binary is, however that ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Cluster is a PostgreSQL server with its data.
type Cluster struct {
	Dir    string // holds the socket, in the folder run, and the data
	bin    string
	as     *syscall.Credential // nil: this user
	number atomic.Uint64       // of databases
	free   chan string         // databases that nobody uses

	server *exec.Cmd
	start  func(*exec.Cmd) error // it, somewhere else than here; nil: here
	hold   io.Closer             // while it is open the server runs
}

// ErrMissing is returned when the machine has no PostgreSQL.
var ErrMissing = errors.New("there is no PostgreSQL on this machine: neither initdb in PATH nor /usr/lib/postgresql/*/bin/initdb")

// Main is for TestMain: it starts a cluster, runs the tests with it and stops
// it. Where there is no PostgreSQL the tests run with nil and skip what needs
// it; on a CI server (CI=true) that is a failure.
func Main(m *testing.M, use func(*Cluster)) (code int) {
	c, err := Start()
	switch {
	case errors.Is(err, ErrMissing) && os.Getenv("CI") != "true":
		fmt.Fprintln(os.Stderr, "SKIPPED: every test on PostgreSQL:", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, "start PostgreSQL:", err)
		return 1
	default:
		use(c)
		defer func() {
			if err := c.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
				code = 1
			}
		}()
	}
	return m.Run()
}

// Start makes a cluster and starts its server, in a second or two.
func Start(options ...string) (*Cluster, error) {
	c, err := create()
	if err != nil {
		return nil, err
	}
	if err := c.Restart(options...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.Dir))
	}
	return c, nil
}

// create makes a cluster.
func create() (_ *Cluster, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, free: make(chan string, 1024)}
	if os.Geteuid() == 0 { // whom PostgreSQL refuses to run as
		if c.as, err = unprivileged(); err != nil {
			return nil, err
		}
	}
	// A short path: those of sockets have at most 107 bytes.
	if c.Dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(c.Dir))
		}
	}()
	if err := os.Mkdir(c.Socket(), 0o700); err != nil {
		return nil, err
	}
	if c.as != nil {
		for _, dir := range []string{c.Dir, c.Socket()} {
			if err := os.Chown(dir, int(c.as.Uid), int(c.as.Gid)); err != nil {
				return nil, err
			}
		}
	}
	if err := c.run("initdb", "-D", c.data(), "-U", "kernel", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	return c, nil
}

// Socket is the folder of the server's socket.
func (c *Cluster) Socket() string { return filepath.Join(c.Dir, "run") }

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

// binaries returns the folder of initdb: of PATH, else the newest of Debian's.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(ErrMissing, err)
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return versionOf(a) - versionOf(b) })
	return filepath.Dir(newest), nil
}

func versionOf(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("this is root, and there is no user postgres or nobody to run the server as")
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	return cmd
}

func (c *Cluster) run(name string, args ...string) error {
	if out, err := c.command(filepath.Join(c.bin, name), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// watch starts the server and ends it when its own input ends, so that no
// server outlives a test binary that was killed.
//
// A server that was killed leaves children that end a moment later, and until
// then another ends soon after it started: so it is tried again until one says,
// in its own file, that it is ready.
const watch = `says() { test "$(sed -n 1p "$1/postmaster.pid" 2>/dev/null)" = $server && sed -n 8p "$1/postmaster.pid" | grep -Eq '^(ready|standby)'; }
while :; do
	"$@" & server=$!
	until says "$3" || ! kill -0 $server 2>/dev/null; do sleep 0.05; done
	kill -0 $server 2>/dev/null && break
	wait $server; n=$((${n:-0}+1)); test $n -lt 100 || exit 1
	sleep 0.1
done
cat >/dev/null; kill -QUIT $server 2>/dev/null; wait $server`

// Restart starts the server, with settings as name=value, after it was stopped
// or killed, and waits until it answers.
func (c *Cluster) Restart(settings ...string) error {
	log, err := os.OpenFile(filepath.Join(c.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"-c", watch, "sh", filepath.Join(c.bin, "postgres"), "-D", c.data(), "-k", c.Socket(), "-c", "listen_addresses=",
		"-c", "fsync=on", "-c", "max_connections=200", "-c", "shared_buffers=32MB", "-c", "dynamic_shared_memory_type=posix",
	}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	c.server = c.command("/bin/sh", args...)
	c.server.Stdout, c.server.Stderr = log, log
	if c.hold, err = c.server.StdinPipe(); err != nil {
		return err
	}
	start := c.start
	if start == nil {
		start = (*exec.Cmd).Start
	}
	if err := start(c.server); err != nil {
		return err
	}
	return c.wait()
}

func (c *Cluster) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(c.Dir, "log"))
			return fmt.Errorf("the server does not answer: %w: %s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server and everything of it at once, as kill -9 does.
func (c *Cluster) Kill() error {
	pid, err := c.pid()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	return c.stop()
}

func (c *Cluster) pid() (int, error) {
	data, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return strconv.Atoi(first)
}

func (c *Cluster) stop() error {
	err := c.hold.Close()
	_ = c.server.Wait() // it was told to end
	return err
}

// Close stops the server and removes the cluster.
func (c *Cluster) Close() error {
	return errors.Join(c.stop(), os.RemoveAll(c.Dir))
}

// URL is that of a database, for its administrator.
func (c *Cluster) URL(database string) string {
	q := url.Values{"host": {c.Socket()}, "user": {"kernel"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Database lends an empty database until the test ends, and returns its URL. A
// nil cluster skips the test. Databases are used again: dropping one takes
// longer than a test.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	if c == nil {
		t.Skip("LEFT OUT: there is no PostgreSQL on this machine")
	}
	name := ""
	select {
	case name = <-c.free:
	default:
		name = fmt.Sprintf("test%d", c.number.Add(1))
		c.Exec(t, "postgres", "CREATE DATABASE "+name)
	}
	t.Cleanup(func() {
		c.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
		c.Exec(t, name, "ALTER DATABASE "+name+" RESET ALL; DROP SCHEMA IF EXISTS kernel CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
		c.free <- name
	})
	return c.URL(name)
}

// Exec runs SQL in a database as its administrator, on a connection of its own.
func (c *Cluster) Exec(t testing.TB, database, sql string) {
	t.Helper()
	if err := c.TryExec(database, sql); err != nil {
		t.Fatal(err)
	}
}

// TryExec is Exec without a test that fails.
func (c *Cluster) TryExec(database, sql string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL(database))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// A Shared cluster is started by the first test that needs one. The zero
// Shared is ready; TestMain closes it.
type Shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Cluster returns the cluster. Without PostgreSQL it skips the test, or fails
// it on a CI server.
func (s *Shared) Cluster(t testing.TB) *Cluster {
	t.Helper()
	s.once.Do(func() { s.cluster, s.err = Start() })
	switch {
	case errors.Is(s.err, ErrMissing) && os.Getenv("CI") != "true":
		t.Skipf("LEFT OUT: %v", s.err)
	case s.err != nil:
		t.Fatalf("start PostgreSQL: %v", s.err)
	}
	return s.cluster
}

// Close stops the server if one was started.
func (s *Shared) Close() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
