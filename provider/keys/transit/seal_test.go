package transit_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"signet/provider/keys"
	"signet/provider/keys/vaulttest"
)

func base64Of(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

func TestSealsAnything(t *testing.T) {
	s := vaulttest.Shared(t)
	b := open(t, options(t, s))
	for _, plaintext := range []string{"", "x", string(make([]byte, 100_000))} {
		for _, context := range []string{"", "client 1", "\x00\xff"} {
			sealed, err := b.Seal(t.Context(), []byte(plaintext), []byte(context))
			if err != nil {
				t.Fatal(err)
			}
			opened, err := b.Open(t.Context(), sealed, []byte(context))
			if err != nil || string(opened) != plaintext {
				t.Errorf("context %q: opened %d bytes of %d, %v", context, len(opened), len(plaintext), err)
			}
			if _, err := b.Open(t.Context(), sealed, []byte(context+"x")); !errors.Is(err, keys.ErrSealed) {
				t.Errorf("another context: %v", err)
			}
		}
	}
}

func TestForeignSeal(t *testing.T) {
	s := vaulttest.Shared(t)
	b, other := open(t, options(t, s)), open(t, options(t, s))
	sealed, err := other.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, foreign := range map[string]string{
		"another installation": string(sealed), "later version": "vault:v9:AAAA", "no version": "vault:vx:AAAA",
		"short": "vault:v1:AAAA", "not base64": "vault:v1:!", "only the prefix": "vault:v", "another backend": "\x01\x02\x03",
	} {
		if opened, err := b.Open(t.Context(), []byte(foreign), nil); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%s: opened %q, %v", name, opened, err)
		}
	}
}

// TestDataKeyRotatedInVault: an operator may do it; what was sealed before opens, until he says otherwise.
func TestDataKeyRotatedInVault(t *testing.T) {
	s := vaulttest.Shared(t)
	opt := options(t, s)
	b := open(t, opt)
	before, err := b.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	path := opt.Mount + "/keys/" + opt.Prefix + "-data"
	write(t, s, path+"/rotate", nil)
	after, err := b.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, sealed := range [][]byte{before, after} {
		if opened, err := b.Open(t.Context(), sealed, nil); err != nil || string(opened) != "secret" {
			t.Errorf("opened %q, %v", opened, err)
		}
	}
	write(t, s, path+"/config", map[string]any{"min_decryption_version": 2})
	if _, err := b.Open(t.Context(), before, nil); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("an old version: %v", err)
	}
}
