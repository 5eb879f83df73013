package keystest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
)

// decryption asks for the suite's first key to decrypt with.
var decryption = keys.Spec{Alg: jose.DecryptionAlg, CreatedAt: start, ActivatesAt: start}

func testDecrypt(t *testing.T, b keys.Backend) {
	signing := create(t, b, keys.Spec{Alg: "RS256", CreatedAt: start, ActivatesAt: start})
	first := create(t, b, decryption)
	second := create(t, b, keys.Spec{
		Alg: jose.DecryptionAlg, After: first.Kid, CreatedAt: start, ActivatesAt: start.Add(time.Hour),
	})
	if thumbprint, err := jose.Thumbprint(first.Public); err != nil || first.Kid != thumbprint {
		t.Errorf("kid %q is not the thumbprint %q (%v)", first.Kid, thumbprint, err)
	}
	for _, key := range []keys.Key{first, second} {
		checkDecryption(t, b, key)
	}
	checkSignature(t, b, signing)
	if list := load(t, b); len(list) != 3 {
		t.Errorf("listed: %v", list)
	}
	if newest, _ := keys.Newest(load(t, b), jose.DecryptionAlg); newest.Kid != second.Kid {
		t.Errorf("the newest is %s, want %s", newest.Kid, second.Kid)
	}
	if err := b.Delete(t.Context(), first.Kid); err != nil {
		t.Fatal(err)
	}
	encrypted := wrap(t, first, []byte("key"))
	if _, err := b.DecryptKey(t.Context(), first.Kid, first.Alg, encrypted); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("decrypting with a deleted key: %v", err)
	}
	checkDecryption(t, b, second)
}

// testDecryptRefuses: signing keys never decrypt nor the other way round, and what strangers send, however often, makes
// nobody think that the backend is broken.
func testDecryptRefuses(t *testing.T, b keys.Backend) {
	key := create(t, b, decryption)
	signing := create(t, b, keys.Spec{Alg: "RS256", CreatedAt: start, ActivatesAt: start})
	good := wrap(t, key, []byte("0123456789abcdef"))
	damaged := bytes.Clone(good)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string]struct {
		kid, alg  string
		encrypted []byte
		want      error
	}{
		"damaged":           {key.Kid, key.Alg, damaged, keys.ErrSealed},
		"to another":        {key.Kid, key.Alg, wrap(t, signing, []byte("0123456789abcdef"))[:len(good)], keys.ErrSealed},
		"beyond modulus":    {key.Kid, key.Alg, bytes.Repeat([]byte{0xff}, len(good)), keys.ErrSealed},
		"short":             {key.Kid, key.Alg, good[1:], keys.ErrSealed},
		"long":              {key.Kid, key.Alg, append(bytes.Clone(good), 0), keys.ErrSealed},
		"nothing":           {key.Kid, key.Alg, nil, keys.ErrSealed},
		"another algorithm": {key.Kid, "RSA1_5", good, jose.ErrAlgorithm},
		"RSA-OAEP":          {key.Kid, "RSA-OAEP", good, jose.ErrAlgorithm},
		"unknown key":       {"unknown", key.Alg, good, keys.ErrNoKey},
		"no kid":            {"", key.Alg, good, keys.ErrNoKey},
		"signing key":       {signing.Kid, signing.Alg, good, keys.ErrNoKey},
	} {
		for range 10 { // more than a circuit breaker takes
			contentKey, err := b.DecryptKey(t.Context(), c.kid, c.alg, c.encrypted)
			if !errors.Is(err, c.want) || contentKey != nil {
				t.Fatalf("%s: got %x, %v; want %v", name, contentKey, err, c.want)
			}
		}
	}
	for _, alg := range []string{key.Alg, "RS256"} {
		if signature, err := b.Sign(t.Context(), key.Kid, alg, []byte("a.b")); err == nil {
			t.Errorf("a key for decryption signed as %s: %x", alg, signature)
		}
	}
	contentKey, err := b.DecryptKey(t.Context(), key.Kid, key.Alg, good)
	if err != nil || string(contentKey) != "0123456789abcdef" {
		t.Errorf("after all that: %x, %v", contentKey, err)
	}
}

// wrap encrypts a content encryption key to a public key, by the standard library alone.
func wrap(t *testing.T, key keys.Key, contentKey []byte) []byte {
	t.Helper()
	encrypted, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.Public.(*rsa.PublicKey), contentKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	return encrypted
}

// checkDecryption encrypts to the key as it is published, with each content encryption, and decrypts by the backend.
func checkDecryption(t *testing.T, b keys.Backend, key keys.Key) {
	t.Helper()
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: key.Kid, Alg: key.Alg, Public: key.Public}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, enc := range jose.ContentEncryptions() {
		compact, err := set.Encrypt([]byte("a request object"), jose.Encryption{Alg: key.Alg, Enc: enc})
		if err != nil {
			t.Fatal(err)
		}
		encrypted, err := jose.ReadEncrypted(compact)
		if err != nil || encrypted.Kid != key.Kid {
			t.Fatalf("%s: kid %q, %v", enc, encrypted.Kid, err)
		}
		contentKey, err := b.DecryptKey(t.Context(), key.Kid, key.Alg, encrypted.Key)
		if err != nil {
			t.Fatalf("%s: %v", enc, err)
		}
		if payload, err := encrypted.Open(contentKey); err != nil || string(payload) != "a request object" {
			t.Errorf("%s: got %q, %v", enc, payload, err)
		}
	}
}
