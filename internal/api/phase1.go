package api

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// Limits of the members of a Phase 1 request.
const (
	maxActions   = 256
	maxTimestamp = 128 // characters
)

// anonymous is who ships when nobody says.
const anonymous = "anonymous"

// evaluate is POST /evaluate: the native request in other clothes.
func (d *door) evaluate(c *call) (reply, error) {
	ask, err := phase1Ask(c.data, c.caller)
	if err != nil {
		return reply{}, err
	}
	decision, err := d.cfg.Kernel.Decide(c.ctx, c.caller, ask)
	if err != nil {
		return reply{}, phase1Error(err)
	}
	d.cfg.Metrics.decided(decision)
	return jsonReply(http.StatusOK, phase1Answer(decision)), nil
}

// phase1Ask reads a Phase 1 request. A member of the wrong type is an error;
// an artifact type or environment that is absent or null stays empty, and the
// gate answers DENY.
func phase1Ask(data []byte, caller kernel.Caller) (gate.Ask, error) {
	tree, err := kernel.DecodeJSON(data)
	if err != nil {
		return gate.Ask{}, err
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return gate.Ask{}, kernel.Errorf(kernel.Invalid, "a request is a JSON object").At("$")
	}
	r := phase1Reader{members: top}
	kind, _ := r.text("artifact_type")
	environment, named := r.text("environment")
	claimed, _ := r.text("timestamp")
	ask := gate.Ask{
		Door: doorEvaluate, Phase1: true, ClaimedAt: claimed,
		Request: kernel.Request{
			Agent: kernel.Agent{ID: r.agent(caller)}, Action: "ship",
			Resource: kernel.Resource{Type: kind, ID: kind, Attributes: map[string]any{}},
			Params:   r.params(),
		},
	}
	if named {
		ask.Request.Resource.Attributes["environment"] = environment
	}
	if utf8.RuneCountInString(claimed) > maxTimestamp {
		r.fail("timestamp", "timestamp is longer than 128 characters")
	}
	if r.err != nil {
		return gate.Ask{}, r.err
	}
	return ask, nil
}

// A phase1Reader picks members out of an object and keeps the first error.
type phase1Reader struct {
	members map[string]any
	err     error
}

func (r *phase1Reader) fail(member, message string) {
	if r.err == nil {
		r.err = kernel.Errorf(kernel.Invalid, "%s", message).At(kernel.JoinPath("$", member))
	}
}

// text returns a member that is a string; null is the same as absent.
func (r *phase1Reader) text(member string) (s string, given bool) {
	v := r.members[member]
	if v == nil {
		return "", false
	}
	if s, given = v.(string); !given {
		r.fail(member, member+" is a string or null")
	}
	return s, given
}

func (r *phase1Reader) agent(caller kernel.Caller) string {
	id, given := r.text("agent_id")
	switch {
	case given && (id == "" || utf8.RuneCountInString(id) > kernel.MaxName || strings.ContainsFunc(id, unicode.IsControl)):
		r.fail("agent_id", "agent_id has 1 to 256 characters, none of them a control character")
		return ""
	case given:
		return id
	case caller.Agent != "":
		return caller.Agent
	case caller.Is(kernel.RoleGateway, kernel.RoleAdmin):
		return anonymous
	}
	r.fail("agent_id", "agent_id is required")
	return ""
}

func (r *phase1Reader) params() map[string]any {
	v := r.members["actions"]
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		r.fail("actions", "actions is a list of strings or null")
		return nil
	}
	if len(list) > maxActions {
		r.fail("actions", "actions has more than 256 elements")
		return nil
	}
	for i, element := range list {
		if s, ok := element.(string); !ok || strings.ContainsRune(s, 0) {
			if r.err == nil {
				r.err = kernel.Errorf(kernel.Invalid, "an action is a string, without U+0000").At(indexPath("$.actions", i))
			}
			return nil
		}
	}
	return map[string]any{"actions": list}
}

// phase1Paths are the names that the members of a native request have here.
var phase1Paths = []struct{ native, here string }{
	{"$.params.actions", "$.actions"},
	{"$.resource.environment", "$.environment"},
	{"$.resource.type", "$.artifact_type"},
	{"$.resource.id", "$.artifact_type"},
	{"$.agent.id", "$.agent_id"},
}

// phase1Error points to the member that the caller sent.
func phase1Error(err error) error {
	var e *kernel.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, p := range phase1Paths {
		if rest, found := strings.CutPrefix(e.Path, p.native); found {
			return e.At(p.here + rest)
		}
	}
	return e
}

// A phase1Decision is the answer of POST /evaluate.
type phase1Decision struct {
	Decision          kernel.Effect  `json:"decision"`
	RiskLevel         kernel.Risk    `json:"risk_level"`
	ApprovalsRequired int            `json:"approvals_required"`
	Constraints       map[string]any `json:"constraints"`
	PolicyVersion     string         `json:"policy_version"`
	Reason            string         `json:"reason"`
	Timestamp         time.Time      `json:"timestamp"`
}

func phase1Answer(d kernel.Decision) phase1Decision {
	constraints := map[string]any{"no_self_approval": false, "log_all_actions": false, "isolation_required": false}
	for _, name := range kernel.SortedKeys(d.Constraints) {
		constraints[name] = d.Constraints[name]
	}
	return phase1Decision{
		Decision: d.Decision, RiskLevel: d.RiskLevel, ApprovalsRequired: d.ApprovalsRequired, Constraints: constraints,
		PolicyVersion: d.PolicyVersion, Reason: d.Reason, Timestamp: d.DecidedAt,
	}
}
