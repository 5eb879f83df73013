package web

import (
	"encoding/json"
	"net/http"
	"strconv"
)

const jsonType = "application/json;charset=UTF-8"

// NoStore forbids caching, as every answer with a token, a credential or an error needs
// (RFC 6749 section 5.1).
func NoStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}

// WriteJSON answers with v as JSON. It says nothing about caching: see [NoStore]. A value that cannot be
// encoded becomes a server_error whose cause the access log shows.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		if rec, ok := w.(*recorder); ok {
			rec.failure = err
		}
		NoStore(w.Header())
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody is left to tell
}
