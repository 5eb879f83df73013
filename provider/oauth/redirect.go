package oauth

import (
	"errors"
	"net/url"
	"strings"
)

// CheckRedirectURI says what makes a URI unfit to receive a code, registered or not; nil when it is fit: absolute,
// without a fragment (RFC 6749 section 3.1.2), and https; http only to the user's own machine, by address
// (RFC 8252 section 7.3); any other scheme only in reverse-domain form, so never "javascript".
func CheckRedirectURI(uri string) error {
	if strings.ContainsFunc(uri, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		return errors.New("has a character that no URI has (RFC 3986 section 2)")
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || !u.IsAbs():
		return errors.New("is not an absolute URI (RFC 6749 section 3.1.2)")
	case strings.Contains(uri, "#"):
		return errors.New("has a fragment (RFC 6749 section 3.1.2)")
	case u.User != nil:
		return errors.New("has user information, which hides the host (RFC 3986 section 7.5)")
	case u.Scheme == "https" && u.Hostname() == "":
		return errors.New("has no host")
	// "localhost" may resolve to something else (RFC 8252 section 8.3).
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1":
		return errors.New("is http, which is only for the loopback addresses 127.0.0.1 and [::1] (RFC 8252 sections 7.3 and 8.3)")
	case u.Scheme != "https" && u.Scheme != "http" && !strings.Contains(u.Scheme, "."):
		return errors.New("has a private-use scheme that is no reversed domain name (RFC 8252 section 7.1)")
	}
	return nil
}
