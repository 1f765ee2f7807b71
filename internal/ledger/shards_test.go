package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A world is a log that several nodes write.
type world struct {
	storetest.Memory
	t       *testing.T
	signer  *ledger.Signer
	sealers map[int]*ledger.Sealer
	n, ids  int // of batches and decisions
}

var dawn = time.Unix(1_800_000_000, 0).UTC()

// write commits entries to a shard, some time after the log began.
func (w *world) write(shard int, at time.Duration, entries ...ledger.Entry) {
	w.t.Helper()
	head, err := w.Head(w.t.Context(), shard)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := ledger.Extend(shard, head)
	if err != nil {
		w.t.Fatal(err)
	}
	w.n++
	rows := &store.Batch{ID: fmt.Sprint("of-world-", w.n), Shard: shard, PrevSize: head.Size}
	for _, e := range entries {
		e.Instant, e.Node, e.Batch = dawn.Add(at), fmt.Sprint("node-", shard), rows.ID
		if e.Caller == "" {
			e.Caller = "kernel"
		}
		var private *store.Private
		if e.Decision != nil {
			_, private = sample()
			d := *e.Decision
			d.ID = fmt.Sprintf("01KC%022d", w.ids)
			w.ids++
			e.Decision = &d
		}
		if _, err := b.Append(e, private); err != nil {
			w.t.Fatal(err)
		}
		if p := e.Policy; p != nil {
			rows.Transitions = append(rows.Transitions, w.record("active", "policy", p.Version))
		}
		if k := e.Token; k != nil {
			rows.Transitions = append(rows.Transitions, w.record("token", k.Hash,
				fmt.Sprintf(`{"id":%q,"hash":%q,"name":"n","role":"agent","agent":"agent-001","created":"2027-01-15T09:00:00Z"}`, k.ID, k.Hash)))
		}
	}
	rows.Next, rows.Entries = b.Head(), b.Entries()
	w.commit(rows)
}

func (w *world) commit(b *store.Batch) {
	w.t.Helper()
	if out, err := w.Commit(w.t.Context(), b); err != nil || out.Status != store.Committed {
		w.t.Fatal(out, err)
	}
}

func (w *world) record(kind, key, value string) store.Transition {
	t := store.Transition{RecordKey: store.RecordKey{Kind: kind, Key: key}, Value: []byte(value)}
	if r, err := w.Record(w.t.Context(), t.RecordKey); err == nil {
		t.From = r.Version
	}
	return t
}

// seal signs a shard and keeps its checkpoint.
func (w *world) seal(shard int) ledger.Seal {
	w.t.Helper()
	s := w.sealers[shard]
	if s == nil {
		var err error
		if s, err = ledger.NewSealer(w.t.Context(), w, w.signer, shard, ""); err != nil {
			w.t.Fatal(err)
		}
		w.sealers[shard] = s
	}
	sealed, err := s.Seal(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	s.Keep(sealed)
	head, err := w.Head(w.t.Context(), shard)
	if err != nil {
		w.t.Fatal(err)
	}
	w.n++
	w.commit(&store.Batch{ID: fmt.Sprint("of-world-", w.n), Shard: shard, PrevSize: head.Size, Next: head, Transitions: []store.Transition{
		{RecordKey: ledger.CheckpointKey(shard, sealed.Size), Value: []byte(sealed.Note)},
	}})
	return sealed
}

// witness enters in a shard what another was sealed as.
func (w *world) witness(shard int, at time.Duration, of int) {
	w.t.Helper()
	sealed := w.seal(of)
	_, c, err := ledger.OpenShardNote(w.signer.VerifierKey(), sealed.Note)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(shard, at, ledger.Entry{Witness: &ledger.Witnessed{Shard: of, Size: c.Size, Root: c.Root}})
}

func (w *world) trust() ledger.Trust {
	return ledger.Trust{VerifierKey: w.signer.VerifierKey(), Records: true}
}

func activated(version, previous string) ledger.Entry {
	return ledger.Entry{Policy: &ledger.PolicyChange{Change: "activated", Version: version, Previous: previous}}
}

func tokenMade(id, hash string) ledger.Entry {
	return ledger.Entry{Token: &ledger.TokenChange{
		Change: "created", ID: id, Name: "n", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001", Hash: hash,
	}}
}

// newWorld is a log of two shards: shard 0 has the policy and the token by
// which shard 1 decides, and has seen the first three entries of shard 1.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, signer: newSigner(t, "test.example/log"), sealers: map[int]*ledger.Sealer{}}
	w.write(0, 0, activated(version, ""), tokenMade("T1", "h1"))
	for i := range 3 {
		w.write(1, time.Duration(i+1)*time.Minute, decidedBy("token:T1", "agent-001", version))
	}
	w.witness(0, 5*time.Minute, 1)
	w.write(0, 6*time.Minute, decidedBy("token:T1", "agent-001", version))
	w.write(1, 7*time.Minute, decidedBy("token:T1", "agent-001", version), decidedBy("token:T1", "agent-001", version))
	w.seal(0)
	w.seal(1)
	return w
}

// A bent store shows a log of which somebody took or changed something, with
// heads that fit what is left.
type bent struct {
	*world
	size    map[int]uint64 // what is left of a shard
	edit    func(*store.Entry)
	records func(store.Record) bool // whether it is still there
}

func (b bent) left(shard int, all uint64) uint64 {
	if n, cut := b.size[shard]; cut {
		return min(n, all)
	}
	return all
}

func (b bent) Shards(ctx context.Context) (list []int, err error) {
	all, err := b.Memory.Shards(ctx)
	for _, shard := range all {
		if b.left(shard, 1) > 0 {
			list = append(list, shard)
		}
	}
	return list, err
}

func (b bent) Head(ctx context.Context, shard int) (store.Head, error) {
	h, err := b.Memory.Head(ctx, shard)
	left := b.left(shard, h.Size)
	if left == h.Size || err != nil {
		return h, err
	}
	var tree merkle.Tree
	for e, err := range b.Memory.Entries(ctx, store.Query{Shard: shard, Limit: int(left)}) {
		if left == 0 {
			return store.Head{}, nil
		}
		if err := errors.Join(err, tree.Append(e.Leaf)); err != nil {
			return h, err
		}
	}
	return store.Head{Size: tree.Size(), Root: tree.Root(), Range: tree.Hashes()}, nil
}

func (b bent) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range b.Memory.Entries(ctx, q) {
			if err == nil && e.Seq >= b.left(q.Shard, e.Seq+1) {
				continue
			}
			if b.edit != nil {
				b.edit(&e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (b bent) Leaves(ctx context.Context, shard int, from uint64) iter.Seq2[store.Leaf, error] {
	return func(yield func(store.Leaf, error) bool) {
		for e, err := range b.Entries(ctx, store.Query{Shard: shard, From: from}) {
			if !yield(store.Leaf{Seq: e.Seq, Hash: e.Leaf}, err) {
				return
			}
		}
	}
}

func (b bent) Records(ctx context.Context, kind, after string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range b.Memory.Records(ctx, kind, after) {
			if err == nil && b.records != nil && !b.records(r) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// notOf drops the stored checkpoints of a shard.
func notOf(shard int) func(store.Record) bool {
	return func(r store.Record) bool {
		of, _, err := ledger.ParseCheckpointKey(r.Key)
		return r.Kind != ledger.RecordCheckpoint || err != nil || of != shard
	}
}

func TestALogOfTwoShardsVerifies(t *testing.T) {
	w := newWorld(t)
	report, err := ledger.Verify(t.Context(), w, w.trust())
	if err != nil || len(report.List) != 1 || !strings.Contains(report.List[0].String(), "bundle record") {
		t.Fatalf("Verify = %v, %v, want nothing but the bundle that these tests leave out", report.List, err)
	}
	if len(report.Shards) != 2 || report.Entries != 9 || report.Shards[0].Entries != 4 || report.Shards[1].Entries != 5 ||
		report.Shards[0].Signed != 4 || report.Shards[1].Signed != 5 || report.Unsigned() != 0 || report.Root != report.Shards[0].Root {
		t.Errorf("shards %+v of %d entries, want 4 and 5, all signed", report.Shards, report.Entries)
	}
	if got := report.Trust.String(); !strings.HasPrefix(got, "signed checkpoints of the sizes 4, 5, shard by shard") {
		t.Errorf("trust %q", got)
	}
	if err := ledger.CheckStart(t.Context(), w, map[int]uint64{0: 4, 1: 3}); err != nil {
		t.Errorf("CheckStart = %v", err)
	}
}

func TestTamperingWithAShardIsFound(t *testing.T) {
	w := newWorld(t)
	moved, err := w.Entry(t.Context(), 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	in := func(shard int, seq uint64, change func(*store.Entry)) func(*store.Entry) {
		return func(e *store.Entry) {
			if e.Shard == shard && e.Seq == seq {
				change(e)
			}
		}
	}
	for _, c := range []struct {
		name  string
		bent  bent
		given bool // the last checkpoint of shard 1 is given
		start bool // a starting kernel, which believes its sealers about leaves, sees it too
		want  string
	}{
		{"a byte of shard 1", bent{edit: in(1, 2, func(e *store.Entry) { e.Body = []byte(strings.Replace(string(e.Body), "because", "becausf", 1)) })}, false, true,
			"entry 2 of shard 1: it does not hash to its leaf"},
		{"the tail of shard 1", bent{size: map[int]uint64{1: 4}}, false, false,
			"entry 4 of shard 1: it is missing, as are all up to entry 4: the tail was cut off, which the stored checkpoint 5 of shard 1 vouches for"},
		{"the tail of shard 1 and its checkpoints", bent{size: map[int]uint64{1: 2}, records: notOf(1)}, false, true,
			"entry 2 of shard 1: it is missing, as are all up to entry 2: the tail was cut off, which the entry 2 vouches for"},
		{"all of shard 1 and its checkpoints", bent{size: map[int]uint64{1: 0}, records: notOf(1)}, false, true,
			"entry 0 of shard 1: it is missing, as are all up to entry 2: the tail was cut off, which the entry 2 vouches for"},
		{"all of shard 1, which a copy of a checkpoint knows", bent{size: map[int]uint64{1: 0, 0: 2}, records: func(r store.Record) bool { return r.Kind != ledger.RecordCheckpoint }}, true, false,
			"entry 0 of shard 1: it is missing, as are all up to entry 4: the tail was cut off, which the given checkpoint 1 vouches for"},
		{"an entry of another shard in its place", bent{edit: in(0, 3, func(e *store.Entry) {
			seq := e.Seq
			*e = moved
			e.Shard, e.Seq = 0, seq
		})}, false, true, "entry 3: its column shard is 0, its body says 1"},
		{"the checkpoints of shard 1 alone", bent{records: notOf(1)}, false, false, "shard 1: no signed checkpoint"},
	} {
		c.bent.world = w
		trust := w.trust()
		if c.given {
			note, _ := w.sealers[1].Latest()
			trust.Checkpoints = []string{note}
		}
		report, err := ledger.Verify(t.Context(), c.bent, trust)
		if err != nil || !slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.HasPrefix(f.String(), c.want) }) {
			t.Errorf("%s: Verify finds %q, %v, want %q", c.name, report.List, err, c.want)
		}
		err = ledger.CheckStart(t.Context(), c.bent, map[int]uint64{1: 2})
		if c.start && (!errors.Is(err, ledger.ErrDiffers) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: CheckStart = %v, want %q", c.name, err, c.want)
		}
		note, _ := w.sealers[1].Latest()
		if _, err := ledger.NewSealer(t.Context(), c.bent, w.signer, 1, note); c.bent.size != nil && !errors.Is(err, ledger.ErrDiffers) {
			t.Errorf("%s: NewSealer = %v, want ErrDiffers", c.name, err)
		}
	}
}

func TestACheckpointIsOfOneShard(t *testing.T) {
	w := newWorld(t)
	of := map[int]string{}
	for shard, s := range w.sealers {
		note, size := s.Latest()
		of[shard] = note
		got, c, err := ledger.OpenShardNote(w.signer.VerifierKey(), note)
		if err != nil || got != shard || c.Size != size || c.Origin != ledger.ShardOrigin("test.example/log", shard) {
			t.Errorf("OpenShardNote = %d, %+v, %v, want shard %d of size %d", got, c, err, shard, size)
		}
	}
	if _, err := ledger.OpenNote(w.signer.VerifierKey(), of[1]); err == nil {
		t.Error("OpenNote takes a checkpoint of shard 1 for one of shard 0")
	}
	if _, err := ledger.NewSealer(t.Context(), w, w.signer, 1, of[0]); err == nil {
		t.Error("shard 1 goes on from a checkpoint of shard 0")
	}
	for _, origin := range []string{"test.example/log/shard/0", "test.example/log/shard/01", "test.example/log/shard/-1", "test.example/log/shard/2147483648", "test.example/log/shard/", "test.example/logs"} {
		if note, err := w.signer.Sign(merkle.Checkpoint{Origin: origin}); err == nil {
			t.Errorf("Sign(%s) = %q, want an error", origin, note)
		}
	}
	head, err := w.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w.commit(&store.Batch{ID: "misplaced", PrevSize: head.Size, Next: head, Transitions: []store.Transition{
		{RecordKey: ledger.CheckpointKey(0, 5), Value: []byte(of[1])},
	}})
	for _, trust := range []ledger.Trust{{}, w.trust()} {
		report, err := ledger.Verify(t.Context(), w, trust)
		if err != nil || !strings.Contains(fmt.Sprint(report.List), "the stored checkpoint 5 is kept under another size than the 5 it is about, or as one of another shard than 1") {
			t.Errorf("Verify finds %v, %v, want a checkpoint in the wrong place", report.List, err)
		}
	}
}

// What one shard changes is in force in the others a moment later.
func TestDecisionsOfOtherShardsAreHeldToWhatTheirNodeCouldKnow(t *testing.T) {
	const other = "sha256:other"
	for _, c := range []struct {
		name string
		run  func(w *world)
		want string // "": nothing is wrong
	}{
		{"the policy of before, a second after another shard changed it", func(w *world) {
			w.write(0, 10*time.Minute, activated(other, version))
			w.write(1, 10*time.Minute+time.Second, decidedBy("token:T1", "agent-001", version))
			w.write(1, 11*time.Minute, decidedBy("token:T1", "agent-001", other))
		}, ""},
		{"the policy of before, five seconds after", func(w *world) {
			w.write(0, 10*time.Minute, activated(other, version))
			w.write(1, 10*time.Minute+5*time.Second, decidedBy("token:T1", "agent-001", version))
		}, "entry 5 of shard 1: it was decided under policy " + version + ", but " + other + " was active"},
		{"the policy of before, in the shard that changed it", func(w *world) {
			w.write(1, 10*time.Minute, activated(other, version))
			w.write(1, 10*time.Minute+time.Second, decidedBy("token:T1", "agent-001", version))
		}, "entry 6 of shard 1: it was decided under policy " + version + ", but " + other + " was active"},
		{"a policy that comes minutes later", func(w *world) {
			w.write(1, 10*time.Minute, decidedBy("token:T1", "agent-001", other))
			w.write(0, 12*time.Minute, activated(other, version))
		}, "entry 5 of shard 1: it was decided under policy " + other},
		{"a token of a node whose clock is ahead", func(w *world) {
			w.write(0, 10*time.Minute+500*time.Millisecond, tokenMade("T2", "h2"))
			w.write(1, 10*time.Minute, decidedBy("token:T2", "agent-001", version))
		}, ""},
		{"a token that comes minutes later", func(w *world) {
			w.write(1, 10*time.Minute, decidedBy("token:T2", "agent-001", version))
			w.write(0, 12*time.Minute, tokenMade("T2", "h2"))
		}, "entry 5 of shard 1: its caller is token T2, which no entry before it created"},
		{"policies whose entries lie in the wrong order by clocks that differ", func(w *world) {
			w.write(0, 10*time.Minute+400*time.Millisecond, activated(other, version))
			w.write(1, 10*time.Minute, activated("sha256:third", other))
			w.write(0, 11*time.Minute, decidedBy("token:T1", "agent-001", "sha256:third"))
		}, ""},
		{"a policy that contradicts the one before it", func(w *world) {
			w.write(1, 10*time.Minute, activated("sha256:third", other))
		}, `entry 5 of shard 1: it says that policy "sha256:other" was active before it`},
	} {
		w := newWorld(t)
		c.run(w)
		report, err := ledger.Verify(t.Context(), w, ledger.Trust{Records: true})
		if err != nil {
			t.Fatal(err)
		}
		found := slices.DeleteFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(f.Message, "bundle record") })
		if c.want == "" && len(found) > 0 || c.want != "" && !slices.ContainsFunc(found, func(f ledger.Finding) bool { return strings.HasPrefix(f.String(), c.want) }) {
			t.Errorf("%s: Verify finds %q, want %q", c.name, found, c.want)
		}
		if err := ledger.CheckStart(t.Context(), w, nil); (err != nil) != (c.want != "") {
			t.Errorf("%s: CheckStart = %v, want %q", c.name, err, c.want)
		}
	}
}

func TestAllShardsAreReplayed(t *testing.T) {
	program := compile(t, "../../policies/shipping/*.yaml")
	load := func(string) (*eval.Program, error) { return program, nil }
	w := &world{t: t, signer: newSigner(t, "test.example/log"), sealers: map[int]*ledger.Sealer{}}
	w.write(2, -time.Hour, activated(program.Version(), ""))
	decide(t, w, program, nil) // shard 0, under the policy of shard 2
	report, err := ledger.Replay(t.Context(), w, ledger.Policies{Load: load, Entered: true})
	if err != nil || !report.OK() || report.Decisions != uint64(len(questions())) {
		t.Errorf("Replay = %d decisions, %v, %v", report.Decisions, report.List, err)
	}
	w.write(2, time.Hour, decidedBy("token:T1", "agent-001", program.Version())) // made up
	report, err = ledger.Replay(t.Context(), w, ledger.Policies{Load: load, Entered: true})
	if err != nil || report.Count != 1 || !strings.HasPrefix(report.List[0].String(), "entry 1 of shard 2: ") {
		t.Errorf("Replay finds %v, %v, want entry 1 of shard 2", report.List, err)
	}
	report, err = ledger.Replay(t.Context(), bent{world: w, edit: func(e *store.Entry) {
		if e.Shard == 2 && e.Seq == 0 {
			e.Kind = "access"
		}
	}}, ledger.Policies{Load: load, Entered: true})
	if err != nil || report.OK() {
		t.Errorf("Replay = %v, %v; want the policy entry that hides missed", report.List, err)
	}
}

func TestVerifyGoesOnBesideCommitsToAnotherShard(t *testing.T) {
	w := newWorld(t)
	added := 0
	reader := faulty{Store: w, entries: func(in iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
		return func(yield func(store.Entry, error) bool) {
			for e, err := range in {
				if added < 5 { // what shard 0 adds here shard 1 goes by at once
					id := fmt.Sprint("N", added)
					at := time.Duration(10+added) * time.Minute
					added++
					w.write(0, at, tokenMade(id, "hash-"+id))
					w.write(1, at, decidedBy("token:"+id, "agent-001", version))
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}}
	report, err := ledger.Verify(t.Context(), reader, ledger.Trust{Records: true})
	if err != nil || report.Count != 1 || report.Entries < 9 {
		t.Errorf("Verify = %d entries, %v, %v, want the bundle alone", report.Entries, report.List, err)
	}
	for shard := range 2 {
		if err := ledger.CheckStart(t.Context(), w, map[int]uint64{shard: 3}); err != nil {
			t.Errorf("CheckStart = %v", err)
		}
	}
}
