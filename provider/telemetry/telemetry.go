package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"signet/provider/oauth"
)

// Options configure a Telemetry. Clock and Log are required.
type Options struct {
	Clock oauth.Clock
	Log   *slog.Logger
	// Version is the program's, Instance this process's name; both go with every trace.
	Version, Instance string
	Traces            Traces
}

// Telemetry measures. It is safe for concurrent use.
type Telemetry struct {
	clock      oauth.Clock
	log        *slog.Logger
	rows       map[Name]Metric
	registry   *prometheus.Registry
	counters   map[Name]*prometheus.CounterVec
	gauges     map[Name]*prometheus.GaugeVec
	histograms map[Name]*prometheus.HistogramVec
	tracer     trace.Tracer // nil: nothing is traced
	shutdown   func(context.Context) error
}

// precreated bounds the series of a metric that exist before they are first used. A counter that appears with the
// value 1 shows no increase, so what alerts watch has to be there from the start.
const precreated = 96

// buckets are seconds: a signature in memory, a commit, a slow database, a time limit.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// New registers every metric of the table, those of the Go runtime and of the process, and starts the export of
// traces when it is configured. Nothing is dialled before the first trace.
func New(ctx context.Context, opt Options) (*Telemetry, error) {
	if opt.Clock == nil || opt.Log == nil {
		return nil, errors.New("telemetry: clock and log are required")
	}
	t := &Telemetry{
		clock: opt.Clock, log: opt.Log, rows: map[Name]Metric{}, registry: prometheus.NewRegistry(),
		counters: map[Name]*prometheus.CounterVec{}, gauges: map[Name]*prometheus.GaugeVec{}, histograms: map[Name]*prometheus.HistogramVec{},
		shutdown: func(context.Context) error { return nil },
	}
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, row := range Metrics() {
		t.rows[row.Name] = row
		if !row.Sampled {
			t.register(row)
		}
	}
	if opt.Traces.Endpoint != "" {
		if err := t.startTraces(ctx, opt); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	return t, nil
}

// Close sends the spans that still wait, for as long as ctx lasts.
func (t *Telemetry) Close(ctx context.Context) error { return t.shutdown(ctx) }

// Handler serves the metrics to Prometheus. What cannot be read is missing from the answer, and logged.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(t.log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 8, CoalesceGather: true,
	})
}

func (t *Telemetry) register(row Metric) {
	switch name, help, labels := string(row.Name), row.Help, row.labelNames(); row.Kind {
	case Counter:
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		t.registry.MustRegister(vec)
		t.counters[row.Name] = vec
		row.each(func(values []string) { vec.WithLabelValues(values...) })
	case Gauge:
		vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		t.registry.MustRegister(vec)
		t.gauges[row.Name] = vec
		row.each(func(values []string) { vec.WithLabelValues(values...) })
	case Histogram:
		vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		t.registry.MustRegister(vec)
		t.histograms[row.Name] = vec
	}
}

// Count adds one to a counter.
func (t *Telemetry) Count(name Name, labels ...string) { t.Add(name, 1, labels...) }

// Add adds to a counter or gauge; to a counter, nothing negative.
func (t *Telemetry) Add(name Name, n float64, labels ...string) {
	values := t.rows[name].bounded(labels)
	if vec, ok := t.counters[name]; ok {
		vec.WithLabelValues(values...).Add(n)
		return
	}
	t.gauges[name].WithLabelValues(values...).Add(n)
}

// Observe enters a duration into a histogram.
func (t *Telemetry) Observe(name Name, d time.Duration, labels ...string) {
	t.histograms[name].WithLabelValues(t.rows[name].bounded(labels)...).Observe(d.Seconds())
}

// Now is the time by the clock that durations are measured with.
func (t *Telemetry) Now() time.Time { return t.clock() }

// labelNames are the dimensions' names.
func (m Metric) labelNames() []string {
	names := make([]string, len(m.Labels))
	for i, label := range m.Labels {
		names[i] = label.Name
	}
	return names
}

// bounded puts "other" in place of values that the table does not list. It may change its argument.
func (m Metric) bounded(values []string) []string {
	for i, label := range m.Labels {
		values[i] = label.bounded(values[i])
	}
	return values
}

func (l Label) bounded(value string) string {
	if l.Open == "" && !slices.Contains(l.Values, value) {
		return Other
	}
	return value
}

// each calls f with every combination of label values, if they are few.
func (m Metric) each(f func(values []string)) {
	n := 1
	for _, label := range m.Labels {
		n *= len(label.Values)
	}
	if n == 0 || n > precreated {
		return
	}
	values := make([]string, len(m.Labels))
	for i := range n {
		for j, label := range m.Labels {
			values[j] = label.Values[i%len(label.Values)]
			i /= len(label.Values)
		}
		f(values)
	}
}
