package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 section 2.2
	assertionLifetime = time.Minute
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
		assertion, err := d.assertion()
		if err != nil {
			return "", err
		}
		form.Set("client_id", d.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	default:
		return "", fmt.Errorf("unknown authentication method %q", d.AuthMethod)
	}
	return "", nil
}

// assertion is a fresh client assertion (RFC 7523 section 3) whose audience is the issuer as a single
// string, which every profile accepts.
func (d *devClient) assertion() (string, error) {
	jti, err := oauth.NewID(d.random)
	if err != nil {
		return "", err
	}
	now := d.clock()
	payload, err := json.Marshal(map[string]any{
		"iss": d.ClientID, "sub": d.ClientID, "aud": d.Issuer, "jti": jti,
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	if d.AuthMethod == oauth.AuthSecretJWT {
		return jose.SignHMAC("HS256", "JWT", payload, []byte(d.Secret))
	}
	key, err := readPrivateKey(d.Key)
	if err != nil {
		return "", err
	}
	alg, err := algFor(key)
	if err != nil {
		return "", fmt.Errorf("%s: %w", d.Key, err)
	}
	signer, err := jose.NewPrivateKey(alg, d.KeyID, key)
	if err != nil {
		return "", fmt.Errorf("%s: %w", d.Key, err)
	}
	return signer.Sign("JWT", payload)
}

// algFor picks the algorithm of a client's key; for RSA the one that every profile allows.
func algFor(key crypto.Signer) (string, error) {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return "ES256", nil
	case *rsa.PrivateKey:
		return "PS256", nil
	case ed25519.PrivateKey:
		return "EdDSA", nil
	default:
		return "", fmt.Errorf("want an EC P-256, RSA or Ed25519 key, not %T", k)
	}
}

// readPrivateKey reads an unencrypted PEM key: PKCS #8, SEC 1 or PKCS #1.
func readPrivateKey(name string) (crypto.Signer, error) {
	raw, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s: want a PEM private key", name)
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	} {
		if key, err := parse(block.Bytes); err == nil {
			if signer, ok := key.(crypto.Signer); ok {
				return signer, nil
			}
		}
	}
	return nil, errors.New(name + ": want a private key in PKCS #8, SEC 1 or PKCS #1 form")
}
