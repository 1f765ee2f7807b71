package app_test

import (
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

const password = "hunter2"

// database makes a database that a kernel can use, and returns its URL, with a
// password that must not be shown anywhere.
func database(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(postgresql.Cluster(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("password", password)
	u.RawQuery = q.Encode()
	if _, err := app.MigrateStore(t.Context(), app.Config{Store: u.String()}); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// onDatabase starts a kernel on a database, patient enough for a busy machine.
func onDatabase(t *testing.T, data, store string) *process {
	t.Helper()
	p := start(t, data, "", "KERNEL_STORE="+store, "KERNEL_BUDGET_MS=5000")
	p.govern()
	return p
}

// govern pushes the starter bundle and activates it, unless it decides already.
func (p *process) govern() {
	p.t.Helper()
	files, err := app.ReadBundleToPush(starterBundle(p.t))
	if err != nil {
		p.t.Fatal(err)
	}
	pushed, err := p.admin().PushPolicy(p.t.Context(), files, client.PushOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	active, _, err := p.admin().Policies(p.t.Context())
	if err == nil && active != pushed.Version {
		err = p.admin().ActivatePolicy(p.t.Context(), pushed.Version, active, "a test")
	}
	if err == nil {
		_, err = p.admin().ApplyRegistry(p.t.Context(), []byte(`{"registry":"v1","agents":{"agent-001":{"attributes":{"role":"developer"},
			"capabilities":{"work":{"actions":["deploy"],"resources":[{"type":"service","id":"*"}]}}}}}`), client.ApplyOptions{})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func TestWithADatabasePoliciesComeByPush(t *testing.T) {
	t.Parallel()
	data, store := t.TempDir(), database(t)
	refused := spawn(t, data, starterBundle(t), "KERNEL_STORE="+store)
	if code := refused.wait(); code != 1 || !strings.Contains(refused.log.String(), "with --store no --policies") {
		t.Errorf("with a folder it ends with %d, want 1 and why:\n%s", code, refused.log)
	}
	p := start(t, data, "", "KERNEL_STORE="+store, "KERNEL_BUDGET_MS=5000")
	if status, body := p.status("/readyz"); status != 503 || !strings.Contains(body, "no policy is active") {
		t.Errorf("before a push it is %d %s, want that no policy is active", status, body)
	}
	p.govern()
	p.kill()
	p = start(t, data, "", "KERNEL_STORE="+store, "KERNEL_BUDGET_MS=5000")
	if d, err := p.admin().Decide(t.Context(), deploy("staging")); err != nil || d.Decision != kernel.Allow {
		t.Errorf("after a restart Decide = %v, %v, want ALLOW by what was activated", d.Decision, err)
	}
	p.stop()
	verified(t, data, store)
}

// verified checks the whole log of a database, and returns how many entries it has.
func verified(t *testing.T, data, store string) uint64 {
	t.Helper()
	log, err := app.OpenLog(t.Context(), app.Config{Data: data, Store: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	report, err := log.Verify(t.Context(), "", nil)
	if err != nil || !report.OK() {
		t.Fatalf("Verify = %v, %v, want no finding", report.List, err)
	}
	replay, err := log.Replay(t.Context())
	if err != nil || !replay.OK() {
		t.Fatalf("Replay = %v, %v, want no finding", replay.List, err)
	}
	return report.Entries
}

func TestServeOnADatabaseDecidesRecordsAndStartsAgain(t *testing.T) {
	t.Parallel()
	data, store := t.TempDir(), database(t)
	var ids []string
	for _, end := range []func(*process){(*process).stop, (*process).kill, (*process).stop} {
		p := onDatabase(t, data, store)
		for range 3 {
			d, err := p.admin().Decide(t.Context(), deploy("staging"))
			if err != nil || d.Decision != kernel.Allow {
				t.Fatalf("Decide = %v, %v, want ALLOW", d.Decision, err)
			}
			ids = append(ids, d.ID)
		}
		end(p)
		if strings.Contains(p.log.String(), password) {
			t.Errorf("the kernel's log shows the password:\n%s", p.log)
		}
		if _, err := os.Stat(p.folder.Database()); err == nil {
			t.Error("there is a file of SQLite although the log is in a database")
		}
	}
	if n := verified(t, data, store); n < uint64(len(ids)) {
		t.Errorf("the log has %d entries, want those of %d decisions", n, len(ids))
	}
	log, err := app.OpenLog(t.Context(), app.Config{Data: data, Store: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, id := range ids {
		if _, err := log.Show(t.Context(), 0, id); err != nil {
			t.Errorf("Show(%s) = %v, want every acknowledged decision", id, err)
		}
	}
}

func TestAKernelWithoutTheKeyOfTheLogDoesNotServeIt(t *testing.T) {
	t.Parallel()
	store := database(t)
	onDatabase(t, t.TempDir(), store).stop()
	other := spawn(t, t.TempDir(), "", "KERNEL_STORE="+store)
	if code := other.wait(); code != 1 || !strings.Contains(other.log.String(), "log.key is missing, but there is a log that it signed") {
		t.Errorf("a kernel without the key ends with %d, want 1 and why:\n%s", code, other.log)
	}
}

func TestAKernelWhoseShardWasTakenOverEnds(t *testing.T) {
	t.Parallel()
	store := database(t)
	p := onDatabase(t, t.TempDir(), store)
	if _, err := p.admin().Decide(t.Context(), deploy("staging")); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), store, postgres.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	leases, err := db.Leases(t.Context())
	if err != nil || len(leases) != 1 || leases[0].Left <= 0 {
		t.Fatalf("Leases = %v, %v, want that of the kernel", leases, err)
	}
	if _, err := db.Acquire(t.Context(), 0, leases[0].Owner, time.Minute); err != nil { // as another process of that name would
		t.Fatal(err)
	}
	if code := p.wait(); code != 1 || !strings.Contains(p.log.String(), "another node took shard 0 over") {
		t.Errorf("the kernel ends with %d, want 1 and why:\n%s", code, p.log)
	}
}

func TestDecisionsComeBackWithTheDatabase(t *testing.T) {
	data, store := t.TempDir(), database(t)
	p := onDatabase(t, data, store)
	if _, err := p.admin().Decide(t.Context(), deploy("staging")); err != nil {
		t.Fatal(err)
	}
	if err := postgresql.Cluster(t).Kill(); err != nil {
		t.Fatal(err)
	}
	// A commit under way may still reach the disk, since the server's processes
	// end one after the other.
	eventually(t, "nothing is decided without the database", func() bool {
		_, err := p.admin().Decide(t.Context(), deploy("staging"))
		return err != nil
	})
	if err := postgresql.Cluster(t).Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it decides again", func() bool {
		_, err := p.admin().Decide(t.Context(), deploy("staging"))
		return err == nil
	})
	p.stop()
	verified(t, data, store)
}

func TestNoSettingShowsThePassword(t *testing.T) {
	t.Parallel()
	for _, store := range []string{
		"postgres://kernel:" + password + "@localhost/kernel", "postgres://kernel@localhost/kernel?password=" + password,
	} {
		e, err := app.LoadEffective(app.Sources{Flags: map[string]string{"store": store}})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.Settings {
			if s.Value != nil && strings.Contains(*s.Value, password) || s.Key == "store" && !s.Masked {
				t.Errorf("%s: the effective setting is %q, masked %v", s.Key, *s.Value, s.Masked)
			}
		}
	}
	_, err := app.Load(app.Sources{Environ: []string{"KERNEL_STORE=postgres://kernel:" + password + "@db.example.org/kernel"}})
	if err == nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "KERNEL_STORE: ") {
		t.Errorf("Load = %v, want it refused by name and without the password", err)
	}
	for _, f := range app.Doctor(t.Context(), app.Config{Data: t.TempDir(), Store: "postgres://kernel:" + password + "@localhost:1/kernel"}) {
		if strings.Contains(f.Detail+f.Fix, password) {
			t.Errorf("doctor shows the password: %+v", f)
		}
	}
}

// Another node with the log's key takes over from one that was killed in the
// middle of its work: everything that was acknowledged is there.
func TestAnotherNodeTakesOverFromAKilledOne(t *testing.T) {
	t.Parallel()
	here, there, store := t.TempDir(), t.TempDir(), database(t)
	first := onDatabase(t, here, store)
	join(t, here, there)
	var mu sync.Mutex
	var acknowledged []string
	var callers sync.WaitGroup
	admin := first.admin()
	for range 8 {
		callers.Go(func() {
			for {
				d, err := admin.Decide(t.Context(), deploy("staging"))
				if err != nil {
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, d.ID)
				mu.Unlock()
			}
		})
	}
	time.Sleep(700 * time.Millisecond)
	first.kill()
	callers.Wait()
	second := onDatabase(t, there, store)
	if d, err := second.admin().Decide(t.Context(), deploy("staging")); err != nil || d.Decision != kernel.Allow {
		t.Errorf("Decide = %v, %v, want ALLOW", d.Decision, err)
	}
	second.stop()
	if len(acknowledged) == 0 {
		t.Error("nothing was acknowledged before the kill")
	}
	log, err := app.OpenLog(t.Context(), app.Config{Data: there, Store: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, id := range acknowledged {
		if _, err := log.Show(t.Context(), 0, id); err != nil {
			t.Errorf("Show(%s) = %v, want every acknowledged decision", id, err)
		}
	}
	verified(t, there, store)
}

// A synchronous standby that does not answer: nobody learns a decision that it
// has not seen, and decisions come back by themselves with it.
func TestAStalledStandbyAllowsNothing(t *testing.T) {
	data, store := t.TempDir(), database(t)
	p := start(t, data, "", "KERNEL_STORE="+store, "KERNEL_BUDGET_MS=1500")
	p.govern()
	if _, err := p.admin().Decide(t.Context(), deploy("staging")); err != nil {
		t.Fatal(err)
	}
	cluster := postgresql.Cluster(t)
	standby := func(names string) {
		cluster.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
		cluster.Exec(t, "postgres", "SELECT pg_reload_conf()")
	}
	standby("nobody")
	t.Cleanup(func() { standby("") })
	time.Sleep(200 * time.Millisecond) // until every process has read the setting
	for range 3 {
		if d, err := p.admin().Decide(t.Context(), deploy("staging")); err == nil {
			t.Errorf("Decide while the standby is away = %v, want no decision", d.Decision)
		}
	}
	standby("")
	eventually(t, "it decides again", func() bool {
		_, err := p.admin().Decide(t.Context(), deploy("staging"))
		return err == nil
	})
	p.stop()
	verified(t, data, store)
}
