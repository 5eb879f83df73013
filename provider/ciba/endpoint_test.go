package ciba

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func TestRequest(t *testing.T) {
	long := strings.Repeat("x", 65)
	for name, c := range map[string]struct {
		client string
		pairs  []string
		want   oauth.Code
		status int
	}{
		"poll":                         {"poll", nil, "", 200},
		"ping":                         {"ping", nil, "", 200},
		"push":                         {"push", nil, "", 200},
		"unknown scope is ignored":     {"poll", []string{"scope", "openid unheard-of"}, "", 200},
		"no binding message":           {"poll", []string{"binding_message", ""}, "", 200},
		"details":                      {"poll", []string{"authorization_details", `[{"type":"payment"}]`}, "", 200},
		"user code":                    {"poll", []string{"login_hint", "carl", "user_code", "4711"}, "", 200},
		"any script can be shown":      {"poll", []string{"binding_message", "品川 7 – Ключ"}, "", 200},
		"another client":               {"nobody", nil, oauth.InvalidClient, 401},
		"not registered for it":        {"none", nil, oauth.UnauthorizedClient, 400},
		"no such mode":                 {"sms", nil, oauth.UnauthorizedClient, 400},
		"push, sender-constrained":     {"fapi-push", nil, oauth.UnauthorizedClient, 400},
		"not signed under FAPI-CIBA":   {"fapi", nil, oauth.InvalidRequest, 400},
		"request_uri":                  {"poll", []string{"request_uri", "https://app.example/r"}, oauth.InvalidRequest, 400},
		"no hint":                      {"poll", []string{"login_hint", ""}, oauth.InvalidRequest, 400},
		"two hints":                    {"poll", []string{"id_token_hint", "x"}, oauth.InvalidRequest, 400},
		"unknown user":                 {"poll", []string{"login_hint", "dora"}, oauth.UnknownUserID, 400},
		"disabled user":                {"poll", []string{"login_hint", "ben"}, oauth.UnknownUserID, 400},
		"a very long name":             {"poll", []string{"login_hint", strings.Repeat("a", 300)}, oauth.UnknownUserID, 400},
		"no scope":                     {"poll", []string{"scope", ""}, oauth.InvalidRequest, 400},
		"malformed scope":              {"poll", []string{"scope", "openid  accounts"}, oauth.InvalidScope, 400},
		"without openid":               {"poll", []string{"scope", "accounts"}, oauth.InvalidScope, 400},
		"scope of others":              {"poll", []string{"scope", "openid payments"}, oauth.InvalidScope, 400},
		"resource of others":           {"poll", []string{"resource", "https://other.example"}, oauth.InvalidTarget, 400},
		"relative resource":            {"poll", []string{"resource", "/rs"}, oauth.InvalidTarget, 400},
		"unknown details":              {"poll", []string{"authorization_details", `[{"type":"gift"}]`}, oauth.InvalidDetails, 400},
		"long binding message":         {"poll", []string{"binding_message", long}, oauth.InvalidBindingMessage, 400},
		"binding message on two lines": {"poll", []string{"binding_message", "a\nb"}, oauth.InvalidBindingMessage, 400},
		"binding message turned round": {"poll", []string{"binding_message", "a\u202eb"}, oauth.InvalidBindingMessage, 400},
		"binding message with an edge": {"poll", []string{"binding_message", "1234 "}, oauth.InvalidBindingMessage, 400},
		"ping without a token":         {"ping", []string{"client_notification_token", ""}, oauth.InvalidRequest, 400},
		"ping with no bearer token":    {"ping", []string{"client_notification_token", "a b"}, oauth.InvalidRequest, 400},
		"ping with a long token":       {"ping", []string{"client_notification_token", strings.Repeat("a", 1025)}, oauth.InvalidRequest, 400},
		"user code, not registered":    {"ping", []string{"user_code", "4711"}, oauth.InvalidRequest, 400},
		"not registered, user has one": {"ping", []string{"login_hint", "carl"}, oauth.MissingUserCode, 400},
		"user code missing":            {"poll", []string{"login_hint", "carl"}, oauth.MissingUserCode, 400},
		"user code wrong":              {"poll", []string{"login_hint", "carl", "user_code", "4712"}, oauth.InvalidUserCode, 400},
		"expiry 0":                     {"poll", []string{"requested_expiry", "0"}, oauth.InvalidRequest, 400},
		"expiry negative":              {"poll", []string{"requested_expiry", "-5"}, oauth.InvalidRequest, 400},
		"expiry no number":             {"poll", []string{"requested_expiry", "soon"}, oauth.InvalidRequest, 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got := r.post(form(c.client, c.pairs...))
			if got.Status != c.status || got.Error != c.want {
				t.Fatalf("%d %s, want %d %s", got.Status, got.body, c.status, c.want)
			}
			kept := 0
			switch c.want {
			case oauth.UnknownUserID, oauth.MissingUserCode, oauth.InvalidUserCode:
				kept = 1 // the audit log has it
			}
			if c.want != "" && (r.store.commits != kept || len(r.store.entries) != kept || len(r.store.requests) != 0) {
				t.Errorf("a refused request made %d commits with %+v", r.store.commits, r.store.entries)
			}
		})
	}
}

// TestKept is what a good request leaves behind.
func TestKept(t *testing.T) {
	r := newRig(t)
	got := r.post(form("poll", "requested_expiry", "30", "acr_values", "gold silver", "scope", "openid offline_access"))
	if got.ExpiresIn != 30 || got.Interval != 5 || len(got.AuthReqID) != 43 {
		t.Errorf("%s", got.body)
	}
	b := r.store.requests[oauth.Secret(got.AuthReqID).Digest()]
	id := b.ID
	b.Digest, b.ID = oauth.Digest{}, ""
	want := oauth.Backchannel{
		ClientID: "poll", UserID: "u1", Mode: "poll", Scope: oauth.Scope{"openid", "offline_access"}, Resources: []string{"https://rs.example"},
		ACRValues: []string{"gold", "silver"}, BindingMessage: "1234", Status: oauth.BackchannelPending,
		CreatedAt: noon, ExpiresAt: noon.Add(30 * time.Second), Interval: 5, NextPoll: noon,
	}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	if len(r.store.entries) != 1 || r.store.entries[0].Event != "backchannel.requested" || r.store.entries[0].Subject != "u1" || r.store.entries[0].Detail["backchannel_id"] != id {
		t.Errorf("audit: %+v", r.store.entries)
	}
	if got := r.post(form("poll", "requested_expiry", "99999")); got.ExpiresIn != 600 {
		t.Errorf("more than there is: %s", got.body)
	}
	if got := r.post(form("push")); got.Interval != 0 || got.ExpiresIn != 120 {
		t.Errorf("push: %s", got.body)
	}
	for digest, b := range r.store.requests {
		if strings.Contains(string(b.Sealed), "token-of-the-client") || digest == (oauth.Digest{}) {
			t.Error("a secret is kept as it is")
		}
	}
}

func TestSignedRequest(t *testing.T) {
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims map[string]any
		typ    string
		want   oauth.Code
	}{
		"good":                       {},
		"of the media type":          {typ: "oauth-authz-req+jwt"},
		"of another type":            {typ: "at+jwt", want: oauth.InvalidRequest},
		"aud is a list":              {claims: map[string]any{"aud": []string{"https://x", issuer}}},
		"client_id inside":           {claims: map[string]any{"client_id": "fapi"}},
		"another client_id inside":   {claims: map[string]any{"client_id": "poll"}, want: oauth.InvalidRequest},
		"expiry is a string":         {claims: map[string]any{"requested_expiry": "30"}},
		"expiry is a number":         {claims: map[string]any{"requested_expiry": 30}},
		"expiry is a fraction":       {claims: map[string]any{"requested_expiry": 30.5}, want: oauth.InvalidRequest},
		"resources":                  {claims: map[string]any{"resource": []string{"https://rs.example"}}},
		"details instead":            {claims: map[string]any{"binding_message": nil, "authorization_details": []any{map[string]any{"type": "payment"}}}},
		"no context":                 {claims: map[string]any{"binding_message": nil}, want: oauth.InvalidRequest},
		"no aud":                     {claims: map[string]any{"aud": nil}, want: oauth.InvalidRequest},
		"another aud":                {claims: map[string]any{"aud": "https://x"}, want: oauth.InvalidRequest},
		"no iss":                     {claims: map[string]any{"iss": nil}, want: oauth.InvalidRequest},
		"another iss":                {claims: map[string]any{"iss": "poll"}, want: oauth.InvalidRequest},
		"no exp":                     {claims: map[string]any{"exp": nil}, want: oauth.InvalidRequest},
		"expired":                    {claims: map[string]any{"exp": at(-5 * time.Minute)}, want: oauth.InvalidRequest},
		"exp in 70 minutes":          {claims: map[string]any{"exp": at(70 * time.Minute)}, want: oauth.InvalidRequest},
		"no iat":                     {claims: map[string]any{"iat": nil}, want: oauth.InvalidRequest},
		"no nbf":                     {claims: map[string]any{"nbf": nil}, want: oauth.InvalidRequest},
		"nbf 10 minutes ahead":       {claims: map[string]any{"nbf": at(10 * time.Minute)}, want: oauth.InvalidRequest},
		"nbf 8 seconds ahead":        {claims: map[string]any{"nbf": at(8 * time.Second), "iat": at(8 * time.Second)}},
		"nbf 70 minutes ago":         {claims: map[string]any{"nbf": at(-70 * time.Minute)}, want: oauth.InvalidRequest},
		"no jti":                     {claims: map[string]any{"jti": nil}, want: oauth.InvalidRequest},
		"jti too long":               {claims: map[string]any{"jti": strings.Repeat("j", 257)}, want: oauth.InvalidRequest},
		"client_id as sub":           {claims: map[string]any{"sub": "fapi"}, want: oauth.InvalidRequest},
		"two hints":                  {claims: map[string]any{"id_token_hint": "x"}, want: oauth.InvalidRequest},
		"a request inside":           {claims: map[string]any{"request": "x"}, want: oauth.InvalidRequest},
		"scope is no string":         {claims: map[string]any{"scope": []string{"openid"}}, want: oauth.InvalidScope},
		"control characters":         {claims: map[string]any{"login_hint": "an\x00na"}, want: oauth.InvalidRequest},
		"long binding message":       {claims: map[string]any{"binding_message": strings.Repeat("x", 65)}, want: oauth.InvalidBindingMessage},
		"unknown user":               {claims: map[string]any{"login_hint": "dora"}, want: oauth.UnknownUserID},
		"further claims are ignored": {claims: map[string]any{"colour": map[string]any{"a": 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got := r.post(map[string][]string{"client_id": {"fapi"}, "request": {r.sign(r.key, c.typ, r.claims(c.claims))}})
			if got.Error != c.want || c.want == "" && got.Status != http.StatusOK {
				t.Errorf("%d %s, want %q", got.Status, got.body, c.want)
			}
		})
	}
}

func TestSignature(t *testing.T) {
	r := newRig(t)
	good := r.sign(r.key, "", r.claims(nil))
	send := func(compact string, pairs ...string) reply {
		f := map[string][]string{"client_id": {"fapi"}, "request": {compact}}
		for i := 0; i < len(pairs); i += 2 {
			f[pairs[i]] = []string{pairs[i+1]}
		}
		return r.post(f)
	}
	head, rest, _ := strings.Cut(good, ".")
	body, _, _ := strings.Cut(rest, ".")
	for name, compact := range map[string]string{
		"another's key":   r.sign(r.hint, "", r.claims(nil)),
		"no algorithm":    "eyJhbGciOiJub25lIn0." + body + ".",
		"no signature":    head + "." + body + ".",
		"no JWT":          "x",
		"no claims":       r.sign(r.key, "", map[string]any{}),
		"a bad time":      r.sign(r.key, "", r.claims(map[string]any{"exp": "soon"})),
		"a symmetric alg": "eyJhbGciOiJIUzI1NiJ9." + body + ".AAAA",
	} {
		if got := send(compact); got.Error != oauth.InvalidRequest {
			t.Errorf("%s: %d %s", name, got.Status, got.body)
		}
	}
	if got := send(good, "scope", "openid"); got.Error != oauth.InvalidRequest {
		t.Errorf("parameters outside: %s", got.body)
	}
	if r.store.commits != 0 {
		t.Error("a refused request changed something")
	}
	if got := send(good); got.Status != http.StatusOK {
		t.Errorf("good: %d %s", got.Status, got.body)
	}
	if got := send(good); got.Status != http.StatusBadRequest || got.Error != oauth.InvalidRequest {
		t.Errorf("used twice: %d %s", got.Status, got.body)
	}
	r.store.clients["fapi"].BackchannelAlg = "PS256"
	if got := send(r.sign(r.key, "", r.claims(nil))); got.Error != oauth.InvalidRequest {
		t.Errorf("another algorithm than registered: %s", got.body)
	}
	r.store.clients["fapi"].JWKS = []byte("down")
	if got := send(r.sign(r.key, "", r.claims(nil))); got.Status != http.StatusServiceUnavailable {
		t.Errorf("keys cannot be had: %d %s", got.Status, got.body)
	}
	r.store.clients["poll"].BackchannelAlg = "ES256"
	if got := r.post(form("poll")); got.Error != oauth.InvalidRequest {
		t.Errorf("registered to sign, and does not: %s", got.body)
	}
	if got := r.post(map[string][]string{"client_id": {"poll"}, "request": {r.sign(r.key, "", r.claims(map[string]any{"iss": "poll"}))}}); got.Status != http.StatusOK {
		t.Errorf("signs without having to: %s", got.body)
	}
}

func TestIDTokenHint(t *testing.T) {
	for name, c := range map[string]struct {
		claims map[string]any
		typ    string
		want   oauth.Code
	}{
		"good":              {},
		"expired":           {claims: map[string]any{"exp": noon.Add(-time.Hour).Unix()}},
		"among others":      {claims: map[string]any{"aud": []string{"x", "poll"}}},
		"long ago":          {claims: map[string]any{"iat": noon.Add(-91 * 24 * time.Hour).Unix()}, want: oauth.InvalidRequest},
		"another client's":  {claims: map[string]any{"aud": "ping"}, want: oauth.InvalidRequest},
		"another issuer's":  {claims: map[string]any{"iss": "https://x"}, want: oauth.InvalidRequest},
		"an access token":   {typ: "at+jwt", want: oauth.InvalidRequest},
		"no login":          {claims: map[string]any{"auth_time": nil}, want: oauth.InvalidRequest},
		"user who is gone":  {claims: map[string]any{"sub": "u9"}, want: oauth.UnknownUserID},
		"user who may not":  {claims: map[string]any{"sub": "u2"}, want: oauth.UnknownUserID},
		"a claim malformed": {claims: map[string]any{"iat": "x"}, want: oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			claims := map[string]any{"iss": issuer, "sub": "u1", "aud": "poll", "iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix(), "auth_time": noon.Unix()}
			for k, v := range c.claims {
				if claims[k] = v; v == nil {
					delete(claims, k)
				}
			}
			if c.typ == "" {
				c.typ = "JWT"
			}
			got := r.post(form("poll", "login_hint", "", "id_token_hint", r.sign(r.own.key, c.typ, claims)))
			if got.Error != c.want || c.want == "" && got.Status != http.StatusOK {
				t.Errorf("%d %s", got.Status, got.body)
			}
			if got := r.post(form("poll", "login_hint", "", "id_token_hint", r.sign(r.key, "JWT", claims))); got.Error != oauth.InvalidRequest {
				t.Errorf("signed by somebody else: %s", got.body)
			}
		})
	}
}

func TestLoginHintToken(t *testing.T) {
	for name, c := range map[string]struct {
		claims map[string]any
		want   oauth.Code
	}{
		"good":           {},
		"expired":        {map[string]any{"exp": noon.Add(-time.Hour).Unix()}, oauth.ExpiredLoginHintToken},
		"no expiry":      {map[string]any{"exp": nil}, oauth.InvalidRequest},
		"another issuer": {map[string]any{"iss": "https://x"}, oauth.InvalidRequest},
		"for others":     {map[string]any{"aud": "https://x"}, oauth.InvalidRequest},
		"nobody":         {map[string]any{"sub": nil}, oauth.InvalidRequest},
		"not yet":        {map[string]any{"nbf": noon.Add(time.Hour).Unix()}, oauth.InvalidRequest},
		"unknown":        {map[string]any{"sub": "dora"}, oauth.UnknownUserID},
		"no iat":         {map[string]any{"iat": nil}, oauth.InvalidRequest},
		"from later":     {map[string]any{"iat": noon.Add(time.Minute).Unix()}, oauth.InvalidRequest},
		"ten minutes":    {map[string]any{"exp": noon.Add(10 * time.Minute).Unix()}, ""},
		"eleven minutes": {map[string]any{"exp": noon.Add(11 * time.Minute).Unix()}, oauth.InvalidRequest},
		"an old one":     {map[string]any{"iat": noon.Add(-time.Hour).Unix()}, oauth.InvalidRequest},
		"for the client": {map[string]any{"azp": "poll", "client_id": "poll"}, ""},
		"for another":    {map[string]any{"azp": "ping"}, oauth.InvalidRequest},
		"another's id":   {map[string]any{"client_id": "ping"}, oauth.InvalidRequest},
		"azp is a list":  {map[string]any{"azp": []string{"poll"}}, oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			claims := map[string]any{"iss": "https://hints.example", "sub": "anna", "aud": issuer, "iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix()}
			for k, v := range c.claims {
				if claims[k] = v; v == nil {
					delete(claims, k)
				}
			}
			for _, typ := range []string{"at+jwt", "dpop+jwt", "oauth-authz-req+jwt"} {
				if got := r.post(form("poll", "login_hint", "", "login_hint_token", r.sign(r.hint, typ, claims))); got.Error != oauth.InvalidRequest {
					t.Errorf("%s: %s", typ, got.body)
				}
			}
			got := r.post(form("poll", "login_hint", "", "login_hint_token", r.sign(r.hint, "", claims)))
			if got.Error != c.want || c.want == "" && got.Status != http.StatusOK {
				t.Errorf("%d %s", got.Status, got.body)
			}
			if got := r.post(form("poll", "login_hint", "", "login_hint_token", r.sign(r.key, "", claims))); got.Error != oauth.InvalidRequest {
				t.Errorf("signed by somebody else: %s", got.body)
			}
		})
	}
	r := newRig(t, func(d *Deps) { d.LoginHint = BySubject })
	if got := r.post(form("poll", "login_hint", "u1")); got.Status != http.StatusOK {
		t.Errorf("by subject: %s", got.body)
	}
}

// A hint issuer's key that is not known yet is asked for.
func TestHintIssuerRotates(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{"there": {nil, http.StatusOK}, "not to be had": {errors.New("down"), http.StatusServiceUnavailable}} {
		t.Run(name, func(t *testing.T) {
			next, _, fresh := newKey(t, "next")
			r := newRig(t, func(d *Deps) {
				d.HintIssuers[0].Fresh = func(context.Context) (*jose.KeySet, error) { return fresh, c.err }
			})
			claims := map[string]any{"iss": "https://hints.example", "sub": "anna", "aud": issuer, "iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix()}
			if got := r.post(form("poll", "login_hint", "", "login_hint_token", r.sign(next, "JWT", claims))); got.Status != c.want {
				t.Errorf("%d %s", got.Status, got.body)
			}
		})
	}
}

// One client cannot flood a user, nor keep others out.
func TestAdmission(t *testing.T) {
	r := newRig(t)
	for range pendingOfClient {
		r.ask("poll")
	}
	if got := r.post(form("poll")); got.Error != oauth.InvalidRequest {
		t.Errorf("one more than a client may: %s", got.body)
	}
	r.ask("ping")
	for i := range MaxPending { // of other clients
		digest := oauth.Secret(fmt.Sprint(i)).Digest()
		r.store.requests[digest] = oauth.Backchannel{Digest: digest, ClientID: fmt.Sprint(i), UserID: "u1", Status: oauth.BackchannelPending, ExpiresAt: noon.Add(time.Minute)}
	}
	if got := r.post(form("push")); got.Error != oauth.InvalidRequest {
		t.Errorf("more than a user can see: %s", got.body)
	}
	r.now = r.now.Add(3 * time.Minute)
	r.ask("poll")
	r = newRig(t, func(d *Deps) { d.UserCodes = nil })
	if got := r.post(form("poll", "login_hint", "carl", "user_code", "4711")); got.Status != http.StatusServiceUnavailable {
		t.Errorf("user codes cannot be judged: %s", got.body)
	}
}

// A place that is free again is not free of charge: denials count for more than what expired, approvals for nothing.
func TestPace(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*rig, oauth.Backchannel) error
		most   int // requests in a row; 0 = no end
	}{
		"approved": {func(r *rig, b oauth.Backchannel) error { return r.Answer(t.Context(), b.ID, anna, true) }, 0},
		"denied":   {func(r *rig, b oauth.Backchannel) error { return r.Answer(t.Context(), b.ID, anna, false) }, askBurst / (1 + askDenied)},
		"expired": {func(r *rig, b oauth.Backchannel) error {
			delete(r.store.requests, b.Digest)
			return nil
		}, askBurst},
	} {
		t.Run(name, func(t *testing.T) {
			r, made := newRig(t), 0
			for range 3 * askBurst {
				got := r.post(form("poll"))
				if got.Status != http.StatusOK {
					break
				}
				made++
				if err := c.answer(r, r.store.requests[oauth.Secret(got.AuthReqID).Digest()]); err != nil {
					t.Fatal(err)
				}
			}
			if want := c.most; made != want && (want > 0 || made != 3*askBurst) {
				t.Errorf("%d requests, want %d", made, want)
			}
			if made == 3*askBurst {
				return
			}
			r.ask("ping") // another client's
			r.now = r.now.Add(askLeak)
			r.ask("poll")
		})
	}
}

// Who asks for names until one exists is slowed down; that its hints cost nothing when they are right, or signed by
// somebody, keeps others going.
func TestUnknownHints(t *testing.T) {
	r := newRig(t)
	for range unknownBurst {
		if got := r.post(form("poll", "login_hint", "dora")); got.Error != oauth.UnknownUserID {
			t.Fatal(got.body)
		}
	}
	for _, name := range []string{"dora", "anna"} { // neither says whether it exists
		if got := r.post(form("poll", "login_hint", name)); got.Error != oauth.InvalidRequest {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if got := r.events(); len(got) != unknownBurst || got[0] != "backchannel.refused" {
		t.Errorf("audit: %v", got)
	}
	r.ask("ping")
	r.now = r.now.Add(unknownLeak)
	r.ask("poll")
	r.ask("poll")
}

// What is refused for the user's sake uses up the client's proof and its request object, and says so in the log.
func TestRefusalIsKept(t *testing.T) {
	r := newRig(t)
	signed := map[string][]string{"client_id": {"fapi"}, "request": {r.sign(r.key, "", r.claims(map[string]any{"login_hint": "carl"}))}}
	if got := r.post(signed); got.Error != oauth.MissingUserCode {
		t.Fatal(got.body)
	}
	if len(r.store.used) != 1 || len(r.store.entries) != 1 {
		t.Fatalf("%v, %+v", r.store.used, r.store.entries)
	}
	entry := r.store.entries[0]
	if entry.Event != "backchannel.refused" || entry.Subject != "u3" || entry.ClientID != "fapi" || entry.Detail["error"] != "missing_user_code" {
		t.Errorf("%+v", entry)
	}
	if got := r.post(signed); got.Error != oauth.InvalidRequest {
		t.Errorf("once more: %s", got.body)
	}
	r.store.commits = 0
	r.post(form("poll", "login_hint", "carl", "user_code", "4712"))
	if r.store.commits != 1 || r.store.entries[1].Detail["error"] != "invalid_user_code" {
		t.Errorf("%+v", r.store.entries)
	}
}

func TestOutage(t *testing.T) {
	r := newRig(t)
	r.store.failure = oauth.ErrUnavailable
	w := httptest.NewRequest(http.MethodPost, "/bc-authorize", strings.NewReader(form("poll").Encode()))
	w.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// The gate answers like clientauth would; everything after it must not guess.
	client := r.store.clients["poll"]
	if _, err := r.hinted(t.Context(), oauth.ClientAuthentication{Client: client}, oauth.NewParams(map[string][]string{"login_hint": {"anna"}}), noon); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("who is it: %v", err)
	}
	if err := r.admit(t.Context(), client, oauth.User{ID: "u1"}, "", noon); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("how many wait: %v", err)
	}
	if err := r.Answer(t.Context(), "x", oauth.EndUser{ID: "u1"}, true); !errors.Is(err, oauth.ErrUnavailable) {
		t.Errorf("answer: %v", err)
	}
}

func TestNewListsAllThatIsMissing(t *testing.T) {
	_, err := New(Deps{LoginHint: "nose", HintIssuers: []HintIssuer{{}}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, what := range []string{"Authenticate", "Store", "Floor", "Record", "Issuer", "LoginHint", "Scopes", "Expiry", "Interval", "Clock", "HintIssuers"} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%s is not named: %v", what, err)
		}
	}
	if got := newRig(t).Modes(); len(got) != 3 {
		t.Errorf("modes: %v", got)
	}
	if got := newRig(t, func(d *Deps) { d.Floor = oauth.Profiles[oauth.ProfileFAPICIBA] }).Modes(); len(got) != 2 {
		t.Errorf("modes under FAPI-CIBA: %v", got)
	}
}

// FuzzRequestObject: whatever a client signs, the answer is a request that keeps the rules, or a refusal.
func FuzzRequestObject(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"fapi","aud":"https://id.bank.example","iat":1795435200,"nbf":1795435200,"exp":1795435500,"jti":"1","scope":"openid","login_hint":"anna","binding_message":"1"}`,
		`{"iss":"fapi","aud":["https://id.bank.example"],"iat":1795435200,"nbf":1795435200,"exp":1795435500,"jti":"1","scope":"openid","login_hint":"anna","requested_expiry":1e9,"resource":[1]}`,
		`{"requested_expiry":null,"scope":"","authorization_details":[{"type":"payment"}],"binding_message":"\u202e"}`, `[]`, `{"iss":{}}`, ``,
	} {
		f.Add([]byte(seed))
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		compact, err := r.key.Sign("", payload)
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Service: r.Service, t: t, store: r.store}
		clear(r.store.used)
		clear(r.store.requests)
		got := r.post(map[string][]string{"client_id": {"fapi"}, "request": {compact}})
		switch {
		case got.Status == http.StatusOK:
			b := r.store.requests[oauth.Secret(got.AuthReqID).Digest()]
			if b.UserID == "" || !b.Scope.Has("openid") || got.ExpiresIn < 1 || got.ExpiresIn > 600 || len(b.BindingMessage) > 4*maxBindingMessage {
				t.Errorf("%s became %+v", payload, b)
			}
		case got.Status != http.StatusBadRequest && got.Status != http.StatusRequestEntityTooLarge || got.Error == "" || len(r.store.requests) != 0:
			t.Errorf("%s: %d %s", payload, got.Status, got.body)
		}
	})
}

// FuzzHints: no hint makes anything but a user or a refusal.
func FuzzHints(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2hpbnRzLmV4YW1wbGUifQ.")
	f.Add("..")
	r := newRig(f)
	caller := oauth.ClientAuthentication{Client: r.store.clients["poll"]}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"login_hint", "login_hint_token", "id_token_hint"} {
			user, err := r.hinted(t.Context(), caller, oauth.NewParams(map[string][]string{name: {text}}), noon)
			if code := codeOf(err); err == nil && user.ID == "" || code == oauth.ServerError {
				t.Errorf("%s %q: %v", name, text, err)
			}
		}
	})
}
