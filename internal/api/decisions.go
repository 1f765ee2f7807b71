package api

import (
	"net/http"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// The doors that decide, as the log names them.
const (
	doorDecisions = "decisions"
	doorBatch     = "batch"
	doorEvaluate  = "evaluate"
	doorEvents    = "events"
)

// decide is POST /v1/decisions.
func (d *door) decide(c *call) (reply, error) {
	req, err := kernel.DecodeRequest(c.data)
	if err != nil {
		return reply{}, err
	}
	decision, err := d.cfg.Kernel.Decide(c.ctx, c.caller, gate.Ask{Request: req, Door: doorDecisions})
	if err != nil {
		return reply{}, err
	}
	d.cfg.Metrics.decided(decision)
	return d.awaited(c, decision, req.Wait)
}

// awaited answers with what became of a decision after some time.
func (d *door) awaited(c *call, decision kernel.Decision, wait time.Duration) (reply, error) {
	if wait > 0 && !decision.Approval.Settled() && d.park(c, wait) {
		defer d.unpark(c)
		ctx, cancel := d.untilStop(c.r.Context())
		defer cancel()
		later, err := d.cfg.Kernel.Await(ctx, c.caller, decision, wait)
		if err != nil {
			return reply{}, err
		}
		if err := d.stillKnown(c); err != nil {
			c.known = false // nothing is recorded as theirs any more
			return reply{}, err
		}
		decision = later
	}
	return jsonReply(http.StatusOK, decision), nil
}

// explain is POST /v1/decisions:explain.
func (d *door) explain(c *call) (reply, error) {
	req, err := kernel.DecodeRequest(c.data)
	if err != nil {
		return reply{}, err
	}
	trace, err := d.cfg.Kernel.Explain(c.ctx, c.caller, gate.Ask{Request: req, Door: doorDecisions})
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, trace), nil
}

// dryRun is POST /v1/decisions:dryrun.
func (d *door) dryRun(c *call) (reply, error) {
	req, err := kernel.DecodeRequest(c.data)
	if err != nil {
		return reply{}, err
	}
	verdict, err := d.cfg.Kernel.DryRun(c.ctx, c.caller, gate.Ask{Request: req, Door: doorDecisions})
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, verdict), nil
}

// decision is GET /v1/decisions/{id}.
func (d *door) decision(c *call) (reply, error) {
	var wait time.Duration
	if text, given := c.query["wait"]; given {
		var err error
		if wait, err = kernel.ParseWait(text); err != nil {
			return reply{}, err
		}
	}
	decision, err := d.cfg.Kernel.Decision(c.ctx, c.caller, c.last)
	if err != nil {
		return reply{}, err
	}
	return d.awaited(c, decision, wait)
}

// list is GET /v1/decisions.
func (d *door) list(c *call) (reply, error) {
	q, err := decisionQuery(c.query)
	if err != nil {
		return reply{}, err
	}
	page, err := d.cfg.Kernel.Decisions(c.ctx, c.caller, q)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, page), nil
}
