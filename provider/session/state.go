package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"signet/provider/oauth"
)

// StateCookie is the cookie that holds the browser state (OpenID Connect Session Management section 4.2). The page of
// the check_session_iframe reads it by script, within other sites' pages; no request is ever judged by it.
const StateCookie = "__Host-signet-state"

// stateLabel keeps the browser state apart from whatever else may be made of a session's secret.
const stateLabel = "signet browser state"

// stateOf makes the browser state of a login. It changes with each login and does not give the secret away.
func stateOf(secret oauth.Secret) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(stateLabel))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// setState gives the browser its state, or takes it back with a negative maxAge. A script has to read it, and within
// other sites' pages: it proves nothing.
func setState(w http.ResponseWriter, state string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- see above
		Name: StateCookie, Value: state, Path: "/", MaxAge: maxAge, Secure: true, SameSite: http.SameSiteNoneMode,
	})
}

// State is the browser state that the check_session_iframe sees in this browser: "" when nobody has logged in, or
// when session management was off at the login.
func (m *Manager) State(r *http.Request) string {
	found := r.CookiesNamed(StateCookie)
	if len(found) != 1 || len(found[0].Value) != secretLength {
		return ""
	}
	if _, err := base64.RawURLEncoding.DecodeString(found[0].Value); err != nil {
		return ""
	}
	return found[0].Value
}

// SessionState is the session_state of an authentication response to the client at this redirect URI (OpenID Connect
// Session Management section 2). It is "" without session management, and for a redirect URI that is no web page's:
// nobody could ask the iframe there.
func (m *Manager) SessionState(r *http.Request, c *oauth.Client, redirectURI string) (string, error) {
	origin, ok := webOrigin(redirectURI)
	if !m.deps.BrowserState || !ok {
		return "", nil
	}
	salt, err := oauth.NewID(m.deps.Random)
	if err != nil {
		return "", err
	}
	return SessionState(c.ID, origin, m.State(r), salt), nil
}

// SessionState computes a session_state as OpenID Connect Session Management section 4.2 shows it. The script of the
// check_session_iframe computes the same.
func SessionState(clientID, origin, state, salt string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{clientID, origin, state, salt}, " ")))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}

// webOrigin returns the origin of a page at this address as browsers write it (RFC 6454 section 6.2).
func webOrigin(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", false
	}
	standard, web := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	host := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Host), standard), ":")
	return u.Scheme + "://" + host, web
}
