package api

import "github.com/prometheus/client_golang/prometheus"

// Register adds the metrics of another room to those that are served.
func (m *Metrics) Register(c ...prometheus.Collector) error {
	for _, one := range c {
		if err := m.registry.Register(one); err != nil {
			return err
		}
	}
	return nil
}
