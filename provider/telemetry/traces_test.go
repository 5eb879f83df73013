package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP/HTTP collector over TLS.
type receiver struct {
	*httptest.Server
	ca     string // its CA file
	mu     sync.Mutex
	status int
	spans  []*otlp.Span
	about  []string // resource attributes
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK, ca: filepath.Join(t.TempDir(), "ca.pem")}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(r.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.WriteHeader(r.status)
	unzipped, err := gzip.NewReader(request.Body)
	if err != nil || r.status != http.StatusOK {
		return
	}
	raw, _ := io.ReadAll(unzipped)
	var export collector.ExportTraceServiceRequest
	if proto.Unmarshal(raw, &export) != nil {
		return
	}
	for _, resource := range export.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			r.about = append(r.about, a.Key+"="+a.Value.GetStringValue())
		}
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

func (r *receiver) traces(ratio float64) Traces {
	return Traces{Endpoint: r.URL + "/v1/traces", CAFile: r.ca, SampleRatio: ratio}
}

func TestTraces(t *testing.T) {
	r := newReceiver(t)
	tele := start(t, r.traces(1))
	const stranger = "4bf92f3577b34da6a3ce929d0e0e4736"
	header := http.Header{"Traceparent": {"00-" + stranger + "-00f067aa0ba902b7-01"}, "Tracestate": {"x=SECRET"}, "Baggage": {"x=SECRET"}}
	ctx, request := tele.StartRequest(t.Context(), "token", header)
	_, part := tele.Begin(ctx, CommitDuration, SpanCommit)
	part.Set(AttrOperation, strings.Repeat("x", 1000))
	part.End(Unavailable)
	request.SetInt(AttrStatus, 503)
	request.End()
	_, background := tele.Begin(t.Context(), CommitDuration, SpanCommit)
	background.End(OK)
	if err := tele.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(r.spans) != 2 {
		t.Fatalf("spans: %v", r.spans)
	}
	child, root := r.spans[0], r.spans[1]
	if root.Name != "http.token" || child.Name != "store.commit" || !bytes.Equal(child.ParentSpanId, root.SpanId) || len(root.ParentSpanId) != 0 {
		t.Errorf("root %v, child %v", root, child)
	}
	if id := hex.EncodeToString(root.TraceId); id != request.ID() || id == stranger {
		t.Errorf("trace %s, want %s and not the stranger's", id, request.ID())
	}
	if len(root.Links) != 1 || hex.EncodeToString(root.Links[0].TraceId) != stranger || root.Links[0].TraceState != "" {
		t.Errorf("links: %v", root.Links)
	}
	if child.Status.Code != otlp.Status_STATUS_CODE_ERROR || len(child.Attributes[0].Value.GetStringValue()) != maxAttribute {
		t.Errorf("child: %v", child)
	}
	if text := strings.Join(r.about, " "); text != "service.instance.id=a service.name=signet service.version=v1" {
		t.Error(text)
	}
	wantLines(t, scrape(t, tele), "signet_trace_spans_exported_total 2", "signet_trace_spans_failed_total 0")
}

// TestNobodyForcesATrace sends the sampled flag where nothing is to be sampled.
func TestNobodyForcesATrace(t *testing.T) {
	tele := start(t, newReceiver(t).traces(1e-9))
	for range 100 {
		ctx, request := tele.StartRequest(t.Context(), "token", http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}})
		_, part := tele.Begin(ctx, CommitDuration, SpanCommit)
		part.End(OK)
		if request.ID() != "" || part.ID() != "" {
			t.Fatal("a stranger's flag made a trace")
		}
		request.End()
	}
}

// TestSampleRatio traces about the share that is asked for, whole requests only.
func TestSampleRatio(t *testing.T) {
	tele := start(t, newReceiver(t).traces(0.25))
	traced := 0
	for range 2000 {
		ctx, request := tele.StartRequest(t.Context(), "token", nil)
		_, part := tele.Begin(ctx, CommitDuration, SpanCommit)
		part.End(OK)
		if part.ID() != request.ID() {
			t.Fatal("half a trace")
		}
		if request.ID() != "" {
			traced++
		}
		request.End()
	}
	if traced < 350 || traced > 650 { // far beyond eight standard deviations
		t.Errorf("%d of 2000 requests are traced, want about 500", traced)
	}
}

// TestCollectorAway loses spans, says so, and disturbs nothing.
func TestCollectorAway(t *testing.T) {
	r := newReceiver(t)
	r.status = http.StatusForbidden // not worth repeating
	var logged bytes.Buffer
	tele, err := New(t.Context(), Options{Clock: ticking(), Log: slog.New(slog.NewTextHandler(&logged, nil)), Traces: r.traces(1)})
	if err != nil {
		t.Fatal(err)
	}
	_, request := tele.StartRequest(t.Context(), "token", nil)
	request.End()
	if err := tele.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
	wantLines(t, scrape(t, tele), "signet_trace_spans_failed_total 1")
	if !strings.Contains(logged.String(), `msg="traces not delivered" spans=1`) {
		t.Errorf("log: %s", logged.String())
	}
}
