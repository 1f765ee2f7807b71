package postgres_test

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

var cluster *pgtest.Cluster // nil on a machine without PostgreSQL

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(m, func(c *pgtest.Cluster) { cluster = c }))
}

// database makes a database that was migrated.
func database(t testing.TB) string {
	t.Helper()
	url := cluster.Database(t)
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return url
}

func databaseOf(t testing.TB, s string) string {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	// Long enough for a machine that does other things beside.
	db, err := postgres.Open(t.Context(), url, postgres.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestPostgreSQLPassesTheExam(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, database(t)) })
}
