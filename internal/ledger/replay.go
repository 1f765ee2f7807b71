package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A ReplayReport says how many decisions were evaluated again, and which of
// them came out otherwise.
type ReplayReport struct {
	Decisions uint64   // evaluated again
	Versions  []string // of the policies that decided them, in the order of first use
	Findings           // decisions that differ, or could not be evaluated
}

// Policies are what decided.
type Policies struct {
	Load    func(version string) (*eval.Program, error) // the program of a version; asked once for each
	Entered bool                                        // the log is a kernel's own: an entry before each decision made its policy the active one
}

// Replay evaluates every decision again from what the log holds: the request,
// the instant, the version of the policy, what the registry said. A decision
// whose entry would not be the same, byte for byte, is a finding; so is one that
// was decided by another policy, or another registry, than the entries before it
// made the active one, a request that is not
// the one committed to, and an entry that is missing or cannot be read, which
// might have been a decision. Whether the log as a whole is the one that was
// signed is for [Verify] to say; the error is why it could not replay.
func Replay(ctx context.Context, r store.Reader, policies Policies) (ReplayReport, error) {
	p := replay{Policies: policies, evaluators: map[string]*eval.Evaluator{}, failed: map[string]error{}}
	parts, err := everything(ctx, r)
	if err != nil {
		return p.ReplayReport, err
	}
	if p.many = len(parts) > 1; p.many {
		changes, err := changesIn(ctx, r, parts, "")
		if err != nil {
			return p.ReplayReport, err
		}
		for _, e := range changes {
			p.change(e)
		}
	}
	for _, part := range parts {
		if err := p.part(ctx, r, part); err != nil {
			return p.ReplayReport, err
		}
	}
	return p.ReplayReport, nil
}

// everything is what there is now of every shard.
func everything(ctx context.Context, r store.Reader) ([]reach, error) {
	shards, err := r.Shards(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(shards, 0) {
		shards = append([]int{0}, shards...)
	}
	var parts []reach
	for _, shard := range shards {
		head, err := r.Head(ctx, shard)
		if err != nil {
			return nil, err
		}
		parts = append(parts, reach{shard, 0, head.Size})
	}
	return parts, nil
}

type replay struct {
	ReplayReport
	Policies
	many       bool // shards: what changed in any of them was read before
	past       policyPast
	shard      int
	next       uint64 // the seq expected next
	evaluators map[string]*eval.Evaluator
	failed     map[string]error
	fold
}

// part evaluates one shard.
func (p *replay) part(ctx context.Context, r store.Reader, part reach) error {
	p.shard, p.next = part.shard, 0
	if err := p.begin(); err != nil {
		return err
	}
	for row, err := range r.Entries(ctx, store.Query{Shard: part.shard}) {
		if err != nil {
			return err
		}
		if p.many && row.Seq >= part.to {
			break // what it rests on may not have been read
		}
		p.entryOf(row)
	}
	p.gap(part.to)
	return nil
}

func (p *replay) found(seq uint64, format string, args ...any) {
	p.entry(p.shard, seq, format, args...)
}

// change takes an entry that may change what is in force.
func (p *replay) change(e Entry) {
	switch {
	case e.Policy != nil:
		for _, problem := range p.past.change(e) {
			if p.Entered {
				p.entry(e.Shard, e.Seq, "%s", problem)
			}
		}
	case e.Registry != nil:
		p.fold.change(e)
	}
}

// gap notes that entries are missing before seq.
func (p *replay) gap(seq uint64) {
	switch {
	case seq == p.next+1:
		p.found(p.next, "it is missing")
	case seq > p.next:
		p.found(p.next, "it is missing, as are all up to entry %d", seq-1)
	}
	p.next = max(p.next, seq)
}

// entryOf takes the next entry, whatever its row says that it is.
func (p *replay) entryOf(row store.Entry) {
	p.gap(row.Seq)
	p.next = row.Seq + 1
	e, err := Decode(row.Body)
	if err != nil {
		p.found(row.Seq, "its body cannot be read: %v", err)
		return
	}
	if !p.many {
		p.change(e)
	}
	if e.Decision == nil {
		return
	}
	p.Decisions++
	if p.Entered {
		for _, problem := range p.past.decided(e) {
			p.found(row.Seq, "%s", problem)
		}
	}
	if err := p.again(e, row); err != nil {
		p.found(row.Seq, "%v", err)
	}
}

// again evaluates one decision and compares its entry.
func (p *replay) again(e Entry, row store.Entry) error {
	if row.Private == nil {
		return fmt.Errorf("its request is not there to evaluate")
	}
	if err := CheckPrivate(e.Decision.Commitment, row.Private); err != nil {
		return err
	}
	evaluator, err := p.evaluator(e.Decision.Verdict.PolicyVersion)
	if err != nil {
		return err
	}
	request, err := requestOf(row.Private.Request)
	if err != nil {
		return fmt.Errorf("its request cannot be read: %w", err)
	}
	verdict, err := evaluator.Decide(eval.Input{
		Request: request, Now: e.Instant, Standing: &e.Decision.Standing, Facts: e.Decision.Facts, Phase1: e.Decision.Phase1,
		Digest: kernel.Digest(row.Private.Request),
	})
	if err != nil {
		return fmt.Errorf("its request cannot be evaluated: %w", err)
	}
	if err := compareVerdict(e, row, verdict); err != nil {
		return err
	}
	if !p.Entered {
		return nil
	}
	return p.compareStanding(e, &request, evaluator.Program())
}

// compareVerdict makes the entry with the new verdict: whatever differs, its
// bytes do.
func compareVerdict(e Entry, row store.Entry, verdict kernel.Verdict) error {
	was := e.Decision.Verdict.Decision
	if verdict.RequestDigest != row.Private.Digest {
		return fmt.Errorf("its request now has the digest %s, not %s", verdict.RequestDigest, row.Private.Digest)
	}
	switch { // which of both it was is for the entries of its approval to say
	case e.Decision.Answers != "" && e.Decision.Verdict.Code == kernel.CodeBreakGlass:
		verdict = approval.AllowAlone(verdict)
	case e.Decision.Answers != "":
		verdict = approval.Allow(verdict)
	}
	verdict.RequestDigest = ""
	decided := *e.Decision
	decided.Verdict = verdict
	e.Decision = &decided
	body, err := Encode(e)
	switch {
	case err != nil:
		return err
	case bytes.Equal(body, row.Body):
		return nil
	case verdict.Decision != was:
		return fmt.Errorf("%s was recorded, %s comes out now: %s", was, verdict.Decision, verdict.Reason)
	}
	return fmt.Errorf("%s comes out again, but with other words, constraints, rules or risk", was)
}

// evaluator returns the evaluator of a version, whose program is loaded once.
func (p *replay) evaluator(version string) (*eval.Evaluator, error) {
	if evaluator := p.evaluators[version]; evaluator != nil {
		return evaluator, nil
	}
	if err := p.failed[version]; err != nil {
		return nil, err
	}
	program, err := p.Load(version)
	if err == nil && program.Version() != version {
		err = fmt.Errorf("the policy loaded as %s is %s", version, program.Version())
	}
	if err != nil {
		p.failed[version] = fmt.Errorf("its policy cannot be loaded: %w", err)
		return nil, p.failed[version]
	}
	p.evaluators[version] = program.NewEvaluator(eval.Config{})
	p.Versions = append(p.Versions, version)
	return p.evaluators[version], nil
}

// RequestOf reads the request beside a decision. One that was erased is an error.
func RequestOf(row store.Entry) (kernel.Request, error) {
	if row.Private == nil {
		return kernel.Request{}, fmt.Errorf("the request of entry %d was erased", row.Seq)
	}
	return requestOf(row.Private.Request)
}

// requestOf reads a canonical request. Unlike kernel.DecodeRequest it takes
// empty names: the Phase 1 door decides about requests that name nothing.
func requestOf(canonical []byte) (kernel.Request, error) {
	tree, err := kernel.DecodeJSON(canonical)
	if err != nil {
		return kernel.Request{}, err
	}
	top, _ := tree.(map[string]any)
	var r kernel.Request
	var ok [4]bool
	var agent, resource map[string]any
	agent, ok[0] = top["agent"].(map[string]any)
	resource, ok[1] = top["resource"].(map[string]any)
	r.Params, ok[2] = top["params"].(map[string]any)
	r.Context, ok[3] = top["context"].(map[string]any)
	if ok != [4]bool{true, true, true, true} {
		return kernel.Request{}, fmt.Errorf("it is not the canonical form of a request")
	}
	r.Action, _ = top["action"].(string)
	r.Agent.ID, r.Agent.Attributes = take(agent, "id")
	r.Resource.Type, resource = take(resource, "type")
	r.Resource.ID, r.Resource.Attributes = take(resource, "id")
	again, err := r.Canonical()
	if err != nil || !bytes.Equal(again, canonical) {
		return kernel.Request{}, fmt.Errorf("it is not the canonical form of a request")
	}
	return r, nil
}

// take removes a string from a fresh tree.
func take(m map[string]any, name string) (string, map[string]any) {
	s, _ := m[name].(string)
	delete(m, name)
	return s, m
}
