package issue

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// recipient is a client's keys, one of each kind; the private ones open what is encrypted to them.
type recipient struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	set *jose.KeySet
	err error
}

func newRecipient(t *testing.T) *recipient {
	t.Helper()
	r := &recipient{}
	var err error
	if r.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if r.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalKeySet([]jose.PublicKey{
		{Alg: "RSA-OAEP-256", Kid: "rsa", Public: r.rsa.Public()}, {Alg: "ECDH-ES", Kid: "ec", Public: r.ec.Public()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.set, err = jose.ParseKeySet(raw); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *recipient) keys(context.Context, *oauth.Client) (*jose.KeySet, error) { return r.set, r.err }

// open returns what is in a JWE and its header.
func (r *recipient) open(t *testing.T, compact, alg string) (string, map[string]any) {
	t.Helper()
	var key crypto.PrivateKey = r.rsa
	if strings.HasPrefix(alg, "ECDH") {
		key = r.ec
	}
	payload, err := jwe.Decrypt([]byte(compact), jwe.WithKey(jwa.KeyEncryptionAlgorithm(alg), key))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "epk")
	return string(payload), header
}

func (r *recipient) issuer(signer plain) *Issuer {
	return New(Options{Issuer: "https://issuer", Signer: signer, Random: rand.Reader, Algs: []string{"ES256", "RS256"}, ClientKeys: r.keys})
}

// What is signed is encrypted around it, as the client has registered.
func TestEncryptedToTheClient(t *testing.T) {
	r := newRecipient(t)
	i := r.issuer(plain{})
	for name, c := range map[string]struct {
		client oauth.Client
		issue  func(m Mandate) (string, error)
		inner  string // how the payload begins
		header map[string]any
	}{
		"ID token": {
			oauth.Client{IDTokenEncAlg: "RSA-OAEP-256", IDTokenEncEnc: "A256GCM"},
			func(m Mandate) (string, error) { return i.IDToken(t.Context(), m, oauth.EndUser{ID: "u1"}, "") },
			`ES256.JWT.{"iss"`, map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": "rsa"},
		},
		"ID token, no enc registered": {
			oauth.Client{IDTokenEncAlg: "ECDH-ES"},
			func(m Mandate) (string, error) { return i.IDToken(t.Context(), m, oauth.EndUser{ID: "u1"}, "") },
			`ES256.JWT.{"iss"`, map[string]any{"alg": "ECDH-ES", "enc": "A128CBC-HS256", "cty": "JWT", "kid": "ec"},
		},
		"logout token": {
			oauth.Client{IDTokenEncAlg: "RSA-OAEP-256", IDTokenEncEnc: "A128GCM"},
			func(m Mandate) (string, error) {
				return i.LogoutToken(t.Context(), m.Client, m.AllowedAlgs, "u1", "s1", noon)
			},
			`ES256.logout+jwt.{"iss"`, map[string]any{"alg": "RSA-OAEP-256", "enc": "A128GCM", "cty": "JWT", "kid": "rsa"},
		},
		"userinfo, signed": {
			oauth.Client{UserinfoAlg: "ES256", UserinfoEncAlg: "RSA-OAEP-256", UserinfoEncEnc: "A256GCM"},
			func(m Mandate) (string, error) {
				return i.Userinfo(t.Context(), m.Client, m.AllowedAlgs, map[string]any{"sub": "u1"})
			},
			`ES256.JWT.{"aud"`, map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": "rsa"},
		},
		"userinfo, not signed": {
			oauth.Client{UserinfoEncAlg: "RSA-OAEP-256"},
			func(m Mandate) (string, error) {
				return i.Userinfo(t.Context(), m.Client, m.AllowedAlgs, map[string]any{"sub": "u1"})
			},
			`{"aud":"c1","iss":"https://issuer","sub":"u1"}`, map[string]any{"alg": "RSA-OAEP-256", "enc": "A128CBC-HS256", "typ": "JWT", "kid": "rsa"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mandate()
			c.client.ID = "c1"
			m.Client = &c.client
			compact, err := c.issue(m)
			if err != nil {
				t.Fatal(err)
			}
			payload, header := r.open(t, compact, c.header["alg"].(string))
			if diff := cmp.Diff(c.header, header); diff != "" || !strings.HasPrefix(payload, c.inner) {
				t.Errorf("%s%s", payload, diff)
			}
		})
	}
}

// What was to be encrypted never leaves in the open.
func TestNothingLeavesUnencrypted(t *testing.T) {
	good := newRecipient(t)
	for name, c := range map[string]struct {
		issuer *Issuer
		alg    string
	}{
		"no reader of keys":   {issuer(plain{}, "ES256"), "RSA-OAEP-256"},
		"keys cannot be read": {(&recipient{err: errors.New("connection refused")}).issuer(plain{}), "RSA-OAEP-256"},
		"no keys at all":      {(&recipient{}).issuer(plain{}), "RSA-OAEP-256"},
		"no key fits":         {good.issuer(plain{}), "ECDH-ES+A128KW"},
		"an alg of tomorrow":  {good.issuer(plain{}), "X-WING"},
	} {
		t.Run(name, func(t *testing.T) {
			m := mandate()
			m.Client = &oauth.Client{ID: "c1", IDTokenEncAlg: c.alg, UserinfoAlg: "ES256", UserinfoEncAlg: c.alg}
			id, err := c.issuer.IDToken(t.Context(), m, oauth.EndUser{ID: "u1"}, "")
			if codeOf(err) != oauth.TemporarilyUnavailable || id != "" {
				t.Errorf("ID token %q, %v", id, err)
			}
			out, err := c.issuer.LogoutToken(t.Context(), m.Client, m.AllowedAlgs, "u1", "", noon)
			if codeOf(err) != oauth.TemporarilyUnavailable || out != "" {
				t.Errorf("logout token %q, %v", out, err)
			}
			info, err := c.issuer.Userinfo(t.Context(), m.Client, m.AllowedAlgs, map[string]any{"sub": "u1"})
			if codeOf(err) != oauth.TemporarilyUnavailable || info != "" {
				t.Errorf("userinfo %q, %v", info, err)
			}
		})
	}
}
