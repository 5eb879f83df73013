package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func logger() (*slog.Logger, *bytes.Buffer) {
	var text bytes.Buffer
	return slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})), &text
}

func named() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", nil)
	return r.WithContext(WithRequest(r.Context(), "req-1", DoorMTLS))
}

// wire is all of an answer that a client sees.
type wire struct {
	Status    int
	Challenge string
	Headers   map[string]string
	Body      map[string]string
}

func read(t *testing.T, w *httptest.ResponseRecorder) wire {
	t.Helper()
	got := wire{Status: w.Code, Challenge: w.Header().Get("WWW-Authenticate")}
	if err := json.Unmarshal(w.Body.Bytes(), &got.Body); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	for _, name := range []string{"Allow", "Retry-After", "Connection"} {
		if values, ok := w.Header()[name]; ok {
			if got.Headers == nil {
				got.Headers = map[string]string{}
			}
			got.Headers[name] = strings.Join(values, "|")
		}
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json;charset=UTF-8", "Cache-Control": "no-store", "Pragma": "no-cache",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	return got
}

const basicChallenge = `Basic realm="signet", charset="UTF-8"`

func body1(code, description string) map[string]string {
	m := map[string]string{"error": code, "request_id": "req-1"}
	if description != "" {
		m["error_description"] = description
	}
	return m
}

func TestWriteError(t *testing.T) {
	private := errors.New("PRIVATE cause")
	tests := []struct {
		name string
		err  error
		want wire
	}{
		{"invalid_request", oauth.Errorf(oauth.InvalidRequest, "bad").Because(private), wire{Status: 400, Body: body1("invalid_request", "bad")}},
		{"invalid_client", oauth.Errorf(oauth.InvalidClient, "no").Because(private), wire{Status: 401, Challenge: basicChallenge, Body: body1("invalid_client", "no")}},
		{"invalid_grant", oauth.Errorf(oauth.InvalidGrant, "no"), wire{Status: 400, Body: body1("invalid_grant", "no")}},
		{"unauthorized_client", oauth.Errorf(oauth.UnauthorizedClient, "no"), wire{Status: 400, Body: body1("unauthorized_client", "no")}},
		{"unsupported_grant_type", oauth.Errorf(oauth.UnsupportedGrantType, "no"), wire{Status: 400, Body: body1("unsupported_grant_type", "no")}},
		{"invalid_scope", oauth.Errorf(oauth.InvalidScope, "no"), wire{Status: 400, Body: body1("invalid_scope", "no")}},
		{"invalid_target", oauth.Errorf(oauth.InvalidTarget, "no"), wire{Status: 400, Body: body1("invalid_target", "no")}},
		{"decision", &oauth.Error{Code: oauth.InvalidScope, Description: "denied", Cause: private, Decision: "d-7"},
			wire{Status: 400, Body: body1("invalid_scope", "denied (decision d-7)")}},
		{"decision alone", &oauth.Error{Code: oauth.AccessDenied, Decision: "d-7"}, wire{Status: 400, Body: body1("access_denied", "(decision d-7)")}},
		{"405", MethodNotAllowed("GET", "POST"), wire{Status: 405, Headers: map[string]string{"Allow": "GET, POST"},
			Body: body1("method_not_allowed", "the method must be GET or POST")}},
		{"404", oauth.Errorf(oauth.NotFound, "no such page"), wire{Status: 404, Body: body1("not_found", "no such page")}},
		{"413", tooLarge(), wire{Status: 413, Headers: map[string]string{"Connection": "close"},
			Body: body1("payload_too_large", "the body is larger than 65536 bytes")}},
		{"413 from net/http", fmt.Errorf("reading: %w", &http.MaxBytesError{Limit: 1}), wire{Status: 413,
			Headers: map[string]string{"Connection": "close"}, Body: body1("payload_too_large", "the body is larger than 65536 bytes")}},
		{"temporarily_unavailable", oauth.Errorf(oauth.TemporarilyUnavailable, "later").Because(private), wire{Status: 503,
			Headers: map[string]string{"Retry-After": "2"}, Body: body1("temporarily_unavailable", "later")}},
		{"server_error says nothing", oauth.Errorf(oauth.ServerError, "PRIVATE internals").Because(private), wire{Status: 500, Body: body1("server_error", "")}},
		{"unknown error says nothing", private, wire{Status: 500, Body: body1("server_error", "")}},
		{"nil says nothing", nil, wire{Status: 500, Body: body1("server_error", "")}},
		{"wrapped", fmt.Errorf("PRIVATE context: %w", oauth.Errorf(oauth.InvalidGrant, "no")), wire{Status: 400, Body: body1("invalid_grant", "no")}},
		{"refusal", &oauth.Refusal{Err: oauth.Errorf(oauth.InvalidGrant, "reused").Because(private)}, wire{Status: 400, Body: body1("invalid_grant", "reused")}},
		{"lost race for an assertion", &oauth.Conflict{Change: oauth.UseAssertion{JTI: "PRIVATE"}}, wire{Status: 401, Challenge: basicChallenge,
			Body: body1("invalid_client", "the client assertion was used before")}},
		{"lost race for a code, wrapped", fmt.Errorf("commit: %w", &oauth.Conflict{Change: oauth.RedeemCode{}}), wire{Status: 400,
			Body: body1("invalid_grant", "the authorization code was used before or is revoked")}},
		{"deadline", fmt.Errorf("PRIVATE: %w", context.DeadlineExceeded), wire{Status: 503, Headers: map[string]string{"Retry-After": "2"},
			Body: body1("temporarily_unavailable", "the request took too long")}},
		{"forbidden characters", oauth.Errorf(oauth.InvalidRequest, "a \"b\" \\ c\r\nX: é\x00"), wire{Status: 400,
			Body: body1("invalid_request", "a 'b' ? c??X: ??")}},
		{"invalid_token", oauth.Errorf(oauth.InvalidToken, "expired"), wire{Status: 401, Challenge: `Bearer realm="signet"`,
			Body: map[string]string{"request_id": "req-1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, logged := logger()
			w := httptest.NewRecorder()
			WriteError(w, named(), log, tt.err)
			if diff := cmp.Diff(tt.want, read(t, w)); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(fmt.Sprint(w.Header())+w.Body.String(), "PRIVATE") {
				t.Errorf("the cause is on the wire: %v %s", w.Header(), w.Body)
			}
			if !strings.Contains(logged.String(), "request_id=req-1") {
				t.Errorf("no request id in the log: %s", logged)
			}
			if errors.Is(tt.err, private) && !strings.Contains(logged.String(), "PRIVATE cause") {
				t.Errorf("no cause in the log: %s", logged)
			}
		})
	}
}

// A function that returns *oauth.Error can make a nil of it an error by mistake.
func TestWriteErrorTypedNil(t *testing.T) {
	log, _ := logger()
	w := httptest.NewRecorder()
	WriteError(w, named(), log, (*oauth.Error)(nil))
	if diff := cmp.Diff(wire{Status: 500, Body: body1("server_error", "")}, read(t, w)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteErrorBoundsDescription(t *testing.T) {
	log, _ := logger()
	w := httptest.NewRecorder()
	WriteError(w, named(), log, &oauth.Error{Code: oauth.InvalidRequest, Description: strings.Repeat("é", 10_000), Decision: "d"})
	if got := read(t, w).Body["error_description"]; len(got) > maxDescription+20 || !strings.HasSuffix(got, "(decision d)") {
		t.Errorf("%d bytes: %.20s", len(got), got)
	}
}

func TestWriteErrorLevels(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{oauth.Errorf(oauth.InvalidRequest, "x"), "INFO"},
		{oauth.Errorf(oauth.InvalidClient, "x"), "WARN"},
		{oauth.Errorf(oauth.TemporarilyUnavailable, "x"), "ERROR"},
		{errors.New("x"), "ERROR"},
		{fmt.Errorf("store: %w", context.Canceled), "INFO"},
	}
	for _, tt := range tests {
		log, logged := logger()
		WriteError(httptest.NewRecorder(), named(), log, tt.err)
		if !strings.Contains(logged.String(), "level="+tt.want) {
			t.Errorf("%v: want %s in %s", tt.err, tt.want, logged)
		}
	}
}

func TestWriteBearerError(t *testing.T) {
	tests := []struct {
		name, authorization string
		err                 error
		want                wire
	}{
		{"no credentials", "", oauth.Errorf(oauth.InvalidToken, "missing"), wire{Status: 401, Challenge: `Bearer realm="signet"`,
			Body: map[string]string{"request_id": "req-1"}}},
		{"invalid token", "Bearer x", oauth.Errorf(oauth.InvalidToken, `not "ours"`), wire{Status: 401,
			Challenge: `Bearer realm="signet", error="invalid_token", error_description="not 'ours'"`,
			Body:      body1("invalid_token", "not 'ours'")}},
		{"token in the body", "", oauth.Errorf(oauth.InvalidRequest, "only the header"), wire{Status: 400,
			Challenge: `Bearer realm="signet", error="invalid_request", error_description="only the header"`,
			Body:      body1("invalid_request", "only the header")}},
		{"insufficient scope", "Bearer x", InsufficientScope("accounts payments"), wire{Status: 403,
			Challenge: `Bearer realm="signet", error="insufficient_scope", error_description="the access token does not have the scope that is needed", scope="accounts payments"`,
			Body:      body1("insufficient_scope", "the access token does not have the scope that is needed")}},
		{"insufficient scope without a name", "Bearer x", &oauth.Error{Code: oauth.InsufficientScope}, wire{Status: 403,
			Challenge: `Bearer realm="signet", error="insufficient_scope"`, Body: body1("insufficient_scope", "")}},
		{"store is down", "Bearer x", errors.New("PRIVATE"), wire{Status: 500, Body: body1("server_error", "")}},
		{"wrong method", "", MethodNotAllowed("GET"), wire{Status: 405, Headers: map[string]string{"Allow": "GET"},
			Body: body1("method_not_allowed", "the method must be GET")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, _ := logger()
			r := named()
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			w := httptest.NewRecorder()
			WriteBearerError(w, r, log, tt.err)
			if diff := cmp.Diff(tt.want, read(t, w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPublic(t *testing.T) {
	cause := errors.New("cause")
	got := Public(&oauth.Error{Code: oauth.InvalidGrant, Description: "a\nb", Cause: cause, Decision: "d"})
	if got.Description != "a?b (decision d)" || !errors.Is(got, cause) {
		t.Errorf("%+v", got)
	}
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	WriteJSON(w, http.StatusCreated, map[string]string{"a": "b"})
	if w.Code != http.StatusCreated || w.Body.String() != `{"a":"b"}` || w.Header().Get("Content-Length") != "9" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w.Header().Get("Cache-Control") != "" {
		t.Error("caching is the caller's to decide")
	}
	w = httptest.NewRecorder()
	WriteJSON(w, http.StatusOK, func() {})
	if got := read(t, w); got.Status != http.StatusInternalServerError || got.Body["error"] != "server_error" {
		t.Errorf("%+v", got)
	}
}

func BenchmarkWriteJSON(b *testing.B) {
	v := struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		In    int    `json:"expires_in"`
	}{strings.Repeat("x", 800), "Bearer", 300}
	b.ReportAllocs()
	for b.Loop() {
		w := discard{h: http.Header{}}
		NoStore(w.h)
		WriteJSON(w, http.StatusOK, v)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// TestWritePlainError keeps the body to what CIBA Core section 13 names.
func TestWritePlainError(t *testing.T) {
	w := httptest.NewRecorder()
	WritePlainError(w, httptest.NewRequest(http.MethodPost, "/bc-authorize", nil), slog.New(slog.DiscardHandler),
		oauth.Errorf(oauth.InvalidClient, "client authentication failed").Because(errors.New("private")))
	const want = `{"error":"invalid_client","error_description":"client authentication failed"}`
	if got := strings.TrimSpace(w.Body.String()); got != want || w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%d %s %v", w.Code, got, w.Header())
	}
}
