package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"

	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/resource"
)

// authenticate adds the client's proof to the form, or returns it as an Authorization header.
func (d *devClient) authenticate(form url.Values) (authorization string, err error) {
	switch d.AuthMethod {
	case oauth.AuthNone, oauth.AuthTLS, oauth.AuthSelfSignedTLS:
		form.Set("client_id", d.ClientID)
	case oauth.AuthSecretBasic: // RFC 6749 section 2.3.1: both parts are form-encoded first
		pair := url.QueryEscape(d.ClientID) + ":" + url.QueryEscape(d.Secret)
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)), nil
	case oauth.AuthSecretPost:
		form.Set("client_id", d.ClientID)
		form.Set("client_secret", d.Secret)
	case oauth.AuthSecretJWT, oauth.AuthPrivateKeyJWT:
		key, err := d.assertionKey()
		if err != nil {
			return "", err
		}
		form.Set("client_id", d.ClientID)
		assertion := resource.Assertion{Key: key, Issuer: d.Issuer, Clock: d.clock, Random: d.random}
		return "", assertion.AddTo(form, d.ClientID)
	default:
		return "", fmt.Errorf("unknown authentication method %q", d.AuthMethod)
	}
	return "", nil
}

// assertionKey is what the client's assertions are signed with.
func (d *devClient) assertionKey() (resource.AssertionKey, error) {
	if d.AuthMethod == oauth.AuthSecretJWT {
		return hmacKey(d.Secret), nil
	}
	return readSigningKey(d.Key, d.KeyID)
}

// readSigningKey reads a PEM key; with kid "" its thumbprint is its kid.
func readSigningKey(name, kid string) (*jose.PrivateKey, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	key, err := jose.ReadPrivateKey(text, kid)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// hmacKey is a client secret that authenticates assertions (client_secret_jwt).
type hmacKey string

// Sign implements resource.AssertionKey.
func (k hmacKey) Sign(typ string, payload []byte) (string, error) {
	return jose.SignHMAC("HS256", typ, payload, []byte(k))
}
