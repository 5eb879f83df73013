package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Traces says where traces go. The zero value: nowhere.
type Traces struct {
	Endpoint    string  // OTLP/HTTP URL of a collector
	CAFile      string  // PEM; "" = the system's CAs
	SampleRatio float64 // share of the requests that are traced, above 0 and at most 1
}

const (
	exportTimeout = 5 * time.Second
	maxAttribute  = 256 // bytes
	maxErrorText  = 512 // of the collector, in our log
)

func (t *Telemetry) startTraces(ctx context.Context, opt Options) error {
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(opt.Traces.Endpoint), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
	}
	if opt.Traces.CAFile != "" {
		pem, err := os.ReadFile(opt.Traces.CAFile)
		if err != nil {
			return fmt.Errorf("the collector's CAs: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("the collector's CAs: %s has no PEM certificate", opt.Traces.CAFile)
		}
		options = append(options, otlptracehttp.WithTLSClientConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	out, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxAttribute
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter{out, t}),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(opt.Traces.SampleRatio))),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "signet"),
			attribute.String("service.version", opt.Version),
			attribute.String("service.instance.id", opt.Instance),
		)),
	)
	t.tracer, t.shutdown = provider.Tracer("signet"), provider.Shutdown
	return nil
}

// exporter counts and logs what becomes of spans. A collector that is away disturbs nothing else.
type exporter struct {
	sdktrace.SpanExporter
	t *Telemetry
}

// ExportSpans implements sdktrace.SpanExporter.
func (e exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.t.Add(SpansExportFailed, float64(len(spans)))
		text := err.Error()
		e.t.log.LogAttrs(ctx, slog.LevelWarn, "traces not delivered",
			slog.Int("spans", len(spans)), slog.String("cause", text[:min(len(text), maxErrorText)]))
		return nil // it is told
	}
	e.t.Add(SpansExported, float64(len(spans)))
	return nil
}

// Trace is a span under way. The zero value, of a request that is not traced, does nothing.
type Trace struct{ span trace.Span }

// StartRequest begins a request's span. Whether it is recorded is decided here alone: a traceparent that came with
// the request becomes a link (W3C Trace Context), so that no stranger can choose what is recorded or into whose
// trace it goes.
func (t *Telemetry) StartRequest(ctx context.Context, endpoint string, header http.Header) (context.Context, Trace) {
	if t.tracer == nil {
		return ctx, Trace{}
	}
	ctx, span := t.tracer.Start(ctx, string(SpanRequest)+endpointLabel.bounded(endpoint), trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return ctx, Trace{}
	}
	if header.Get("traceparent") != "" {
		remote := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(header))
		if from := trace.SpanContextFromContext(remote); from.IsValid() {
			span.AddLink(trace.Link{SpanContext: from.WithTraceState(trace.TraceState{})})
		}
	}
	return ctx, Trace{span}
}

// startChild begins a span within a request's, if that is recorded.
func (t *Telemetry) startChild(ctx context.Context, name Span) (context.Context, Trace) {
	if t.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, Trace{}
	}
	ctx, span := t.tracer.Start(ctx, string(name))
	return ctx, Trace{span}
}

// ID is the trace's id, as the collector shows it, or "".
func (s Trace) ID() string {
	if s.span == nil {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Set sets an attribute; "" sets none.
func (s Trace) Set(name Attribute, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(string(name), value))
	}
}

// SetInt sets an attribute.
func (s Trace) SetInt(name Attribute, value int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(string(name), value))
	}
}

// Fail marks the span as failed by our fault; what is an error code or an outcome, never an error's text.
func (s Trace) Fail(what string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(string(AttrError), what))
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends the span.
func (s Trace) End() {
	if s.span != nil {
		s.span.End()
	}
}
