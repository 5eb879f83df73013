package dpop

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		htu, endpoint string
		want          bool
	}{
		{"https://as.example/token", "https://as.example/token", true},
		{"https://as.example/token?a=b#c", "https://as.example/token", true},
		{"HTTPS://AS.Example/token", "https://as.example/token", true},
		{"https://as.example:443/token", "https://as.example/token", true},
		{"https://as.example/token", "https://as.example:443/token", true},
		{"http://as.example:80/token", "http://as.example/token", true},
		{"https://as.example", "https://as.example/", true},
		{"https://as.example:9443/token", "https://as.example:9443/token?x", true},
		{"https://[2001:DB8::1]:443/token", "https://[2001:db8::1]/token", true},
		{"https://as.example/%7Euser", "https://as.example/~user", true},
		{"https://as.example/a%2fb", "https://as.example/a%2Fb", true},
		{"https://as.example/x/../token", "https://as.example/token", true},

		{"https://as.example/Token", "https://as.example/token", false},
		{"https://as.example/token/", "https://as.example/token", false},
		{"https://as.example/a%2Fb", "https://as.example/a/b", false},
		{"https://as.example:8443/token", "https://as.example/token", false},
		{"https://as.example:80/token", "https://as.example/token", false},
		{"http://as.example/token", "https://as.example/token", false},
		{"https://as.example.evil/token", "https://as.example/token", false},
		{"https://user@as.example/token", "https://as.example/token", false},
		{"https://as.example\\@evil/token", "https://as.example/token", false},
		{"/token", "https://as.example/token", false},
		{"//as.example/token", "https://as.example/token", false},
		{"https:as.example/token", "https://as.example/token", false},
		{"", "https://as.example/token", false},
		{"https://as.example/%zz", "https://as.example/token", false},
	} {
		if got := matches(c.htu, []string{"https://elsewhere.example/", c.endpoint}); got != c.want {
			t.Errorf("%q for %q: %v", c.htu, c.endpoint, got)
		}
	}
	if matches("https://as.example/token", nil) {
		t.Error("matches no endpoint")
	}
}

// TestNormalFormIsFinal: the form of a form is itself, and what differs in host or port differs in form.
func TestNormalFormIsFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.StringMatching(`[a-zA-Z0-9]{1,8}(\.[a-zA-Z]{2,5})?`).Draw(t, "host")
		path := rapid.StringMatching(`(/(\.|\.\.|[a-z]{1,3}|%[0-9a-fA-F]{2})){0,5}`).Draw(t, "path")
		port := rapid.SampledFrom([]string{"", ":443", ":8443"}).Draw(t, "port")
		form, ok := normal("https://" + host + port + path)
		if !ok {
			return
		}
		again, ok := normal(form)
		// Dots that were percent-encoded stay: they would need a second look.
		if dots := strings.ToLower(path); !strings.Contains(dots, "%2e") && (!ok || again != form) {
			t.Fatalf("%q becomes %q, %v", form, again, ok)
		}
		u, err := url.Parse(form)
		if err != nil || u.Hostname() != strings.ToLower(host) || (u.Port() == "8443") != (port == ":8443") {
			t.Fatalf("%q is of another host than %q%s", form, host, port)
		}
	})
}
