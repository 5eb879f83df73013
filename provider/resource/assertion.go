package resource

import (
	"encoding/json"
	"net/url"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 section 2.2
	assertionLifetime = time.Minute
)

// Assertion is how a resource server authenticates by private_key_jwt. All fields are required.
type Assertion struct {
	Key    *jose.PrivateKey
	Issuer string // the assertion's audience, as a single string (FAPI 2.0 section 5.3.3.1)
	Clock  oauth.Clock
	Random oauth.Random
}

// add signs a new assertion (RFC 7523 section 3) and puts it into the form.
func (a *Assertion) add(form url.Values, clientID string) error {
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
	signed, err := a.Key.Sign("", claims)
	if err != nil {
		return err
	}
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", signed)
	return nil
}
