// Package api is the HTTP door of the kernel.
//
// It promises that whatever is not an answer 200 with the decision ALLOW is a
// refusal: every error, panic and overload is a problem document, and nothing
// is decided here.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// A Kernel is what this door is the door of: the gate. What it returns as a
// *kernel.Error is told to the caller, any other error is not.
type Kernel interface {
	Decide(context.Context, kernel.Caller, gate.Ask) (kernel.Decision, error)
	DecideBatch(context.Context, kernel.Caller, []gate.Ask) []gate.Answer
	DryRun(context.Context, kernel.Caller, gate.Ask) (kernel.Verdict, error)
	Explain(context.Context, kernel.Caller, gate.Ask) (eval.Trace, error)
	Decision(ctx context.Context, caller kernel.Caller, id string) (kernel.Decision, error)
	Decisions(context.Context, kernel.Caller, gate.DecisionQuery) (gate.DecisionPage, error)
	Refuse(context.Context, kernel.Caller, gate.Refusal) error

	Approver
	Registrar
	Granter
	PolicyKeeper

	Report(context.Context, kernel.Caller, gate.Report) (gate.Reported, error)

	Authenticate(secret string) (kernel.Caller, error)
	CreateToken(context.Context, kernel.Caller, token.Spec) (secret string, t token.Token, err error)
	Tokens(context.Context, kernel.Caller) ([]token.Token, error)
	RevokeToken(ctx context.Context, caller kernel.Caller, id string) error

	Checkpoint(context.Context, kernel.Caller) (signedNote string, err error)
	LatestCheckpoint(ctx context.Context, shard *int) (signedNote string, err error)
	LogShards(context.Context) ([]gate.LogShard, error)
	PolicyVersion() string
	Ready(context.Context) error
}

var _ Kernel = (*gate.Gate)(nil)

// Config is what the door needs. Kernel, Hosts and Now are required.
type Config struct {
	Kernel Kernel
	Hosts  []string         // names this server answers to, without port; see [LoopbackHosts]
	Now    func() time.Time // the clock of deadlines and durations; decisions have their own
	Origin string           // of the public URL, where a proxy stands before the server; pages are posted from there
	Dev    bool             // a call without a token, from this machine, is the principal dev with every role
	Log    *slog.Logger     // nil: nothing is logged
	Checks []Check          // what else must hold for readiness
	Notes  []Check          // what readiness tells of beside that: nothing hangs on it
	Limits Limits

	Metrics  *Metrics // nil: its own
	Webhooks Teller   // nil: nobody is told of anything
}

// A Check is a part without which nothing can be decided: store, for example.
type Check struct {
	Part  string // policy, log or clock
	Probe func(context.Context) error
}

// Limits bound what a client can make the server do. Zero members have the
// defaults given here.
type Limits struct {
	InFlight int           // calls at a time, without probes, votes and pages; more are 503 at once; 512. One caller has three quarters
	Bodies   int           // bytes of bodies at a time; more are 503 before they are read; 64 MiB, and not below 2 MiB. One caller has half
	Header   time.Duration // to receive the head of a request; 5 s
	Body     time.Duration // to receive its body; 10 s
	Call     time.Duration // to answer it; 15 s
	Idle     time.Duration // how long an idle connection is kept; 60 s
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.InFlight, 512)
	orDefault(&l.Bodies, 64<<20)
	l.Bodies = max(l.Bodies, 2*kernel.MaxBody)
	orDefault(&l.Header, 5*time.Second)
	orDefault(&l.Body, 10*time.Second)
	orDefault(&l.Call, 15*time.Second)
	orDefault(&l.Idle, time.Minute)
	return l
}

func orDefault[N int | time.Duration](n *N, def N) {
	if *n <= 0 {
		*n = def
	}
}

// probesInFlight bounds health, readiness and metrics, which have their own
// lane: overload must not make the kernel look dead.
const probesInFlight = 16

// votesInFlight bounds votes, of which one caller has ballotsEach: whoever asks
// keeps nobody from voting, and whoever votes slowly neither others nor probes.
const (
	votesInFlight = 64
	ballotsEach   = 8
)

// pagesInFlight bounds calls of pages, whose callers are nobody until their form
// was read: strangers have no part in what decisions and votes need.
const pagesInFlight = 64

// A door is the handler that New returns.
type door struct {
	cfg    Config
	hosts  map[string]bool
	routes table

	calls, probes, votes, pages, drains lane
	places, ballots, bodies             shares
	waits, streams                      shares // streams are among those that wait

	stopping context.Context // ends when the server stops
	stop     context.CancelFunc
}

// New returns the handler of every route.
func New(cfg Config) (http.Handler, error) {
	if cfg.Kernel == nil || cfg.Now == nil {
		return nil, errors.New("the HTTP door needs a kernel and a clock")
	}
	hosts, err := hostSet(cfg.Hosts)
	if err != nil {
		return nil, err
	}
	for _, c := range slices.Concat(cfg.Checks, cfg.Notes) {
		if c.Part == "" || c.Probe == nil {
			return nil, errors.New("a readiness check needs a part and a probe")
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Webhooks == nil {
		cfg.Webhooks = tellsNobody{}
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics("")
	}
	cfg.Limits = cfg.Limits.withDefaults()
	if err := cfg.Metrics.watch(cfg.Kernel); err != nil {
		return nil, err
	}
	stopping, stop := context.WithCancel(context.Background())
	return &door{
		stopping: stopping, stop: stop,
		cfg: cfg, hosts: hosts, routes: newTable(routes()),
		calls:   make(lane, cfg.Limits.InFlight),
		drains:  make(lane, cfg.Limits.InFlight),
		probes:  make(lane, probesInFlight),
		votes:   make(lane, votesInFlight),
		pages:   make(lane, pagesInFlight),
		places:  shares{total: int64(cfg.Limits.InFlight), each: int64(cfg.Limits.InFlight - cfg.Limits.InFlight/4)},
		ballots: shares{total: votesInFlight, each: ballotsEach},
		bodies:  shares{total: int64(cfg.Limits.Bodies), each: int64(cfg.Limits.Bodies / 2)},
		waits:   shares{total: maxWaiting, each: maxWaiting / 4},
		streams: shares{total: maxStreams, each: streamsEach},
	}, nil
}

// A lane bounds how many calls are under way at a time.
type lane chan struct{}

func (l lane) enter() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l lane) leave() { <-l }
