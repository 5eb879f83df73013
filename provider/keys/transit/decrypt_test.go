package transit_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/transit"
	"signet/provider/keys/vaulttest"
)

// TestDecryptKey: a JWE that another library made gives up its content encryption key; no signing key is listed
// for it, and the other way round.
func TestDecryptKey(t *testing.T) {
	b := open(t, options(t, vaulttest.Shared(t)))
	create(t, b, "ES256", "")
	first := create(t, b, transit.EncryptionAlg, "")
	if list := load(t, b); len(list) != 1 || list[0].Alg != "ES256" {
		t.Errorf("to sign with: %v", list)
	}
	list, err := b.EncryptionKeys(t.Context())
	if err != nil || len(list) != 1 || list[0].Kid != first.Kid || list[0].Alg != transit.EncryptionAlg {
		t.Fatalf("to encrypt to: %v, %v", list, err)
	}
	encrypted, err := jwe.Encrypt([]byte("a request object"), jwe.WithKey(jwa.RSA_OAEP_256, first.Public), jwe.WithContentEncryption(jwa.A256GCM))
	if err != nil {
		t.Fatal(err)
	}
	message, err := jwe.Parse(encrypted)
	if err != nil {
		t.Fatal(err)
	}
	cek, err := b.DecryptKey(t.Context(), first.Kid, transit.EncryptionAlg, message.Recipients()[0].EncryptedKey())
	if err != nil || len(cek) != 32 {
		t.Fatalf("got %d bytes, %v", len(cek), err)
	}
	if content, err := openA256GCM(string(encrypted), cek); err != nil || string(content) != "a request object" {
		t.Errorf("the content: %q, %v", content, err)
	}
}

// openA256GCM opens a compact JWE with its content encryption key (RFC 7518 section 5.3).
func openA256GCM(compact string, cek []byte) ([]byte, error) {
	parts := strings.Split(compact, ".")
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var iv, ciphertext, tag []byte
	for i, into := range []*[]byte{&iv, &ciphertext, &tag} {
		if *into, err = base64.RawURLEncoding.DecodeString(parts[2+i]); err != nil {
			return nil, err
		}
	}
	return aead.Open(nil, iv, append(ciphertext, tag...), []byte(parts[0]))
}

// TestDecryptKeyRefuses: what strangers send makes nobody think that Vault is broken.
func TestDecryptKeyRefuses(t *testing.T) {
	opt := options(t, vaulttest.Shared(t))
	b := open(t, opt)
	key := create(t, b, transit.EncryptionAlg, "")
	signing := create(t, b, "RS256", "")
	good, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.Public.(*rsa.PublicKey), []byte("0123456789abcdef"), nil)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(good)
	damaged[100] ^= 1
	for name, c := range map[string]struct {
		kid, alg  string
		encrypted []byte
		want      error
	}{
		"damaged":           {key.Kid, transit.EncryptionAlg, damaged, keys.ErrSealed},
		"beyond modulus":    {key.Kid, transit.EncryptionAlg, bytes.Repeat([]byte{0xff}, len(good)), keys.ErrSealed},
		"short":             {key.Kid, transit.EncryptionAlg, good[1:], keys.ErrSealed},
		"nothing":           {key.Kid, transit.EncryptionAlg, nil, keys.ErrSealed},
		"another algorithm": {key.Kid, "RSA1_5", good, jose.ErrAlgorithm},
		"unknown key":       {"unknown", transit.EncryptionAlg, good, keys.ErrNoKey},
		"signing key":       {signing.Kid, "RS256", good, keys.ErrNoKey},
	} {
		for range 10 { // more than the breaker takes
			if plaintext, err := b.DecryptKey(t.Context(), c.kid, c.alg, c.encrypted); !errors.Is(err, c.want) {
				t.Fatalf("%s: got %x, %v", name, plaintext, err)
			}
		}
	}
	if _, err := b.Sign(t.Context(), key.Kid, transit.EncryptionAlg, []byte("a.b")); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("signing with it: %v", err)
	}
	if state := opt.Client.State(); state != "closed" {
		t.Errorf("the breaker is %s", state)
	}
	if plaintext, err := b.DecryptKey(t.Context(), key.Kid, transit.EncryptionAlg, good); err != nil || string(plaintext) != "0123456789abcdef" {
		t.Errorf("got %q, %v", plaintext, err)
	}
}
