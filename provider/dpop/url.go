package dpop

import (
	"net/url"
	"strings"
)

// matches says whether htu names one of the URLs, query and fragment apart, after the normalisation of RFC 3986
// sections 6.2.2 and 6.2.3 (RFC 9449 section 4.3 item 9).
func matches(htu string, urls []string) bool {
	var named string
	for _, known := range urls {
		if htu == known {
			return true
		}
		if named == "" {
			var ok bool
			if named, ok = normal(htu); !ok {
				return false
			}
		}
		if same, ok := normal(known); ok && same == named {
			return true
		}
	}
	return false
}

// normal returns the comparable form of an absolute http or https URL.
func normal(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	switch {
	case scheme != "https" && scheme != "http" || host == "":
		return "", false
	case scheme == "https" && port == "443", scheme == "http" && port == "80":
		port = ""
	}
	if strings.Contains(host, ":") { // an IPv6 address
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	path := unreserved(u.ResolveReference(u).EscapedPath()) // without dot segments
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, true
}

// unreserved decodes the percent-encodings that need none and writes the others in upper case.
func unreserved(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		triplet := path[i : i+3]
		if plain, err := url.PathUnescape(triplet); err == nil && isUnreserved(plain[0]) {
			b.WriteByte(plain[0])
		} else {
			b.WriteString(strings.ToUpper(triplet))
		}
		i += 2
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
