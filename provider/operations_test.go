package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/provider"
	"signet/provider/telemetry"
)

// soon is longer than an answer may take and an HAProxy waits.
const soon = 3 * time.Second

// readiness is what /readyz answers: the check's texts, and how long it took by the bubble's clock.
func readiness(t *testing.T, h http.Handler) (status int, checks map[string]string, took time.Duration) {
	t.Helper()
	start, w := time.Now(), httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var body struct{ Checks map[string]string }
	must(t, json.Unmarshal(w.Body.Bytes(), &body))
	return w.Code, body.Checks, time.Since(start)
}

// TestOperationsAnswerWhileAProbeHangs has a probe that ignores its limit, as a commit does whose database has
// stopped: it alone is red, whoever asks is answered soon, and nobody starts it again.
func TestOperationsAnswerWhileAProbeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int32
		first := time.Now()
		tele, err := telemetry.New(t.Context(), telemetry.Options{Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
		must(t, err)
		checks := provider.NewChecks(time.Now,
			provider.Check{Name: "store", Probe: func(context.Context) error {
				begun.Add(1)
				time.Sleep(10 * time.Second)
				return errors.New("the server has gone away")
			}},
			provider.Check{Name: "keys", Probe: func(ctx context.Context) error {
				time.Sleep(time.Second)
				return ctx.Err()
			}},
			provider.Check{Name: "audit", Probe: func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("the disk is slow")
			}})
		provider.SampleReadiness(tele, checks)
		h := provider.Operations(tele.Handler(), checks)

		status, got, took := readiness(t, h)
		if status != http.StatusServiceUnavailable || got["store"] != "has not answered for 2.5s" || got["keys"] != "ok" || got["audit"] != "the disk is slow" || took >= soon {
			t.Errorf("%d %v after %s", status, got, took)
		}
		time.Sleep(4 * time.Second)
		if _, got, took = readiness(t, h); got["store"] != "has not answered for 6.5s" || took >= soon {
			t.Errorf("later: %v after %s", got, took)
		}
		start, w := time.Now(), httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if took := time.Since(start); took >= soon || !strings.Contains(w.Body.String(), `signet_ready{check="store"} 0`) || !strings.Contains(w.Body.String(), `signet_ready{check="keys"} 1`) {
			t.Errorf("a scrape took %s:\n%s", took, w.Body)
		}
		if n := begun.Load(); n != 1 {
			t.Errorf("the hung probe was begun %d times", n)
		}
		time.Sleep(time.Until(first.Add(10*time.Second + 500*time.Millisecond)))
		if _, got, _ = readiness(t, h); got["store"] != "the server has gone away" {
			t.Errorf("when it has ended: %v", got)
		}
	}) // fails if a goroutine is left
}

// TestOperationsShareProbes asks often: a probe costs one call a second at most, an instant one is asked each time.
func TestOperationsShareProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probed, seen atomic.Int32
		h := provider.Operations(nil, provider.NewChecks(time.Now,
			provider.Check{Name: "store", Probe: func(context.Context) error {
				probed.Add(1)
				time.Sleep(100 * time.Millisecond)
				return nil
			}},
			provider.Check{Name: "doors", Instant: true, Probe: func(context.Context) error { seen.Add(1); return nil }}))
		for range 20 {
			go readiness(t, h)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		readiness(t, h)
		if probed.Load() != 1 || seen.Load() != 21 {
			t.Errorf("probed %d times, the instant one %d times", probed.Load(), seen.Load())
		}
		time.Sleep(100 * time.Millisecond)
		readiness(t, h)
		if probed.Load() != 2 {
			t.Errorf("after the answer has aged: probed %d times", probed.Load())
		}
	})
}

// A probe runs on a goroutine of its own, where a panic would end the process.
func TestOperationsOutliveAPanic(t *testing.T) {
	h := provider.Operations(nil, provider.NewChecks(time.Now, provider.Check{Name: "store", Probe: func(context.Context) error { panic("at the disco") }}))
	if status, got, _ := readiness(t, h); status != http.StatusServiceUnavailable || got["store"] != "panic: at the disco" {
		t.Errorf("%d %v", status, got)
	}
}
