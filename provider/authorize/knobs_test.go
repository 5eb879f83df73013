package authorize

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"

	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/web"
)

// With require_par nothing counts that has not been pushed, signed or not, whichever the client.
func TestReference_J34_require_par(t *testing.T) {
	for _, required := range []bool{false, true} {
		r := newRig(t)
		r.deps.RequirePAR = required
		for name, v := range map[string]func() (string, bool){
			"plain": func() (string, bool) { return r.outcome(params("prompt", "none").Encode()), false },
			"signed": func() (string, bool) {
				return r.outcome(withObject("app", r.object("app", "prompt", "none")).Encode()), false
			},
			"pushed": func() (string, bool) { return r.outcome(r.pushed("app", params("prompt", "none")).Encode()), true },
		} {
			got, pushed := v()
			want := "login_required"
			if required && !pushed {
				want = "invalid_request"
			}
			if got != want {
				t.Errorf("required %v, %s: %q", required, name, got)
			}
		}
	}
}

// outcome is the error of a request's answer.
func (r *rig) outcome(query string) string {
	r.t.Helper()
	return r.answerOf(r.do(r.Endpoint, http.MethodGet, "/authorize?"+query, nil), callback).Get("error")
}

// An ID token can be had without openid where the owner does without it, for clients that are held to OpenID Connect
// alone, and not where policy withholds what was asked for.
func TestReference_J27_ID_token_without_openid(t *testing.T) {
	for name, c := range map[string]struct {
		optional                    bool
		client, responseType, scope string
		withheld                    oauth.Scope
		want                        string // the error; "" = an ID token
		email                       bool   // the claims parameter asks for it
		wantEmail, wantName         bool
	}{
		"strict":                {client: "web", responseType: "id_token token", scope: "profile", want: "invalid_request"},
		"optional":              {optional: true, client: "web", responseType: "id_token token", scope: "profile"},
		"optional, no token":    {optional: true, client: "web", responseType: "id_token", scope: "profile", wantName: true},
		"optional, asked for":   {optional: true, client: "web", responseType: "id_token token", scope: "openid profile"},
		"withheld":              {optional: true, client: "web", responseType: "id_token token", scope: "openid profile", withheld: oauth.Scope{"openid"}, want: "access_denied"},
		"FAPI 1.0":              {optional: true, client: "advanced", responseType: "code id_token", scope: "accounts", want: "invalid_request"},
		"the claims parameter":  {optional: true, client: "web", responseType: "id_token", scope: "profile", email: true, wantName: true},
		"and what it is beside": {optional: true, client: "web", responseType: "id_token", scope: "openid", email: true, wantEmail: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := agreedTo(t, "web")
			r.consentTo("advanced", "u1", oauth.Scope{"openid", "accounts"})
			r.deps.OpenIDOptional, r.withheld = c.optional, c.withheld
			v := front(c.responseType, "client_id", c.client, "scope", c.scope)
			if c.email {
				v.Set("claims", `{"id_token":{"email":null}}`)
			}
			if c.client == "advanced" { // whose requests are signed
				v = withObject("advanced", r.object("advanced", "response_type", c.responseType, "scope", c.scope), "response_type", c.responseType, "scope", c.scope)
			}
			answer := r.answerOf(r.get(v), callback)
			if answer.Get("error") != c.want || answer.Has("id_token") != (c.want == "") {
				t.Fatalf("%v", answer)
			}
			if c.want != "" {
				return
			}
			claims := opened(t, answer.Get("id_token"))
			if (claims["email"] != nil) != c.wantEmail || (claims["name"] != nil) != c.wantName || claims["sub"] != "u1" {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

// What an ID token in the answer says of the user, beside an access token.
func TestReference_J23_J25_claims_of_an_ID_token_in_front(t *testing.T) {
	const wanted = `{"id_token":{"email":null}}`
	for _, c := range []struct {
		which  issue.IDTokenClaims
		scope  string
		claims string
		want   []string
	}{
		{"", "openid profile", "", nil},
		{"", "openid profile", wanted, []string{"email"}},
		{issue.ClaimsOfScope, "openid profile", "", []string{"name", "nickname"}},
		{issue.ClaimsOfScope, "openid profile", wanted, []string{"email", "name", "nickname"}},
		{issue.ClaimsGranted, "openid profile", wanted, nil},
		{issue.ClaimsGranted, "openid email", wanted, []string{"email"}},
	} {
		t.Run(string(c.which)+" "+c.scope, func(t *testing.T) {
			r, _ := agreedTo(t, "web")
			r.consentTo("web", "u1", oauth.Scope{"openid", "profile", "email"})
			r.deps.IDClaims = c.which
			answer := r.answerOf(r.get(front("id_token token", "scope", c.scope, "claims", c.claims)), callback)
			claims := opened(t, answer.Get("id_token"))
			var got []string
			for _, name := range []string{"email", "name", "nickname"} {
				if claims[name] != nil {
					got = append(got, name)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The audit log knows an ID token again that has left in an answer, and for how long it counts.
func TestReference_J28_ID_tokens_in_front_are_recorded(t *testing.T) {
	for _, persist := range []bool{false, true} {
		r, _ := agreedTo(t, "web")
		r.deps.PersistIDTokens = persist
		answer := r.answerOf(r.get(front("id_token token")), callback)
		want := any(true)
		if persist {
			want = issue.IDTokenRecord(answer.Get("id_token"), r.now.Add(90*time.Second))
		}
		last := r.store.Commits[0][len(r.store.Commits[0])-1].(oauth.RecordAudit).Entry
		if diff := cmp.Diff(want, last.Detail["id_token"]); diff != "" {
			t.Errorf("persist %v: %s", persist, diff)
		}
	}
}

// An error that goes to the client says where people read about it.
func TestReference_C12_error_uri_of_an_answer(t *testing.T) {
	for docs, want := range map[string]string{"": "", "https://bank.example/errors": "https://bank.example/errors#login_required"} {
		r := newRig(t)
		h := web.Wrap(r.Endpoint, web.Options{
			Random: rand.Reader, Log: r.deps.Log, Door: web.DoorMain, Clock: r.deps.Clock, ErrorDocs: docs,
		})
		answer := r.answerOf(r.do(h, http.MethodGet, "/authorize?"+params("prompt", "none").Encode(), nil), callback)
		if answer.Get("error_uri") != want || answer.Has("error_uri") != (want != "") || answer.Get("error") != "login_required" {
			t.Errorf("%v", answer)
		}
	}
}

// A client that has registered it gets its answers, errors among them, so that it alone can read them.
func TestReference_J22_encrypted_authorization_response(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Alg: "ECDH-ES", Kid: "k", Public: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	var outage error
	r := newRig(t)
	r.store.Clients["app"].ResponseEncAlg, r.store.Clients["app"].ResponseEncEnc = "ECDH-ES", "A256GCM"
	r.deps.Issue = issue.New(issue.Options{
		Issuer: issuer, Signer: r, Random: rand.Reader, Algs: []string{"ES256"},
		ClientKeys: func(context.Context, *oauth.Client) (*jose.KeySet, error) { return set, outage },
	})
	read := func() map[string]any {
		t.Helper()
		answer := r.carried(r.get(params("response_mode", "jwt", "prompt", "none")), callback)
		inner, err := jwe.Decrypt([]byte(answer.Get("response")), jwe.WithKey(jwa.ECDH_ES, key))
		if err != nil || len(answer) != 1 {
			t.Fatal(answer, err)
		}
		return opened(t, string(inner))
	}
	if claims := read(); claims["error"] != "login_required" || claims["aud"] != "app" {
		t.Errorf("%v", claims)
	}
	r.login("u1")
	r.consent("u1", oauth.Scope{"openid", "accounts"})
	if claims := read(); claims["code"] == nil || claims["state"] != "s&1" || claims["iss"] != issuer {
		t.Errorf("%v", claims)
	}
	outage = errDisk
	before := len(r.codes())
	res := r.get(params("response_mode", "jwt"))
	if text := page(t, res); !strings.Contains(text, "temporarily_unavailable") || len(r.codes()) != before {
		t.Errorf("without keys: %q, codes %v", text, slices.Collect(slices.Values(r.codes())))
	}
}
