package introspection

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/keys/keystest"
	"signet/provider/oauth"
)

// A refresh token that is its own record is described as a stored one is: to its client, while its grant lives.
func TestReference_J29_introspection_of_a_sealed_refresh_token(t *testing.T) {
	h := newHouse()
	h.seal = &issue.RefreshSeal{Sealer: keystest.NewMemory()}
	h.refresh.Actor = &oauth.Actor{Subject: "agent"}
	sealed, ok, err := h.seal.Seal(t.Context(), h.refresh)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	want := map[string]any{
		"active": true, "client_id": "app", "scope": "openid accounts", "sub": "u1", "iss": issuer,
		"iat": float64(now.Add(-time.Hour).Unix()), "exp": float64(now.Add(time.Second).Unix()),
		"cnf": map[string]any{"x5t#S256": "thumbprint"}, "act": map[string]any{"sub": "agent"},
	}
	h.answers(t, "refresh", want)
	h.answers(t, sealed.Reveal(), want)
	h.answers(t, sealed.Reveal()+"A", inactive)
	h.revoked = true
	h.answers(t, sealed.Reveal(), inactive)
	h.revoked, h.client = false, &oauth.Client{ID: "other"}
	h.answers(t, sealed.Reveal(), inactive)
	h.client, h.seal = &oauth.Client{ID: "app"}, nil
	h.answers(t, sealed.Reveal(), inactive)
}

// Who has registered encryption gets the signed answer so that it alone can read it, or none.
func TestReference_J22_encrypted_introspection(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: "ECDH-ES", Kid: "k", Public: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys error
		want int
	}{"its keys are there": {nil, http.StatusOK}, "they are not": {errors.New("PRIVATE"), http.StatusServiceUnavailable}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			h.client.IntrospectionEncAlg, h.client.IntrospectionEncEnc = "ECDH-ES", "A256GCM"
			h.profile = oauth.Profiles[oauth.ProfileOpenID]
			r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(url.Values{"token": {"access"}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept", mediaType)
			w := httptest.NewRecorder()
			New(Deps{
				Authenticate: h, Tokens: h, Details: h, Store: h, Issuer: issuer, Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
				Issue: issue.New(issue.Options{
					Issuer: issuer, Signer: signer{}, Algs: []string{"ES256"},
					ClientKeys: func(context.Context, *oauth.Client) (*jose.KeySet, error) { return set, c.keys },
				}),
			}).ServeHTTP(w, r)
			if w.Code != http.StatusOK || c.want != http.StatusOK {
				fails(t, w, c.want, oauth.TemporarilyUnavailable)
				if h.committed != nil {
					t.Errorf("committed %v", h.committed)
				}
				return
			}
			if w.Header().Get("Content-Type") != mediaType {
				t.Errorf("%v", w.Header())
			}
			inner, err := jwe.Decrypt(w.Body.Bytes(), jwe.WithKey(jwa.ECDH_ES, key))
			if err != nil {
				t.Fatal(err)
			}
			_, payload, _ := strings.Cut(string(inner), " token-introspection+jwt ")
			var claims map[string]any
			if err := json.Unmarshal([]byte(payload), &claims); err != nil {
				t.Fatal(err)
			}
			told, _ := claims["token_introspection"].(map[string]any)
			if claims["aud"] != "app" || told["active"] != true || told["jti"] != "g1.t1" {
				t.Errorf("%v", claims)
			}
		})
	}
}
