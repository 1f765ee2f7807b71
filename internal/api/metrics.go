package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Metrics counts what the kernel does, for Prometheus. Labels are out of
// closed sets: no ids of agents, callers or decisions.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec   // route, status
	durations *prometheus.HistogramVec // route
	decisions *prometheus.CounterVec   // decision, code
	refusals  *prometheus.CounterVec   // code
	batches   prometheus.Histogram

	commits     *prometheus.CounterVec // status
	commitSizes prometheus.Histogram
	commitTimes prometheus.Histogram
	queue       prometheus.Gauge
	entries     prometheus.Gauge

	glasses *prometheus.CounterVec // change
	reviews *prometheus.GaugeVec   // state
}

// NewMetrics returns metrics with a registry of their own. The version is that
// of the program.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counters("http_requests_total", "HTTP requests answered.", "route", "status"),
		decisions: counters("decisions_total", "Decisions made and recorded; replays are not counted.", "decision", "code"),
		refusals:  counters("refusals_total", "Requests that were answered with a problem instead of a decision.", "code"),
		commits:   counters("log_commits_total", "Batches handed to the store, by outcome.", "status"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kernel_http_request_duration_seconds", Help: "From the head of a request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16),
		}, []string{"route"}),
		batches:     histogram("batch_requests", "Requests of one call of /v1/decisions:batch.", prometheus.ExponentialBuckets(1, 2, 11)),
		commitSizes: histogram("log_commit_entries", "Entries of one batch.", prometheus.ExponentialBuckets(1, 2, 11)),
		commitTimes: histogram("log_commit_duration_seconds", "From a batch to its answer from the disk.",
			prometheus.ExponentialBuckets(0.0001, 2, 16)),
		queue:   gauge("queue_length", "Callers that wait for a commit."),
		entries: gauge("log_entries", "Entries in the log."),
		glasses: counters("break_glass_total", "Glasses that somebody broke, reviews of them that became overdue or were closed, on this node.", "change"),
		reviews: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "kernel_break_glass_reviews", Help: "Reviews of broken glasses that wait for somebody."}, []string{"state"}),
	}
	for _, change := range []string{ledger.GlassBroken, ledger.GlassOverdue, ledger.GlassReviewed} {
		m.glasses.WithLabelValues(change) // present from the start, at 0
	}
	build := gauge("build_info", "1, with what this program is.", "version", version, "go_version", runtime.Version())
	build.Set(1)
	m.registry.MustRegister(
		m.requests, m.durations, m.decisions, m.refusals, m.batches, m.commits, m.commitSizes, m.commitTimes, m.queue, m.entries, m.glasses, m.reviews, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Register adds metrics of another part of the program. Their names begin with
// kernel_ too.
func (m *Metrics) Register(more ...prometheus.Collector) error {
	for _, c := range more {
		if err := m.registry.Register(c); err != nil {
			return fmt.Errorf("register a metric: %w", err)
		}
	}
	return nil
}

// Glass counts what became of a broken glass. It is a hook for gate.Config.OnGlass.
func (m *Metrics) Glass(change string) { m.glasses.WithLabelValues(change).Inc() }

// Reviews says how many reviews wait, and how many of them are overdue. It is a
// hook for gate.Config.OnReviews.
func (m *Metrics) Reviews(open, overdue int) {
	m.reviews.WithLabelValues(gate.ReviewOpen).Set(float64(open))
	m.reviews.WithLabelValues(gate.ReviewOverdue).Set(float64(overdue))
}

// Commit counts one commit of the gate. It is a hook for gate.Config.OnCommit.
func (m *Metrics) Commit(s gate.CommitStats) {
	m.commits.WithLabelValues(statusName(s.Status)).Inc()
	m.commitTimes.Observe(s.Duration.Seconds())
	m.queue.Set(float64(s.Queue))
	m.entries.Set(float64(s.Size))
	if s.Status == store.Committed {
		m.commitSizes.Observe(float64(s.Entries))
	}
}

func statusName(s store.Status) string {
	switch s {
	case store.Committed:
		return "committed"
	case store.NotCommitted:
		return "not_committed"
	case store.Conflict:
		return "conflict"
	default:
		return "unknown"
	}
}

func (m *Metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

func (m *Metrics) decided(d kernel.Decision) {
	if !d.Replayed {
		m.decisions.WithLabelValues(d.Decision.String(), string(d.Code)).Inc()
	}
}

func (m *Metrics) batched(requests int) { m.batches.Observe(float64(requests)) }

func (m *Metrics) refused(code kernel.Code) { m.refusals.WithLabelValues(string(code)).Inc() }

// watch adds what is asked of the kernel when somebody scrapes.
func (m *Metrics) watch(k Kernel) error {
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kernel_ready", Help: "1 when the kernel may decide.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if k.Ready(ctx) != nil {
			return 0
		}
		return 1
	})
	return m.Register(ready, policyInfo{
		kernel: k,
		desc:   prometheus.NewDesc("kernel_policy_info", "1, with the version of the active policy.", []string{"version"}, nil),
	})
}

// policyInfo has one series: that of the policy active now.
type policyInfo struct {
	kernel Kernel
	desc   *prometheus.Desc
}

func (p policyInfo) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

func (p policyInfo) Collect(ch chan<- prometheus.Metric) {
	if version := p.kernel.PolicyVersion(); version != "" {
		ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, 1, version)
	}
}

// metrics is GET /metrics, in the text format of Prometheus.
func (d *door) metrics(*call) (reply, error) {
	families, err := d.cfg.Metrics.registry.Gather()
	if err != nil {
		return reply{}, fmt.Errorf("gather metrics: %w", err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return reply{}, fmt.Errorf("write metrics: %w", err)
		}
	}
	return reply{status: http.StatusOK, kind: string(expfmt.NewFormat(expfmt.TypeTextPlain)), body: text.Bytes()}, nil
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kernel_" + name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "kernel_" + name, Help: help, Buckets: buckets})
}

// gauge returns a gauge whose labels, in pairs of name and value, do not change.
func gauge(name, help string, labels ...string) prometheus.Gauge {
	pairs := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		pairs[labels[i]] = labels[i+1]
	}
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: "kernel_" + name, Help: help, ConstLabels: pairs})
}
