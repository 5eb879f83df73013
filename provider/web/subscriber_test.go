package web

import "testing"

func TestSubscriber(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:4711":              "192.0.2.1",
		"[::ffff:192.0.2.1]:4711":     "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:4711": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:4711":         "fe80::/64",
		"@":                           "@",
		"192.0.2.1:80":                "192.0.2.1", "192.0.2.1": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::/64", "2001:db8::2": "2001:db8::/64",
		"[::ffff:192.0.2.1]:80": "192.0.2.1", "unix": "unix", "": "",
	} {
		if got := Subscriber(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
