package provider

import (
	"context"
	"net/http"
	"time"

	"signet/provider/web"
)

// Check is one thing that must work for the process to serve. Probe returns nil when it does.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

// probeTimeout bounds all probes of one readiness request together.
const probeTimeout = 3 * time.Second

// Operations serves /healthz (the process runs) and /readyz (it can answer token requests; 503 names what
// is red). It is for a loopback listener: the causes are shown.
func Operations(checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
		defer cancel()
		status, result := http.StatusOK, make(map[string]string, len(checks))
		for _, check := range checks {
			result[check.Name] = "ok"
			if err := check.Probe(ctx); err != nil {
				status, result[check.Name] = http.StatusServiceUnavailable, err.Error()
			}
		}
		w.Header().Set("Cache-Control", "no-store")
		web.WriteJSON(w, status, map[string]any{"ready": status == http.StatusOK, "checks": result})
	})
	return mux
}
