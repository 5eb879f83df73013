package clientauth

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func TestJWKSByReference(t *testing.T) {
	b := newBank(t, nil, &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKSURI: "https://tpp.example/jwks"})
	before, after := jwks(t, map[string]string{"a": "ES256"}), jwks(t, map[string]string{"a": "ES256", "b": "EdDSA"})
	b.pages.cached, b.pages.fresh = before, after
	first, second := asserted(signed(t, "ES256", "a", "", claims(nil))), asserted(signed(t, "EdDSA", "b", "", claims(nil)))
	if _, err := b.try(first); err != nil || b.pages.refreshed != 0 {
		t.Fatalf("%v, asked %d times", err, b.pages.refreshed)
	}
	if _, err := b.try(second); err != nil || b.pages.refreshed != 1 {
		t.Fatalf("unknown kid: %v, asked %d times", err, b.pages.refreshed)
	}
	b.pages.cached = after
	b.refused(t, asserted(signed(t, "EdDSA", "c", "", claims(nil))), oauth.InvalidClient)
	if b.pages.refreshed != 2 {
		t.Errorf("asked %d times, want once per request", b.pages.refreshed)
	}
	// A wrong signature under a known kid is no reason to ask.
	forged := signed(t, "ES256", "a", "", claims(nil))
	b.refused(t, asserted(forged[:len(forged)-8]+"AAAAAAAA"), oauth.InvalidClient)
	if b.pages.refreshed != 2 {
		t.Error("a wrong signature made the server ask")
	}
}

func TestJWKSByReferenceFails(t *testing.T) {
	b := newBank(t, nil, &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKSURI: "https://tpp.example/jwks"})
	a := asserted(signed(t, "ES256", "a", "", claims(nil)))
	if fault := b.refused(t, a, oauth.TemporarilyUnavailable); strings.Contains(fault.text, "PRIVATE") {
		t.Error(fault.text)
	}
	for _, page := range []string{"", "<html>", "{}", `{"keys":1}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`} {
		b.pages.cached = []byte(page)
		b.refused(t, a, oauth.InvalidClient)
	}
	b.pages.cached = jwks(t, map[string]string{"b": "EdDSA"}) // the kid is unknown, and asking again fails
	b.refused(t, a, oauth.InvalidClient)
}

// Keys by value win, and no request is made for a client that has them.
func TestJWKSByValueFirst(t *testing.T) {
	c := app(t)
	c.JWKSURI = "https://tpp.example/jwks"
	b := newBank(t, nil, c)
	if _, err := b.try(asserted(signed(t, "ES256", "es", "", claims(nil)))); err != nil {
		t.Error(err)
	}
	c.JWKS, c.JWKSURI = nil, ""
	b.refused(t, asserted(signed(t, "ES256", "es", "", claims(nil))), oauth.InvalidClient)
}

func TestKeysAreParsedOnceAndReplaced(t *testing.T) {
	keys := &clientKeys{}
	c := &oauth.Client{ID: "app", JWKS: jwks(t, map[string]string{"a": "ES256"})}
	first, err := keys.of(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := keys.of(t.Context(), c); err != nil || again != first {
		t.Errorf("parsed twice: %v", err)
	}
	c.JWKS = jwks(t, map[string]string{"b": "EdDSA"})
	if other, err := keys.of(t.Context(), c); err != nil || other.Has("a") || !other.Has("b") {
		t.Errorf("not replaced: %v", err)
	}
	// A client's id and a URL of the same text are two things.
	if _, err := keys.parse(c.ID, []byte("{")); err == nil {
		t.Error("another name's keys were used")
	}
}

func TestKeysAreBounded(t *testing.T) {
	keys := &clientKeys{}
	raw := jwks(t, map[string]string{"a": "EdDSA"})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range maxMemo/4 + 50 {
				if _, err := keys.parse(fmt.Sprintf("%d-%d", worker, i), raw); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if len(keys.sets.kept) != maxMemo {
		t.Errorf("%d sets are kept, want %d", len(keys.sets.kept), maxMemo)
	}
}

// Keys to encrypt to are those registered; a jwks_uri is asked again when it lacks what is needed, and only then.
func TestKeysToEncryptTo(t *testing.T) {
	signing := jwks(t, map[string]string{"a": "EdDSA"})
	both, err := jose.MarshalKeySet([]jose.PublicKey{
		{Kid: "a", Public: generate()["EdDSA"].Public()}, {Kid: "e", Alg: "RSA-OAEP-256", Public: generate()["RS256"].Public()},
	})
	if err != nil {
		t.Fatal(err)
	}
	const uri = "https://tpp.example/jwks"
	for name, c := range map[string]struct {
		client        oauth.Client
		cached, fresh []byte
		encrypts      bool
		asked         int
		fails         bool
	}{
		"by value":                         {oauth.Client{JWKS: both, IDTokenEncAlg: "RSA-OAEP-256"}, nil, nil, true, 0, false},
		"by value, none fits":              {oauth.Client{JWKS: signing, IDTokenEncAlg: "RSA-OAEP-256"}, nil, both, false, 0, false},
		"by value first":                   {oauth.Client{JWKS: signing, JWKSURI: uri, IDTokenEncAlg: "RSA-OAEP-256"}, both, both, false, 0, false},
		"by reference":                     {oauth.Client{JWKSURI: uri, IDTokenEncAlg: "RSA-OAEP-256"}, both, nil, true, 0, false},
		"by reference, added since":        {oauth.Client{JWKSURI: uri, UserinfoEncAlg: "RSA-OAEP-256"}, signing, both, true, 1, false},
		"by reference, one of two missing": {oauth.Client{JWKSURI: uri, IDTokenEncAlg: "RSA-OAEP", UserinfoEncAlg: "ECDH-ES"}, both, both, true, 1, false},
		"by reference, not to be had":      {oauth.Client{JWKSURI: uri, IDTokenEncAlg: "RSA-OAEP-256"}, signing, nil, false, 1, false},
		"nothing is to be encrypted":       {oauth.Client{JWKSURI: uri}, signing, both, false, 0, false},
		"no keys":                          {oauth.Client{}, nil, nil, false, 0, true},
		"no keys by reference":             {oauth.Client{JWKSURI: uri}, nil, both, false, 0, true},
		"malformed":                        {oauth.Client{JWKS: []byte("{")}, nil, nil, false, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.client.ID = "app"
			b := newBank(t, nil, &c.client)
			b.pages.cached, b.pages.fresh = c.cached, c.fresh
			set, err := b.Keys(t.Context(), &c.client)
			if (err != nil) != c.fails || (set == nil) != c.fails || errors.As(err, new(*oauth.Error)) {
				t.Fatalf("%v, %v", set, err)
			}
			if set != nil && set.Encrypts("RSA-OAEP-256") != c.encrypts || b.pages.refreshed != c.asked {
				t.Errorf("asked %d times", b.pages.refreshed)
			}
		})
	}
}
