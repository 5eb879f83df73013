package issue

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// plain "signs" by showing what it was asked for.
type plain struct{ err error }

func (p plain) Sign(_ context.Context, alg, typ string, payload []byte) (string, error) {
	return alg + "." + typ + "." + string(payload), p.err
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func issuer(signer plain, algs ...string) *Issuer {
	return New(Options{Issuer: "https://issuer", Signer: signer, Random: rand.Reader, Algs: algs})
}

func mandate() Mandate {
	return Mandate{
		Now: noon, Client: &oauth.Client{ID: "c1"}, Subject: oauth.ClientItself{ClientID: "c1"}, Scope: oauth.Scope{"accounts"},
		Audience: []string{"https://api"}, Alg: "ES256", AllowedAlgs: []string{"ES256", "PS256"}, AccessLifetime: 5 * time.Minute, IDLifetime: time.Minute,
	}
}

func claimsIn(t *testing.T, token string) map[string]any {
	t.Helper()
	var claims map[string]any
	if err := json.Unmarshal([]byte(token[strings.Index(token, "{"):]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAccessTokenSaysWhatTheMandateSays(t *testing.T) {
	m := mandate()
	m.Subject = oauth.EndUser{ID: "u1", AuthTime: noon.Add(-time.Hour), ACR: "high", AMR: []string{"pwd"}}
	m.GrantID, m.Audience = "g1", []string{"https://api", "https://cards"}
	m.Confirmation = oauth.Confirmation{X5TS256: "thumb"}
	m.AccessClaims = map[string]any{"tier": "gold"}
	m.Details = oauth.Details{{Type: "pay", JSON: []byte(`{"type":"pay","n":1.0}`)}}
	got, err := issuer(plain{}, "ES256").AccessToken(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "https://issuer", "sub": "u1", "aud": []any{"https://api", "https://cards"}, "client_id": "c1", "jti": got.JTI,
		"iat": float64(noon.Unix()), "exp": float64(noon.Add(5 * time.Minute).Unix()), "scope": "accounts", "tier": "gold",
		"auth_time": float64(noon.Add(-time.Hour).Unix()), "acr": "high", "amr": []any{"pwd"}, "cnf": map[string]any{"x5t#S256": "thumb"},
		"authorization_details": []any{map[string]any{"type": "pay", "n": 1.0}},
	}
	if diff := cmp.Diff(want, claimsIn(t, got.Value.Reveal())); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(got.Value.Reveal(), "ES256.at+jwt.") || GrantOf(got.JTI) != "g1" || got.ExpiresIn != 300 || got.Changes != nil {
		t.Errorf("%+v", got)
	}
}

func TestOpaqueTokenIsStoredAsADigest(t *testing.T) {
	m := mandate()
	m.Opaque = true
	got, err := issuer(plain{}, "ES256").AccessToken(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	stored := got.Changes[0].(oauth.StoreOpaque).Token
	if stored.Digest != got.Value.Digest() || !stored.ExpiresAt.Equal(noon.Add(5*time.Minute)) || stored.ClientID != "c1" {
		t.Errorf("%+v", stored)
	}
	if claimsIn(t, string(stored.Claims))["jti"] != got.JTI || GrantOf(got.JTI) != "" {
		t.Errorf("claims %s", stored.Claims)
	}
}

func TestTheProfileDecidesTheAlgorithm(t *testing.T) {
	for name, c := range map[string]struct {
		have, allowed []string
		asked, want   string
	}{
		"as asked":            {[]string{"RS256", "ES256"}, []string{"RS256", "ES256"}, "RS256", "RS256"},
		"not allowed":         {[]string{"RS256", "PS256"}, []string{"ES256", "PS256"}, "RS256", "PS256"},
		"nothing asked":       {[]string{"EdDSA", "ES256"}, []string{"ES256", "EdDSA"}, "", "EdDSA"},
		"asked without a key": {[]string{"ES256"}, []string{"ES256", "PS256"}, "PS256", "ES256"},
		"none fits":           {[]string{"RS256"}, []string{"ES256"}, "RS256", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := mandate()
			m.Alg, m.AllowedAlgs = c.asked, c.allowed
			m.Client.IDTokenAlg = c.asked
			i := issuer(plain{}, c.have...)
			access, accessErr := i.AccessToken(t.Context(), m)
			id, idErr := i.IDToken(t.Context(), m, oauth.EndUser{ID: "u1", AuthTime: noon}, "token")
			if c.want == "" {
				if accessErr == nil || idErr == nil {
					t.Error("signed with a forbidden algorithm")
				}
				return
			}
			if !strings.HasPrefix(access.Value.Reveal(), c.want+".") || !strings.HasPrefix(id, c.want+".") {
				t.Errorf("want %s: %v %v", c.want, accessErr, idErr)
			}
		})
	}
}

func TestNothingComesOutWhenSigningFails(t *testing.T) {
	i := issuer(plain{err: errors.New("vault sealed")}, "ES256")
	if got, err := i.AccessToken(t.Context(), mandate()); err == nil || got.Value != "" {
		t.Errorf("%v %v", got, err)
	}
	if got, err := i.IDToken(t.Context(), mandate(), oauth.EndUser{}, "x"); err == nil || got != "" {
		t.Errorf("%v %v", got, err)
	}
}

func TestRefreshTokensKeepWhatWasGranted(t *testing.T) {
	i := issuer(plain{}, "ES256")
	m := mandate()
	m.GrantID, m.Confirmation = "g1", oauth.Confirmation{X5TS256: "thumb"}
	user := oauth.EndUser{ID: "u1"}
	details := oauth.Details{{Type: "pay", JSON: []byte(`{"type":"pay"}`)}}
	for name, c := range map[string]struct {
		method oauth.AuthMethod
		bound  oauth.Confirmation
	}{
		"confidential": {oauth.AuthTLS, oauth.Confirmation{}},
		"public":       {oauth.AuthNone, m.Confirmation},
	} {
		t.Run(name, func(t *testing.T) {
			m.Client = &oauth.Client{ID: "c1", AuthMethod: c.method}
			value, first, err := i.NewRefreshToken(m, user, oauth.Authorization{
				Scope: oauth.Scope{"a", "b"}, Resources: []string{"https://api"}, Details: details, TellGrant: true,
				Claims: oauth.ClaimsRequest{IDToken: map[string]oauth.ClaimRequest{"name": {}}, Userinfo: map[string]oauth.ClaimRequest{"email": {}}},
			}, time.Hour)
			if len(first.Claims.IDToken) != 1 || len(first.Claims.Userinfo) != 1 {
				t.Errorf("claims %+v", first.Claims)
			}
			if err != nil || first.Digest != value.Digest() || first.Confirmation != c.bound || len(first.Details) != 1 || !first.Managed || !first.ExpiresAt.Equal(noon.Add(time.Hour)) {
				t.Fatalf("%+v %v", first, err)
			}
			first.RotatedAt, first.Successor, first.SuccessorUsed = noon, oauth.Digest{1}, true
			later := noon.Add(time.Minute)
			value, next, err := i.Successor(first, later)
			want := first
			want.Digest, want.IssuedAt = value.Digest(), later
			want.RotatedAt, want.Successor, want.SuccessorUsed = time.Time{}, oauth.Digest{}, false
			if diff := cmp.Diff(want, next); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}
