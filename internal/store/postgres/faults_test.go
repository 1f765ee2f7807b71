package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// The line is cut everywhere in what a commit sends and receives, and above all
// where COMMIT is.
func TestPostgreSQLKeepsItsWordWhenTheLineIsCut(t *testing.T) {
	for name, c := range map[string]cut{
		"what is sent":                 {up: true},
		"what is received":             {},
		"what is sent, once":           {up: true, once: true},
		"what is received, once":       {once: true},
		"what is sent, in silence":     {up: true, silent: true},
		"what is received, in silence": {silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, url := through(t, database(t))
			db, err := postgres.Open(t.Context(), url+"&pool_max_conns=1", postgres.Config{Timeout: timeoutOf(c)})
			if err != nil {
				t.Fatal(err)
			}
			total := bytesOfACommit(t, c)
			places := samples(total, c.silent)
			ends := storetest.RunFaults(t, storetest.Breaker{
				Store: db,
				Break: func(step int) bool {
					if step >= len(places) {
						return false
					}
					c.left = places[step]
					p.arm(c)
					return true
				},
				Mend: func() store.Store {
					p.mend()
					return db
				},
			})
			if ends[store.Unknown] == 0 || !c.once && ends[store.NotCommitted] == 0 || c.once && ends[store.Committed] < 5 {
				t.Errorf("of %d cuts in %d bytes the commits ended as %v, want unknown ones and certain ones", len(places), total, ends)
			}
		})
	}
}

func timeoutOf(c cut) time.Duration {
	if c.silent {
		return 200 * time.Millisecond
	}
	return 5 * time.Second // long enough not to be what ends a commit
}

// bytesOfACommit counts what a commit sends or receives on a connection that
// has done one before.
func bytesOfACommit(t *testing.T, c cut) int {
	t.Helper()
	p, url := through(t, database(t))
	const plenty = 1 << 30
	count := 0
	db := open(t, url+"&pool_max_conns=1")
	storetest.RunFaults(t, storetest.Breaker{
		Store: db,
		Break: func(step int) bool {
			if step < 2 && !c.once { // a commit after one that failed sends less than after one that did not
				p.arm(cut{up: true, left: 1})
			} else {
				p.arm(cut{up: c.up, left: plenty})
			}
			return step < 3
		},
		Mend: func() store.Store {
			p.mu.Lock()
			count = plenty - p.cut.left
			p.mu.Unlock()
			p.mend()
			return db
		},
	})
	return count
}

// samples are places to cut at: some anywhere, and most around the end, which
// moves a little from commit to commit. COMMIT takes 12 bytes, its answer 18.
func samples(total int, few bool) (places []int) {
	apart, dense := max(1, total/8), 2
	if few || testing.Short() {
		apart, dense = max(1, total/2), 8
	}
	for n := 1; n <= total-20; n += apart {
		places = append(places, n)
	}
	for n := max(1, total-20); n <= total+30; n += dense {
		places = append(places, n)
	}
	return places
}

// Every table that a commit writes gets a trigger, at once or when COMMIT is
// run, that fails, or ends the connection, or ends the server.
func TestPostgreSQLKeepsItsWordWhenTheServerFails(t *testing.T) {
	url := database(t)
	db, err := postgres.Open(t.Context(), url, postgres.Config{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	name := databaseOf(t, url)

	type fault struct{ table, when, does string }
	var faults []fault
	for _, table := range []string{"batches", "records", "entries", "private", "heads"} {
		for _, when := range []string{"IMMEDIATE", "DEFERRED"} {
			for _, does := range []string{
				"RAISE EXCEPTION 'disk' USING ERRCODE = '53100'",
				"RAISE EXCEPTION 'again' USING ERRCODE = '40001'",
				"PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5)",
				"PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(5)",
			} {
				faults = append(faults, fault{table, when, does})
			}
		}
	}
	faults = append(faults, fault{"heads", "DEFERRED", "COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'; PERFORM pg_sleep(5)"})
	ends := storetest.RunFaults(t, storetest.Breaker{
		Store: db,
		Break: func(step int) bool {
			if step >= len(faults) {
				return false
			}
			f := faults[step]
			cluster.Exec(t, name, fmt.Sprintf(`CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s; RETURN NULL; END $$;
				CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON kernel.%s DEFERRABLE INITIALLY %s FOR EACH ROW EXECUTE FUNCTION public.fail()`,
				f.does, f.table, f.when))
			return true
		},
		Mend: func() store.Store {
			eventually(t, func() error { return cluster.TryExec(name, "DROP FUNCTION public.fail() CASCADE") })
			return db
		},
	})
	if ends[store.NotCommitted] < 20 || ends[store.Unknown] < 3 || ends[store.Committed] > 0 {
		t.Errorf("of %d faults the commits ended as %v", len(faults), ends)
	}
}

func eventually(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for range 500 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
}

func TestAFullServerIsSaidToBeFull(t *testing.T) {
	url := database(t)
	db := quick(t, url)
	cluster.Exec(t, databaseOf(t, url), `CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
		CREATE TRIGGER fail AFTER INSERT ON kernel.records EXECUTE FUNCTION public.fail()`)
	if out, err := db.Commit(t.Context(), note("a")); out.Status != store.NotCommitted || !errors.Is(err, store.ErrFull) {
		t.Errorf("Commit = %v, %v, want NotCommitted and ErrFull", out, err)
	}
	cluster.Exec(t, databaseOf(t, url), "DROP FUNCTION public.fail() CASCADE")
	if out, err := db.Commit(t.Context(), note("a")); out.Status != store.Committed {
		t.Errorf("Commit with space again = %v, %v, want Committed", out, err)
	}
}
