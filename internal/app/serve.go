package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/notify"
)

// How the time until a stop is spent: calls under way have the first part,
// the last checkpoint and closing have the rest.
const (
	stopWithin = 10 * time.Second
	drainTime  = 7 * time.Second
)

// Serve runs the service until ctx ends, then stops it within 10 seconds:
// calls under way are answered, a checkpoint is signed, the lock is released.
// When it can be called it says so in one line on stderr:
// "listening on http://127.0.0.1:7373".
func Serve(ctx context.Context, cfg Config, p Process) error {
	if err := cfg.CheckServe(); err != nil {
		return err
	}
	tuneMemory()
	signal.Ignore(unix.SIGXFSZ) // a limit on file sizes is a failing disk, not a crash
	s := &service{cfg: cfg, version: p.Version, environ: p.Environ, log: cfg.NewLogger(p.Stderr, p.Terminal)}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	fmt.Fprintf(p.Stderr, "listening on %s\n", s.url)
	return s.run(ctx)
}

// A Process is what the service is told of the process it runs in.
type Process struct {
	Stderr   io.Writer
	Terminal bool     // people read Stderr
	Version  string   // of the program; empty: what the build says
	Environ  []string // NAME=value: where secrets of webhooks may be
}

// A service is a running kernel.
type service struct {
	cfg     Config
	version string
	environ []string
	log     *slog.Logger
	url     string // where it answers

	folder   Folder
	listener net.Listener
	store    guarded
	gate     *gate.Gate
	policies *reloader
	sealer   *sealer

	endpoints []notify.Endpoint
	notifier  *notify.Notifier

	server  *http.Server
	started bool // there may be something to sign at the end

	closers []func(context.Context) error // of what start opened, run in reverse
}

// compile reads the bundle that decides at first; none where there is no
// folder to read it from.
func (s *service) compile() (Compiled, error) {
	if s.cfg.Policies == "" {
		return Compiled{}, s.orPushed()
	}
	files, err := ReadBundle(s.cfg.Policies)
	if err != nil {
		return Compiled{}, err
	}
	return CompileToServe(BundleSource{Name: s.cfg.Policies, Files: files})
}

// start opens everything, or says why it is not safe to.
func (s *service) start(ctx context.Context) error {
	policies, err := s.compile()
	if err != nil {
		return err
	}
	certificate, err := s.certificate()
	if err != nil {
		return err
	}
	if err := s.readWebhooks(); err != nil {
		return err
	}
	lock, err := s.takeFolder()
	if err != nil {
		return err
	}
	if s.listener, err = listen(ctx, s.cfg.Listen, certificate); err != nil {
		return err
	}
	s.onClose(func(context.Context) error { return ignoreClosed(s.listener.Close()) })
	metrics := api.NewMetrics(Version(s.version))
	if err := s.openLog(ctx, metrics); err != nil {
		return err
	}
	if err := s.decideBy(ctx, policies, metrics); err != nil {
		return err
	}
	if err := s.notify(metrics); err != nil {
		return err
	}
	if err := s.open(metrics); err != nil {
		return err
	}
	s.url, s.started = address(s.listener.Addr(), s.cfg), true
	return lock.Announce(Holder{PID: os.Getpid(), URL: s.url})
}

// takeFolder makes the data folder this process's own.
func (s *service) takeFolder() (*Lock, error) {
	folder, mended, err := CreateFolder(s.cfg.Data)
	if err != nil {
		return nil, err
	}
	for _, m := range mended {
		s.log.Warn(m)
	}
	s.folder = folder
	lock, err := TakeLock(folder)
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) error { return lock.Release() })
	return lock, folder.sweep()
}

// openLog opens the log, checks it, and puts the gate before it.
func (s *service) openLog(ctx context.Context, metrics *api.Metrics) error {
	db, signer, err := s.openSigned(ctx)
	if err != nil {
		return err
	}
	secret, err := s.folder.adminToken()
	if err != nil {
		return err
	}
	grants, err := s.folder.grantKey()
	if err != nil {
		return err
	}
	owner, err := s.keyOwner()
	if err != nil {
		return err
	}
	if err := s.checkLog(ctx, db, signer); err != nil {
		return err
	}
	links, err := s.links()
	if err != nil {
		return err
	}
	s.sealer = &sealer{file: s.folder.ShardCheckpoint(s.shard()), caller: self(), log: s.log}
	proofs, err := s.cfg.proofKeys()
	if err != nil {
		return err
	}
	s.gate, err = gate.New(ctx, gate.Config{
		Lease: s.lease(), Proofs: proofs,
		Store: s.store, Budget: s.cfg.budget(), Signer: signer, Grants: grants, Clock: Clock, Rand: random, Node: node(), Log: s.log,
		Links: links, OnCommit: metrics.Commit, OnGlass: metrics.Glass, OnReviews: metrics.Reviews, OnPublish: s.sealer.publish,
	})
	if err != nil {
		return s.explain(ctx, db, signer, err)
	}
	s.onClose(s.gate.Close)
	s.sealer.gate = s.gate
	if err := s.gate.KnowToken(ctx, secret, "local administrator", kernel.RoleAdmin); err != nil {
		return s.adminTokenError(err)
	}
	return s.gate.KnowGrantKey(ctx, owner)
}

// open makes the door.
func (s *service) open(metrics *api.Metrics) error {
	checks := []api.Check{{Part: "log", Probe: s.sealer.probe}}
	if l, shared := s.store.(*leased); shared {
		checks = append(checks, api.Check{Part: "clock", Probe: l.probe})
	}
	var notes []api.Check
	if s.policies != nil {
		notes = append(notes, api.Check{Part: "policy", Probe: s.policies.probe})
	}
	hosts, origin := s.cfg.publicNames()
	handler, err := api.New(api.Config{
		Kernel: s.gate, Hosts: slices.Concat(api.LoopbackHosts(), s.cfg.Hosts, hosts), Origin: origin, Now: Clock, Dev: s.cfg.Dev,
		Log: s.log, Metrics: metrics, Checks: checks,
		Notes: notes, Webhooks: s.notifier,
	})
	if err != nil {
		return err
	}
	s.server = api.NewServer(handler, api.Limits{}, s.log)
	if s.cfg.Dev {
		s.log.Warn("--dev: everybody on this machine may ask, administer and read without a token")
	}
	return nil
}

// run answers until ctx ends, and closes.
func (s *service) run(ctx context.Context) error {
	s.log.Info("started", "version", Version(s.version), "url", s.url, "data", s.folder.Path, "store", s.cfg.storeName(s.folder), "policies", s.cfg.Policies,
		"policy_version", s.gate.PolicyVersion(), "entries", s.gate.Size())
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var loops sync.WaitGroup
	if s.policies != nil {
		loops.Go(func() { every(background, lookEvery, s.policies.look) })
	}
	loops.Go(func() { every(background, sealEvery, s.sealer.seal) })
	loops.Go(func() { s.notifier.Run(background) })

	serving, quit := context.WithCancel(ctx)
	defer quit()
	var failed error
	loops.Go(func() {
		if failed = s.store.wait(background); failed != nil {
			quit()
		}
	})
	err := api.Serve(serving, s.server, s.listener, drainTime)
	if serving.Err() != nil {
		s.log.Info("stopping")
		if err != nil { // told to stop: calls cut off are no failure of the stop
			s.log.Warn("not every call could be answered", "error", err)
			err = nil
		}
	}
	stop()
	loops.Wait()
	if failed != nil {
		s.started = false // nothing can be written any more, and nothing signed
		return errors.Join(failed, s.close())
	}
	return errors.Join(err, s.close())
}

// close signs the last checkpoint and closes what was opened, in reverse.
func (s *service) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin-drainTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.closeAll(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.New("closing took too long; what was acknowledged is on disk")
	}
}

func (s *service) closeAll(ctx context.Context) error {
	if s.started {
		s.sealer.seal(ctx)
	}
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i](ctx))
	}
	return errors.Join(errs...)
}

func (s *service) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// every calls f at once and then every period, one call at a time, until ctx ends.
func every(ctx context.Context, period time.Duration, f func(context.Context)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
