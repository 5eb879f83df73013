package clientauth

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/provider/assertion/saml"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// verifySAML reads the client's jwks_uri again when none of the certificates there is the signer's.
func (k *clientKeys) verifySAML(
	ctx context.Context, c *oauth.Client, d *saml.Document, algs []string, now time.Time,
) (saml.Assertion, error) {
	raw, err := k.raw(ctx, c)
	if err != nil {
		return saml.Assertion{}, err
	}
	signed, err := k.verifyWith(c, raw, d, algs, now)
	if errors.Is(err, saml.ErrSignature) && len(c.JWKS) == 0 {
		if raw, err = k.again(ctx, c); err != nil {
			return saml.Assertion{}, err
		}
		signed, err = k.verifyWith(c, raw, d, algs, now)
	}
	return signed, err
}

func (k *clientKeys) verifyWith(c *oauth.Client, raw []byte, d *saml.Document, algs []string, now time.Time) (saml.Assertion, error) {
	if _, err := k.parse(memoName(c), raw); err != nil { // by it, each certificate is that of its key
		return saml.Assertion{}, err
	}
	certificates, err := certificatesIn(raw, d.Algorithm())
	if err != nil {
		return saml.Assertion{}, failed(err)
	}
	signed, err := d.Verify(certificates, algs, now)
	if err != nil {
		return saml.Assertion{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return signed, nil
}

// certificatesIn returns the certificates of those keys of a JWK set that are to check signatures with, by the
// algorithm. The set has been read by package jose before: here it is only looked up what that one has no use for.
func certificatesIn(raw []byte, alg string) ([]*x509.Certificate, error) {
	var set struct {
		Keys []struct {
			Use string   `json:"use"`
			Alg string   `json:"alg"`
			Ops []string `json:"key_ops"`
			X5C []string `json:"x5c"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for _, key := range set.Keys {
		if len(key.X5C) == 0 || key.Use == jose.UseEncryption || key.Alg != "" && key.Alg != alg ||
			len(key.Ops) > 0 && !slices.Contains(key.Ops, "verify") {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(key.X5C[0])
		if err != nil {
			return nil, err
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}
