package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// A PolicyFile is one file of a bundle.
type PolicyFile struct {
	Name string `json:"name"` // a relative path that ends in .yaml or .yml
	Text string `json:"text"`
}

// PushOptions say how a bundle is pushed.
type PushOptions struct {
	Reason       string // for people: recorded
	AllowFailing bool   // keep it although its own tests fail
	DryRun       bool   // check it and keep nothing
}

// A PushedPolicy is what became of a bundle.
type PushedPolicy struct {
	Version     string             `json:"version"`
	Rules       int                `json:"rules"`
	Tests       PolicyTests        `json:"tests"`
	FailedTests []FailedTest       `json:"failed_tests,omitzero"` // with AllowFailing
	Warnings    []PolicyDiagnostic `json:"warnings"`
	Known       bool               `json:"known"` // it was kept already
	DryRun      bool               `json:"dry_run"`
}

// PolicyTests counts the own tests of a bundle.
type PolicyTests struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// A PolicyDiagnostic is a finding about a file. Lines and columns count from 1.
type PolicyDiagnostic struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Col        int    `json:"col"`
	EndLine    int    `json:"end_line"`
	EndCol     int    `json:"end_col"`
	Severity   string `json:"severity"` // error or warning
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitzero"`
	Source     string `json:"source,omitzero"` // the line
}

// A FailedTest is a test of a bundle that does not come out as it expects.
type FailedTest struct {
	Name    string           `json:"name"` // document/case
	Pass    bool             `json:"pass"`
	Verdict json.RawMessage  `json:"verdict,omitzero"`
	Diff    []TestDifference `json:"diff,omitzero"`
	Error   string           `json:"error,omitzero"` // why there is no verdict
}

// A TestDifference is one member of a verdict; both sides are JSON.
type TestDifference struct {
	Member string `json:"member"`
	Want   string `json:"want"`
	Have   string `json:"have"`
}

// A BundleError says why a kernel does not take a bundle. It wraps a
// *[kernel.Error].
type BundleError struct {
	Problem     *kernel.Error
	Diagnostics []PolicyDiagnostic
	FailedTests []FailedTest
}

func (e *BundleError) Error() string { return e.Problem.Error() }

func (e *BundleError) Unwrap() error { return e.Problem }

// A Policy is a bundle that can be activated.
type Policy struct {
	Version   string       `json:"version"`
	Active    bool         `json:"active"`
	Rules     int          `json:"rules,omitzero"`
	Tests     *PolicyTests `json:"tests,omitzero"`     // as it was pushed
	Pushed    *PolicyEvent `json:"pushed,omitzero"`    // nil: it was only ever read from a folder
	Activated *PolicyEvent `json:"activated,omitzero"` // the last time; nil: it never was
}

// A PolicyEvent says who did something with a policy, when and why.
type PolicyEvent struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitzero"`
}

// A PolicyDiff is what activating a bundle would change.
type PolicyDiff struct {
	From  string           `json:"from,omitzero"` // empty: nothing is active
	To    string           `json:"to"`
	Files []PolicyFileDiff `json:"files"`
}

// A PolicyFileDiff is a file that is not the same in both bundles.
type PolicyFileDiff struct {
	Name   string `json:"name"`
	Change string `json:"change"` // add, change or remove
	Diff   string `json:"diff"`   // in the unified format
}

// PushPolicy has a bundle checked and kept, so that it can be activated. The
// error is a *[BundleError] when the bundle is at fault. It takes an admin.
func (c *Client) PushPolicy(ctx context.Context, files []PolicyFile, o PushOptions) (got PushedPolicy, err error) {
	body, err := json.Marshal(struct {
		Files        []PolicyFile `json:"files"`
		Reason       string       `json:"reason,omitzero"`
		AllowFailing bool         `json:"allow_failing_tests,omitzero"`
		DryRun       bool         `json:"dry_run,omitzero"`
	}{files, o.Reason, o.AllowFailing, o.DryRun})
	if err != nil {
		return got, err
	}
	a, err := c.send(ctx, request{method: http.MethodPost, path: "/v1/policies", body: body})
	switch {
	case err != nil:
		return got, err
	case a.kind == problemType && a.status >= 400:
		return got, bundleProblem(a)
	case a.status != http.StatusOK && a.status != http.StatusCreated || a.kind != jsonType:
		return got, c.stranger(a)
	}
	return got, json.Unmarshal(a.body, &got)
}

// bundleProblem adds to the error of a problem document what is wrong with a
// bundle.
func bundleProblem(a answer) error {
	err := problem(a)
	var more struct {
		Diagnostics []PolicyDiagnostic `json:"diagnostics"`
		FailedTests []FailedTest       `json:"failed_tests"`
	}
	e := &BundleError{}
	if !errors.As(err, &e.Problem) || json.Unmarshal(a.body, &more) != nil || len(more.Diagnostics)+len(more.FailedTests) == 0 {
		return err
	}
	e.Diagnostics, e.FailedTests = more.Diagnostics, more.FailedTests
	return e
}

// Policies returns the bundles that can be activated, what happened last to
// them first, and the version that decides; "" when none does. It takes an
// admin or auditor.
func (c *Client) Policies(ctx context.Context) (active string, list []Policy, err error) {
	var got struct {
		Active   string   `json:"active"`
		Policies []Policy `json:"policies"`
	}
	err = c.object(ctx, request{method: http.MethodGet, path: "/v1/policies"}, http.StatusOK, &got)
	return got.Active, got.Policies, err
}

// PolicyFiles returns the files of a bundle. It takes an admin or auditor.
func (c *Client) PolicyFiles(ctx context.Context, version string) ([]PolicyFile, error) {
	path, err := below("/v1/policies/", version)
	if err != nil {
		return nil, err
	}
	var got struct {
		Files []PolicyFile `json:"files"`
	}
	err = c.object(ctx, request{method: http.MethodGet, path: path}, http.StatusOK, &got)
	return got.Files, err
}

// DiffPolicies says what is different in the bundle `to`; an empty `from` is
// the active one. It takes an admin or auditor.
func (c *Client) DiffPolicies(ctx context.Context, from, to string) (got PolicyDiff, err error) {
	q := url.Values{"to": {to}}
	if from != "" {
		q.Set("from", from)
	}
	err = c.object(ctx, request{method: http.MethodGet, path: "/v1/policies:diff", query: q}, http.StatusOK, &got)
	return got, err
}

// ActivatePolicy makes a bundle that was pushed the one that decides, provided
// that `previous` is active until then ("": none is); an older one is how to go
// back. It takes an admin.
func (c *Client) ActivatePolicy(ctx context.Context, version, previous, reason string) error {
	return c.ActivateProvedPolicy(ctx, version, previous, reason, "")
}

// ActivateProvedPolicy is ActivatePolicy with the signed proof record of the
// bundle, which a kernel may require; "": there is none.
func (c *Client) ActivateProvedPolicy(ctx context.Context, version, previous, reason, proof string) error {
	return c.post(ctx, "/v1/policies:activate", struct {
		Version  string `json:"version"`
		Previous string `json:"previous"`
		Reason   string `json:"reason,omitzero"`
		Proof    string `json:"proof,omitzero"`
	}{version, previous, reason, proof}, http.StatusOK, &struct{}{})
}
