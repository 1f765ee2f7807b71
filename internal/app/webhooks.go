package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/notify"
)

// readWebhooks reads whom to tell; nobody where there is no file of them.
func (s *service) readWebhooks() (err error) {
	if s.cfg.Webhooks != "" {
		s.endpoints, err = ReadWebhooks(s.cfg.Webhooks, s.environ)
	}
	return err
}

// notify makes what tells the endpoints; without one it lists what is kept.
func (s *service) notify(metrics *api.Metrics) (err error) {
	m, err := newHookMetrics(metrics, s.endpoints)
	if err != nil {
		return err
	}
	s.notifier, err = notify.New(notify.Config{
		Kernel: s.gate, Endpoints: s.endpoints, Clock: Clock, Rand: random, Log: s.log, OnAttempt: m.attempt, OnLook: m.look,
	})
	return err
}

// hookMetrics counts what becomes of webhooks. Names of endpoints are out of the
// configuration.
type hookMetrics struct {
	attempts *prometheus.CounterVec
	pending  *prometheus.GaugeVec
}

func newHookMetrics(metrics *api.Metrics, endpoints []notify.Endpoint) (*hookMetrics, error) {
	m := &hookMetrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kernel_webhook_attempts_total", Help: "Attempts to deliver a message, by what came of it.",
		}, []string{"endpoint", "outcome"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kernel_webhook_pending", Help: "Messages that are not delivered yet.",
		}, []string{"endpoint"}),
	}
	for _, e := range endpoints { // present from the start, at 0
		m.pending.WithLabelValues(e.Name)
		for _, outcome := range notify.Outcomes() {
			m.attempts.WithLabelValues(e.Name, string(outcome))
		}
	}
	return m, metrics.Register(m.attempts, m.pending)
}

func (m *hookMetrics) attempt(endpoint string, o notify.Outcome) {
	m.attempts.WithLabelValues(endpoint, string(o)).Inc()
}

func (m *hookMetrics) look(endpoint string, pending int) {
	m.pending.WithLabelValues(endpoint).Set(float64(pending))
}
