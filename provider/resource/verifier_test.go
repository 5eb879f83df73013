package resource

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func wantCode(t *testing.T, err error, code oauth.Code, description string) {
	t.Helper()
	var got *oauth.Error
	if !errors.As(err, &got) {
		t.Fatalf("error is %v, want %s", err, code)
	}
	if got.Code != code || !strings.Contains(got.Description, description) {
		t.Errorf("error is %v, want %s with %q", err, code, description)
	}
}

func TestVerifyReturnsWhatTheTokenSays(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Audience: testAudience, Keys: LocalKeys(is.keys), RequireBound: true})
	token := is.token(t, "at+jwt", goodClaims("thumb").with("department", "retail").with("aud", []string{"https://other", testAudience}))
	got, err := v.Verify(t.Context(), token, held("thumb"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Token{
		Issuer: testIssuer, Subject: "user-1", ClientID: "demo-tls", JTI: "grant.1", Audience: []string{"https://other", testAudience},
		Scope: oauth.Scope{"accounts", "openid"}, Confirmation: held("thumb"),
		Expiry: testTime.Add(5 * time.Minute), IssuedAt: testTime, AuthTime: testTime.Add(-time.Minute), ACR: "2",
		Claims: got.Claims,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	if got.Claims["department"] != "retail" || got.Claims["exp"] != json.Number(strconv.FormatInt(want.Expiry.Unix(), 10)) {
		t.Errorf("claims = %v", got.Claims)
	}
}

func TestVerifyJudgesTheToken(t *testing.T) {
	is, stranger := newIssuer(t), newIssuer(t)
	good := goodClaims("thumb")
	at := func(d time.Duration) int64 { return testTime.Add(d).Unix() }
	tests := []struct {
		name  string
		token string
		want  string // description; "" = accepted
	}{
		{"good", is.token(t, "at+jwt", good), ""},
		{"typ as a full media type, any case", is.token(t, "application/AT+JWT", good), ""},
		{"expired within the leeway", is.token(t, "at+jwt", good.with("exp", at(-9*time.Second))), ""},
		{"issued ahead within the leeway", is.token(t, "at+jwt", good.with("iat", at(9*time.Second))), ""},
		{"no scope", is.token(t, "at+jwt", good.with("scope", nil)), ""},
		{"scope is a list", is.token(t, "at+jwt", good.with("scope", []string{"accounts", "openid"})), ""},

		{"expired", is.token(t, "at+jwt", good.with("exp", at(-10*time.Second))), "expired"},
		{"issued in the future", is.token(t, "at+jwt", good.with("iat", at(time.Minute))), "not valid yet"},
		{"not valid before", is.token(t, "at+jwt", good.with("nbf", at(time.Minute))), "not valid yet"},
		{"another issuer", is.token(t, "at+jwt", good.with("iss", testIssuer+"/")), "another issuer"},
		{"another audience", is.token(t, "at+jwt", good.with("aud", "https://other")), "another audience"},
		{"audience in another case", is.token(t, "at+jwt", good.with("aud", strings.ToUpper(testAudience))), "another audience"},
		{"ID token", is.token(t, "JWT", good), "not a JWT access token"},
		{"no typ", is.token(t, "", good), "not a JWT access token"},
		{"another's signature", stranger.token(t, "at+jwt", good), "signature is not valid"},
		{"unsigned", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.", "signature is not valid"},
		{"garbage", "a.b.c", "signature is not valid"},
		{"opaque", "VGhpcyBpcyBvcGFxdWU", "not a JWT access token"},
		{"no exp", is.token(t, "at+jwt", good.with("exp", nil)), "lacks required claims"},
		{"no aud", is.token(t, "at+jwt", good.with("aud", nil)), "lacks required claims"},
		{"no sub", is.token(t, "at+jwt", good.with("sub", nil)), "lacks required claims"},
		{"no iat", is.token(t, "at+jwt", good.with("iat", nil)), "lacks required claims"},
		{"no jti", is.token(t, "at+jwt", good.with("jti", nil)), "lacks required claims"},
		{"no client_id", is.token(t, "at+jwt", good.with("client_id", nil)), "lacks required claims"},
		{"no iss", is.token(t, "at+jwt", good.with("iss", nil)), "lacks required claims"},
		{"exp is text", is.token(t, "at+jwt", good.with("exp", "soon")), "malformed"},
		{"scope is a number", is.token(t, "at+jwt", good.with("scope", 1)), "malformed"},
		{"scope is a list of numbers", is.token(t, "at+jwt", good.with("scope", []any{1})), "malformed"},
		{"scope is a list with two in one", is.token(t, "at+jwt", good.with("scope", []string{"accounts payments"})), "malformed"},
		{"scope is a list with one twice", is.token(t, "at+jwt", good.with("scope", []string{"accounts", "accounts"})), "malformed"},
		{"scope with a quote", is.token(t, "at+jwt", good.with("scope", `a"b`)), "malformed"},
		{"client_id is a number", is.token(t, "at+jwt", good.with("client_id", 7)), "malformed"},
		{"acr is a number", is.token(t, "at+jwt", good.with("acr", 2)), "malformed"},
		{"auth_time is text", is.token(t, "at+jwt", good.with("auth_time", "now")), "malformed"},
		{"auth_time is out of range", is.token(t, "at+jwt", good.with("auth_time", -1)), "malformed"},
		{"cnf is text", is.token(t, "at+jwt", good.with("cnf", "thumb")), "malformed"},
		{"cnf is null", is.token(t, "at+jwt", claimsWithNull(good, "cnf")), "malformed"},
		{"cnf is empty", is.token(t, "at+jwt", good.with("cnf", map[string]any{})), "malformed"},
		{"cnf of an unknown kind", is.token(t, "at+jwt", good.with("cnf", map[string]any{"x5t#S512": "thumb"})), "malformed"},
		{"cnf thumbprint is a number", is.token(t, "at+jwt", good.with("cnf", map[string]any{"x5t#S256": 1})), "malformed"},
		{"cnf thumbprint is empty", is.token(t, "at+jwt", good.with("cnf", map[string]any{"x5t#S256": ""})), "malformed"},
		{"authorization_details is text", is.token(t, "at+jwt", good.with("authorization_details", "all")), "malformed"},
		{"authorization_details is null", is.token(t, "at+jwt", claimsWithNull(good, "authorization_details")), "malformed"},
		{"authorization_details without a type", is.token(t, "at+jwt", good.with("authorization_details", []any{map[string]any{"a": 1}})), "malformed"},
		{"authorization_details with null", is.token(t, "at+jwt", good.with("authorization_details", []any{nil})), "malformed"},
		{"unbound", is.token(t, "at+jwt", good.with("cnf", nil)), "not bound"},
		{"bound to another certificate", is.token(t, "at+jwt", goodClaims("other")), "bound to another certificate"},
		{"bound to a DPoP key as well", is.token(t, "at+jwt", good.with("cnf", map[string]any{"x5t#S256": "thumb", "jkt": "key"})), "did not come under the DPoP scheme"},
	}
	v := newVerifier(t, Options{Audience: testAudience, Keys: LocalKeys(is.keys), RequireBound: true})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), test.token, held("thumb"))
			if test.want != "" {
				wantCode(t, err, oauth.InvalidToken, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func claimsWithNull(c claims, name string) claims {
	changed := c.with(name, 1)
	changed[name] = nil
	return changed
}

func TestBindingIsCheckedThoughItIsNotRequired(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys)})
	tests := []struct {
		name   string
		bound  string
		sender oauth.Confirmation
		want   string
	}{
		{"bearer token, no certificate", "", oauth.Confirmation{}, ""},
		{"bearer token, some certificate", "", held("thumb"), ""},
		{"bound token, its certificate", "thumb", held("thumb"), ""},
		{"bound token, another certificate", "thumb", held("other"), "another certificate"},
		{"bound token, no certificate", "thumb", oauth.Confirmation{}, "none was presented"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), is.token(t, "at+jwt", goodClaims(test.bound).with("aud", "anything")), test.sender)
			if test.want != "" {
				wantCode(t, err, oauth.InvalidToken, test.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAlgorithmsCanBeNarrowed(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys), Algs: []string{"PS256"}})
	_, err := v.Verify(t.Context(), is.token(t, "at+jwt", goodClaims("")), oauth.Confirmation{})
	wantCode(t, err, oauth.InvalidToken, "signature")
}

// rotating is a key source whose cache is older than its origin.
type rotating struct {
	cached, fresh *jose.KeySet
	err, freshErr error
	refreshed     int
}

func (r *rotating) KeySet(context.Context) (*jose.KeySet, error) { return r.cached, r.err }
func (r *rotating) Refresh(context.Context) (*jose.KeySet, error) {
	r.refreshed++
	return r.fresh, r.freshErr
}

func TestAnUnknownKeyIsLookedForOnce(t *testing.T) {
	before, after, stranger := newIssuer(t), newIssuer(t), newIssuer(t)
	token := func(i *issuer) string { return i.token(t, "at+jwt", goodClaims("")) }
	tests := []struct {
		name      string
		keys      *rotating
		token     string
		code      oauth.Code // "" = accepted
		refreshed int
	}{
		{"known", &rotating{cached: before.set}, token(before), "", 0},
		{"newer than the cache", &rotating{cached: before.set, fresh: after.set}, token(after), "", 1},
		{"unknown everywhere", &rotating{cached: before.set, fresh: after.set}, token(stranger), oauth.InvalidToken, 1},
		{"looking fails", &rotating{cached: before.set, freshErr: errors.New("timeout")}, token(stranger), oauth.InvalidToken, 1},
		{"no keys at all", &rotating{err: errors.New("timeout")}, token(before), oauth.TemporarilyUnavailable, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := newVerifier(t, Options{Keys: test.keys}).Verify(t.Context(), test.token, oauth.Confirmation{})
			if test.code != "" {
				wantCode(t, err, test.code, "")
			} else if err != nil {
				t.Error(err)
			}
			if test.keys.refreshed != test.refreshed {
				t.Errorf("refreshed %d times, want %d", test.keys.refreshed, test.refreshed)
			}
		})
	}
}

// answers is an introspector that always says the same.
type answers struct {
	claims claims
	err    error
}

func (a answers) Introspect(context.Context, string) ([]byte, error) {
	if a.err != nil {
		return nil, a.err
	}
	return json.Marshal(a.claims)
}

func TestOpaqueTokensAreJudgedLikeJWTs(t *testing.T) {
	is := newIssuer(t)
	active := goodClaims("thumb").with("active", true)
	tests := []struct {
		name   string
		answer answers
		code   oauth.Code
		want   string
	}{
		{"good", answers{claims: active}, "", ""},
		{"what RFC 7662 leaves out", answers{claims: active.with("iss", nil).with("iat", nil).with("jti", nil)}, "", ""},
		{"inactive", answers{err: ErrInactive}, oauth.InvalidToken, "not active"},
		{"nobody answers", answers{err: errors.New("timeout")}, oauth.TemporarilyUnavailable, ""},
		{"nonsense", answers{claims: active.with("exp", "x")}, oauth.TemporarilyUnavailable, ""},
		{"another issuer", answers{claims: active.with("iss", "https://other")}, oauth.InvalidToken, "another issuer"},
		{"another audience", answers{claims: active.with("aud", "https://other")}, oauth.InvalidToken, "another audience"},
		{"no audience", answers{claims: active.with("aud", nil)}, oauth.InvalidToken, "another audience"},
		{"no expiry", answers{claims: active.with("exp", nil)}, oauth.InvalidToken, "expired"},
		{"another certificate", answers{claims: goodClaims("other")}, oauth.InvalidToken, "another certificate"},
		{"unbound", answers{claims: active.with("cnf", nil)}, oauth.InvalidToken, "not bound"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := newVerifier(t, Options{Audience: testAudience, Keys: LocalKeys(is.keys), RequireBound: true, Introspect: test.answer})
			token, err := v.Verify(t.Context(), "b3BhcXVl", held("thumb"))
			if test.code != "" {
				wantCode(t, err, test.code, test.want)
				return
			}
			if err != nil || token.Subject != "user-1" || token.Issuer != testIssuer || !token.Scope.Has("accounts") {
				t.Errorf("Verify = %+v, %v", token, err)
			}
		})
	}
}

func TestIntrospectAlwaysSeesRevocation(t *testing.T) {
	is := newIssuer(t)
	tests := []struct {
		name   string
		answer answers
		code   oauth.Code
	}{
		{"active", answers{claims: goodClaims("")}, ""},
		{"revoked", answers{err: ErrInactive}, oauth.InvalidToken},
		{"another token's answer", answers{claims: goodClaims("").with("jti", "2")}, oauth.InvalidToken},
		{"nobody answers", answers{err: errors.New("timeout")}, oauth.TemporarilyUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := newVerifier(t, Options{Keys: LocalKeys(is.keys), Introspect: test.answer, IntrospectAlways: true})
			_, err := v.Verify(t.Context(), is.token(t, "at+jwt", goodClaims("")), oauth.Confirmation{})
			if test.code != "" {
				wantCode(t, err, test.code, "")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewRefusesWhatCannotVerify(t *testing.T) {
	keys := LocalKeys(func() *jose.KeySet { return nil })
	for name, o := range map[string]Options{
		"no issuer":                {Keys: keys, Clock: testClock},
		"no keys":                  {Issuer: testIssuer, Clock: testClock},
		"no clock":                 {Issuer: testIssuer, Keys: keys},
		"negative leeway":          {Issuer: testIssuer, Keys: keys, Clock: testClock, Leeway: -1},
		"nobody to ask, yet to be": {Issuer: testIssuer, Keys: keys, Clock: testClock, IntrospectAlways: true},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	is := newIssuer(b)
	v, err := New(Options{Issuer: testIssuer, Audience: testAudience, Keys: LocalKeys(is.keys), Clock: testClock})
	if err != nil {
		b.Fatal(err)
	}
	token := is.token(b, "at+jwt", goodClaims("thumb"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token, held("thumb")); err != nil {
			b.Fatal(err)
		}
	}
}

func TestVerifyReadsAuthorizationDetails(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, Options{Keys: LocalKeys(is.keys)})
	details := []any{map[string]any{"type": "payment_initiation", "creditorName": "Müller"}, map[string]any{"type": "b"}}
	token, err := v.Verify(t.Context(), is.token(t, "at+jwt", goodClaims("").with("authorization_details", details)), oauth.Confirmation{})
	if err != nil {
		t.Fatal(err)
	}
	if len(token.Details) != 2 || token.Details[1].Type != "b" || string(token.Details[0].JSON) != `{"creditorName":"Müller","type":"payment_initiation"}` {
		t.Errorf("details %+v", token.Details)
	}
}
