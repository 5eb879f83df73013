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
		"IPv6":                        {"192.0.2.1:1", []string{"2001:DB8:0::9"}, "2001:db8::9"},
		"IPv6 in brackets":            {"192.0.2.1:1", []string{"[2001:db8::9]"}, "2001:db8::9"},
		"with a port":                 {"192.0.2.1:1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"IPv6 with a port":            {"192.0.2.1:1", []string{"[2001:db8::9]:4711"}, "2001:db8::9"},
		"IPv4 within IPv6":            {"192.0.2.1:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"a zone of any bytes":         {"192.0.2.1:1", []string{"fe80::9%\x1b[2J user=alice"}, "fe80::9"},
		"a zone and a port":           {"192.0.2.1:1", []string{"[fe80::9%\x1b[2J]:1"}, "fe80::9"},
		"no address":                  {"192.0.2.1:1", []string{"203.0.113.9 user=alice"}, "192.0.2.1:1"},
		"a name":                      {"192.0.2.1:1", []string{"unknown"}, "192.0.2.1:1"},
		"half a bracket":              {"192.0.2.1:1", []string{"["}, "192.0.2.1:1"},
		"nothing":                     {"192.0.2.1:1", []string{""}, "192.0.2.1:1"},
		"nothing after the comma":     {"192.0.2.1:1", []string{"203.0.113.9,"}, "192.0.2.1:1"},
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

// Nobody pays for proxies that are not there.
func TestSenderOfADirectConnectionCostsNothing(t *testing.T) {
	proxies, err := NewProxies(ProxiesConfig{Addresses: []string{"192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if n := testing.AllocsPerRun(100, func() { _ = proxies.Sender(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
