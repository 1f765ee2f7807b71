package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// An item is one request of a batch, and what becomes of it.
type item struct {
	ask      gate.Ask
	decision kernel.Decision
	err      error
}

// decideBatch is POST /v1/decisions:batch. It is 200 when at least one item
// has an answer of its own; a batch of which nothing could be recorded is 503
// as a single request is.
func (d *door) decideBatch(c *call) (reply, error) {
	items, err := readBatch(c.data)
	if err != nil {
		return reply{}, err
	}
	d.answer(c, items)
	d.cfg.Metrics.batched(len(items))
	if err := allUnavailable(items); err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Decisions []any `json:"decisions"`
	}{d.told(c, items)}), nil
}

// readBatch reads what a batch asks. What is no batch is an error; an item
// that is no request has one.
func readBatch(data []byte) ([]item, error) {
	top, err := decodeObject(data, []string{"requests"})
	list, ok := top["requests"].([]any)
	if err != nil {
		if list = readItems(data, err); list == nil {
			return nil, err
		}
		ok = true
	}
	if !ok || len(list) == 0 || len(list) > kernel.MaxRequests {
		return nil, kernel.Errorf(kernel.Invalid, "requests is a list of 1 to %d requests", kernel.MaxRequests).At("$.requests").
			WithHint("split what is longer")
	}
	items := make([]item, len(list))
	for i, one := range list {
		var req kernel.Request
		err, unread := one.(error)
		if !unread {
			req, err = kernel.RequestFromTree(one)
		}
		if err == nil && req.Wait != 0 {
			err = kernel.Errorf(kernel.Invalid, "the requests of a batch do not wait").At("$.wait").WithHint("leave it out, and ask for each decision that waits")
		}
		items[i] = item{ask: gate.Ask{Request: req, Door: doorBatch}, err: err}
	}
	return items, nil
}

// answer has the kernel decide the items that are requests.
func (d *door) answer(c *call, items []item) {
	var asks []gate.Ask
	var from []int
	for i, one := range items {
		if one.err == nil {
			asks, from = append(asks, one.ask), append(from, i)
		}
	}
	answers := d.cfg.Kernel.DecideBatch(c.ctx, c.caller, asks)
	for n, i := range from {
		items[i].err = fmt.Errorf("request %d was not answered", i)
		if n < len(answers) {
			items[i].decision, items[i].err = answers[n].Decision, answers[n].Err
		}
	}
}

// allUnavailable returns the refusal of a batch of which nothing could be
// recorded.
func allUnavailable(items []item) error {
	for _, one := range items {
		var e *kernel.Error
		if !errors.As(one.err, &e) || e.Code != kernel.Unavailable {
			return nil
		}
	}
	return items[0].err
}

// told is what the caller learns: a decision, or a problem in its place. The
// items that were refused are recorded first, as single requests are.
func (d *door) told(c *call, items []item) []any {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), d.cfg.Limits.Call)
	defer cancel()
	list := make([]any, len(items))
	for i, one := range items {
		if one.err == nil {
			d.cfg.Metrics.decided(one.decision)
			list[i] = one.decision
			continue
		}
		e := inItem(d.public(c, one.err), i)
		d.cfg.Metrics.refused(e.Code)
		p := problemOf(e)
		if p.Status < http.StatusInternalServerError {
			d.record(ctx, c, e, c.in.size()/int64(len(items)))
		}
		list[i] = struct {
			Error problem `json:"error"`
		}{p}
	}
	return list
}

// inItem moves the path of an error from the request to the batch it is in.
func inItem(e *kernel.Error, i int) *kernel.Error {
	at := indexPath("$.requests", i)
	if len(e.Path) > 0 && e.Path[0] == '$' {
		at += e.Path[1:]
	}
	return e.At(at)
}
