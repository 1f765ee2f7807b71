package contest_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// A textbook engine decides as the reference does, or with a fault.
type textbook struct {
	set   contest.Set
	fault bool
}

func (e textbook) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	return func(a *contest.Answer) error { return e.Struct(q, a) }, nil
}

func (e textbook) Struct(q *contest.Request, a *contest.Answer) error {
	a.Effect = e.set.Decide(q).Effect()
	for _, r := range e.set.Rules {
		if r.Holds(q) {
			a.Rules, a.Approvals = append(a.Rules, r.ID), max(a.Approvals, r.Approvals)
		}
	}
	if e.fault && a.Effect == contest.RequireApproval {
		a.Effect = contest.Allow
	}
	return nil
}

func (e textbook) JSON(body []byte, a *contest.Answer) error {
	var q contest.Request
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	return e.Struct(&q, a)
}

func field() []contest.Entry {
	with := func(fault bool) func(contest.Set) (contest.Engine, error) {
		return func(set contest.Set) (contest.Engine, error) { return textbook{set, fault}, nil }
	}
	return []contest.Entry{{"right", contest.EveryRule, with(false)}, {"wrong", contest.EveryRule, with(true)}}
}

func TestServeMeasuresWhatAgrees(t *testing.T) {
	questions := `{"engine":"right","seed":3,"rules":20,"requests":50,"checked":200}
		{"form":"prepared","about":2000000} {"form":"json","about":2000000} {"form":"telepathy","about":1}`
	answers, out := io.Pipe()
	go func() { out.CloseWithError(contest.Serve(field(), strings.NewReader(questions), out)) }()
	lines := json.NewDecoder(answers)
	var ready struct {
		Value contest.Ready
		Error string
	}
	if err := lines.Decode(&ready); err != nil || ready.Error != "" || ready.Value.Evidence != contest.EveryRule || ready.Value.Seen[contest.RequireApproval] == 0 {
		t.Fatalf("ready = %+v, %v", ready, err)
	}
	for _, heat := range []struct{ wrong string }{{""}, {""}, {`no form "telepathy"`}} {
		var cost struct {
			Value contest.Cost
			Error string
		}
		if err := lines.Decode(&cost); err != nil || !strings.Contains(cost.Error, heat.wrong) {
			t.Fatalf("cost = %+v, %v", cost, err)
		}
		if heat.wrong == "" && (cost.Error != "" || cost.Value.Decisions < 1 || cost.Value.CPU <= 0 || cost.Value.CPU > float64(time.Millisecond)) {
			t.Errorf("a decision costs %+v", cost)
		}
	}
	if err := lines.Decode(&ready); err != io.EOF {
		t.Errorf("behind the last answer: %v, want EOF", err)
	}
}

func TestServeLeavesOutWhatDiffers(t *testing.T) {
	for question, want := range map[string]string{
		`{"engine":"wrong","seed":3,"rules":20,"requests":5,"checked":200}`: "want REQUIRE_APPROVAL",
		`{"engine":"none"}`: "only right, wrong",
	} {
		var out strings.Builder
		if err := contest.Serve(field(), strings.NewReader(question), &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Serve(%s) = %v, want an error with %q", question, err, want)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("Serve(%s) answers %s, want %q in it", question, out.String(), want)
		}
	}
}
