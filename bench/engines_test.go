package bench

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

var postgresql pgtest.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgresql.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// counted is a policy with one rule, which reads a fact or none: how often the
// agent acted within the hour.
func counted(fact bool) string {
	declared, read := "", "params.n >= 0"
	if fact {
		declared = "facts: {acts_1h: {event: act, by: [agent.id], count: true, within: 1h}}\n"
		read += " && facts.acts_1h < 1000000"
	}
	return "pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {thing: {}}\n" +
		"actions: {act: {resource: thing, params: {n: \"int(0..9)\"}}}\n" + declared +
		"---\npdl: v1\nkind: policy\nname: p\nrules: [{id: r, match: {action: act}, when: '" + read + "', effect: ALLOW}]\n"
}

// acting is the requests of 256 agents.
func acting() (bodies [][]byte) {
	for i := range 256 {
		bodies = append(bodies, fmt.Appendf(nil, `{"agent":{"id":"agent-%03d"},"action":"act","resource":{"type":"thing","id":"thing-001"},"params":{"n":%d}}`, i, i%10))
	}
	return bodies
}

// An engine starts kernels over one log.
type engine struct {
	name  string
	start func(b *testing.B, policy string) []*runningKernel
}

var engines = []engine{
	{"SQLite", func(b *testing.B, policy string) []*runningKernel {
		policies := b.TempDir()
		if err := os.WriteFile(filepath.Join(policies, "p.yaml"), []byte(policy), 0o600); err != nil {
			b.Fatal(err)
		}
		return []*runningKernel{serveWith(b, map[string]string{"policies": policies})}
	}},
	{"PostgreSQL", func(b *testing.B, policy string) []*runningKernel { return onPostgreSQL(b, policy, 1) }},
	{"PostgreSQL-3-nodes", func(b *testing.B, policy string) []*runningKernel { return onPostgreSQL(b, policy, 3) }},
}

func onPostgreSQL(b *testing.B, policy string, nodes int) (kernels []*runningKernel) {
	url := postgresql.Cluster(b).Database(b)
	if err := postgres.Migrate(b.Context(), url); err != nil {
		b.Fatal(err)
	}
	for i := range nodes {
		data := filepath.Join(b.TempDir(), "data")
		if i > 0 {
			join(b, kernels[0].data, data)
		}
		k := serveIn(b, data, map[string]string{"store": url, "budget-ms": "5000"})
		if i == 0 {
			k.activate(b, policy)
			if _, err := k.client(b).SignCheckpoint(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		for k.client(b).Ready(b.Context()) != nil { // what another node activated is known within a second
			time.Sleep(10 * time.Millisecond)
		}
		kernels = append(kernels, k)
	}
	return kernels
}

// join gives a node what it needs of the first one's folder.
func join(tb testing.TB, first, data string) {
	tb.Helper()
	if err := os.Mkdir(data, 0o700); err != nil {
		tb.Fatal(err)
	}
	for _, name := range []string{"log.key", "log.checkpoint", "admin.token"} {
		content, err := os.ReadFile(filepath.Join(first, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(data, name), content, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func (k *runningKernel) client(tb testing.TB) *client.Client {
	c, err := client.New("http://"+k.address, k.token)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// activate pushes a policy and makes it the one that decides.
func (k *runningKernel) activate(tb testing.TB, policy string) {
	tb.Helper()
	c := k.client(tb)
	p, err := c.PushPolicy(tb.Context(), []client.PolicyFile{{Name: "p.yaml", Text: policy}}, client.PushOptions{Reason: "benchmark"})
	if err == nil {
		var active string
		if active, _, err = c.Policies(tb.Context()); err == nil {
			err = c.ActivatePolicy(tb.Context(), p.Version, active, "benchmark")
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkEngines asks kernels over HTTP, each decision on disk before its
// answer, with a rule that reads a fact and with one that reads none; before and
// after them, with the same clients and requests, an echo (see [startEcho]).
// cpu-µs is that of this process, clients and servers together;
// PostgreSQL's is not in it.
//
// p50-ms and p99-ms are of a load of its own: requests come at a constant rate,
// half of what the closed load before reached, whether the ones before them
// were answered or not, and the time runs from when each was due.
func BenchmarkEngines(b *testing.B) {
	for _, e := range engines {
		for _, policy := range []struct {
			name string
			fact bool
		}{{"plain", false}, {"fact", true}} {
			kernels := e.start(b, counted(policy.fact))
			echo := []*runningKernel{startEcho(b, kernels[0], acting()[0])}
			for _, callers := range []int{1, 32, 64} {
				b.Run(fmt.Sprintf("%s/%s/callers=%d", e.name, policy.name, callers), func(b *testing.B) {
					bare := askAll(b, echo, callers, 2*b.N)
					b.ResetTimer()
					c := askAll(b, kernels, callers, b.N)
					b.StopTimer()
					bare = bare.plus(askAll(b, echo, callers, 2*b.N))
					late := latencies(b, kernels, callers, b.N, c.rate()/2)
					b.ReportMetric(c.rate(), "decisions/s")
					b.ReportMetric(bare.rate(), "echoes/s")
					b.ReportMetric(c.rate()/bare.rate(), "ratio")
					b.ReportMetric(c.cpuMicros(), "cpu-µs/decision")
					b.ReportMetric(bare.cpuMicros(), "cpu-µs/echo")
					b.ReportMetric(float64(late[len(late)/2].Microseconds())/1000, "p50-ms")
					b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "p99-ms")
				})
			}
			for _, k := range kernels {
				k.stop(b)
			}
		}
	}
}

// askAll shares n requests among the callers, and these among the kernels.
func askAll(b *testing.B, kernels []*runningKernel, callers, n int) cost {
	start, used := time.Now(), usedCPU()
	eachCaller(b, kernels, callers, func(caller int, exchange func(i int) error) error {
		for i := caller; i < n; i += callers {
			if err := exchange(i); err != nil {
				return err
			}
		}
		return nil
	})
	return cost{n: n, wall: time.Since(start), cpu: usedCPU() - used}
}

// latencies asks n times at a rate and returns, sorted, how long after it was
// due each request was answered.
func latencies(b *testing.B, kernels []*runningKernel, callers, n int, rate float64) []time.Duration {
	late := make([]time.Duration, n)
	start := time.Now()
	eachCaller(b, kernels, callers, func(caller int, exchange func(i int) error) error {
		for i := caller; i < n; i += callers {
			due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			time.Sleep(time.Until(due))
			if err := exchange(i); err != nil {
				return err
			}
			late[i] = time.Since(due)
		}
		return nil
	})
	slices.Sort(late)
	return late
}

// eachCaller runs every caller with a connection of its own.
func eachCaller(b *testing.B, kernels []*runningKernel, callers int, do func(caller int, exchange func(i int) error) error) {
	b.Helper()
	bodies := acting()
	failed := make(chan error, callers)
	var all sync.WaitGroup
	for caller := range callers {
		k := kernels[caller%len(kernels)]
		conn, err := net.Dial("tcp", k.address)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		var posts [][]byte
		for _, body := range bodies {
			posts = append(posts, k.post(body))
		}
		answers := bufio.NewReader(conn)
		all.Go(func() {
			failed <- do(caller, func(i int) error {
				_, _, err := exchange(conn, answers, posts[i%len(posts)])
				return err
			})
		})
	}
	all.Wait()
	for range callers {
		if err := <-failed; err != nil && !strings.Contains(err.Error(), "use of closed") {
			b.Fatal(err)
		}
	}
}
