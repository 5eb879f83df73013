package sealed_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/sealed"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func derive(t *testing.T, dataKey []byte, purpose string) *sealed.Box {
	t.Helper()
	box, err := sealed.Derive(dataKey, purpose, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// TestFormat holds the form of records against one that is in use since the first version: owners have such files.
func TestFormat(t *testing.T) {
	raw, err := os.ReadFile("testdata/key.json")
	if err != nil {
		t.Fatal(err)
	}
	record, err := sealed.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	key, err := record.Open(derive(t, make([]byte, sealed.KeySize), "signet key files"))
	if err != nil {
		t.Fatal(err)
	}
	if key.Alg != "EdDSA" || key.Kid != record.Kid() || !key.ActivatesAt.Equal(start) {
		t.Errorf("got %+v", key.Key)
	}
	if written, err := json.MarshalIndent(record, "", "  "); err != nil || !bytes.Equal(append(written, '\n'), raw) {
		t.Errorf("it is written as\n%s", written)
	}
}

func TestReseal(t *testing.T) {
	dataKey := make([]byte, sealed.KeySize)
	from, to := derive(t, dataKey, "one"), derive(t, dataKey, "two")
	spec := keys.Spec{Alg: "ES256", CreatedAt: start.Add(time.Millisecond), ActivatesAt: start}
	record, key, err := sealed.Generate(from, spec, 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	resealed, err := record.Reseal(from, to)
	if err != nil {
		t.Fatal(err)
	}
	if !record.Equal(record) || record.Equal(resealed) {
		t.Error("Equal takes no notice of the sealed part")
	}
	if opened, err := resealed.Open(to); err != nil || opened.Kid != key.Kid || !opened.CreatedAt.Equal(start) {
		t.Errorf("got %+v, %v", opened.Key, err)
	}
	if _, err := resealed.Open(from); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("another purpose opens it: %v", err)
	}
	if _, err := resealed.Reseal(from, to); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("another purpose reseals it: %v", err)
	}
}

// TestFactsAreSealed: no fact can be changed without the data key.
func TestFactsAreSealed(t *testing.T) {
	raw, err := os.ReadFile("testdata/key.json")
	if err != nil {
		t.Fatal(err)
	}
	box := derive(t, make([]byte, sealed.KeySize), "signet key files")
	for _, change := range [][2]string{{`"EdDSA"`, `"ES256"`}, {"12:00:00Z", "13:00:00Z"}, {`"kid": "`, `"kid": "x`}} {
		record, err := sealed.Parse(bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.Open(box); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%s for %s: %v", change[1], change[0], err)
		}
	}
}

// TestDecryptionKey: a record of a key to decrypt with is opened as what it is, and does not sign.
func TestDecryptionKey(t *testing.T) {
	box := derive(t, make([]byte, sealed.KeySize), "one")
	spec := keys.Spec{Alg: jose.DecryptionAlg, CreatedAt: start, ActivatesAt: start}
	record, made, err := sealed.Generate(box, spec, 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := record.Open(box)
	if err != nil || opened.Kid != made.Kid || opened.Alg != jose.DecryptionAlg || !opened.ActivatesAt.Equal(start) {
		t.Fatalf("got %+v, %v", opened.Key, err)
	}
	encrypted, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, made.Public.(*rsa.PublicKey), []byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if contentKey, err := opened.DecryptKey(jose.DecryptionAlg, encrypted); err != nil || string(contentKey) != "key" {
		t.Errorf("got %q, %v", contentKey, err)
	}
	if _, err := opened.Sign(jose.DecryptionAlg, []byte("a.b")); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("it signs: %v", err)
	}
}

func TestGenerateRefuses(t *testing.T) {
	box := derive(t, make([]byte, sealed.KeySize), "one")
	for name, spec := range map[string]keys.Spec{
		"no algorithm": {CreatedAt: start, ActivatesAt: start},
		"not read":     {Alg: "RSA-OAEP", CreatedAt: start, ActivatesAt: start},
		"no time":      {Alg: "ES256", CreatedAt: start},
		"distant time": {Alg: "ES256", CreatedAt: start, ActivatesAt: start.AddDate(9000, 0, 0)},
	} {
		if _, _, err := sealed.Generate(box, spec, 2048, rand.Reader); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := sealed.NewBox(make([]byte, 16), rand.Reader); err == nil {
		t.Error("a short key was accepted")
	}
}
