package api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// report is POST /v1/events.
func (d *door) report(c *call) (reply, error) {
	r, err := reportOf(c.data)
	if err != nil {
		return reply{}, err
	}
	reported, err := d.cfg.Kernel.Report(c.ctx, c.caller, r)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusCreated, struct {
		ReportedAt time.Time       `json:"reported_at"`
		Entry      kernel.EntryRef `json:"entry"`
	}{reported.At, reported.Entry}), nil
}

// reportOf reads an event as strictly as a request, which it is in other
// clothes.
func reportOf(data []byte) (gate.Report, error) {
	m, err := decodeObject(data, []string{"event", "agent", "resource", "params"})
	if err != nil {
		return gate.Report{}, err
	}
	tree := map[string]any{"agent": map[string]any{"id": "nobody"}}
	for name, as := range map[string]string{"event": "action", "agent": "agent", "resource": "resource", "params": "params"} {
		if v, there := m[name]; there {
			tree[as] = v
		}
	}
	req, err := kernel.RequestFromTree(tree)
	var ours *kernel.Error
	if errors.As(err, &ours) && ours.Path == "$.action" {
		return gate.Report{}, kernel.Errorf(ours.Code, "%s", strings.Replace(ours.Message, "action", "event", 1)).At("$.event")
	}
	if err != nil {
		return gate.Report{}, err
	}
	for _, name := range kernel.SortedKeys(req.Agent.Attributes) {
		return gate.Report{}, kernel.Errorf(kernel.Invalid, "of an agent an event says the id alone").
			At(kernel.JoinPath("$.agent", name)).WithHint("leave it out: the registry knows the rest")
	}
	r := gate.Report{Event: req.Action, Resource: req.Resource, Params: req.Params, Door: doorEvents}
	if _, there := m["agent"]; there {
		r.Agent = req.Agent.ID
	}
	return r, nil
}
