package resource

import (
	"encoding/json"
	"net/url"
	"time"

	"signet/provider/oauth"
)

const assertionLifetime = time.Minute

// Assertion is how a client, such as a resource server that introspects, authenticates by private_key_jwt or
// client_secret_jwt. All fields are required.
type Assertion struct {
	Key    AssertionKey
	Issuer string // the assertion's audience, as a single string, which every profile accepts (FAPI 2.0 section 5.3.3.1)
	Clock  oauth.Clock
	Random oauth.Random
}

// AssertionKey signs a JWT with the header type; *jose.PrivateKey does.
type AssertionKey interface {
	Sign(typ string, payload []byte) (string, error)
}

// AddTo signs a new assertion (RFC 7523 section 3) and puts it into the form.
func (a *Assertion) AddTo(form url.Values, clientID string) error {
	jti, err := oauth.NewID(a.Random)
	if err != nil {
		return err
	}
	now := a.Clock()
	claims, err := json.Marshal(map[string]any{
		"iss": clientID, "sub": clientID, "aud": a.Issuer, "jti": jti,
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return err
	}
	signed, err := a.Key.Sign("JWT", claims)
	if err != nil {
		return err
	}
	form.Set("client_assertion_type", oauth.AssertionTypeJWT)
	form.Set("client_assertion", signed)
	return nil
}
