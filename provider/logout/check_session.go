package logout

import (
	"crypto/sha256"
	_ "embed" // the script
	"encoding/base64"
	"net/http"
)

//go:embed check_session.js
var checkSessionScript string

// CheckSession is the check_session_iframe (OpenID Connect Session Management section 3.3): one page for everybody,
// which any site may frame and whose script alone may run. It learns what it judges from a message and a cookie.
func (s *Service) CheckSession() http.Handler {
	sum := sha256.Sum256([]byte(checkSessionScript))
	policy := "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors *"
	page := []byte("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Session check</title>\n<script>" +
		checkSessionScript + "</script>\n</html>\n")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Del("X-Frame-Options") // which every other answer has
		h.Set("Content-Security-Policy", policy)
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(page) // the browser is gone: nobody is left to tell
	})
}
