package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

const secret = "hunter2"

func TestURLsThatAreNotSafeAreRefused(t *testing.T) {
	for url, fine := range map[string]bool{
		"postgres:///kernel?host=/run/postgresql":                                     true,
		"postgres://kernel:" + secret + "@localhost/kernel":                           true,
		"postgresql://kernel@127.0.0.1:6000/kernel":                                   true,
		"postgres://kernel@[::1]/kernel":                                              true,
		"postgres://kernel:" + secret + "@db.example.org/kernel?sslmode=verify-full":  true,
		"postgres://kernel@a.example.org,b.example.org/kernel?sslmode=verify-full":    true,
		"postgres://kernel:" + secret + "@db.example.org/kernel":                      false,
		"postgres://kernel:" + secret + "@db.example.org/kernel?sslmode=disable":      false,
		"postgres://kernel:" + secret + "@db.example.org/kernel?sslmode=prefer":       false,
		"postgres://kernel:" + secret + "@db.example.org/kernel?sslmode=require":      false,
		"postgres://kernel@127.0.0.1,db.example.org/kernel?sslmode=disable":           false,
		"postgres://kernel:" + secret + "@127.0.0.1.example.org/kernel":               false,
		"postgres://kernel:" + secret + "%zz@localhost/kernel":                        false,
		"postgres://kernel:" + secret + "@localhost:port/kernel":                      false,
		"postgres://kernel:" + secret + "@localhost/kernel?sslmode=" + secret:         false,
		"postgres://kernel:" + secret + "@localhost/kernel?connect_timeout=" + secret: false,
		"host=localhost user=kernel password=" + secret:                               false,
		"mysql://kernel:" + secret + "@localhost/kernel":                              false,
		"": false,
	} {
		err := postgres.CheckURL(url)
		if (err == nil) != fine {
			t.Errorf("CheckURL(%q) = %v, want it fine: %v", url, err, fine)
		}
		var ours *kernel.Error
		if err != nil && (!errors.As(err, &ours) || ours.Code != kernel.Invalid || strings.Contains(ours.Message+ours.Hint, secret)) {
			t.Errorf("CheckURL(%q) = %v, want a *kernel.Error without the password", url, err)
		}
		if shown := postgres.Redact(url); strings.Contains(shown, secret) {
			t.Errorf("Redact(%q) = %q", url, shown)
		}
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	cluster.Database(t) // there is a server
	q := "?host=" + cluster.Socket()
	for _, url := range []string{
		"postgres://kernel:" + secret + "@localhost:1/kernel",
		"postgres://nobody-there:" + secret + "@/postgres" + q,
		"postgres://kernel:" + secret + "@/nothing" + q,
		"postgres://kernel:" + secret + "@/postgres" + q,
	} {
		_, err := postgres.Open(t.Context(), url, postgres.Config{})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Open(%q) = %v, want an error without the password", url, err)
		}
		if _, err := postgres.Version(t.Context(), strings.Replace(url, "/postgres?", "/gone?", 1)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Version(%q) = %v, want an error without the password", url, err)
		}
	}
}

func TestDatabasesThatAreNotOursAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		sql  string
		want error
	}{
		"empty":       {"DROP SCHEMA kernel CASCADE", postgres.ErrEmpty},
		"newer":       {"INSERT INTO kernel.goose_db_version (version_id, is_applied) VALUES (99, true)", postgres.ErrNewer},
		"a trigger":   {"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER t BEFORE INSERT ON kernel.entries EXECUTE FUNCTION f()", postgres.ErrAltered},
		"a rule":      {"CREATE RULE r AS ON INSERT TO kernel.entries DO INSTEAD NOTHING", postgres.ErrAltered},
		"a policy":    {"ALTER TABLE kernel.entries ENABLE ROW LEVEL SECURITY", postgres.ErrAltered},
		"not durable": {"ALTER TABLE kernel.batches SET UNLOGGED", postgres.ErrAltered},
	} {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			cluster.Exec(t, databaseOf(t, url), c.sql)
			if _, err := postgres.Open(t.Context(), url, postgres.Config{}); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
	url := database(t)
	cluster.Exec(t, databaseOf(t, url), "INSERT INTO kernel.goose_db_version (version_id, is_applied) VALUES (99, true)")
	if err := postgres.Migrate(t.Context(), url); !errors.Is(err, postgres.ErrNewer) {
		t.Errorf("Migrate of a newer database = %v, want ErrNewer", err)
	}
}

func TestAServerThatDoesNotFlushIsRefused(t *testing.T) {
	cluster.Database(t)
	careless, err := pgtest.Start("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { careless.Close() })
	url := careless.Database(t)
	if err := postgres.Migrate(t.Context(), url); !errors.Is(err, postgres.ErrUnsafe) {
		t.Errorf("Migrate = %v, want ErrUnsafe", err)
	}
	if _, err := postgres.Open(t.Context(), url, postgres.Config{}); !errors.Is(err, postgres.ErrUnsafe) {
		t.Errorf("Open = %v, want ErrUnsafe", err)
	}
}

func TestManyMayMigrateAtOnce(t *testing.T) {
	url := cluster.Database(t)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if err := postgres.Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if version, err := postgres.Version(t.Context(), url); err != nil || version != postgres.SchemaVersion {
		t.Errorf("Version = %d, %v, want %d", version, err, postgres.SchemaVersion)
	}
}

func TestAReaderWritesNothing(t *testing.T) {
	url := database(t)
	writer := quick(t, url)
	if out, err := writer.Commit(t.Context(), note("a")); out.Status != store.Committed {
		t.Fatal(out, err)
	}
	db, err := postgres.OpenReadOnly(t.Context(), url, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if r, err := db.Record(t.Context(), key("a")); err != nil || r.Version != 1 {
		t.Errorf("Record = %v, %v, want version 1", r, err)
	}
	if out, err := db.Commit(t.Context(), note("b")); out.Status != store.NotCommitted || err == nil {
		t.Errorf("Commit = %v, %v, want NotCommitted and why", out, err)
	}
	if status, err := db.Lookup(t.Context(), "a"); status != store.Unknown || err == nil {
		t.Errorf("Lookup = %v, %v, want Unknown and why", status, err)
	}
	if err := db.Exec(t.Context(), "DELETE FROM kernel.records"); err == nil {
		t.Error("a statement that writes succeeds, want it refused by the server")
	}
}
