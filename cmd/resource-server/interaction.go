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

// Headers with which a client may tell of its user, for the log: when they logged in, and from where (FAPI 1.0 Part 1
// section 6.2.2). They are the client's word, and nothing is decided by them.
var toldHeaders = []string{"x-fapi-auth-date", "x-fapi-customer-ip-address"}

const maxToldBytes = 128

// interactionID answers with the client's x-fapi-interaction-id, or with a new one when the client sent none, and
// logs it (FAPI 1.0 Part 1 section 6.2.1 items 11 and 12). One that is not a UUID is refused. Date is net/http's own.
func interactionID(next http.Handler, o options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := r.Header.Values(interactionHeader)
		good := len(sent) == 1 && uuid.MatchString(sent[0])
		id := ""
		if good {
			id = sent[0]
		} else {
			var err error
			if id, err = newUUID(o.random); err != nil {
				web.WriteError(w, r, o.log, err)
				return
			}
		}
		w.Header().Set(interactionHeader, id)
		o.log.LogAttrs(r.Context(), slog.LevelInfo, "interaction", told(r, id)...)
		if len(sent) > 0 && !good {
			web.WriteError(w, r, o.log, oauth.Errorf(oauth.InvalidRequest, "x-fapi-interaction-id must be one UUID"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func told(r *http.Request, id string) []slog.Attr {
	attrs := []slog.Attr{slog.String("request_id", web.RequestID(r.Context())), slog.String(interactionHeader, id)}
	for _, name := range toldHeaders {
		if value := r.Header.Get(name); value != "" {
			attrs = append(attrs, slog.String(name, value[:min(len(value), maxToldBytes)]))
		}
	}
	return attrs
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
