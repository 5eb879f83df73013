package jar

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

const issuer = "https://id.bank.example"

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

	// plain, strict and single are the kinds of rules that the callers make.
	plain  = Rules{Code: oauth.InvalidRequestObject, Client: "app", Issuer: issuer, Now: noon}
	strict = Rules{Code: oauth.InvalidRequestObject, Client: "app", Issuer: issuer, Now: noon, Needs: []string{"aud", "exp", "nbf"}, Life: time.Hour}
	single = Rules{
		Code: oauth.InvalidRequest, Client: "app", Issuer: issuer, Now: noon,
		Needs: []string{"iss", "aud", "exp", "iat", "nbf", "jti"}, Life: time.Hour,
	}
)

// claims are a good object's, with changes; nil removes one, a duration stands for a time from now.
func claims(t testing.TB, changes map[string]any) []byte {
	t.Helper()
	all := map[string]any{
		"iss": "app", "aud": issuer, "jti": "j", "client_id": "app", "scope": "openid",
		"iat": time.Duration(0), "nbf": time.Duration(0), "exp": 5 * time.Minute,
	}
	maps.Copy(all, changes)
	for name, value := range all {
		switch value := value.(type) {
		case nil:
			delete(all, name)
		case time.Duration:
			all[name] = noon.Add(value).Unix()
		}
	}
	payload, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestRules(t *testing.T) {
	type changes = map[string]any
	const everyone, ofSome, nobody = "plain strict single", "plain strict", ""
	for _, test := range []struct {
		name    string
		changes changes
		typ     string
		takes   string // the kinds of rules by which it is good
	}{
		{"good", nil, "", everyone},
		{"typ", nil, "oauth-authz-req+jwt", everyone},
		{"typ in full", nil, "Application/OAuth-Authz-Req+JWT", everyone},
		{"JWT", nil, "JWT", everyone},
		{"an access token", nil, "at+jwt", nobody},
		{"an assertion", nil, "client-authentication+jwt", nobody},
		{"client_id as sub", changes{"sub": "app"}, "", nobody},
		{"another sub", changes{"sub": "anna"}, "", everyone},
		{"no iss", changes{"iss": nil}, "", ofSome},
		{"no client_id", changes{"client_id": nil}, "", everyone},
		{"neither", changes{"iss": nil, "client_id": nil}, "", nobody},
		{"another's iss", changes{"iss": "evil"}, "", nobody},
		{"empty iss", changes{"iss": ""}, "", nobody},
		{"another's client_id", changes{"client_id": "evil"}, "", nobody},
		{"client_id is a list", changes{"client_id": []string{"app"}}, "", nobody},
		{"no aud", changes{"aud": nil}, "", "plain"},
		{"empty aud", changes{"aud": []string{}}, "", nobody},
		{"another aud", changes{"aud": issuer + "/"}, "", nobody},
		{"several aud", changes{"aud": []string{"https://x", issuer}}, "", everyone},
		{"no exp", changes{"exp": nil}, "", "plain"},
		{"no nbf", changes{"nbf": nil}, "", "plain"},
		{"no iat", changes{"iat": nil}, "", ofSome},
		{"no jti", changes{"jti": nil}, "", ofSome},
		{"empty jti", changes{"jti": ""}, "", nobody},
		{"long jti", changes{"jti": strings.Repeat("j", 257)}, "", nobody},
		{"expired within the skew", changes{"exp": -9 * time.Second}, "", everyone},
		{"expired", changes{"exp": -10 * time.Second}, "", nobody},
		{"nbf 30 s ahead", changes{"nbf": 30 * time.Second}, "", everyone},
		{"nbf 31 s ahead", changes{"nbf": 31 * time.Second}, "", nobody},
		{"iat 31 s ahead", changes{"iat": 31 * time.Second}, "", nobody},
		{"an hour long", changes{"exp": time.Hour}, "", everyone},
		{"longer", changes{"exp": time.Hour + time.Second}, "", "plain"},
		{"an hour old", changes{"nbf": -time.Hour, "exp": time.Duration(0)}, "", everyone},
		{"older", changes{"nbf": -time.Hour - time.Second, "exp": -time.Second}, "", "plain"},
		{"a time is text", changes{"exp": "soon"}, "", nobody},
		{"request inside", changes{"request": "e30.e30."}, "", nobody},
		{"request inside, null", changes{"request": json.RawMessage("null")}, "", nobody},
		{"request_uri inside", changes{"request_uri": "urn:x"}, "", nobody},
		{"control characters", changes{"state": "a\x00"}, "", nobody},
		{"tabs", changes{"claims": "{\t}"}, "", everyone},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, rules := range map[string]Rules{"plain": plain, "strict": strict, "single": single} {
				_, fault := rules.Read(jose.Verified{Typ: test.typ, Payload: claims(t, test.changes)})
				if good := strings.Contains(test.takes, name); good != (fault == nil) || fault != nil && fault.Code != rules.Code {
					t.Errorf("%s: %v", name, fault)
				}
			}
		})
	}
}

// A bound on the life is never passed by leaving out what it is measured by.
func TestLifeNeedsTimes(t *testing.T) {
	rules := plain
	rules.Life = time.Hour
	for _, name := range []string{"exp", "nbf"} {
		if _, fault := rules.Read(jose.Verified{Payload: claims(t, map[string]any{name: nil})}); fault == nil {
			t.Errorf("without %s", name)
		}
	}
}

func TestObject(t *testing.T) {
	payload := claims(t, map[string]any{
		"sub": "anna", "max_age": 300, "resource": []any{"https://a", "https://b", nil}, "state": json.RawMessage("null"), "nonce": "",
		"authorization_details": []any{map[string]any{"type": "payment"}}, "claims": map[string]any{"id_token": nil}, "colour": true,
	})
	object, fault := single.Read(jose.Verified{Payload: payload})
	if fault != nil {
		t.Fatal(fault)
	}
	if object.ID != "j" || !object.Until.Equal(noon.Add(5*time.Minute+10*time.Second)) {
		t.Errorf("%q until %v", object.ID, object.Until)
	}
	later := single
	for _, test := range []struct {
		now  time.Time
		good bool
	}{{object.Until.Add(-time.Nanosecond), true}, {object.Until, false}} {
		later.Now = test.now
		if _, fault := later.Read(jose.Verified{Payload: payload}); (fault == nil) != test.good {
			t.Errorf("at %v: %v", test.now, fault)
		}
	}
	got := map[string][]string{}
	for _, name := range object.Params.Names() {
		got[name] = object.Params.All(name)
	}
	want := map[string][]string{
		"client_id": {"app"}, "scope": {"openid"}, "max_age": {"300"}, "resource": {"https://a", "https://b"}, "colour": {"true"},
		"authorization_details": {`[{"type":"payment"}]`}, "claims": {`{"id_token":null}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if object, fault := plain.Read(jose.Verified{Payload: claims(t, map[string]any{"exp": nil})}); fault != nil || !object.Until.IsZero() {
		t.Errorf("without exp: %v %v", object.Until, fault)
	}
}

// An object that nobody signed is held to what it says of itself, and to nothing that it leaves out.
func TestReadUnsigned(t *testing.T) {
	type changes = map[string]any
	for _, test := range []struct {
		name    string
		changes changes
		good    bool
	}{
		{"complete", nil, true},
		{"parameters alone", changes{"iss": nil, "aud": nil, "exp": nil, "nbf": nil, "iat": nil, "jti": nil}, true},
		{"names no client", changes{"iss": nil, "client_id": nil}, true},
		{"longer than signed ones may live", changes{"exp": 2 * time.Hour}, true},
		{"another's client_id", changes{"client_id": "evil"}, false},
		{"another's iss", changes{"iss": "evil"}, false},
		{"another aud", changes{"aud": "https://x"}, false},
		{"expired", changes{"exp": -10 * time.Second}, false},
		{"not valid yet", changes{"nbf": 31 * time.Second}, false},
		{"client_id as sub", changes{"sub": "app"}, false},
		{"request inside", changes{"request": "e30.e30."}, false},
		{"control characters", changes{"state": "a\x00"}, false},
	} {
		compact := jose.Unsigned("", claims(t, test.changes))
		for _, rules := range []Rules{plain, strict} {
			object, fault := rules.ReadUnsigned(compact)
			if (fault == nil) != test.good || fault != nil && fault.Code != rules.Code || fault == nil && object.Params.Get("scope") != "openid" {
				t.Errorf("%s: %v", test.name, fault)
			}
		}
		if !IsUnsigned(compact) {
			t.Errorf("%s: is not seen to be unsigned", test.name)
		}
	}
	for _, compact := range []string{"", ".", "..", "e30.e30.", "e30.e30.AA", jose.Unsigned("", []byte(`{}`)) + "AA", jose.Unsigned("", []byte(`[]`))} {
		if _, fault := plain.ReadUnsigned(compact); fault == nil || fault.Code != oauth.InvalidRequestObject {
			t.Errorf("%q: %v", compact, fault)
		}
	}
	if IsUnsigned("e30.e30.AA") {
		t.Error("what has a signature is not unsigned")
	}
}

func TestUnsigned(t *testing.T) {
	forged := errors.New("forged")
	for _, test := range []struct {
		err  error
		want oauth.Code
	}{
		{fmt.Errorf("%w: no key", forged), oauth.InvalidRequest},
		{oauth.Errorf(oauth.InvalidClient, "no keys"), oauth.InvalidRequest},
		{errors.New("connection refused"), oauth.TemporarilyUnavailable},
		{oauth.ErrUnavailable, oauth.TemporarilyUnavailable},
	} {
		fault := single.Unsigned(test.err, forged)
		if fault.Code != test.want || !errors.Is(fault, test.err) || strings.Contains(fault.Description, test.err.Error()) {
			t.Errorf("%v: %v", test.err, fault)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	profile := oauth.Profile{SigningAlgs: []string{"ES256", "PS256"}}
	for registered, want := range map[string][]string{"": {"ES256", "PS256"}, "PS256": {"PS256"}, "RS256": {}, "none": {}} {
		if got := Algorithms(profile, registered); !slices.Equal(got, want) {
			t.Errorf("%q: %v", registered, got)
		}
	}
}

func TestClaimed(t *testing.T) {
	hidden := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".x"
	}
	for compact, want := range map[string]string{
		"": "", "..": "", "x": "", "e30.!.x": "", hidden(`[]`): "", hidden(`{"state":"s","nonce":"n"}`): "s",
		hidden(`{"state":"s","login_hint":"a\u0000"}`): "s", hidden(`{"state":"\u0000"}`): "", hidden(`{"state":null}`): "",
		hidden(`{"state":"s","x":"` + strings.Repeat("x", jose.MaxTokenSize) + `"}`): "",
	} {
		if p := Claimed(compact, "state"); p.Get("state") != want || p.Has("nonce") {
			t.Errorf("%.60q: %q", compact, p.Get("state"))
		}
	}
}

// FuzzRead: whatever a client signs, an object keeps the rules, and its parameters are what a form could have carried.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		string(claims(f, nil)), string(claims(f, map[string]any{"sub": "app"})), `[]`, `{"iss":{}}`, ``,
		`{"client_id":"app","resource":["https://a","https://b"],"max_age":300}`, `{"client_id":"app","resource":[[],null,""],"x":null}`,
		`{"client_id":"app","scope":"open\u0000id"}`, `{"client_id":"app","claims":{"id_token":{"acr":{"essential":true}}},"authorization_details":[{"type":"payment"}]}`,
		`{"client_id":"app","state":"\ud800"}`, `{"client_id":"app","redirect_uri":{"a":1},"state":["x"]}`,
		`{"iss":"app","aud":["https://id.bank.example"],"iat":1795435200,"nbf":1795435200,"exp":1795435500,"jti":"1","requested_expiry":1e9,"resource":[1]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if object, fault := plain.ReadUnsigned(jose.Unsigned("", payload)); fault == nil {
			if id := object.Params.Get("client_id"); id != "" && id != plain.Client || object.Params.Has("request") || object.Params.Has("request_uri") {
				t.Errorf("unsigned: %v", object.Params.Names())
			}
		}
		for _, rules := range []Rules{plain, strict, single} {
			object, fault := rules.Read(jose.Verified{Payload: payload})
			if fault != nil {
				if fault.Code != rules.Code || strings.Contains(fault.Description, "\x00") {
					t.Errorf("refused with %v", fault)
				}
				continue
			}
			if rules.Life > 0 && (!object.Until.After(noon) || object.Until.After(noon.Add(rules.Life+skewAhead+skewBack))) {
				t.Errorf("good until %v", object.Until)
			}
			for _, name := range object.Params.Names() {
				for _, value := range object.Params.All(name) {
					if value == "" || strings.ContainsAny(value, "\x00\x1b\x7f") {
						t.Errorf("%s = %q", name, value)
					}
				}
			}
		}
		for _, name := range Claimed("e30."+base64.RawURLEncoding.EncodeToString(payload)+".", "state").Names() {
			if name != "state" {
				t.Errorf("%s of an unverified object counts", name)
			}
		}
	})
}
