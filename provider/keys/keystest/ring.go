package keystest

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/keys"
)

// testRing takes a ring on the backend through one rotation, on a clock of its own.
func testRing(t *testing.T, b keys.Backend) {
	now := start
	opt := keys.Options{
		Clock: func() time.Time { return now }, Algs: []string{"ES256"},
		PublishFor: time.Hour, RetireAfter: 10 * time.Minute, Maintain: true, Log: slog.New(slog.DiscardHandler),
	}
	ring, err := keys.NewRing(t.Context(), b, opt)
	if err != nil {
		t.Fatal(err)
	}
	first := signingKey(t, ring)
	if done, err := ring.Rotate(t.Context(), "ES256"); err != nil || len(done.Made) != 1 {
		t.Fatalf("made %v, %v", done.Made, err)
	}
	if list := ring.List(); len(list) != 2 || list[0].State != keys.Active || list[1].State != keys.Next {
		t.Fatalf("after rotating: %+v", list)
	}
	if kid := signingKey(t, ring); kid != first {
		t.Error("the next key signs before its time")
	}
	now = now.Add(time.Hour)
	if kid := signingKey(t, ring); kid == first {
		t.Error("the next key does not sign at its time")
	}
	if !ring.KeySet().Has(first) {
		t.Error("the previous key is not published any more")
	}
	now = now.Add(10 * time.Minute)
	if changed, err := ring.Refresh(t.Context()); err != nil || !changed {
		t.Fatalf("refreshing: %v, %v", changed, err)
	}
	if ring.KeySet().Has(first) {
		t.Error("a retired key is still published")
	}
}

// testDecryptingRing takes a ring with a key to decrypt with through one rotation: the key is known before it is
// published, and decrypts after it is published no more.
func testDecryptingRing(t *testing.T, b keys.Backend) {
	now := start
	ring, err := keys.NewRing(t.Context(), b, keys.Options{
		Clock: func() time.Time { return now }, Algs: []string{"ES256", jose.DecryptionAlg},
		PublishFor: time.Hour, RetireAfter: 10 * time.Minute, Maintain: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	decrypts := func(compact string, want error) {
		t.Helper()
		payload, err := ring.Decrypt(t.Context(), compact)
		if !errors.Is(err, want) || want == nil && string(payload) != "hello" {
			t.Errorf("got %q, %v; want %v", payload, err, want)
		}
	}
	pass := func(d time.Duration) {
		t.Helper()
		now = now.Add(d)
		if _, err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	signingKey(t, ring)
	old := encrypt(t, ring)
	decrypts(old, nil)
	if done, err := ring.Rotate(t.Context(), jose.DecryptionAlg); err != nil || len(done.Made) != 1 {
		t.Fatalf("made %v, %v", done.Made, err)
	}
	next := ring.List()[2].Kid
	if ring.KeySet().Has(next) {
		t.Error("the next key is published before its time")
	}
	pass(time.Hour)
	if !ring.KeySet().Has(next) {
		t.Error("the next key is not published at its time")
	}
	decrypts(old, nil)
	decrypts(encrypt(t, ring), nil)
	pass(10 * time.Minute)
	decrypts(old, jose.ErrUnknownKey)
	decrypts(encrypt(t, ring), nil)
	if list := ring.List(); len(list) != 2 || list[1].Kid != next {
		t.Errorf("at the end: %+v", list)
	}
}

// encrypt does what others do with what the ring publishes.
func encrypt(t *testing.T, ring *keys.Ring) string {
	t.Helper()
	set, err := jose.ParseKeySet(ring.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	e := jose.Encryption{Alg: jose.DecryptionAlg, Enc: "A128CBC-HS256", ContentType: "JWT"}
	compact, err := set.Encrypt([]byte("hello"), e)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// signingKey signs by the ring, checks with what the ring publishes and returns the kid.
func signingKey(t *testing.T, ring *keys.Ring) string {
	t.Helper()
	token, err := ring.Sign(t.Context(), "ES256", "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(ring.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	verified, err := jose.Verify(token, set, []string{"ES256"})
	if err != nil {
		t.Fatal(err)
	}
	if verified.Typ != "at+jwt" {
		t.Errorf("typ %q", verified.Typ)
	}
	return verified.Kid
}
