package web

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"signet/provider/oauth"
)

// WriteBearerError answers a request for a protected resource (RFC 6750 section 3, RFC 9449 section 7.1): what is
// wrong with the token or with the proof beside it goes into WWW-Authenticate, in the scheme that the request used.
// algs are the algorithms of DPoP proofs that count here; without any, the DPoP scheme is not offered. Errors that
// are not about the token are answered as by [WriteError].
func WriteBearerError(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error, algs ...string) {
	shown := Public(err)
	NotesOf(r.Context()).Error = shown.Code
	switch shown.Code {
	case oauth.InvalidRequest, oauth.InvalidToken, oauth.InsufficientScope, oauth.InsufficientUserAuth,
		oauth.InvalidDPoPProof, oauth.UseDPoPNonce:
		writeChallenge(w, r, log, shown, algs)
	default:
		write(w, r, log, shown)
	}
}

// The schemes of access tokens (RFC 6750 section 2.1, RFC 9449 section 7.1).
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

func writeChallenge(w http.ResponseWriter, r *http.Request, log *slog.Logger, shown *oauth.Error, algs []string) {
	scheme := schemeOf(r)
	if shown.Code == oauth.InvalidToken && scheme == "" {
		// Who sent no credentials is told of no error (RFC 6750 section 3.1).
		w.Header().Set("WWW-Authenticate", schemeBearer+` realm="`+realm+`"`)
		if len(algs) > 0 {
			w.Header().Add("WWW-Authenticate", schemeDPoP+` realm="`+realm+`"`+algsParam(algs))
		}
		logError(r, log, http.StatusUnauthorized, shown)
		NoStore(w.Header())
		WriteJSON(w, http.StatusUnauthorized, errorBody{RequestID: RequestID(r.Context())})
		return
	}
	status := StatusOf(shown.Code)
	if shown.Code == oauth.InvalidDPoPProof || shown.Code == oauth.UseDPoPNonce {
		scheme, status = schemeDPoP, http.StatusUnauthorized // 400 at the authorization server, 401 here (RFC 9449 section 9)
	}
	w.Header().Set("WWW-Authenticate", challenge(scheme, shown, ErrorURI(r.Context(), shown.Code), algs))
	writeStatus(w, r, log, shown, status)
}

// challenge says what was wrong, and where to read about it (RFC 6750 section 3).
func challenge(scheme string, shown *oauth.Error, uri string, algs []string) string {
	if scheme == "" {
		scheme = schemeBearer
	}
	text := scheme + ` realm="` + realm + `", error="` + string(shown.Code) + `"`
	if shown.Description != "" {
		text += `, error_description="` + shown.Description + `"`
	}
	if uri != "" {
		text += `, error_uri="` + printable(uri) + `"`
	}
	var needed scopeHint
	if errors.As(shown.Cause, &needed) {
		text += `, scope="` + printable(needed.scope) + `"`
	}
	var login loginHint
	if errors.As(shown.Cause, &login) {
		text += login.parameters()
	}
	if scheme == schemeDPoP {
		text += algsParam(algs)
	}
	return text
}

// algsParam lists what proofs may be signed with (RFC 9449 section 7.1).
func algsParam(algs []string) string {
	if len(algs) == 0 {
		return ""
	}
	return `, algs="` + printable(strings.Join(algs, " ")) + `"`
}

// schemeOf is the token scheme that the request tried, "" when none (RFC 9110 section 11.1: its case does not matter).
func schemeOf(r *http.Request) string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		return schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		return schemeDPoP
	default:
		return ""
	}
}
