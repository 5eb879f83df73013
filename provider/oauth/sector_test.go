package oauth

import "testing"

// TestSector: what has no host of its own is no sector (OpenID Connect Core section 8.1).
func TestSector(t *testing.T) {
	for name, c := range map[string]struct {
		uri       string // sector_identifier_uri
		redirects []string
		want      string // "" = none
	}{
		"one host":                     {"", []string{"https://app.example/a", "https://APP.example:8443/b"}, "app.example"},
		"two hosts":                    {"", []string{"https://app.example/a", "https://two.example/b"}, ""},
		"a URI":                        {"https://Sector.example/uris", []string{"https://app.example/a", "com.example.app:/b"}, "sector.example"},
		"nothing":                      {"", nil, ""},
		"an app's scheme":              {"", []string{"com.evil.app:/cb"}, ""},
		"another's host in it":         {"", []string{"com.evil.app://victim.example/cb"}, ""},
		"beside an address of it":      {"", []string{"https://victim.example/cb", "com.evil.app:/cb"}, ""},
		"and with its host":            {"", []string{"https://victim.example/cb", "com.evil.app://victim.example/cb"}, ""},
		"loopback":                     {"", []string{"http://127.0.0.1/cb"}, ""},
		"a URI that is not https":      {"http://victim.example/uris", []string{"https://app.example/a"}, ""},
		"no host":                      {"", []string{"https:/cb"}, ""},
		"letters with a lower i":       {"", []string{"https://v%C4%B0ctim.example/cb"}, ""},
		"a host that cannot be parsed": {"", []string{"https://[victim/cb"}, ""},
	} {
		client := Client{SectorURI: c.uri, RedirectURIs: c.redirects}
		if got, ok := client.Sector(); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", name, got, ok, c.want)
		}
	}
}
