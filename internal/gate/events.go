package gate

import (
	"context"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/history"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Report says what happened elsewhere, for facts to count.
type Report struct {
	Event    string // as the schema declares it
	Agent    string // whom it is about; empty: nobody in particular
	Resource kernel.Resource
	Params   map[string]any
	Door     string // where it came in: recorded with it
}

// Reported is where and when a report was recorded.
type Reported struct {
	At    time.Time
	Entry kernel.EntryRef
}

// Report records an event. From its return on every decision counts it. The
// caller has to stand for a person or a service that the schema lists as a
// reporter of the event; nobody who may speak for an agent reports anything.
//
// The error is a *kernel.Error: Forbidden when the caller is no reporter,
// Invalid when the event does not fit the schema, Unavailable when nothing
// could be recorded. A report that is sent again counts again.
func (g *Gate) Report(ctx context.Context, caller kernel.Caller, r Report) (reported Reported, err error) {
	if caller.Is(kernel.RoleAgent, kernel.RoleGateway, kernel.RoleAdmin) || !caller.Is(kernel.RoleReporter) || caller.StandsFor == "" {
		return Reported{}, kernel.Errorf(kernel.Forbidden, "events are reported by people and services of the registry, and by nobody who speaks for agents").
			WithHint("use a token with the role reporter that stands for one: \"kernel tokens create --role reporter --principal ID\"")
	}
	subject, private, err := g.told(r)
	if err != nil {
		return Reported{}, err
	}
	err = g.submit(ctx, &job{apply: func(b *batch) (err error) {
		if err := g.mayReport(b, caller, &subject); err != nil {
			return g.unlessOutdated(err)
		}
		reported, err = g.report(b, caller, r.Door, subject, private)
		return err
	}})
	if err != nil {
		return Reported{}, err
	}
	return reported, nil
}

// told makes of a report what is recorded of it: a request whose action is the
// event.
func (g *Gate) told(r Report) (subject kernel.Request, private *store.Private, err error) {
	if err := checkTexts([]placed{{"$.event", r.Event}, {"$.agent.id", r.Agent}, {"$.resource.id", r.Resource.ID}}); err != nil {
		return subject, nil, err
	}
	subject = kernel.Request{Agent: kernel.Agent{ID: r.Agent}, Action: r.Event, Resource: r.Resource, Params: r.Params}
	canonical, err := subject.Canonical()
	if err != nil {
		return subject, nil, kernel.Errorf(kernel.Invalid, "the event has no canonical form").At("$")
	}
	private, err = g.salted(canonical)
	return subject, private, err
}

// mayReport reports why nobody reports an event, or this caller does not.
func (g *Gate) mayReport(b *batch, caller kernel.Caller, subject *kernel.Request) error {
	if b.program == nil {
		return noPolicy()
	}
	if err := b.program.CheckEvent(subject, standing(b.registry, b.program, subject, b.now)); err != nil {
		return err
	}
	if !isReporter(b.registry, b.program.Schema().EventOf(subject.Action), caller.StandsFor) {
		return kernel.Errorf(kernel.Forbidden, "%s is no reporter of this event", caller.StandsFor).
			At("$.event").WithHint("the schema lists who may report it, by role, group or id")
	}
	return nil
}

// unlessOutdated is the error with which a job is refused and nothing written,
// where no guard would show that it rests on what another node changed by now:
// then it is errLater.
func (g *Gate) unlessOutdated(refusal error) error {
	if err := g.upToDate(context.Background()); err != nil {
		return err
	}
	return refusal
}

// report adds an event to a batch, and to the history that later decisions of
// the batch count.
func (g *Gate) report(b *batch, caller kernel.Caller, door string, subject kernel.Request, private *store.Private) (Reported, error) {
	st := standing(b.registry, b.program, &subject, b.now)
	if len(b.program.Schema().Facts) > 0 && g.past == nil && g.shared() {
		return Reported{}, unavailable("the history that the policy counts could not be read")
	}
	st = registry.Standing{Version: st.Version, Status: st.Status, Agent: st.Agent, Resource: st.Resource} // nothing else is asked of it
	event := history.Event{Name: subject.Action, Subject: st.Know(subject), At: b.now, Reported: true}
	keys, err := g.restOnEvent(b, &event)
	if err != nil {
		return Reported{}, err
	}
	row, err := b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal, Door: door,
		Event: &ledger.Reported{Event: subject.Action, Standing: st},
	}, private)
	if err != nil {
		return Reported{}, unavailable("its entry could not be made")
	}
	if g.past != nil {
		g.past.Add(&event)
	}
	for _, key := range keys {
		b.counts(key, true)
	}
	return Reported{At: b.now, Entry: ledger.RefOf(row)}, nil
}

// restOnEvent makes the part of a job rest on the keys that an event counts
// under, where other gates count them too, and returns them.
func (g *Gate) restOnEvent(b *batch, e *history.Event) (keys []string, err error) {
	if !g.shared() || g.past == nil {
		return nil, nil
	}
	keys = g.past.KeysOf(e)
	return keys, g.restOn(b, keys)
}

// isReporter reports whether a principal may report an event now.
func isReporter(s *registry.Snapshot, e *pdl.Event, id string) bool {
	p, known := s.Principal(id)
	if !known || p.Status != registry.Active || p.Kind == registry.Agent {
		return false
	}
	return slices.ContainsFunc(e.Reporters, func(r pdl.Reporter) bool {
		switch r.Kind {
		case "role":
			return slices.Contains(p.Roles, r.Name)
		case "group":
			return slices.Contains(p.Groups, r.Name)
		case "principal":
			return p.ID == r.Name
		}
		return false
	})
}
