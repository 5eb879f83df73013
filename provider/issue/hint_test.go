package issue

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// hintKey is both a key and the set that has it alone.
type hintKey struct{ *jose.PrivateKey }

func newHintKey(t *testing.T) hintKey {
	t.Helper()
	signer, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	return hintKey{key}
}

func (k hintKey) KeySet() *jose.KeySet {
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: k.Alg(), Kid: k.Kid(), Public: k.Public()}})
	if err != nil {
		panic(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		panic(err)
	}
	return set
}

func (hintKey) Algorithms() []string { return []string{"ES256"} }

func TestHints(t *testing.T) {
	own, foreign := newHintKey(t), newHintKey(t)
	hints := Hints{Issuer: "https://issuer", Keys: own}
	for _, test := range []struct {
		name, typ string
		key       hintKey
		changes   map[string]any
		bad       bool
	}{
		{name: "good", typ: "JWT", key: own},
		{name: "expired", typ: "JWT", key: own, changes: map[string]any{"exp": noon.Add(-time.Hour).Unix()}},
		{name: "for several", typ: "JWT", key: own, changes: map[string]any{"aud": []string{"c2", "c1"}}},
		{name: "another client's", typ: "JWT", key: own, changes: map[string]any{"aud": "c2"}, bad: true},
		{name: "another issuer's", typ: "JWT", key: own, changes: map[string]any{"iss": "https://else"}, bad: true},
		{name: "another key", typ: "JWT", key: foreign, bad: true},
		{name: "an access token", typ: "at+jwt", key: own, bad: true},
		{name: "no login", typ: "JWT", key: own, changes: map[string]any{"auth_time": nil}, bad: true},
		{name: "nobody", typ: "JWT", key: own, changes: map[string]any{"sub": nil}, bad: true},
		{name: "long ago", typ: "JWT", key: own, changes: map[string]any{"iat": noon.Add(-91 * 24 * time.Hour).Unix()}, bad: true},
		{name: "undated", typ: "JWT", key: own, changes: map[string]any{"iat": nil}, bad: true},
		{name: "a session that is no text", typ: "JWT", key: own, changes: map[string]any{"sid": 7}, bad: true},
		{name: "malformed", typ: "JWT", key: own, changes: map[string]any{"iat": "noon"}, bad: true},
	} {
		claims := map[string]any{"iss": "https://issuer", "sub": "u1", "aud": "c1", "iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix(), "auth_time": noon.Unix()}
		for name, value := range test.changes {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := test.key.Sign(test.typ, payload)
		if err != nil {
			t.Fatal(err)
		}
		subject, fault := hints.Subject(&oauth.Client{ID: "c1"}, compact, noon)
		if test.bad != (fault != nil) || fault == nil && subject != "u1" || fault != nil && (fault.Code != oauth.InvalidRequest || subject != "") {
			t.Errorf("%s: %q, %v", test.name, subject, fault)
		}
	}
	if _, fault := hints.Subject(&oauth.Client{ID: "c1"}, "u1", noon); fault == nil {
		t.Error("a hint that is no JWT was taken")
	}
	if _, fault := hints.Subject(&oauth.Client{ID: "c1"}, "a.b.c.d.e", noon); fault == nil || !strings.Contains(fault.Description, "encrypted") {
		t.Errorf("an encrypted hint: %v", fault)
	}
}

// Without a client, a hint says whose it is.
func TestHintsAreRead(t *testing.T) {
	key := newHintKey(t)
	hints := Hints{Issuer: "https://issuer", Keys: key}
	for payload, want := range map[string]Hint{
		`{"iss":"https://issuer","sub":"u1","aud":["c1","c2"],"iat":1795435200,"auth_time":1,"sid":"s1"}`: {Subject: "u1", Audience: []string{"c1", "c2"}, SessionID: "s1"},
		`{"iss":"https://issuer","sub":"u1","aud":"c1","iat":1795435200,"auth_time":1}`:                   {Subject: "u1", Audience: []string{"c1"}},
	} {
		compact, err := key.Sign("JWT", []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		got, fault := hints.Read(compact, noon)
		if diff := cmp.Diff(want, got); diff != "" || fault != nil {
			t.Error(fault, diff)
		}
	}
}

// What IDToken makes is what Hints takes.
func TestAnIDTokenIsAHint(t *testing.T) {
	key := newHintKey(t)
	token, err := issuer(plain{}, "ES256").IDToken(t.Context(), mandate(), oauth.EndUser{ID: "u1", AuthTime: noon}, "")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claimsIn(t, token))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := key.Sign("JWT", payload)
	if err != nil {
		t.Fatal(err)
	}
	if subject, fault := (Hints{Issuer: "https://issuer", Keys: key}).Subject(&oauth.Client{ID: "c1"}, compact, noon); fault != nil || subject != "u1" {
		t.Errorf("%q, %v", subject, fault)
	}
}
