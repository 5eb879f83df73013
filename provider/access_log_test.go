package provider_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signet/provider"
)

// TestAccessLogTellsTheClientsAddress asks each door as a proxy does: what it forwards counts if it is trusted and
// an address, and only what it added itself.
func TestAccessLogTellsTheClientsAddress(t *testing.T) {
	h := newHouse(t, nil)
	trusted := func(c *provider.Config) { c.TrustedProxies.Addresses = []string{"192.0.2.0/24"} }
	for name, c := range map[string]struct {
		change          func(*provider.Config)
		forwarded, want string
	}{
		"a trusted proxy": {trusted, "10.0.0.1, 203.0.113.9", "203.0.113.9"},
		"a stranger":      {nil, "203.0.113.9", "192.0.2.7"},
		"no address":      {trusted, "203.0.113.9 status=200", "192.0.2.7"},
		"nothing":         {trusted, "", "192.0.2.7"},
	} {
		t.Run(name, func(t *testing.T) {
			tw := h.twin(c.change, nil)
			for door, handler := range map[string]http.Handler{"main": tw.serving.Main(), "mtls": tw.serving.MTLS()} {
				r, w := httptest.NewRequest(http.MethodGet, "/jwks", nil), httptest.NewRecorder()
				r.RemoteAddr = "192.0.2.7:4711"
				if c.forwarded != "" {
					r.Header.Set("X-Forwarded-For", c.forwarded)
				}
				handler.ServeHTTP(w, r)
				line := tw.logged.about(w.Header().Get("X-Request-Id"))
				if want := "door=" + door + " remote=" + c.want + " "; !strings.Contains(line, want) {
					t.Errorf("no %q in %s", want, line)
				}
			}
		})
	}
}
