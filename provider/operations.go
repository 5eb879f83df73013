package provider

import (
	"context"
	"net/http"

	"signet/provider/telemetry"
	"signet/provider/web"
)

// Operations serves /healthz (the process runs), /readyz (it can answer token requests; 503 names what is red) and,
// unless metrics is nil, /metrics. It is for operators only - a loopback listener, or one that wants their
// certificates: causes are shown.
func Operations(metrics http.Handler, checks *Checks) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, result := http.StatusOK, make(map[string]string, len(checks.all))
		checks.ask(r.Context(), func(name string, err error) {
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

// SampleReadiness makes each check a metric, asked at each scrape.
func SampleReadiness(t *telemetry.Telemetry, checks *Checks) {
	t.Sample(telemetry.Ready, func(emit telemetry.Emit) {
		checks.ask(context.Background(), func(name string, err error) {
			if err != nil {
				emit(0, name)
				return
			}
			emit(1, name)
		})
	})
}
