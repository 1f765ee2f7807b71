package gate

import (
	"context"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Push is a bundle that somebody wants to be kept, so that it can be
// activated.
type Push struct {
	Files        []pdl.File
	Reason       string // for people: recorded; may be empty
	AllowFailing bool   // keep it although its own tests fail
	Dry          bool   // check it and keep nothing
}

// A PushReport is what a push found.
type PushReport struct {
	Version  string
	Rules    int
	Tests    eval.Report
	Warnings pdl.Diagnostics
	Known    bool // it is kept already, from before
}

// A BundleError says why a bundle is not kept: where it is invalid, what it
// needs that a kernel has not, or which of its own tests fail.
type BundleError struct {
	Problem     *kernel.Error
	Diagnostics pdl.Diagnostics   // errors and warnings
	Failed      []eval.CaseResult // tests
}

func (e *BundleError) Error() string { return e.Problem.Error() }

func (e *BundleError) Unwrap() error { return e.Problem }

// Limits of a bundle that is pushed; one that exceeds them is refused.
const (
	maxPushFiles = 4096
	maxFileName  = 256 // bytes
)

// Push checks a bundle as kernel serve does before it activates one, runs its
// tests, and keeps it under its version. What is kept already stays as it is.
// The error is a *BundleError when the bundle is at fault. Only an admin may.
func (g *Gate) Push(ctx context.Context, caller kernel.Caller, p Push) (PushReport, error) {
	if !caller.Is(kernel.RoleAdmin) {
		return PushReport{}, adminOnly()
	}
	if err := p.check(); err != nil {
		return PushReport{}, err
	}
	report, err := g.examine(ctx, p)
	if err != nil {
		return PushReport{}, err
	}
	source, err := encodeFiles(p.Files)
	if err != nil {
		return PushReport{}, fmt.Errorf("encode bundle %s: %w", report.Version, err)
	}
	if p.Dry {
		kept, err := recordOrNone(g.cfg.Store, bundleKey(report.Version))
		report.Known = kept.Version > 0
		return report, err
	}
	err = g.submit(ctx, &job{apply: func(b *batch) (err error) {
		report.Known, err = g.shelve(b, caller, p, report, source)
		return err
	}})
	if err != nil {
		return PushReport{}, err
	}
	return report, nil
}

// examine compiles a bundle and runs its tests, one bundle at a time: however
// many are pushed, the decisions have the other processors.
func (g *Gate) examine(ctx context.Context, p Push) (PushReport, error) {
	select {
	case g.examining <- struct{}{}:
	case <-ctx.Done():
		return PushReport{}, kernel.Errorf(kernel.Unavailable, "another bundle is being checked").WithHint("nothing was kept; push again")
	}
	defer func() { <-g.examining }()
	return p.examine()
}

// shelve adds the record of a bundle, and its entry, to a batch.
func (g *Gate) shelve(b *batch, caller kernel.Caller, p Push, r PushReport, source []byte) (known bool, err error) {
	kept, err := recordOrNone(g.cfg.Store, bundleKey(r.Version))
	if err != nil || kept.Version > 0 {
		return kept.Version > 0, err
	}
	if b.changes(kept.RecordKey) {
		return false, errLater // pushed by somebody else in this very batch
	}
	b.change(store.Transition{RecordKey: kept.RecordKey, Value: source})
	_, err = b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal,
		Bundle: &ledger.Pushed{Version: r.Version, Rules: r.Rules, Passed: r.Tests.Passed, Failed: r.Tests.Failed, Reason: p.Reason},
	}, nil)
	return false, err
}

// check refuses what is no bundle of files at all.
func (p Push) check() error {
	if len(p.Files) == 0 || len(p.Files) > maxPushFiles {
		return kernel.Errorf(kernel.Invalid, "a bundle has 1 to %d files", maxPushFiles).At("$.files")
	}
	seen := map[string]bool{}
	for i, f := range p.Files {
		at := fmt.Sprintf("$.files[%d]", i)
		switch {
		case !isFileName(f.Name):
			return kernel.Errorf(kernel.Invalid, "the name of a file is a relative path that ends in .yaml or .yml").
				At(at+".name").WithHint("write it as policies/deploy.yaml, with at most %d bytes", maxFileName)
		case seen[f.Name]:
			return kernel.Errorf(kernel.Invalid, "two files have this name").At(at + ".name")
		case len(strings.TrimSpace(string(f.Data))) == 0:
			return kernel.Errorf(kernel.Invalid, "the file is empty").At(at + ".text").WithHint("leave it out if it is not needed")
		}
		seen[f.Name] = true
	}
	return registry.CheckReason(p.Reason)
}

func isFileName(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yaml" || ext == ".yml") && len(name) <= maxFileName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl) &&
		path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../") && !strings.Contains(name, `\`)
}

// examine compiles a bundle and runs its tests.
func (p Push) examine() (PushReport, error) {
	bundle, diags := pdl.Compile(p.Files)
	if bundle == nil || diags.HasErrors() {
		return PushReport{}, refused(kernel.Invalid, diags, "the bundle is invalid")
	}
	if unmet := Unmet(bundle.Needs()); len(unmet) > 0 {
		return PushReport{}, refused(kernel.Unsupported, unmet, "the bundle needs what this kernel does not have")
	}
	program, err := eval.New(bundle)
	if err != nil {
		return PushReport{}, fmt.Errorf("compile bundle %s: %w", bundle.Version, err)
	}
	r := PushReport{
		Version: bundle.Version, Rules: len(bundle.Rules), Tests: eval.RunTests(program, bundle.Tests),
		Warnings: diags,
	}
	if !r.Tests.OK() && !p.AllowFailing {
		return PushReport{}, &BundleError{
			Problem: kernel.Errorf(kernel.Invalid, "%d of the %d tests of the bundle fail", r.Tests.Failed, len(r.Tests.Cases)).
				At("$.files").WithHint("mend them, or say that they may fail"),
			Failed: failed(r.Tests.Cases),
		}
	}
	return r, nil
}

func refused(code kernel.Code, diags pdl.Diagnostics, sentence string) error {
	e := kernel.Errorf(code, "%s", sentence)
	for _, d := range diags {
		if d.Severity == pdl.Error {
			e = kernel.Errorf(code, "%s: %s:%d:%d: %s", sentence, d.File, d.Line, d.Col, d.Message)
			if d.Suggestion != "" {
				e = e.WithHint("%s", d.Suggestion)
			}
			break
		}
	}
	return &BundleError{Problem: e.At("$.files"), Diagnostics: diags}
}

func failed(cases []eval.CaseResult) (list []eval.CaseResult) {
	for _, c := range cases {
		if !c.Pass {
			list = append(list, c)
		}
	}
	return list
}
