package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
)

// ticking is a clock that moves by a second each time somebody looks.
func ticking() oauth.Clock {
	now := time.Unix(1_800_000_000, 0)
	return func() time.Time { now = now.Add(time.Second); return now }
}

func start(t *testing.T, traces Traces) *Telemetry {
	t.Helper()
	tele, err := New(t.Context(), Options{Clock: ticking(), Log: slog.New(slog.DiscardHandler), Version: "v1", Instance: "a", Traces: traces})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tele.Close(context.Background()) })
	return tele
}

// scrape returns what Prometheus would read.
func scrape(t *testing.T, tele *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tele.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// TestEveryMetricIsServed uses each row once and finds it, with its help, in the answer.
func TestEveryMetricIsServed(t *testing.T) {
	tele := start(t, Traces{})
	for _, m := range Metrics() {
		labels := make([]string, len(m.Labels))
		for i := range labels {
			labels[i] = "anything"
		}
		switch {
		case m.Sampled:
			tele.Sample(m.Name, func(emit Emit) { emit(1, labels...) })
		case m.Kind == Histogram:
			tele.Observe(m.Name, time.Second, labels...)
		default:
			tele.Count(m.Name, labels...)
		}
	}
	text := scrape(t, tele)
	for _, m := range Metrics() {
		wantLines(t, text, fmt.Sprintf("# HELP %s %s", m.Name, m.Help), fmt.Sprintf("# TYPE %s %s", m.Name, m.Kind))
		if !strings.Contains(text, "\n"+string(m.Name)) {
			t.Errorf("%s has no series", m.Name)
		}
	}
	for _, own := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, own) {
			t.Errorf("no %s", own)
		}
	}
}

func TestStrangersMakeNoSeries(t *testing.T) {
	tele := start(t, Traces{})
	for i := range 1000 {
		made := fmt.Sprint("made-up-", i)
		tele.Count(HTTPRequests, made, made, made, made, made)
		tele.Count(TokensIssued, made, made)
		tele.Observe(HTTPDuration, time.Second, made, made)
	}
	text := scrape(t, tele)
	wantLines(t, text,
		`signet_http_requests_total{door="other",endpoint="other",error="other",method="other",status="other"} 1000`,
		`signet_tokens_issued_total{auth_method="other",grant_type="other"} 1000`)
	if strings.Contains(text, "made-up") {
		t.Error("a made-up value is a label")
	}
}

// TestWhatAlertsWatchIsThereFromTheStart wants zeros: a first event must be an increase.
func TestWhatAlertsWatchIsThereFromTheStart(t *testing.T) {
	wantLines(t, scrape(t, start(t, Traces{})),
		`signet_audit_events_total{event="code.reused"} 0`, `signet_audit_events_total{event="refresh.reused"} 0`,
		`signet_audit_events_total{event="login.failed"} 0`, `signet_trace_spans_failed_total 0`,
		`signet_tokens_issued_total{auth_method="private_key_jwt",grant_type="client_credentials"} 0`,
		`signet_policy_denials_total{decision="token"} 0`)
}

func TestSample(t *testing.T) {
	tele := start(t, Traces{})
	if strings.Contains(scrape(t, tele), "signet_vault_breaker_state") {
		t.Error("a part that is not in use has a series")
	}
	reads := 0
	tele.Sample(StoreCommits, func(emit Emit) { reads++; emit(float64(reads)) })
	tele.Sample(Ready, func(emit Emit) { emit(1, "store"); emit(0, "keys") })
	wantLines(t, scrape(t, tele), "signet_store_commits_total 1", `signet_ready{check="store"} 1`, `signet_ready{check="keys"} 0`)
	wantLines(t, scrape(t, tele), "signet_store_commits_total 2", "# TYPE signet_store_commits_total counter")
	for name, why := range map[Name]string{StoreCommits: "a second reader", HTTPRequests: "a metric that is counted", "signet_other": "an unknown metric"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", why)
				}
			}()
			tele.Sample(name, func(Emit) {})
		}()
	}
}

func TestPart(t *testing.T) {
	tele := start(t, Traces{})
	_, part := tele.Begin(t.Context(), SignDuration, SpanSign)
	part.End("ES256", OK)
	wantLines(t, scrape(t, tele), `signet_sign_duration_seconds_sum{alg="ES256",outcome="ok"} 1`,
		`signet_sign_duration_seconds_bucket{alg="ES256",outcome="ok",le="0.5"} 0`, `signet_sign_duration_seconds_bucket{alg="ES256",outcome="ok",le="1"} 1`)
}

func TestOutcomeOf(t *testing.T) {
	for want, err := range map[string]error{
		OK: nil, NotFound: fmt.Errorf("client x: %w", oauth.ErrNotFound), Conflict: fmt.Errorf("x: %w", &oauth.Conflict{}),
		Unavailable: fmt.Errorf("x: %w", oauth.ErrUnavailable), Canceled: fmt.Errorf("x: %w", context.Canceled), Failed: errors.New("x"),
	} {
		if got := OutcomeOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	if got := OutcomeOf(oauth.Errorf(oauth.TemporarilyUnavailable, "the spool is full")); got != Unavailable {
		t.Error(got)
	}
}

func TestNewRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, opt := range map[string]Options{
		"no clock":     {Log: log},
		"no log":       {Clock: ticking()},
		"no CA file":   {Clock: ticking(), Log: log, Traces: Traces{Endpoint: "https://localhost:1", CAFile: "missing.pem", SampleRatio: 1}},
		"an empty one": {Clock: ticking(), Log: log, Traces: Traces{Endpoint: "https://localhost:1", CAFile: "doc.go", SampleRatio: 1}},
	} {
		if _, err := New(t.Context(), opt); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// BenchmarkPart is what measuring costs a request per operation, traces on but this request not sampled.
func BenchmarkPart(b *testing.B) {
	for name, traces := range map[string]Traces{"no traces": {}, "not sampled": {Endpoint: "http://localhost:1", SampleRatio: 1e-9}} {
		b.Run(name, func(b *testing.B) {
			tele, err := New(b.Context(), Options{Clock: time.Now, Log: slog.New(slog.DiscardHandler), Traces: traces})
			if err != nil {
				b.Fatal(err)
			}
			ctx, trace := tele.StartRequest(b.Context(), "token", nil)
			defer trace.End()
			b.ReportAllocs()
			for b.Loop() {
				_, part := tele.Begin(ctx, CommitDuration, SpanCommit)
				part.End(OK)
			}
		})
	}
}
