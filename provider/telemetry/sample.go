package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Emit gives one series its value; labels are in the order of the table.
type Emit func(value float64, labels ...string)

// Sample makes a metric exist whose values are read at each scrape. read calls emit once per series; it may take
// 3 s, not more, as a scrape has 10, and runs once at a time. A metric has one reader: a second is the caller's mistake
// and panics, as does a metric that is not marked as sampled.
func (t *Telemetry) Sample(name Name, read func(emit Emit)) {
	row, ok := t.rows[name]
	if !ok || !row.Sampled {
		panic("telemetry: " + string(name) + " is not sampled")
	}
	kind := prometheus.GaugeValue
	if row.Kind == Counter {
		kind = prometheus.CounterValue
	}
	t.registry.MustRegister(sampler{
		row: row, kind: kind, read: read, desc: prometheus.NewDesc(string(row.Name), row.Help, row.labelNames(), nil),
	})
}

// SampleValue is Sample for a metric without labels.
func (t *Telemetry) SampleValue(name Name, value func() float64) {
	t.Sample(name, func(emit Emit) { emit(value()) })
}

// sampler is a prometheus.Collector for one metric.
type sampler struct {
	row  Metric
	kind prometheus.ValueType
	read func(Emit)
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (s sampler) Describe(c chan<- *prometheus.Desc) { c <- s.desc }

// Collect implements prometheus.Collector.
func (s sampler) Collect(c chan<- prometheus.Metric) {
	s.read(func(value float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(s.desc, s.kind, value, s.row.bounded(labels)...)
	})
}
