package api

import (
	"net/http"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/contract"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

const plainText = "text/plain; charset=utf-8"

// latestCheckpoint is GET /v1/log/checkpoint.
func (d *door) latestCheckpoint(c *call) (reply, error) {
	shard, err := c.query.shard()
	if err != nil {
		return reply{}, err
	}
	note, err := d.cfg.Kernel.LatestCheckpoint(c.ctx, shard)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, kind: plainText, body: []byte(note)}, nil
}

// listShards is GET /v1/log/shards.
func (d *door) listShards(c *call) (reply, error) {
	list, err := d.cfg.Kernel.LogShards(c.ctx)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Shards []gate.LogShard `json:"shards"`
	}{list}), nil
}

// signCheckpoint is POST /v1/log/checkpoint. Its body is {}: every POST needs
// one, since that is what pages of another origin cannot send.
func (d *door) signCheckpoint(c *call) (reply, error) {
	if _, err := decodeObject(c.data, nil); err != nil {
		return reply{}, err
	}
	note, err := d.cfg.Kernel.Checkpoint(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, kind: plainText, body: []byte(note)}, nil
}

// health is GET /healthz: this process answers.
func (d *door) health(*call) (reply, error) {
	return jsonReply(http.StatusOK, struct {
		Alive bool `json:"alive"`
	}{true}), nil
}

type readiness struct {
	Ready   bool      `json:"ready"`
	Policy  string    `json:"policy_version,omitzero"`
	Missing []missing `json:"missing"`
	Notes   []missing `json:"notes,omitzero"` // what is amiss but keeps nobody from deciding
}

type missing struct {
	Part   string `json:"part"` // policy, log, clock
	Detail string `json:"detail"`
}

// ready is GET /readyz: this process may decide.
func (d *door) ready(c *call) (reply, error) {
	r := readiness{Policy: d.cfg.Kernel.PolicyVersion(), Missing: []missing{}}
	if err := d.cfg.Kernel.Ready(c.ctx); err != nil {
		part := "log"
		if r.Policy == "" {
			part = "policy"
		}
		r.Missing = append(r.Missing, missing{part, d.public(c, err).Message})
	}
	r.Missing = append(r.Missing, d.failing(c, d.cfg.Checks)...)
	r.Notes = d.failing(c, d.cfg.Notes)
	r.Ready = len(r.Missing) == 0
	if r.Ready {
		return jsonReply(http.StatusOK, r), nil
	}
	rep := jsonReply(http.StatusServiceUnavailable, r)
	rep.header = http.Header{"Retry-After": {"1"}}
	return rep, nil
}

func (d *door) failing(c *call, checks []Check) (list []missing) {
	for _, check := range checks {
		if err := check.Probe(c.ctx); err != nil {
			list = append(list, missing{check.Part, d.public(c, err).Message})
		}
	}
	return list
}

// openAPI is GET /openapi.yaml.
func (d *door) openAPI(*call) (reply, error) {
	return reply{status: http.StatusOK, kind: "application/yaml", body: contract.Served()}, nil
}

// schema is GET /schemas/{name}.
func (d *door) schema(c *call) (reply, error) {
	if !slices.Contains(contract.Schemas(), c.last) {
		return reply{}, kernel.Errorf(kernel.NotFound, "no such schema").WithHint("openapi.yaml refers to every schema there is")
	}
	data, _ := contract.File(c.last) // it is in the list
	return reply{status: http.StatusOK, kind: "application/schema+json", body: data}, nil
}
