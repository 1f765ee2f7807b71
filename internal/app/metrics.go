package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strixlabs/execution-kernel/internal/api"
)

// reloadMetrics counts what became of changed policies.
type reloadMetrics struct {
	reloads *prometheus.CounterVec
	stale   prometheus.Gauge
}

func newReloadMetrics(m *api.Metrics) (*reloadMetrics, error) {
	r := &reloadMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kernel_policy_reloads_total", Help: "Changed policies that were taken up or refused.",
		}, []string{"outcome"}),
		stale: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "kernel_policy_stale", Help: "1 while the policies on disk are refused and those before them decide.",
		}),
	}
	for _, outcome := range []string{"taken", "refused"} {
		r.reloads.WithLabelValues(outcome) // present from the start, at 0
	}
	return r, m.Register(r.reloads, r.stale)
}

func (r *reloadMetrics) changed(taken bool) {
	if taken {
		r.reloads.WithLabelValues("taken").Inc()
		r.stale.Set(0)
		return
	}
	r.reloads.WithLabelValues("refused").Inc()
	r.stale.Set(1)
}
