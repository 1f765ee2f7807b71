package gate_test

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

func TestDecisionsOfAllShardsArePagedAsOne(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		var made []string // the newest first
		for i := range 20 {
			d := patiently(t, nodes[i%3], act("agent-001", ""))
			if d.Entry.Shard != i%3 {
				t.Fatalf("node %d decides in shard %d", i%3, d.Entry.Shard)
			}
			made = append([]string{d.ID}, made...)
		}
		var got []string
		q := gate.DecisionQuery{Limit: 3}
		for pages := 0; pages == 0 || q.Cursor != ""; pages++ {
			page, err := nodes[pages%3].Decisions(t.Context(), auditor, q)
			if err != nil || pages > 10 {
				t.Fatal(pages, err)
			}
			for _, d := range page.Decisions {
				got = append(got, d.ID)
			}
			q.Cursor = page.NextCursor
			patiently(t, nodes[(pages+1)%3], act("agent-002", "")) // pages go on where they were
		}
		if !slices.Equal(got, made) {
			t.Errorf("pages hold %v, want %v", got, made)
		}
		one := 1
		page, err := nodes[0].Decisions(t.Context(), auditor, gate.DecisionQuery{Limit: 100, Shard: &one, Agent: "agent-001"})
		if err != nil || len(page.Decisions) != 7 || page.Decisions[0].Entry.Shard != 1 {
			t.Errorf("shard 1 has %d decisions, %v, want 7", len(page.Decisions), err)
		}
		none := 7
		if _, err := nodes[0].Decisions(t.Context(), auditor, gate.DecisionQuery{Limit: 100, Shard: &none}); !isCode(err, kernel.Invalid) {
			t.Errorf("a shard that is not there: %v, want INVALID_REQUEST", err)
		}
		if d, err := nodes[2].Decision(t.Context(), auditor, made[0]); err != nil || d.ID != made[0] {
			t.Errorf("Decision = %v, %v, want that of another shard", d.ID, err)
		}
	})
}

// checked verifies the log of a cluster, evaluates it again and counts its facts
// again. That these tests ask without a token is no finding here.
func (f *cluster) checked(t *testing.T) ledger.Report {
	t.Helper()
	s := f.open()
	report := f.evaluated(t, s)
	facts, err := ledger.ReplayFacts(t.Context(), s, func(version string) (*eval.Program, error) {
		return gate.LoadProgram(t.Context(), s, version)
	})
	if err != nil || !facts.OK() || facts.Decisions == 0 {
		t.Errorf("ReplayFacts = %d, %v, %v, want the facts of every decision again", facts.Decisions, facts.List, err)
	}
	return report
}

// evaluated is checked without the facts.
func (f *cluster) evaluated(t *testing.T, s store.Store) ledger.Report {
	t.Helper()
	report, err := ledger.Verify(t.Context(), s, ledger.Trust{VerifierKey: f.signer.VerifierKey(), Records: true})
	if err != nil {
		t.Fatal(err)
	}
	report.List = slices.DeleteFunc(report.List, func(f ledger.Finding) bool { return f.Message == `its caller "admin" is no token` })
	report.Count = len(report.List)
	replay, err := ledger.Replay(t.Context(), s, ledger.Policies{Entered: true, Load: func(version string) (*eval.Program, error) {
		return gate.LoadProgram(t.Context(), s, version)
	}})
	if err != nil || !replay.OK() {
		t.Errorf("Replay = %v, %v, want every decision again", replay.List, err)
	}
	return report
}

func TestEveryNodeListsTheShardsOfAll(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		nodes = append(nodes, f.node(t, 7, nil)) // of which nothing is written
		patiently(t, nodes[1], act("agent-001", ""))
		for i, n := range nodes {
			list, err := n.LogShards(t.Context())
			if err != nil || len(list) != len(nodes) {
				t.Fatalf("node %d: LogShards = %v, %v", i, list, err)
			}
			for j, shard := range list {
				if want := nodes[j].lease.Shard; shard.Shard != want || shard.Size != nodes[j].Size() || shard.WrittenHere != (i == j) {
					t.Errorf("node %d: LogShards = %+v, want shard %d of %d entries", i, shard, want, nodes[j].Size())
				}
			}
		}
	})
}

func TestShardsAreSignedAndWitnessEachOther(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		var notes []string
		for round := range 2 {
			for i, n := range nodes {
				if round == 0 {
					patiently(t, n, act("agent-001", ""))
				}
				note, err := n.Checkpoint(t.Context(), admin)
				if err != nil {
					t.Fatal(err)
				}
				shard, c, err := ledger.OpenShardNote(f.signer.VerifierKey(), note)
				if err != nil || shard != i || c.Size == 0 {
					t.Errorf("node %d signs size %d of shard %d, %v", i, c.Size, shard, err)
				}
				notes = append(notes, note)
			}
		}
		for shard, want := range notes[3:] {
			if note, err := nodes[(shard+1)%3].LatestCheckpoint(t.Context(), &shard); err != nil || note != want {
				t.Errorf("LatestCheckpoint(%d) = %q, %v, want %q", shard, note, err, want)
			}
		}
		none := 7
		if note, err := nodes[0].LatestCheckpoint(t.Context(), &none); !isCode(err, kernel.Invalid) {
			t.Errorf("LatestCheckpoint(7) = %q, %v, want INVALID_REQUEST", note, err)
		}
		s := f.open()
		for _, shard := range []int{0, 1, 2} {
			var seen []int
			for row, err := range s.Entries(t.Context(), store.Query{Shard: shard, Kind: string(ledger.KindWitness)}) {
				e, undecoded := ledger.Decode(row.Body)
				if err != nil || undecoded != nil {
					t.Fatal(err, undecoded)
				}
				seen = append(seen, e.Witness.Shard)
			}
			slices.Sort(seen)
			if want := slices.DeleteFunc([]int{0, 1, 2}, func(n int) bool { return n == shard }); !slices.Equal(seen, want) {
				t.Errorf("shard %d has seen %v, want %v, each once", shard, seen, want)
			}
		}
		if report := f.checked(t); !report.OK() || len(report.Shards) != 3 {
			t.Errorf("Verify = %v of %d shards, want three without a finding", report.List, len(report.Shards))
		}
	})
}

// Whoever writes the database removes, cuts off or moves what a shard holds.
func TestTamperingWithAShardOfADatabaseIsFound(t *testing.T) {
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	address := postgresql.Cluster(t).Database(t)
	if err := postgres.Migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	f := &cluster{signer: signer, clock: time.Now, open: func() store.Store {
		db, err := postgres.Open(t.Context(), address, postgres.Config{Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}}
	nodes := f.nodes(t, limited)[:2]
	for range 2 {
		for _, n := range nodes {
			for range 3 {
				patiently(t, n, act("agent-001", ""))
			}
			if _, err := n.Checkpoint(t.Context(), admin); err != nil {
				t.Fatal(err)
			}
		}
	}
	if report := f.checked(t); !report.OK() {
		t.Fatalf("Verify = %v before anything was done to it", report.List)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	save := `DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved`
	restore := `TRUNCATE kernel.entries, kernel.private, kernel.heads, kernel.leases, kernel.records`
	for _, table := range []string{"entries", "private", "heads", "leases", "records"} {
		save += fmt.Sprintf(`; CREATE TABLE saved.%[1]s AS TABLE kernel.%[1]s`, table)
		restore += fmt.Sprintf(`; INSERT INTO kernel.%[1]s TABLE saved.%[1]s`, table)
	}
	exec := func(sql string) { postgresql.Cluster(t).Exec(t, database, sql) }
	exec(save)
	const checkpoints = `DELETE FROM kernel.records WHERE kind = 'checkpoint' AND key LIKE '0000000001%' AND length(key) = 30`
	for _, c := range []struct{ name, sql, want string }{
		{"a byte", `UPDATE kernel.entries SET body = convert_to(replace(convert_from(body, 'UTF8'), 'ALLOW', 'ALLOV'), 'UTF8') WHERE shard = 1 AND action = 'act'`, "of shard 1: it does not hash to its leaf"},
		{"its tail", `DELETE FROM kernel.private WHERE shard = 1; DELETE FROM kernel.entries WHERE shard = 1 AND seq > 0; UPDATE kernel.heads SET size = 1, root = (SELECT leaf FROM kernel.entries WHERE shard = 1),
			"range" = (SELECT leaf FROM kernel.entries WHERE shard = 1), instant = (SELECT instant FROM kernel.entries WHERE shard = 1) WHERE shard = 1; ` + checkpoints, "entry 1 of shard 1: it is missing"},
		{"all of it", `DELETE FROM kernel.private WHERE shard = 1; DELETE FROM kernel.entries WHERE shard = 1; DELETE FROM kernel.heads WHERE shard = 1; DELETE FROM kernel.leases WHERE shard = 1; ` + checkpoints,
			"entry 0 of shard 1: it is missing"},
		{"its head alone", `DELETE FROM kernel.heads WHERE shard = 1`, "shard 1: its lease has epoch 1, its head another or none"},
		{"an entry that goes to another shard", `UPDATE kernel.entries SET shard = 2, seq = 0 WHERE shard = 1 AND seq = (SELECT max(seq) FROM kernel.entries WHERE shard = 1)`, "of shard 1: it is missing"},
	} {
		exec(c.sql)
		report, err := ledger.Verify(t.Context(), f.open(), ledger.Trust{VerifierKey: signer.VerifierKey(), Records: true})
		if err != nil || !slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(f.String(), c.want) }) {
			t.Errorf("%s: Verify finds %q, %v, want %q", c.name, report.List, err, c.want)
		}
		exec(restore)
	}
	if report := f.checked(t); !report.OK() {
		t.Errorf("Verify = %v after everything was put back", report.List)
	}
}
