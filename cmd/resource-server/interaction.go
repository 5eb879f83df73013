package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"

	"signet/provider/oauth"
	"signet/provider/web"
)

const interactionHeader = "x-fapi-interaction-id"

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// interactionID answers with the client's x-fapi-interaction-id, or with a new one when the client sent
// none that is a UUID, and logs it (FAPI 1.0 Part 1 section 6.2.1 items 11 and 12). Date is net/http's own.
func interactionID(next http.Handler, o options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(interactionHeader)
		if !uuid.MatchString(id) {
			var err error
			if id, err = newUUID(o.random); err != nil {
				web.WriteError(w, r, o.log, err)
				return
			}
		}
		w.Header().Set(interactionHeader, id)
		o.log.InfoContext(r.Context(), "interaction", slog.String("request_id", web.RequestID(r.Context())), slog.String(interactionHeader, id))
		next.ServeHTTP(w, r)
	})
}

// newUUID returns a random UUID (RFC 9562 section 5.4).
func newUUID(random oauth.Random) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	b[6] = b[6]&0x0F | 0x40 // version 4
	b[8] = b[8]&0x3F | 0x80 // variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
