package keys_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

// decrypting are options with a key to decrypt with.
func decrypting(c *clock) keys.Options {
	opt := options(c)
	opt.Algs = []string{"ES256", jose.DecryptionAlg}
	return opt
}

// encrypt does what a sender does with the published keys.
func encrypt(t *testing.T, ring *keys.Ring) string {
	t.Helper()
	compact, err := ring.KeySet().Encrypt([]byte("hello"), jose.Encryption{Alg: jose.DecryptionAlg, Enc: "A256GCM"})
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// withHeader replaces the header of a JWE; the content stays what it was.
func withHeader(compact, header string) string {
	_, rest, _ := strings.Cut(compact, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
}

func TestDecrypt(t *testing.T) {
	ring := newRing(t, keystest.NewMemory(), decrypting(newClock()))
	if diff := cmp.Diff([]string{"ES256"}, ring.Algorithms()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{jose.DecryptionAlg}, ring.EncryptionAlgs()); diff != "" {
		t.Error(diff)
	}
	var document struct{ Keys []map[string]any }
	if err := json.Unmarshal(ring.JWKS(), &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Keys) != 2 || document.Keys[1]["use"] != "enc" || document.Keys[1]["alg"] != jose.DecryptionAlg || document.Keys[1]["d"] != nil {
		t.Errorf("published: %v", document.Keys)
	}
	if list := ring.List(); list[0].Use != "sig" || list[1].Use != "enc" || list[1].State != keys.Active {
		t.Errorf("listed: %+v", list)
	}
	compact := encrypt(t, ring)
	if payload, err := ring.Decrypt(t.Context(), compact); err != nil || string(payload) != "hello" {
		t.Errorf("got %q, %v", payload, err)
	}
	if token, err := ring.Sign(t.Context(), jose.DecryptionAlg, "JWT", []byte("{}")); !errors.Is(err, jose.ErrAlgorithm) {
		t.Errorf("signed with the key for decryption: %q, %v", token, err)
	}
}

// TestDecryptRefuses: the sender's faults, none of which costs the backend anything before the key is known.
func TestDecryptRefuses(t *testing.T) {
	memory := keystest.NewMemory()
	ring := newRing(t, memory, decrypting(newClock()))
	good := encrypt(t, ring)
	signing, own := ring.List()[0].Kid, ring.List()[1].Kid
	header := func(more string) string { return `{"alg":"RSA-OAEP-256","enc":"A256GCM"` + more + `}` }
	stranger := encrypt(t, newRing(t, keystest.NewMemory(), decrypting(newClock())))
	memory.FailWith(errors.New("asked")) // whoever gets so far as to ask gets this
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"signed":         {"a.b.c", jose.ErrMalformed},
		"another's":      {stranger, jose.ErrUnknownKey},
		"unknown kid":    {withHeader(good, header(`,"kid":"unknown"`)), jose.ErrUnknownKey},
		"a signing key":  {withHeader(good, header(`,"kid":"`+signing+`"`)), jose.ErrUnknownKey},
		"its other alg":  {withHeader(good, `{"alg":"RSA-OAEP","enc":"A256GCM","kid":"`+own+`"}`), jose.ErrAlgorithm},
		"dir":            {withHeader(good, `{"alg":"dir","enc":"A256GCM","kid":"`+own+`"}`), jose.ErrAlgorithm},
		"compressed":     {withHeader(good, header(`,"zip":"DEF","kid":"`+own+`"`)), jose.ErrMalformed},
		"empty kid list": {withHeader(good, header(`,"kid":["`+own+`"]`)), jose.ErrMalformed},
	} {
		if payload, err := ring.Decrypt(t.Context(), c.token); !errors.Is(err, c.want) || payload != nil {
			t.Errorf("%s: got %q, %v; want %v", name, payload, err, c.want)
		}
	}
	memory.FailWith(nil)
	for name, token := range map[string]string{
		"another header": withHeader(good, header(`,"cty":"JWT","kid":"`+own+`"`)), // authentic no more
		"no kid":         withHeader(good, header("")),                             // one key is meant, but the header is another
	} {
		if payload, err := ring.Decrypt(t.Context(), token); !errors.Is(err, jose.ErrDecryption) || payload != nil {
			t.Errorf("%s: got %q, %v", name, payload, err)
		}
	}
}

// TestDecryptOutage: what the backend cannot do is none of the sender's faults.
func TestDecryptOutage(t *testing.T) {
	memory := keystest.NewMemory()
	ring := newRing(t, memory, decrypting(newClock()))
	compact := encrypt(t, ring)
	outage := errors.New("out of order")
	memory.FailWith(outage)
	_, err := ring.Decrypt(t.Context(), compact)
	if !errors.Is(err, outage) {
		t.Errorf("got %v", err)
	}
	for _, fault := range []error{jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrUnknownKey, jose.ErrDecryption} {
		if errors.Is(err, fault) {
			t.Errorf("%v is blamed on the sender: %v", err, fault)
		}
	}
	memory.FailWith(nil)
	for _, info := range ring.List() { // another process destroys them, and this one has not heard of it
		if err := memory.Delete(t.Context(), info.Kid); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ring.Decrypt(t.Context(), compact); !errors.Is(err, jose.ErrUnknownKey) {
		t.Errorf("destroyed meanwhile: %v", err)
	}
}

// TestDecryptionRotation: no sender who has a copy of the key set from RetireAfter ago, or from any process, is refused.
func TestDecryptionRotation(t *testing.T) {
	c, memory := newClock(), keystest.NewMemory()
	a, b := newRing(t, memory, decrypting(c)), newRing(t, memory, decrypting(c))
	expect := func(compact string, want error) {
		t.Helper()
		for i, ring := range []*keys.Ring{a, b} {
			if _, err := ring.Decrypt(t.Context(), compact); !errors.Is(err, want) {
				t.Errorf("process %d: %v, want %v", i, err, want)
			}
		}
	}
	refresh := func(d time.Duration, rings ...*keys.Ring) {
		t.Helper()
		c.advance(d)
		for _, ring := range rings {
			if _, err := ring.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := encrypt(t, a)
	before := string(a.JWKS())
	if _, err := a.Rotate(t.Context(), jose.DecryptionAlg); err != nil {
		t.Fatal(err)
	}
	if string(a.JWKS()) != before {
		t.Error("published at once, though the other process does not know it")
	}
	expect(encrypt(t, a), nil)
	refresh(time.Hour, a)
	second := encrypt(t, a)
	refresh(0, b) // PublishFor has passed: it has done so many times
	if string(a.JWKS()) == before || string(b.JWKS()) != string(a.JWKS()) {
		t.Error("not published at its time")
	}
	expect(first, nil)
	expect(second, nil)
	c.advance(10*time.Minute - time.Second)
	expect(first, nil)
	c.advance(time.Second)
	expect(first, jose.ErrUnknownKey) // retired, although nobody has destroyed it yet
	expect(second, nil)
	if done, err := a.Maintain(t.Context()); err != nil || len(done.Destroyed) != 1 {
		t.Errorf("did %+v, %v", done, err)
	}
}

// TestDecryptWithoutKid: the header may leave it out while one key alone can be meant (OpenID Connect Core section 10.2).
func TestDecryptWithoutKid(t *testing.T) {
	c, memory := newClock(), keystest.NewMemory()
	ring := newRing(t, memory, decrypting(c))
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: jose.DecryptionAlg, Public: public(t, memory)}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := set.Encrypt([]byte("hello"), jose.Encryption{Alg: jose.DecryptionAlg, Enc: "A128GCM"})
	if err != nil {
		t.Fatal(err)
	}
	decrypts := func(want error) {
		t.Helper()
		if payload, err := ring.Decrypt(t.Context(), compact); !errors.Is(err, want) || (string(payload) == "hello") != (want == nil) {
			t.Errorf("got %q, %v; want %v", payload, err, want)
		}
	}
	decrypts(nil)
	if _, err := ring.Rotate(t.Context(), jose.DecryptionAlg); err != nil {
		t.Fatal(err)
	}
	decrypts(nil) // nobody has seen the next one
	c.advance(time.Hour)
	decrypts(jose.ErrUnknownKey)
	c.advance(10 * time.Minute)
	decrypts(jose.ErrDecryption) // now it can only mean the other one
}

func public(t *testing.T, memory *keystest.Memory) any {
	t.Helper()
	list, err := memory.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key, _ := keys.Newest(list, jose.DecryptionAlg)
	return key.Public
}

// TestDecryptionDropped: once it is configured no more, nobody is told to encrypt; who was told before is still read.
func TestDecryptionDropped(t *testing.T) {
	c, memory := newClock(), keystest.NewMemory()
	compact := encrypt(t, newRing(t, memory, decrypting(c)))
	ring := newRing(t, memory, options(c))
	if ring.KeySet().Encrypts(jose.DecryptionAlg) || len(ring.EncryptionAlgs()) != 0 {
		t.Error("still published")
	}
	if list := ring.List(); len(list) != 3 || list[2].Use != "enc" || list[2].State != keys.Previous {
		t.Errorf("listed: %+v", list)
	}
	if payload, err := ring.Decrypt(t.Context(), compact); err != nil || string(payload) != "hello" {
		t.Errorf("got %q, %v", payload, err)
	}
}
