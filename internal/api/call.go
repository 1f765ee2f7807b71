package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// A call is one HTTP request under way.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context // ends with the client, or with Limits.Call
	start time.Time

	route  *route
	last   string // the value of the path's parameter
	query  query
	caller kernel.Caller // the zero Caller until authenticated
	known  bool          // the caller is authenticated
	in     *body
	data   []byte // the whole body, for routes that take one
	status int    // as answered
	free   func() // gives back the call's part of what bounds all calls; nil: it has none
}

// leave gives back the call's part of what bounds all calls, the first time.
func (c *call) leave() {
	if free := c.free; free != nil {
		c.free = nil
		free()
	}
}

// A reply is a whole answer.
type reply struct {
	status int
	kind   string // Content-Type; empty: there is no body
	header http.Header
	body   []byte
	stream func(*call) // sends what follows the head, until it ends
}

// ServeHTTP answers one request: exactly one reply, whatever happens.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), d.cfg.Limits.Call)
	defer cancel()
	c := &call{w: w, r: r, ctx: ctx, start: d.cfg.Now()}
	defer d.account(c)
	c.in = d.open(w, r)
	d.write(c, d.reply(c))
	d.drop(c)
}

// reply makes the answer, and a refusal of everything that goes wrong.
func (d *door) reply(c *call) (rep reply) {
	defer func() {
		if v := recover(); v != nil {
			d.cfg.Log.Error("panic while answering a request", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			rep = d.refuse(c, errors.New("panic"))
		}
	}()
	rep, err := d.pass(c)
	if err != nil {
		return d.refuse(c, err)
	}
	return rep
}

// pass lets a request through one check after the other to its route.
func (d *door) pass(c *call) (reply, error) {
	if err := d.checkHost(c.r); err != nil {
		return reply{}, err
	}
	methods, last := d.routes.find(c.r.URL.Path)
	if r := methods[c.r.Method]; r != nil && r.page {
		c.route = r // whoever comes to it with a browser is refused with a page
	}
	if err := d.checkOrigin(c); err != nil {
		return reply{}, err
	}
	if methods == nil {
		return reply{}, kernel.Errorf(kernel.NotFound, "there is nothing at this path").
			WithHint("GET /openapi.yaml lists every path")
	}
	if c.r.Method == http.MethodOptions {
		return reply{status: http.StatusNoContent, header: http.Header{"Allow": {allowed(methods)}}}, nil
	}
	route, ok := methods[c.r.Method]
	if !ok {
		c.w.Header().Set("Allow", allowed(methods))
		return reply{}, kernel.Errorf(kernel.MethodNotAllowed, "this path does not take the method").
			WithHint("it takes %s", allowed(methods))
	}
	c.route, c.last = route, last

	lane := d.calls
	switch {
	case route.probe:
		lane = d.probes
	case route.vote:
		lane = d.votes
	case route.page:
		lane = d.pages
	}
	if !lane.enter() {
		return reply{}, kernel.Errorf(kernel.Unavailable, "too many requests are under way").WithHint("ask again in a second")
	}
	c.free = lane.leave
	defer c.leave()
	return d.admit(c)
}

// admit checks who calls and what was sent, and serves the route.
func (d *door) admit(c *call) (reply, error) {
	if !c.route.public {
		if err := d.authenticate(c); err != nil {
			return reply{}, err
		}
		if !c.caller.Is(c.route.roles...) {
			return reply{}, kernel.Errorf(kernel.Forbidden, "the caller's role may not do this").
				WithHint("it takes a token with the role %s", listed(c.route.roles))
		}
	}
	if err := d.share(c); err != nil {
		return reply{}, err
	}
	var err error
	if c.query, err = parseQuery(c.r, c.route.params); err != nil {
		return reply{}, err
	}
	if c.route.body {
		room := c.in.room(c.route.limit())
		if !d.bodies.take(c.caller.Principal, room) {
			return reply{}, overShare("too much is being sent at the moment, by this caller or by all")
		}
		defer d.bodies.give(c.caller.Principal, room)
	}
	if err := d.receive(c); err != nil {
		return reply{}, err
	}
	return c.route.serve(d, c)
}

// share takes a place of those that a caller may have in its lane.
func (d *door) share(c *call) error {
	places := &d.places
	switch {
	case c.route.probe, c.route.page:
		return nil
	case c.route.vote:
		places = &d.ballots
	}
	if !places.take(c.caller.Principal, 1) {
		return overShare("too many requests of this caller are under way")
	}
	leave := c.free
	c.free = func() { places.give(c.caller.Principal, 1); leave() }
	return nil
}

// overShare refuses at once, and before the body is read, what would take the
// room of others.
func overShare(what string) error {
	return kernel.Errorf(kernel.Unavailable, "%s", what).WithHint("ask again in a second")
}

// refuse turns an error into its problem document. What a known caller sent to
// a deciding route is recorded first, without the body.
func (d *door) refuse(c *call, err error) reply {
	e := d.public(c, err)
	d.cfg.Metrics.refused(e.Code)
	p := explainBundle(problemOf(e), err)
	if c.known && c.route.door != "" && p.Status < 500 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), d.cfg.Limits.Call)
		defer cancel()
		d.record(ctx, c, e, c.in.size())
	}
	if c.route != nil && c.route.page {
		return problemPage(p)
	}
	return p.reply()
}

// record has a refusal written down. size is that of what was refused, in bytes.
func (d *door) record(ctx context.Context, c *call, e *kernel.Error, size int64) {
	refusal := gate.Refusal{Door: c.route.door, Code: e.Code, Path: e.Path, Size: size}
	if err := d.cfg.Kernel.Refuse(ctx, c.caller, refusal); err != nil {
		// It stays a refusal; that the log is broken shows in readiness.
		d.cfg.Log.Error("a refused request could not be recorded", "code", string(e.Code), "error", err)
	}
}

// public returns what the caller may know of an error.
func (d *door) public(c *call, err error) *kernel.Error {
	var e *kernel.Error
	switch {
	case errors.As(err, &e):
		return e
	case c.ctx.Err() != nil:
		return kernel.Errorf(kernel.Unavailable, "it could not be answered in time")
	}
	d.cfg.Log.Error("a request failed", "route", c.pattern(), "error", err)
	return kernel.Errorf(kernel.Internal, "something failed here; it is in the kernel's own log")
}

// always is in the head of every answer: nothing that is sent may be cached,
// sniffed or framed.
var always = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"Cache-Control":           {"no-store"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
}

// write sends the answer.
func (d *door) write(c *call, rep reply) {
	h := c.w.Header()
	maps.Copy(h, always)
	maps.Copy(h, rep.header) // a page says what it loads
	if rep.kind != "" {
		h.Set("Content-Type", rep.kind)
	}
	if rep.kind != "" && rep.stream == nil {
		h.Set("Content-Length", strconv.Itoa(len(rep.body)))
	}
	if !c.in.whole() {
		h.Set("Connection", "close")
	}
	c.status = rep.status
	c.w.WriteHeader(rep.status)
	if rep.stream != nil && c.r.Method != http.MethodHead {
		rep.stream(c)
		return
	}
	if c.r.Method != http.MethodHead && len(rep.body) > 0 {
		if _, err := c.w.Write(rep.body); err != nil {
			d.cfg.Log.Debug("an answer could not be sent", "route", c.pattern(), "error", err)
		}
	}
}

// account counts and logs the call, without anything the client sent but its
// method. What went well is for debugging only: the log of decisions has it.
func (d *door) account(c *call) {
	took := d.cfg.Now().Sub(c.start)
	d.cfg.Metrics.answered(c.pattern(), c.status, took)
	level := slog.LevelDebug
	if c.status >= http.StatusBadRequest {
		level = slog.LevelInfo
	}
	if !d.cfg.Log.Enabled(c.ctx, level) {
		return
	}
	d.cfg.Log.LogAttrs(c.ctx, level, "request", slog.String("method", c.r.Method), slog.String("route", c.pattern()),
		slog.Int("status", c.status), slog.Duration("duration", took), slog.String("principal", c.caller.Principal))
}

// pattern is the route's path, without ids; `other` where there is no route.
func (c *call) pattern() string {
	if c.route == nil {
		return "other"
	}
	return c.route.path
}

// listed names roles for people: admin or auditor.
func listed(roles []kernel.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " or ")
}
