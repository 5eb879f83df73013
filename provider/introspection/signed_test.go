package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// signer "signs" by showing what it was asked for.
type signer struct{ err error }

func (s signer) Sign(_ context.Context, alg, typ string, payload []byte) (string, error) {
	return alg + " " + typ + " " + string(payload), s.err
}

// asJWT asks with an Accept header.
func (h *house) asJWT(token, accept string, s signer) *httptest.ResponseRecorder {
	form := url.Values{"token": {token}}
	r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.profile = oauth.Profiles[oauth.ProfileFAPI2MessageSigning]
	New(Deps{
		Authenticate: h, Tokens: h, Details: h, Store: h, Issuer: issuer, Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Issue: issue.New(issue.Options{Issuer: issuer, Signer: s, Algs: []string{"RS256", "ES256", "PS256"}}),
	}).ServeHTTP(w, r)
	return w
}

// What is signed is the same answer, for the client that asked, and nothing that could pass as a token.
func TestSignedAnswer(t *testing.T) {
	for name, c := range map[string]struct{ token, alg, want string }{
		"access token":   {"access", "", "ES256"},
		"its algorithm":  {"access", "PS256", "PS256"},
		"not its to ask": {"access", "RS256", "ES256"},
		"refresh token":  {"refresh", "", "ES256"},
		"unknown token":  {"nonsense", "", "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			h.client.IntrospectionAlg = c.alg
			var plain, signed map[string]any
			if err := json.Unmarshal(h.ask(c.token, "").Body.Bytes(), &plain); err != nil {
				t.Fatal(err)
			}
			h.committed = nil
			w := h.asJWT(c.token, mediaType, signer{})
			head, payload, _ := strings.Cut(w.Body.String(), "{")
			if err := json.Unmarshal([]byte("{"+payload), &signed); err != nil {
				t.Fatal(err, w.Body)
			}
			want := map[string]any{"iss": issuer, "aud": "app", "iat": float64(now.Unix()), "token_introspection": plain}
			if diff := cmp.Diff(want, signed); diff != "" {
				t.Error(diff)
			}
			if head != c.want+" token-introspection+jwt " || w.Header().Get("Content-Type") != mediaType || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%q %v", head, w.Header())
			}
			if diff := cmp.Diff([]oauth.Change{used}, h.committed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingIsAnsweredUnsigned(t *testing.T) {
	h := newHouse()
	fails(t, h.asJWT("access", mediaType, signer{errors.New("PRIVATE: sealed")}), http.StatusServiceUnavailable, oauth.TemporarilyUnavailable)
	if h.committed != nil {
		t.Errorf("committed %v", h.committed)
	}
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                    false,
		"*/*":                                 false,
		mediaType:                             true,
		"APPLICATION/Token-Introspection+JWT": true,
		"application/json, " + mediaType:      true,
		"application/json;q=0.5, " + mediaType + ";q=0.4": false,
		mediaType + ";q=0":            false,
		mediaType + ";q=NaN":          false,
		"application/json;q=0.9, */*": false,
		"text/;;, " + mediaType:       true,
	} {
		r := httptest.NewRequest(http.MethodPost, "/introspect", nil)
		r.Header.Set("Accept", accept)
		if got := wantsSigned(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// A token that is bound to a DPoP key is of that type (RFC 9449 section 6.2), and says for what it is.
func TestDPoPBound(t *testing.T) {
	details := oauth.Details{{Type: "pay", JSON: json.RawMessage(`{"type":"pay"}`)}}
	h := newHouse()
	h.access.Confirmation = oauth.Confirmation{JKT: "K"}
	h.refresh.Details = details
	for token, want := range map[string]map[string]any{
		"access":  {"token_type": "DPoP"},
		"refresh": {"authorization_details": []any{map[string]any{"type": "pay"}}},
	} {
		var got map[string]any
		if err := json.Unmarshal(h.ask(token, "").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if diff := cmp.Diff(value, got[name]); diff != "" {
				t.Errorf("%s, %s: %s", token, name, diff)
			}
		}
	}
}
