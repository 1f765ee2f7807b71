package app

import (
	"errors"
	"fmt"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A CheckReport says whether a bundle may decide.
type CheckReport struct {
	Name          string       `json:"name"`
	OK            bool         `json:"ok"`
	PolicyVersion string       `json:"policy_version,omitzero"`
	Rules         int          `json:"rules"`
	Tests         int          `json:"tests"`
	Diagnostics   []Diagnostic `json:"diagnostics"` // never nil

	Claims *ClaimsReport `json:"claims,omitzero"` // of a bundle that is OK
	Serve  *ServeReport  `json:"serve,omitzero"`  // of a bundle that is OK
	Costs  []CostReport  `json:"costs,omitzero"`  // of the actions whose rules have conditions, the dearest first
}

// A Diagnostic is a finding as programs read it. Lines and columns count from
// 1; the end is just after the last character.
type Diagnostic struct {
	File       string `json:"file"`
	Line       int    `json:"line"`
	Col        int    `json:"col"`
	EndLine    int    `json:"end_line"`
	EndCol     int    `json:"end_col"`
	Severity   string `json:"severity"` // error or warning
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitzero"`
	Source     string `json:"source,omitzero"`
}

// Check compiles a bundle and reports what was found. The diagnostics come as
// people read them, too.
func Check(source BundleSource) (CheckReport, pdl.Diagnostics, error) {
	r := CheckReport{Name: source.Name}
	c, err := Compile(source)
	diags := c.Warnings
	var invalid DiagnosticsError
	if errors.As(err, &invalid) {
		diags = invalid.Diagnostics
	} else if err != nil {
		return r, nil, err
	}
	r.Diagnostics = reportDiagnostics(diags)
	if err == nil {
		r.OK, r.PolicyVersion = true, c.Program.Version()
		r.Rules, r.Tests = len(c.Bundle.Rules), len(c.Bundle.Tests)
		r.Claims, r.Serve = reportClaims(c.Bundle), reportServe(c.Bundle)
		r.Costs = reportCosts(c.Bundle)
	}
	return r, diags, nil
}

// reportDiagnostics writes findings for programs; never nil.
func reportDiagnostics(diags pdl.Diagnostics) []Diagnostic {
	list := []Diagnostic{}
	for _, d := range diags {
		list = append(list, Diagnostic{
			File: d.File, Line: d.Line, Col: d.Col, EndLine: d.EndLine, EndCol: d.EndCol,
			Severity: d.Severity.String(), Message: d.Message, Suggestion: d.Suggestion, Source: d.Source,
		})
	}
	return list
}

// Summary is one line for people.
func (r CheckReport) Summary() string {
	errs, warnings := 0, 0
	for _, d := range r.Diagnostics {
		if d.Severity == pdl.Warning.String() {
			warnings++
		} else {
			errs++
		}
	}
	if !r.OK {
		return fmt.Sprintf("%s: %s", r.Name, plural(errs, "error"))
	}
	text := fmt.Sprintf("%s: %s, %s", r.Name, plural(r.Rules, "rule"), plural(r.Tests, "test"))
	if warnings > 0 {
		text += ", " + plural(warnings, "warning")
	}
	return text + ", policy " + r.PolicyVersion
}

// A TestReport is what became of a bundle's own tests.
type TestReport struct {
	Name          string        `json:"name"`
	OK            bool          `json:"ok"`
	PolicyVersion string        `json:"policy_version"`
	Passed        int           `json:"passed"`
	Failed        int           `json:"failed"`
	Cases         []Case        `json:"cases"`
	Coverage      eval.Coverage `json:"coverage"`

	Full *eval.FullCoverage `json:"full_coverage,omitzero"` // only when asked for
}

// A Case is one result and where the case is written.
type Case struct {
	eval.CaseResult
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// RunTests runs the tests of a bundle, and when asked measures in full what
// they show.
func RunTests(source BundleSource, full bool) (TestReport, error) {
	c, err := Compile(source)
	if err != nil {
		return TestReport{}, err
	}
	got := eval.RunTests(c.Program, c.Bundle.Tests)
	r := TestReport{
		Name: source.Name, OK: got.OK() && got.Passed > 0, PolicyVersion: c.Program.Version(),
		Passed: got.Passed, Failed: got.Failed, Cases: []Case{}, Coverage: got.Coverage,
	}
	if full {
		coverage := eval.CoverFully(c.Program, c.Bundle.Tests)
		r.Full = &coverage
	}
	for _, k := range got.Cases {
		r.Cases = append(r.Cases, Case{CaseResult: k, File: k.Pos.File, Line: k.Pos.Line, Col: k.Pos.Col})
	}
	return r, nil
}
