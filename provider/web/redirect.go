package web

import "net/http"

// SeeOther redirects by GET whatever the request's method was, so that no form is ever sent on
// (RFC 9700 section 4.12). The URL may hold a code: it is not cached and not told to the next page.
func SeeOther(w http.ResponseWriter, location string) {
	h := w.Header()
	NoStore(h)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}
