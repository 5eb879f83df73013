package jose_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
)

func TestParseClaims(t *testing.T) {
	payload := ` {"iss" : "https://c.example", "sub":"\u0061b", "jti":"1", "aud":["x","y"], "exp":1767225600.5,
		"iat":1.767225e9, "nbf":0, "nested":{"a":[1,{"a":[]},"]}"],"b":{}}, "empty":[], "n":-1.5e3 } `
	got, err := jose.ParseClaims([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	want := jose.Claims{
		Issuer: "https://c.example", Subject: "ab", ID: "1", Audience: []string{"x", "y"},
		Expiry: time.Unix(1767225600, 5e8).UTC(), IssuedAt: time.Unix(1767225000, 0).UTC(), NotBefore: time.Unix(0, 0).UTC(),
		Raw: map[string]json.RawMessage{
			"iss": []byte(`"https://c.example"`), "sub": []byte(`"\u0061b"`), "jti": []byte(`"1"`), "aud": []byte(`["x","y"]`),
			"exp": []byte(`1767225600.5`), "iat": []byte(`1.767225e9`), "nbf": []byte(`0`), "empty": []byte(`[]`), "n": []byte(`-1.5e3`),
			"nested": []byte(`{"a":[1,{"a":[]},"]}"],"b":{}}`),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	single, err := jose.ParseClaims([]byte(`{"aud":"x"}`))
	if err != nil || !single.AudienceIsString || !cmp.Equal(single.Audience, []string{"x"}) {
		t.Errorf("single audience: %+v, %v", single, err)
	}
	if !single.Expiry.IsZero() || !single.IssuedAt.IsZero() || !single.NotBefore.IsZero() {
		t.Error("absent times are not zero")
	}
}

func TestParseClaimsRefuses(t *testing.T) {
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, `,"c%d":0`, i)
	}
	for _, payload := range []string{
		``, ` `, `null`, `1`, `"x"`, `[]`, `{`, `{}{}`, `{}x`, `{"a":}`, "{\"a\":\"\xff\"}", "{\"a\":\"\x00\"}",
		`{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, `{"x":{"a":1,"a":2}}`, `{"x":[[{"a":1,"a":2}]]}`,
		`{"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0,"9":0}`,
		`{"1":0` + many.String() + `}`,
		`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		`{"iss":1}`, `{"iss":null}`, `{"iss":["x"]}`, `{"sub":{}}`, `{"jti":1}`, `{"jti":true}`,
		`{"aud":1}`, `{"aud":null}`, `{"aud":{}}`, `{"aud":["x",1]}`, `{"aud":[["x"]]}`, `{"aud":[null]}`,
		`{"exp":"1"}`, `{"exp":null}`, `{"exp":true}`, `{"exp":[1]}`, `{"exp":{}}`, `{"exp":-1}`, `{"exp":-0.5}`,
		`{"exp":1e400}`, `{"exp":1e300}`, `{"exp":99999999999999999999}`, `{"exp":253402300800}`, `{"iat":""}`, `{"nbf":[]}`,
	} {
		if _, err := jose.ParseClaims([]byte(payload)); !errors.Is(err, jose.ErrMalformed) {
			t.Errorf("%.60q: %v", payload, err)
		}
	}
}

func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		benchClaims, `{}`, ` {"a" : [ 1 , 2 ] } `, `{"aud":["x"],"exp":1.5,"x":{"y":[{}]}}`, `{"a\"":"\\","b":""}`, `{"a":1,"a":2}`,
		`{"exp":1e9,"iat":0,"nbf":-1}`, `[[[]]]`, `{"":{"":{"":""}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := jose.ParseClaims(payload)
		if err != nil {
			if !errors.Is(err, jose.ErrMalformed) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		// Whatever is accepted, encoding/json must see the same.
		var want map[string]json.RawMessage
		if err := json.Unmarshal(payload, &want); err != nil {
			t.Fatalf("accepted what is not JSON: %v", err)
		}
		if diff := cmp.Diff(want, claims.Raw); diff != "" {
			t.Error(diff)
		}
		for _, at := range []time.Time{claims.Expiry, claims.IssuedAt, claims.NotBefore} {
			if !at.IsZero() && (at.Unix() < 0 || at.Year() > 9999) {
				t.Errorf("time out of range: %v", at)
			}
		}
	})
}
