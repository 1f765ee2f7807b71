package gate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// looking is a bundle that answers the action look with an effect.
func looking(effect string, more ...string) []pdl.File {
	return []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {webapp: {environment: string}}\n" +
		"actions: {ship: {resource: webapp}}\n---\npdl: v1\nkind: policy\nname: p\nrules: [{id: r, match: {action: ship}, effect: " + effect + "}]\n" +
		strings.Join(more, "\n---\n"))}}
}

// expecting is a test of looking.
func expecting(effect string) string {
	return "---\npdl: v1\nkind: test\nname: t\nbase: {agent: {id: a}, action: ship, resource: {type: webapp, id: w, environment: e}}\n" +
		"cases:\n  - {name: c, expect: {decision: " + effect + "}}\n"
}

func push(t *testing.T, h *house, p gate.Push) string {
	t.Helper()
	r, err := h.Push(t.Context(), admin, p)
	if err != nil {
		t.Fatal(err)
	}
	return r.Version
}

func TestAPushedBundleDecidesOnceItIsActivated(t *testing.T) {
	h := open(t, nil)
	first := h.PolicyVersion()
	version := push(t, h, gate.Push{Files: looking("DENY", expecting("DENY")), Reason: "change 17"})
	if h.PolicyVersion() != first {
		t.Fatal("a push activates")
	}
	a := gate.Activation{Version: version, Previous: first, Reason: "change 18"}
	if err := h.ActivatePushed(t.Context(), admin, a); err != nil {
		t.Fatal(err)
	}
	if d, err := h.Decide(t.Context(), kernel.Caller{Principal: "dev", Roles: kernel.Roles()}, ship("agent-001", "development", "")); err != nil || d.Decision != kernel.Deny || d.PolicyVersion != version {
		t.Errorf("Decide = %+v, %v, want DENY by what was activated", d, err)
	}
	log := h.entries(t)
	if e := log[len(log)-3]; e.Bundle == nil || *e.Bundle != (ledger.Pushed{Version: version, Rules: 1, Passed: 1, Reason: "change 17"}) || e.Caller != "admin" {
		t.Errorf("the push is recorded as %+v", e)
	}
	if e := log[len(log)-2]; e.Policy == nil || *e.Policy != (ledger.PolicyChange{Change: "activated", Version: version, Previous: first, Reason: "change 18"}) {
		t.Errorf("the activation is recorded as %+v", e)
	}
	if revision, err := h.store.Revision(t.Context(), "active"); err != nil || revision == 0 {
		t.Errorf("Revision = %d, %v, want that other nodes are told", revision, err)
	}
	list, err := h.Policies(t.Context(), auditor)
	if err != nil || len(list) != 2 || list[0].Version != version || !list[0].Active || list[0].PushedBy.Reason != "change 17" || list[1].Pushed != nil || list[1].Active {
		t.Errorf("Policies = %+v, %v", list, err)
	}
	// The same version again, as after an answer that was lost: nothing is written.
	size := h.Size()
	if err := h.ActivatePushed(t.Context(), admin, a); err != nil || h.Size() != size {
		t.Errorf("again it is %v, %d entries", err, h.Size()-size)
	}
	h.reopen(t, nil)
	if got, err := h.Continue(t.Context()); err != nil || got != version || h.PolicyVersion() != version {
		t.Errorf("Continue = %s, %v, want %s", got, err, version)
	}
	if report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true}); err != nil || !report.OK() {
		t.Errorf("Verify finds %v, %v", report.List, err)
	}
}

func TestGoingBackIsActivatingWhatWasActive(t *testing.T) {
	h := open(t, nil)
	first := h.PolicyVersion()
	version := push(t, h, gate.Push{Files: looking("DENY")})
	for _, step := range [][2]string{{first, version}, {version, first}} {
		if err := h.ActivatePushed(t.Context(), admin, gate.Activation{Previous: step[0], Version: step[1]}); err != nil || h.PolicyVersion() != step[1] {
			t.Fatalf("from %s to %s: %v, active %s", step[0], step[1], err, h.PolicyVersion())
		}
	}
}

func TestActivationsAreComparedAndSet(t *testing.T) {
	h := open(t, nil)
	first := h.PolicyVersion()
	versions := []string{push(t, h, gate.Push{Files: looking("DENY")}), push(t, h, gate.Push{Files: looking("ALLOW")})}
	release := h.block()
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, v := range versions {
		both.Go(func() { errs[i] = h.ActivatePushed(t.Context(), admin, gate.Activation{Version: v, Previous: first}) })
	}
	release()
	both.Wait()
	won := slices.Index(errs, nil)
	if won < 0 || !isCode(errs[1-won], kernel.Conflict) || h.PolicyVersion() != versions[won] {
		t.Errorf("both at once: %v, active %s, want one and a conflict", errs, h.PolicyVersion())
	}
}

func TestOnlyWhatWasPushedIsActivated(t *testing.T) {
	h := open(t, nil)
	size, first := h.Size(), h.PolicyVersion()
	for _, c := range []struct {
		caller kernel.Caller
		change gate.Activation
		code   kernel.Code
	}{
		{admin, gate.Activation{Version: "sha256:" + strings.Repeat("0", 64), Previous: first}, kernel.NotFound},
		{admin, gate.Activation{Version: "", Previous: first}, kernel.NotFound},
		{admin, gate.Activation{Version: first, Previous: first, Reason: "two\nlines"}, kernel.Invalid},
		{agent1, gate.Activation{Version: first, Previous: first}, kernel.Forbidden},
		{auditor, gate.Activation{Version: first, Previous: first}, kernel.Forbidden},
	} {
		if err := h.ActivatePushed(t.Context(), c.caller, c.change); !isCode(err, c.code) {
			t.Errorf("ActivatePushed(%+v) = %v, want %s", c.change, err, c.code)
		}
	}
	// Put into the store past the kernel, it may be activated no more than
	// verified.
	if h.Size() != size || h.PolicyVersion() != first {
		t.Errorf("%d entries, active %s", h.Size()-size, h.PolicyVersion())
	}
}

func TestABundleThatCannotDecideIsNotKept(t *testing.T) {
	h := open(t, nil)
	size := h.Size()
	file := func(name, text string) gate.Push {
		return gate.Push{Files: []pdl.File{{Name: name, Data: []byte(text)}}}
	}
	good := string(looking("ALLOW")[0].Data)
	for name, c := range map[string]struct {
		push   gate.Push
		code   kernel.Code
		bundle bool // the error says more
	}{
		"nothing":           {gate.Push{}, kernel.Invalid, false},
		"an empty file":     {file("b.yaml", " \n"), kernel.Invalid, false},
		"a path outside":    {file("../b.yaml", good), kernel.Invalid, false},
		"an absolute path":  {file("/b.yaml", good), kernel.Invalid, false},
		"another kind":      {file("b.json", good), kernel.Invalid, false},
		"the same name":     {gate.Push{Files: append(looking("ALLOW"), looking("ALLOW")...)}, kernel.Invalid, false},
		"invalid":           {file("b.yaml", strings.Replace(good, "agents", "agnts", 1)), kernel.Invalid, true},
		"unmet":             {file("b.yaml", strings.Replace(good, "---", "constraints: {log_full_io: {merge: flag, by: kernel}}\n---", 1)), kernel.Unsupported, true},
		"a test that fails": {gate.Push{Files: looking("ALLOW", expecting("DENY"))}, kernel.Invalid, true},
	} {
		_, err := h.Push(t.Context(), admin, c.push)
		if !isCode(err, c.code) || errors.As(err, new(*gate.BundleError)) != c.bundle {
			t.Errorf("%s: Push = %v, want %s", name, err, c.code)
		}
	}
	if _, err := h.Push(t.Context(), auditor, gate.Push{Files: looking("ALLOW")}); !isCode(err, kernel.Forbidden) {
		t.Errorf("Push by an auditor = %v", err)
	}
	if r, err := h.Push(t.Context(), admin, gate.Push{Files: looking("ALLOW"), Dry: true}); err != nil || r.Known {
		t.Errorf("a dry run = %+v, %v", r, err)
	}
	if h.Size() != size {
		t.Errorf("%d entries were written", h.Size()-size)
	}
	if r, err := h.Push(t.Context(), admin, gate.Push{Files: looking("ALLOW", expecting("DENY")), AllowFailing: true}); err != nil || r.Tests.Failed != 1 {
		t.Errorf("told that tests may fail, Push = %+v, %v", r, err)
	}
}

func TestOneBundlePushedTwiceAtOnceIsKeptOnce(t *testing.T) {
	h := open(t, nil)
	release := h.block()
	reports := make([]gate.PushReport, 2)
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i := range reports {
		both.Go(func() { reports[i], errs[i] = h.Push(t.Context(), admin, gate.Push{Files: looking("ALLOW")}) })
	}
	release()
	both.Wait()
	if errs[0] != nil || errs[1] != nil || reports[0].Known == reports[1].Known {
		t.Errorf("both at once: %+v %v", reports, errs)
	}
}

func TestADifferenceNamesFilesAndLines(t *testing.T) {
	h := open(t, nil)
	from := push(t, h, gate.Push{Files: looking("ALLOW")})
	to := push(t, h, gate.Push{Files: looking("DENY")})
	d, err := h.PolicyDiff(t.Context(), auditor, from, to)
	if err != nil || len(d.Files) != 1 || d.Files[0].Change != "change" ||
		!strings.Contains(d.Files[0].Diff, "\n-rules: [{id: r, match: {action: ship}, effect: ALLOW}]\n+rules: ") {
		t.Errorf("PolicyDiff = %+v, %v", d, err)
	}
	if d, err := h.PolicyDiff(t.Context(), auditor, "", to); err != nil || d.From != h.PolicyVersion() || len(d.Files) < 2 {
		t.Errorf("to the active one = %+v, %v", d, err)
	}
	if _, err := h.PolicyDiff(t.Context(), agent1, from, to); !isCode(err, kernel.Forbidden) {
		t.Errorf("for an agent = %v", err)
	}
}

// TestABundleThatNobodyPushedIsFound: somebody wrote it past the kernel.
func TestABundleThatNobodyPushedIsFound(t *testing.T) {
	h := open(t, nil)
	head, err := h.store.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.store.Commit(t.Context(), &store.Batch{ID: "forged", PrevSize: head.Size, Next: head, Transitions: []store.Transition{
		{RecordKey: store.RecordKey{Kind: "bundle", Key: "sha256:forged"}, Value: []byte("[]")},
	}})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
	if err != nil || !slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(f.String(), "no entry says that it was pushed") }) {
		t.Errorf("Verify finds %v, %v", report.List, err)
	}
}

func TestBundlesAreCheckedOneAtATime(t *testing.T) {
	h := open(t, nil)
	done := h.Examine()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the caller's patience is over
	if _, err := h.Push(ctx, admin, gate.Push{Files: looking("DENY")}); !isCode(err, kernel.Unavailable) {
		t.Errorf("Push beside another = %v, want it refused", err)
	}
	pushed := make(chan error, 1)
	go func() {
		_, err := h.Push(t.Context(), admin, gate.Push{Files: looking("DENY")})
		pushed <- err
	}()
	done()
	if err := <-pushed; err != nil {
		t.Errorf("Push after another = %v", err)
	}
}
