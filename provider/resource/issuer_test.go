package resource

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const (
	testIssuer   = "https://localhost:9443"
	testAudience = "https://localhost:9446"
)

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func testClock() time.Time { return testTime }

// issuer signs access tokens for tests.
type issuer struct {
	key  *jose.PrivateKey
	jwks []byte
	set  *jose.KeySet
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	signer, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: key.Alg(), Kid: key.Kid(), Public: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(jwks)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{key, jwks, set}
}

func (i *issuer) keys() *jose.KeySet { return i.set }

type claims map[string]any

// goodClaims are those of a valid token that is bound to x5t, or to nothing if that is "".
func goodClaims(x5t string) claims {
	c := claims{
		"iss": testIssuer, "sub": "user-1", "aud": testAudience, "client_id": "demo-tls", "jti": "grant.1",
		"iat": testTime.Unix(), "exp": testTime.Add(5 * time.Minute).Unix(),
		"scope": "accounts openid", "auth_time": testTime.Add(-time.Minute).Unix(), "acr": "2",
	}
	if x5t != "" {
		c["cnf"] = map[string]any{"x5t#S256": x5t}
	}
	return c
}

// with returns a copy with one claim changed, or removed if value is nil.
func (c claims) with(name string, value any) claims {
	changed := maps.Clone(c)
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

func (i *issuer) token(t testing.TB, typ string, c claims) string {
	t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	token, err := i.key.Sign(typ, payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newVerifier(t *testing.T, o Options) *Verifier {
	t.Helper()
	o.Issuer, o.Clock = testIssuer, testClock
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func held(x5t string) oauth.Confirmation { return oauth.Confirmation{X5TS256: x5t} }
