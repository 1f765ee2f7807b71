package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A PolicyKeeper is the part of the kernel that keeps policies.
type PolicyKeeper interface {
	Push(context.Context, kernel.Caller, gate.Push) (gate.PushReport, error)
	Policies(context.Context, kernel.Caller) ([]gate.Policy, error)
	PolicySource(ctx context.Context, caller kernel.Caller, version string) ([]pdl.File, error)
	PolicyDiff(ctx context.Context, caller kernel.Caller, from, to string) (gate.PolicyDifference, error)
	ActivatePushed(context.Context, kernel.Caller, gate.Activation) error
}

// maxBundle bounds the body of a bundle, in bytes.
const maxBundle = 16 << 20

type fileView struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

type diagnosticView struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Col        int    `json:"col"`
	EndLine    int    `json:"end_line"`
	EndCol     int    `json:"end_col"`
	Severity   string `json:"severity"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitzero"`
	Source     string `json:"source,omitzero"`
}

func viewOfDiagnostics(diags pdl.Diagnostics) []diagnosticView {
	list := []diagnosticView{}
	for _, d := range diags {
		list = append(list, diagnosticView{d.File, d.Line, d.Col, d.EndLine, d.EndCol, d.Severity.String(), d.Message, d.Suggestion, d.Source})
	}
	return list
}

type testsView struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// pushPolicy is POST /v1/policies.
func (d *door) pushPolicy(c *call) (reply, error) {
	p, err := pushOf(c.data)
	if err != nil {
		return reply{}, err
	}
	r, err := d.cfg.Kernel.Push(c.ctx, c.caller, p)
	if err != nil {
		return reply{}, err
	}
	status := http.StatusCreated
	if r.Known || p.Dry {
		status = http.StatusOK
	}
	return jsonReply(status, struct {
		Version  string            `json:"version"`
		Rules    int               `json:"rules"`
		Tests    testsView         `json:"tests"`
		Failed   []eval.CaseResult `json:"failed_tests,omitzero"`
		Warnings []diagnosticView  `json:"warnings"`
		Known    bool              `json:"known"`
		DryRun   bool              `json:"dry_run"`
	}{r.Version, r.Rules, testsView{r.Tests.Passed, r.Tests.Failed}, failing(r.Tests.Cases), viewOfDiagnostics(r.Warnings), r.Known, p.Dry}), nil
}

func failing(cases []eval.CaseResult) (list []eval.CaseResult) {
	for _, c := range cases {
		if !c.Pass {
			list = append(list, c)
		}
	}
	return list
}

func pushOf(data []byte) (p gate.Push, err error) {
	m, err := decodeObject(data, []string{"files", "reason", "allow_failing_tests", "dry_run"})
	if err != nil {
		return p, err
	}
	if p.AllowFailing, err = flag(m, "allow_failing_tests"); err != nil {
		return p, err
	}
	if p.Dry, err = flag(m, "dry_run"); err != nil {
		return p, err
	}
	if p.Reason, err = textOrNone(m, "reason"); err != nil {
		return p, err
	}
	list, ok := m["files"].([]any)
	if !ok {
		return p, kernel.Errorf(kernel.Invalid, "files is a list of files").At("$.files").WithHint(`each is {"name": "policies.yaml", "text": "…"}`)
	}
	for i, item := range list {
		f, err := fileOf(indexPath("$.files", i), item)
		if err != nil {
			return p, err
		}
		p.Files = append(p.Files, f)
	}
	return p, nil
}

func fileOf(at string, item any) (f pdl.File, err error) {
	m, ok := item.(map[string]any)
	if !ok {
		return f, kernel.Errorf(kernel.Invalid, "a file is an object").At(at)
	}
	if err := onlyMembers(at, m, []string{"name", "text"}); err != nil {
		return f, err
	}
	for _, name := range []string{"name", "text"} {
		if _, ok := m[name].(string); !ok {
			return f, kernel.Errorf(kernel.Invalid, "%s is a string", name).At(kernel.JoinPath(at, name))
		}
	}
	return pdl.File{Name: m["name"].(string), Data: []byte(m["text"].(string))}, nil
}

// textOrNone reads a member that may be absent.
func textOrNone(m map[string]any, name string) (string, error) {
	v, there := m[name]
	s, ok := v.(string)
	if there && !ok {
		return "", kernel.Errorf(kernel.Invalid, "%s is a string", name).At(kernel.JoinPath("$", name))
	}
	return s, nil
}

type eventView struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitzero"`
}

type policyView struct {
	Version   string     `json:"version"`
	Active    bool       `json:"active"`
	Rules     int        `json:"rules,omitzero"`
	Tests     *testsView `json:"tests,omitzero"`
	Pushed    *eventView `json:"pushed,omitzero"`
	Activated *eventView `json:"activated,omitzero"`
}

func viewOfPolicy(p gate.Policy) policyView {
	v := policyView{Version: p.Version, Active: p.Active}
	if p.Pushed != nil {
		pushed := eventView(p.PushedBy)
		v.Rules, v.Tests, v.Pushed = p.Pushed.Rules, &testsView{p.Pushed.Passed, p.Pushed.Failed}, &pushed
	}
	if p.Activated != nil {
		activated := eventView(*p.Activated)
		v.Activated = &activated
	}
	return v
}

// listPolicies is GET /v1/policies.
func (d *door) listPolicies(c *call) (reply, error) {
	list, err := d.cfg.Kernel.Policies(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	views := []policyView{}
	for _, p := range list {
		views = append(views, viewOfPolicy(p))
	}
	return jsonReply(http.StatusOK, struct {
		Active   string       `json:"active,omitzero"`
		Policies []policyView `json:"policies"`
	}{d.cfg.Kernel.PolicyVersion(), views}), nil
}

// policy is GET /v1/policies/{id}.
func (d *door) policy(c *call) (reply, error) {
	files, err := d.cfg.Kernel.PolicySource(c.ctx, c.caller, c.last)
	if err != nil {
		return reply{}, err
	}
	views := []fileView{}
	for _, f := range files {
		views = append(views, fileView{f.Name, string(f.Data)})
	}
	return jsonReply(http.StatusOK, struct {
		Version string     `json:"version"`
		Files   []fileView `json:"files"`
	}{c.last, views}), nil
}

// diffPolicies is GET /v1/policies:diff.
func (d *door) diffPolicies(c *call) (reply, error) {
	if c.query["to"] == "" {
		return reply{}, kernel.Errorf(kernel.Invalid, "which bundle to compare is not said").At("to")
	}
	diff, err := d.cfg.Kernel.PolicyDiff(c.ctx, c.caller, c.query["from"], c.query["to"])
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		From  string                `json:"from,omitzero"`
		To    string                `json:"to"`
		Files []gate.FileDifference `json:"files"`
	}{diff.From, diff.To, diff.Files}), nil
}

// activatePolicy is POST /v1/policies:activate.
func (d *door) activatePolicy(c *call) (reply, error) {
	m, err := textMembers(c.data, "version", "previous", "reason", "proof")
	if err != nil {
		return reply{}, err
	}
	a := gate.Activation{Version: m["version"], Previous: m["previous"], Reason: m["reason"], Proof: m["proof"]}
	if err := d.cfg.Kernel.ActivatePushed(c.ctx, c.caller, a); err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Active   string `json:"active"`
		Previous string `json:"previous,omitzero"`
	}{a.Version, a.Previous}), nil
}

// explainBundle adds to a problem what is wrong with a bundle.
func explainBundle(p problem, err error) problem {
	var bundle *gate.BundleError
	if errors.As(err, &bundle) {
		if len(bundle.Diagnostics) > 0 {
			p.Diagnostics = viewOfDiagnostics(bundle.Diagnostics)
		}
		p.FailedTests = bundle.Failed
	}
	return p
}
