package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
	database "github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

func TestAGoodLogVerifies(t *testing.T) {
	ev := makeEvidence(t)
	for _, c := range []struct {
		name  string
		trust ledger.Trust
		want  string
	}{
		{"no trust", ledger.Trust{}, "own hashes only"},
		{"the key", ev.trust(), "signed checkpoint of size 60 by the key of test.example/log, and 2 before it"},
		{"the key and a note", ev.trust(ev.notes...), "signed checkpoint of size 60 by the key of test.example/log, and 2 before it"},
	} {
		report := verify(t, filepath.Join(ev.dir, "kernel.db"), c.trust)
		if !report.OK() || report.Entries != 60 || !strings.HasPrefix(report.Trust.String(), c.want) {
			t.Errorf("%s: %d entries, trust %q, findings %v; want 60, %q, none", c.name, report.Entries, report.Trust, report.List, c.want)
		}
		if report.Kinds[ledger.KindDecision] != 40 || report.Kinds[ledger.KindToken] != 5 {
			t.Errorf("%s: kinds %v", c.name, report.Kinds)
		}
	}
}

func TestTamperingIsFoundAndTheEntryNamed(t *testing.T) {
	ev := makeEvidence(t)
	other := makeEvidence(t) // the same entries, another key
	elsewhere, err := ev.signer.Sign(merkle.Checkpoint{Origin: "test.example/log", Size: 60, Root: merkle.Hash{1}})
	if err != nil {
		t.Fatal(err)
	}
	type entries = []ledger.Entry
	type privates = []*store.Private
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, path string)
		notes  []string // given besides those in the log
		want   []string // findings, in any place
	}{
		{
			name: "one byte of a body, by SQL",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE entries SET body = replace(body, 'node-1', 'node-2') WHERE seq = 7`)
			},
			want: []string{"entry 7: it does not hash to its leaf"},
		},
		{
			name:   "one byte of a body, in the file",
			tamper: func(t *testing.T, path string) { edit(t, path, `"node":"node-1","seq":7,`, `"node":"node-7","seq":7,`) },
			want:   []string{"entry 7: it does not hash to its leaf"},
		},
		{
			name:   "a body that is no JSON any more",
			tamper: func(t *testing.T, path string) { edit(t, path, `"node":"node-1","seq":7,`, `"node":"node-1","seq":7;`) },
			want:   []string{"entry 7: it does not hash to its leaf", "entry 7: its body cannot be read"},
		},
		{
			name: "a leaf",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE entries SET leaf = zeroblob(32) WHERE seq = 31`)
			},
			want: []string{"entry 31: it does not hash to its leaf"},
		},
		{
			name: "an entry removed",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `DELETE FROM entries WHERE seq = 33; DELETE FROM private WHERE seq = 33`)
			},
			want: []string{"entry 33: it is missing"},
		},
		{
			name: "three entries removed",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `DELETE FROM entries WHERE seq BETWEEN 33 AND 35; DELETE FROM private WHERE seq BETWEEN 33 AND 35`)
			},
			want: []string{"entry 33: it is missing, as are all up to entry 35"},
		},
		{
			name: "an entry removed, the rest moved up and hashed again",
			tamper: func(t *testing.T, path string) {
				rewrite(t, path, func(e entries, p privates) (entries, privates) {
					return slices.Delete(e, 33, 34), slices.Delete(p, 33, 34)
				})
			},
			want: []string{"entry 20: from here to entry 39 something was replaced together with its hash", "entry 59: it is missing"},
		},
		{
			name: "an entry inserted, the rest moved down",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `PRAGMA ignore_check_constraints=1; UPDATE entries SET seq = -seq - 1 WHERE seq >= 33; UPDATE entries SET seq = -seq WHERE seq < 0;
					UPDATE private SET seq = -seq - 1 WHERE seq >= 33; UPDATE private SET seq = -seq WHERE seq < 0;
					INSERT INTO entries SELECT shard, 33, instant, kind, '', caller, agent, action, decision, leaf, body FROM entries WHERE seq = 32`)
			},
			want: []string{"entry 33: its column seq is 33, its body says 32", "entry 34: its column seq is 34, its body says 33"},
		},
		{
			name: "an entry inserted, the rest moved down and hashed again",
			tamper: func(t *testing.T, path string) {
				rewrite(t, path, func(e entries, p privates) (entries, privates) {
					return slices.Insert(e, 44, e[41]), slices.Insert(p, 44, nil)
				})
			},
			want: []string{"entry 40: from here to entry 59 something was replaced together with its hash"},
		},
		{
			name: "an entry before the first, which the check of the table refuses",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `PRAGMA ignore_check_constraints=1; INSERT INTO entries SELECT shard, -1, instant, kind, 'x', caller, agent, action, decision, leaf, body FROM entries WHERE seq = 5`)
				nothingOutside(t, path, "x")
			},
			want: []string{"the row of entry -1 is outside the log"},
		},
		{
			name: "an entry added at the end",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `INSERT INTO entries SELECT shard, 60, instant, kind, '', caller, agent, action, decision, leaf, body FROM entries WHERE seq = 59`)
			},
			want: []string{"the row of entry 60 is outside the log"},
		},
		{
			name: "two entries exchanged",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE entries SET seq = 1000 WHERE seq = 12; UPDATE entries SET seq = 12 WHERE seq = 13; UPDATE entries SET seq = 13 WHERE seq = 1000`)
			},
			want: []string{"entry 12: its column seq is 12, its body says 13", "entry 13: its column seq is 13, its body says 12", "entry 13: its instant is before"},
		},
		{
			name: "an entry replaced together with its hash",
			tamper: func(t *testing.T, path string) {
				rewrite(t, path, func(e entries, p privates) (entries, privates) {
					e[24].Decision.Verdict.Decision = kernel.Allow
					e[24].Decision.Verdict.Reason = "never mind"
					return e, p
				})
			},
			want: []string{"entry 20: from here to entry 39 something was replaced together with its hash: the log is not the one of the stored checkpoint 40"},
		},
		{
			name: "the tail cut off, head and checkpoints left",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `DELETE FROM entries WHERE seq >= 55; DELETE FROM private WHERE seq >= 55`)
			},
			want: []string{"entry 55: it is missing, as are all up to entry 59"},
		},
		{
			name:   "the tail cut off, the head rewritten",
			tamper: func(t *testing.T, path string) { cutTail(t, path, 55) },
			want:   []string{"entry 55: it is missing, as are all up to entry 59: the tail was cut off, which the stored checkpoint 60 vouches for"},
		},
		{
			name: "the tail cut off, head and checkpoints rolled back, but somebody kept a note",
			tamper: func(t *testing.T, path string) {
				cutTail(t, path, 40)
				alter(t, path, `DELETE FROM records WHERE kind = 'checkpoint' AND key > '00000000000000000040'`)
			},
			notes: ev.notes[2:],
			want:  []string{"entry 40: it is missing, as are all up to entry 59: the tail was cut off, which the given checkpoint 1 vouches for"},
		},
		{
			name: "everything removed, but somebody kept a note",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `DELETE FROM entries; DELETE FROM private; DELETE FROM heads; DELETE FROM records`)
			},
			notes: ev.notes[:1],
			want:  []string{"entry 0: it is missing, as are all up to entry 19: the tail was cut off"},
		},
		{
			name: "the whole log rewritten, but somebody kept a note",
			tamper: func(t *testing.T, path string) {
				rewrite(t, path, func(e entries, p privates) (entries, privates) {
					for i := range e {
						e[i].Node = "node-9"
					}
					return e, p
				})
				alter(t, path, `DELETE FROM records WHERE kind = 'checkpoint'`)
			},
			notes: ev.notes[2:],
			want:  []string{"entry 0: from here to entry 59 something was replaced together with its hash: the log is not the one of the given checkpoint 1"},
		},
		{
			name:   "two logs for one origin",
			tamper: func(*testing.T, string) {},
			notes:  []string{elsewhere},
			want:   []string{"two logs were signed as test.example/log", "of size 60"},
		},
		{
			name: "a checkpoint by another key",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE records SET value = ? WHERE key = '00000000000000000040'`, []byte(other.notes[1]))
			},
			want: []string{"the stored checkpoint 40 is not to be believed"},
		},
		{
			name: "a checkpoint that is none",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE records SET value = x'00ff' WHERE key = '00000000000000000040'`)
			},
			want: []string{"the stored checkpoint 40 is not to be believed"},
		},
		{
			name: "a checkpoint under another size",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE records SET key = '00000000000000000041' WHERE key = '00000000000000000040'`)
			},
			want: []string{"the stored checkpoint 41 is kept under another size than the 40 it is about"},
		},
		{
			name: "a request",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE private SET request = replace(request, 'CHG-6', 'CHG-7') WHERE seq = 6`)
			},
			want: []string{"entry 6: the digest is not that of the request"},
		},
		{
			name: "a salt",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE private SET salt = zeroblob(32) WHERE seq = 6`)
			},
			want: []string{"entry 6: request and salt are not what the entry is committed to"},
		},
		{
			name: "a salt cut short",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE private SET salt = x'00', request = x'0707' || request WHERE seq = 6`)
			},
			want: []string{"entry 6: the salt has 1 bytes instead of 32"},
		},
		{
			name: "a digest",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE private SET digest = 'sha256:00' WHERE seq = 6`)
			},
			want: []string{"entry 6: the digest is not that of the request"},
		},
		{
			name:   "a request removed",
			tamper: func(t *testing.T, path string) { alter(t, path, `DELETE FROM private WHERE seq = 6`) },
			want:   []string{"entry 6: the request is missing"},
		},
		{
			name:   "a request moved to another entry",
			tamper: func(t *testing.T, path string) { alter(t, path, `UPDATE private SET seq = 5 WHERE seq = 6`) },
			want:   []string{"entry 6: the request is missing", "entry 5: there is a request beside it, but it is no decision"},
		},
		{
			name: "a request for no entry",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `INSERT INTO private VALUES (0, 99, '{}', zeroblob(32), '')`)
			},
			want: []string{"shard 0: there is a request for entry 99, but no entry"},
		},
		{
			name: "columns for queries",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `UPDATE entries SET agent = 'agent-x' WHERE seq = 6; UPDATE entries SET action = 'x' WHERE seq = 7;
					UPDATE entries SET decision = 'ALLOW' WHERE seq = 9; UPDATE entries SET caller = 'x' WHERE seq = 10;
					UPDATE entries SET kind = 'policy' WHERE seq = 12; UPDATE entries SET id = 'x' WHERE seq = 13;
					UPDATE entries SET instant = instant + 1 WHERE seq = 15`)
			},
			want: []string{
				`entry 6: its column agent is "agent-x", its body says "agent-006"`, "entry 7: its column action", "entry 9: its column decision",
				"entry 10: its column caller", "entry 12: its column kind", "entry 13: its column id", "entry 15: its column instant",
			},
		},
		{
			name:   "the head's size, less",
			tamper: func(t *testing.T, path string) { alter(t, path, `UPDATE heads SET size = 59`) },
			want:   []string{"the head of size 59 has another root", "the row of entry 59 is outside the log"},
		},
		{
			name:   "the head's size, more",
			tamper: func(t *testing.T, path string) { alter(t, path, `UPDATE heads SET size = 61`) },
			want:   []string{"entry 60: it is missing"},
		},
		{
			name:   "the head's root",
			tamper: func(t *testing.T, path string) { alter(t, path, `UPDATE heads SET root = zeroblob(32)`) },
			want:   []string{"the head of size 60 has another root than the entries"},
		},
		{
			name:   "the head's compact range",
			tamper: func(t *testing.T, path string) { alter(t, path, `UPDATE heads SET "range" = zeroblob(128)`) },
			want:   []string{"the head of size 60 has another compact range than the entries"},
		},
		{
			name:   "the head removed",
			tamper: func(t *testing.T, path string) { alter(t, path, `DELETE FROM heads`) },
			want:   []string{"shard 0: there are entries from 0 on, but no head"},
		},
		{
			name: "a second shard",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `INSERT INTO heads SELECT 1, size, root, "range" FROM heads`)
			},
			want: []string{"entry 0 of shard 1: it is missing, as are all up to entry 59"},
		},
		{
			name: "a head that is damaged",
			tamper: func(t *testing.T, path string) {
				alter(t, path, `PRAGMA ignore_check_constraints=1; UPDATE heads SET root = x'00'`)
			},
			want: []string{"the head could not be read"},
		},
		{
			name:   "an index entry",
			tamper: func(t *testing.T, path string) { corruptIndex(t, path) },
			want:   []string{"SQLite: row "},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ev.copyOf(t)
			c.tamper(t, path)
			report := verify(t, path, ev.trust(c.notes...))
			if report.OK() || report.Count < len(report.List) {
				t.Fatalf("Verify found %d, lists %v", report.Count, report.List)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.Contains(f.String(), want) }) {
					t.Errorf("findings %q, want one with %q", report.List, want)
				}
			}
		})
	}
}

func TestTamperingThatNeedsATrustedCheckpointSaysSo(t *testing.T) {
	ev := makeEvidence(t)
	path := ev.copyOf(t)
	cutTail(t, path, 33)
	alter(t, path, `DELETE FROM records WHERE kind = 'checkpoint'`)
	for _, trust := range []ledger.Trust{{}, ev.trust()} {
		report := verify(t, path, trust)
		if !report.OK() || !strings.HasPrefix(report.Trust.String(), "own hashes only") {
			t.Errorf("findings %v, trust %q; want none, and that only hashes were trusted", report.List, report.Trust)
		}
	}
}

func TestFindingsAreBoundedAndCounted(t *testing.T) {
	ev := makeEvidence(t)
	path := ev.copyOf(t)
	alter(t, path, `UPDATE entries SET caller = 'x'`)
	report := verify(t, path, ev.trust())
	if report.Count != 60 || len(report.List) != ledger.MaxFindings {
		t.Errorf("%d findings, %d listed; want 60 and %d", report.Count, len(report.List), ledger.MaxFindings)
	}
}

func TestOneBadPageLeavesTheRestReadable(t *testing.T) {
	ev := makeEvidence(t)
	path := ev.copyOf(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(`"node":"node-1","seq":30,`)) &^ 4095
	copy(data[at:], bytes.Repeat([]byte{0xA5}, 4096))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	report := verify(t, path, ev.trust())
	var all strings.Builder
	for _, f := range report.List {
		fmt.Fprintln(&all, f)
	}
	for _, want := range []string{"could be read, then reading failed", "it cannot be read, or is missing"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("findings %s want one with %q", all.String(), want)
		}
	}
	if report.Entries < 50 {
		t.Errorf("%d entries were read, want all but those of one page", report.Entries)
	}
}

func TestVerifyEndsOnAnyDamage(t *testing.T) {
	ev := makeEvidence(t)
	good, err := os.ReadFile(filepath.Join(ev.dir, "kernel.db"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i := range 60 {
		path := ev.copyOf(t)
		data := bytes.Clone(good)
		at := 100 + (len(data)-100)/60*i
		copy(data[at:], bytes.Repeat([]byte{byte(i), 0xff}, 40))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		db, err := database.OpenReadOnly(path)
		if err != nil {
			found++
			continue
		}
		report, err := ledger.Verify(t.Context(), db, ev.trust())
		if err != nil || !report.OK() {
			found++
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("damage at %d: Verify took %v", at, d)
		}
	}
	if found < 30 { // unused parts of pages do not count
		t.Errorf("%d of 60 damages were found", found)
	}
}

// nothingOutside makes sure that no way of reading yields a row outside the log.
func nothingOutside(t *testing.T, path, id string) {
	t.Helper()
	db, err := database.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, seq := range []uint64{math.MaxUint64, 1 << 63, 1 << 53, 60} {
		if e, err := db.Entry(t.Context(), 0, seq); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Entry(%d) = %+v, %v, want not found", seq, e, err)
		}
	}
	if e, err := db.EntryByID(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("EntryByID = %+v, %v, want not found", e, err)
	}
	for _, newest := range []bool{false, true} {
		for e, err := range db.Entries(t.Context(), store.Query{Newest: newest}) {
			if err != nil || e.Seq >= 60 {
				t.Errorf("Entries yields %d, %v", e.Seq, err)
			}
		}
	}
}

func TestNoNameHidesATriggerOrAView(t *testing.T) {
	ev := makeEvidence(t)
	for _, sql := range []string{
		"CREATE TRIGGER sqlite_evil BEFORE INSERT ON entries BEGIN SELECT raise(ignore); END",
		"CREATE VIEW sqlite_v AS SELECT 1",
		"CREATE VIEW sqlite_stat1 AS SELECT 1",
	} {
		path := ev.copyOf(t)
		kind, name := strings.ToLower(strings.Fields(sql)[1]), strings.Fields(sql)[2]
		table := name
		if kind == "trigger" {
			table = "entries"
		}
		alter(t, path, "PRAGMA writable_schema=ON; INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('"+kind+"', '"+name+"', '"+table+"', 0, '"+sql+"')")
		if db, err := database.OpenReadOnly(path); err == nil || kind == "trigger" && !errors.Is(err, database.ErrAltered) {
			t.Errorf("%s: OpenReadOnly = %v, %v, want ErrAltered", sql, db, err)
		}
	}
}
