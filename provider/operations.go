package provider

import (
	"context"
	"net/http"
	"time"

	"signet/provider/telemetry"
	"signet/provider/web"
)

// Check is one thing that must work for the process to serve. Probe returns nil when it does.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

// probeTimeout bounds all probes of one readiness request together.
const probeTimeout = 3 * time.Second

// Operations is [OperationsWith] without metrics.
func Operations(checks ...Check) http.Handler { return OperationsWith(nil, checks...) }

// OperationsWith serves /healthz (the process runs), /readyz (it can answer token requests; 503 names what is
// red) and, unless metrics is nil, /metrics. It is for operators only - a loopback listener, or one that wants
// their certificates: causes are shown.
func OperationsWith(metrics http.Handler, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, result := http.StatusOK, make(map[string]string, len(checks))
		probe(r.Context(), checks, func(name string, err error) {
			result[name] = "ok"
			if err != nil {
				status, result[name] = http.StatusServiceUnavailable, err.Error()
			}
		})
		w.Header().Set("Cache-Control", "no-store")
		web.WriteJSON(w, status, map[string]any{"ready": status == http.StatusOK, "checks": result})
	})
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	return mux
}

// SampleReadiness makes each check a metric, probed at each scrape.
func SampleReadiness(t *telemetry.Telemetry, checks ...Check) {
	t.Sample(telemetry.Ready, func(emit telemetry.Emit) {
		probe(context.Background(), checks, func(name string, err error) {
			if err != nil {
				emit(0, name)
				return
			}
			emit(1, name)
		})
	})
}

// probe asks all checks, within one limit of time.
func probe(ctx context.Context, checks []Check, tell func(name string, err error)) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for _, check := range checks {
		tell(check.Name, check.Probe(ctx))
	}
}
