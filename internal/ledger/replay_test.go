package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

func compile(t testing.TB, pattern string) *eval.Program {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no policies in %s: %v", pattern, err)
	}
	var files []pdl.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, pdl.File{Name: filepath.Base(name), Data: data})
	}
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// asked is a request as a door hands it on.
type asked struct {
	request kernel.Request
	phase1  bool
}

func ship(kind, environment string, actions ...any) asked {
	resource := kernel.Resource{Type: kind, ID: kind, Attributes: map[string]any{"environment": environment}}
	return asked{request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "ship", Resource: resource, Params: map[string]any{"actions": actions},
	}}
}

// questions cover every kind of verdict, and Phase 1 requests that name nothing.
func questions() []asked {
	list := []asked{
		ship("webapp", "production", "modify_db_schema"), ship("page", "staging"), ship("content", "staging"), ship("app", "development"),
	}
	for _, r := range []kernel.Resource{
		{}, {Type: "unheard of", ID: "unheard of"}, {Type: "webapp", ID: "webapp"},
		{Type: "webapp", ID: "webapp", Attributes: map[string]any{"environment": nil}},
		{Type: "webapp", ID: "webapp", Attributes: map[string]any{"environment": "Production"}},
	} {
		list = append(list, asked{phase1: true, request: kernel.Request{Agent: kernel.Agent{ID: "anonymous"}, Action: "ship", Resource: r}})
	}
	return list
}

// decide commits the decisions of a program, each a second after the one before.
func decide(t *testing.T, s store.Store, program *eval.Program, change func(n int, e *ledger.Entry)) {
	t.Helper()
	head, err := s.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	build, err := ledger.Extend(0, head)
	if err != nil {
		t.Fatal(err)
	}
	for n, q := range questions() {
		now := time.Unix(1_800_000_000+int64(n), 1).UTC()
		verdict, err := program.Decide(eval.Input{Request: q.request, Now: now, Phase1: q.phase1})
		if err != nil {
			t.Fatal(n, err)
		}
		canonical, err := q.request.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		e := ledger.Entry{
			Instant: now, Node: "node-1", Batch: "batch-1", Caller: "gateway-001", Door: "decisions",
			Decision: &ledger.Decided{
				ID: fmt.Sprintf("01KB%022d", n), Agent: q.request.Agent.ID, Action: q.request.Action, Phase1: q.phase1, Verdict: verdict,
			},
		}
		if change != nil {
			change(n, &e)
		}
		private := ledger.NewPrivate(bytes.Repeat([]byte{byte(n)}, ledger.SaltSize), canonical)
		if _, err := build.Append(e, private); err != nil {
			t.Fatal(n, err)
		}
	}
	out, err := s.Commit(t.Context(), &store.Batch{ID: "batch-1", PrevSize: head.Size, Next: build.Head(), Entries: build.Entries()})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

func TestEveryDecisionReplaysToTheSameBytes(t *testing.T) {
	program := compile(t, "../../policies/shipping/*.yaml")
	var s storetest.Memory
	grow(t, &s, 3)
	decide(t, &s, program, nil)
	loads := 0
	report, err := ledger.Replay(t.Context(), &s, ledger.Policies{Load: func(version string) (*eval.Program, error) {
		loads++
		if version != program.Version() {
			return nil, errors.New("no such version")
		}
		return program, nil
	}})
	if err != nil || !report.OK() || report.Decisions != uint64(len(questions())) {
		t.Errorf("Replay = %d decisions, %v, %v; want %d that are the same", report.Decisions, report.List, err, len(questions()))
	}
	if loads != 1 || len(report.Versions) != 1 || report.Versions[0] != program.Version() {
		t.Errorf("the program was loaded %d times, policies %v", loads, report.Versions)
	}
}

func TestReplayNamesTheDecisionsThatDiffer(t *testing.T) {
	program := compile(t, "../../policies/shipping/*.yaml")
	var s storetest.Memory
	decide(t, &s, program, func(n int, e *ledger.Entry) {
		switch v := &e.Decision.Verdict; n {
		case 0:
			v.Decision, v.ApprovalsRequired = kernel.Allow, 0
		case 1:
			v.Reason += "!"
		case 2:
			v.Constraints = map[string]any{"more": true}
		case 3:
			v.PolicyVersion = "sha256:00"
		case 6:
			e.Decision.Phase1 = false
		}
	})
	report, err := ledger.Replay(t.Context(), &s, ledger.Policies{Load: func(version string) (*eval.Program, error) {
		if version != program.Version() {
			return nil, errors.New("no such bundle")
		}
		return program, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"entry 0: ALLOW was recorded, REQUIRE_APPROVAL comes out now",
		"entry 1: ALLOW comes out again, but with other words",
		"entry 2: DENY comes out again, but with other words",
		"entry 3: its policy cannot be loaded: no such bundle",
		"entry 6: its request cannot be evaluated",
	}
	if report.Count != len(want) {
		t.Fatalf("Replay found %v, want %v", report.List, want)
	}
	for i, f := range report.List {
		if !strings.HasPrefix(f.String(), want[i]) {
			t.Errorf("finding %d is %q, want %q", i, f, want[i])
		}
	}
}

func TestReplayDoesNotTakeAnotherPolicyForTheOneThatDecided(t *testing.T) {
	program := compile(t, "../../policies/shipping/*.yaml")
	var s storetest.Memory
	decide(t, &s, program, func(_ int, e *ledger.Entry) { e.Decision.Verdict.PolicyVersion = "sha256:00" })
	report, err := ledger.Replay(t.Context(), &s, ledger.Policies{Load: func(string) (*eval.Program, error) { return program, nil }})
	if err != nil || report.Count != len(questions()) {
		t.Errorf("Replay = %v, %v; want every decision refused", report.List, err)
	}
}

func TestReplayStopsWhenTheStoreFails(t *testing.T) {
	var s storetest.Memory
	s.FailReads(errors.New("away"))
	if _, err := ledger.Replay(t.Context(), &s, ledger.Policies{}); err == nil {
		t.Error("Replay succeeds without a store")
	}
}
