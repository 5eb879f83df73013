package mtls

import (
	"net/http/httptest"
	"testing"
)

func TestSender(t *testing.T) {
	proxies, err := NewProxies(ProxiesConfig{Addresses: []string{"192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"direct":                      {"198.51.100.7:1", nil, "198.51.100.7:1"},
		"a stranger's header":         {"198.51.100.7:1", []string{"203.0.113.9"}, "198.51.100.7:1"},
		"the proxy's":                 {"192.0.2.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		"the proxy's, after a forged": {"192.0.2.1:1", []string{"10.0.0.1", "10.0.0.2, 203.0.113.9"}, "203.0.113.9"},
		"the proxy's own":             {"192.0.2.1:1", nil, "192.0.2.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Header["X-Forwarded-For"] = c.remote, c.forwarded
			if got := proxies.Sender(r); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
