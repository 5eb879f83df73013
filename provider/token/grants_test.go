package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// rest is the store at rest, as the grants see it.
type rest struct {
	codes   map[oauth.Digest]oauth.AuthorizationCode
	refresh map[oauth.Digest]oauth.RefreshToken
	grants  map[string]oauth.Grant
	users   map[string]oauth.User
	err     error
}

func find[K comparable, V any](m map[K]V, key K, err error) (V, error) {
	v, ok := m[key]
	if err == nil && !ok {
		err = oauth.ErrNotFound
	}
	return v, err
}

func (r rest) Code(_ context.Context, d oauth.Digest) (oauth.AuthorizationCode, error) {
	return find(r.codes, d, r.err)
}

func (r rest) RefreshToken(_ context.Context, d oauth.Digest) (oauth.RefreshToken, error) {
	return find(r.refresh, d, r.err)
}
func (r rest) Grant(_ context.Context, id string) (oauth.Grant, error) {
	return find(r.grants, id, r.err)
}
func (r rest) User(_ context.Context, id string) (oauth.User, error) {
	return find(r.users, id, r.err)
}

func client(change func(*oauth.Client)) *oauth.Client {
	c := &oauth.Client{
		ID: "c1", AuthMethod: oauth.AuthPrivateKeyJWT, Scope: "openid offline_access accounts payments",
		GrantTypes: []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken, oauth.GrantClientCredentials},
		Resources:  []string{"https://api"},
	}
	if change != nil {
		change(c)
	}
	return c
}

func request(c *oauth.Client, params map[string]string) oauth.TokenRequest {
	values := map[string][]string{}
	for name, value := range params {
		values[name] = []string{value}
	}
	p := oauth.NewParams(values)
	scope, _ := oauth.ParseScope(p.Get("scope"))
	return oauth.TokenRequest{ID: "r1", Now: noon, Client: c, Profile: oauth.Profiles[oauth.ProfileOpenID], Scope: scope, Params: p}
}

// outcome is what a test compares: an error code with the changes of a refusal, or an authorization.
type outcome struct {
	Error   oauth.Code
	Scope   string
	Refresh oauth.Refresh
	Changes []oauth.Change
}

func outcomeOf(a oauth.Authorization, err error) outcome {
	var fault *oauth.Error
	var refusal *oauth.Refusal
	o := outcome{Scope: a.Scope.String(), Refresh: a.Refresh, Changes: a.Changes}
	if errors.As(err, &fault) {
		o.Error = fault.Code
	} else if err != nil {
		o.Error = oauth.ServerError
	}
	if errors.As(err, &refusal) {
		o.Changes = refusal.Changes
	}
	return o
}

func TestClientCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		client *oauth.Client
		scope  string
		want   outcome
	}{
		"default is all that is not about a user": {client(nil), "", outcome{Scope: "accounts payments", Refresh: oauth.NoRefresh{}}},
		"narrower":            {client(nil), "payments", outcome{Scope: "payments", Refresh: oauth.NoRefresh{}}},
		"not registered":      {client(nil), "cards", outcome{Error: oauth.InvalidScope}},
		"about a user":        {client(nil), "openid", outcome{Error: oauth.InvalidScope}},
		"public client":       {client(func(c *oauth.Client) { c.AuthMethod = oauth.AuthNone }), "", outcome{Error: oauth.UnauthorizedClient}},
		"no scope registered": {client(func(c *oauth.Client) { c.Scope = "" }), "", outcome{Refresh: oauth.NoRefresh{}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := outcomeOf(ClientCredentials{}.Redeem(t.Context(), request(c.client, map[string]string{"scope": c.scope})))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAuthorizationCode(t *testing.T) {
	const value = oauth.Secret("the-code")
	good := oauth.AuthorizationCode{
		Digest: value.Digest(), ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, Scope: oauth.Scope{"openid", "accounts"},
		Request:   oauth.AuthorizationRequest{RedirectURI: "https://app/cb", CodeChallenge: challenge(), Nonce: "n"},
		ExpiresAt: noon.Add(time.Minute),
	}
	redeem := []oauth.Change{oauth.RedeemCode{Digest: value.Digest(), GrantID: "g1", At: noon}}
	burn := []oauth.Change{oauth.BurnCode{Digest: value.Digest(), At: noon}}
	for name, c := range map[string]struct {
		code   func(*oauth.AuthorizationCode)
		params map[string]string
		user   oauth.User
		want   outcome
	}{
		"redeemed":               {want: outcome{Scope: "openid accounts", Refresh: oauth.NoRefresh{}, Changes: redeem}},
		"offline":                {code: func(c *oauth.AuthorizationCode) { c.Scope = oauth.Scope{"openid", "offline_access"} }, want: outcome{Scope: "openid offline_access", Refresh: oauth.NewRefresh{}, Changes: redeem}},
		"plain OAuth":            {code: func(c *oauth.AuthorizationCode) { c.Scope = oauth.Scope{"accounts"} }, want: outcome{Scope: "accounts", Refresh: oauth.NewRefresh{}, Changes: redeem}},
		"no code":                {params: map[string]string{"code": ""}, want: outcome{Error: oauth.InvalidRequest}},
		"unknown code":           {params: map[string]string{"code": "x"}, want: outcome{Error: oauth.InvalidGrant}},
		"another client's":       {code: func(c *oauth.AuthorizationCode) { c.ClientID = "c2" }, want: outcome{Error: oauth.InvalidGrant}},
		"another client's, used": {code: func(c *oauth.AuthorizationCode) { c.ClientID, c.Used = "c2", true }, want: outcome{Error: oauth.InvalidGrant}},
		"used":                   {code: func(c *oauth.AuthorizationCode) { c.Used = true }, want: outcome{Error: oauth.InvalidGrant, Changes: []oauth.Change{oauth.RevokeGrant{GrantID: "g1", At: noon}}}},
		"expired":                {code: func(c *oauth.AuthorizationCode) { c.ExpiresAt = noon }, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"other redirect_uri":     {params: map[string]string{"redirect_uri": "https://app/cb/"}, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"no redirect_uri":        {params: map[string]string{"redirect_uri": ""}, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"other verifier":         {params: map[string]string{"code_verifier": verifier[1:] + "A"}, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"no verifier":            {params: map[string]string{"code_verifier": ""}, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"without PKCE":           {code: func(c *oauth.AuthorizationCode) { c.Request.CodeChallenge = "" }, params: map[string]string{"code_verifier": ""}, want: outcome{Scope: "openid accounts", Refresh: oauth.NoRefresh{}, Changes: redeem}},
		"verifier without PKCE":  {code: func(c *oauth.AuthorizationCode) { c.Request.CodeChallenge = "" }, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"bound to the sender":    {code: func(c *oauth.AuthorizationCode) { c.Request.DPoPJKT = "key" }, want: outcome{Scope: "openid accounts", Refresh: oauth.NoRefresh{}, Changes: redeem}},
		"bound to another key":   {code: func(c *oauth.AuthorizationCode) { c.Request.DPoPJKT = "other" }, want: outcome{Error: oauth.InvalidGrant, Changes: burn}},
		"disabled user":          {user: oauth.User{Disabled: true}, want: outcome{Error: oauth.InvalidGrant}},
	} {
		t.Run(name, func(t *testing.T) {
			code, params := good, map[string]string{"code": value.Reveal(), "redirect_uri": "https://app/cb", "code_verifier": verifier}
			if c.code != nil {
				c.code(&code)
			}
			for k, v := range c.params {
				params[k] = v
			}
			at := rest{codes: map[oauth.Digest]oauth.AuthorizationCode{code.Digest: code}, users: map[string]oauth.User{"u1": c.user}}
			req := request(client(nil), params)
			req.Sender.JKT = "key"
			got := outcomeOf(AuthorizationCode{Store: at, Users: at}.Redeem(t.Context(), req))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefreshToken(t *testing.T) {
	const value = oauth.Secret("the-refresh-token")
	good := oauth.RefreshToken{
		Digest: value.Digest(), ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1"},
		Scope: oauth.Scope{"openid", "accounts"}, ExpiresAt: noon.Add(time.Hour),
	}
	rotated := func(ago time.Duration, used bool) func(*oauth.RefreshToken) {
		return func(r *oauth.RefreshToken) { r.RotatedAt, r.SuccessorUsed = noon.Add(-ago), used }
	}
	revoke := []oauth.Change{oauth.RevokeGrant{GrantID: "g1", At: noon}}
	for name, c := range map[string]struct {
		token   func(*oauth.RefreshToken)
		scope   string
		fapi    bool
		grace   time.Duration
		sender  oauth.Confirmation
		want    oauth.Code
		changes []oauth.Change
		granted string
	}{
		"rotated":                  {granted: "openid accounts"},
		"narrower":                 {scope: "accounts", granted: "accounts"},
		"wider":                    {scope: "accounts payments", want: oauth.InvalidScope},
		"kept under FAPI 2.0":      {fapi: true, granted: "openid accounts", changes: []oauth.Change{oauth.UseRefresh{Digest: value.Digest(), GrantID: "g1"}}},
		"another client's":         {token: func(r *oauth.RefreshToken) { r.ClientID = "c2" }, want: oauth.InvalidGrant},
		"another client's, reused": {token: func(r *oauth.RefreshToken) { r.ClientID = "c2"; r.RotatedAt = noon }, want: oauth.InvalidGrant},
		"expired":                  {token: func(r *oauth.RefreshToken) { r.ExpiresAt = noon }, want: oauth.InvalidGrant},
		"revoked":                  {token: func(r *oauth.RefreshToken) { r.Revoked = true }, want: oauth.InvalidGrant},
		"reused":                   {token: rotated(time.Second, false), want: oauth.InvalidGrant, changes: revoke},
		"retried in time":          {token: rotated(time.Second, false), grace: time.Minute, granted: "openid accounts"},
		"retried too late":         {token: rotated(time.Hour, false), grace: time.Minute, want: oauth.InvalidGrant, changes: revoke},
		"retried after successor":  {token: rotated(time.Second, true), grace: time.Minute, want: oauth.InvalidGrant, changes: revoke},
		"bound, holder":            {token: func(r *oauth.RefreshToken) { r.Confirmation.X5TS256 = "A" }, sender: oauth.Confirmation{X5TS256: "A"}, granted: "openid accounts"},
		"bound, other":             {token: func(r *oauth.RefreshToken) { r.Confirmation.X5TS256 = "A" }, sender: oauth.Confirmation{X5TS256: "B"}, want: oauth.InvalidGrant},
		"bound, nothing":           {token: func(r *oauth.RefreshToken) { r.Confirmation.X5TS256 = "A" }, want: oauth.InvalidGrant},
		"bound, other, reused":     {token: func(r *oauth.RefreshToken) { r.Confirmation.X5TS256 = "A"; r.RotatedAt = noon }, want: oauth.InvalidGrant},
		"bound to a key, holder":   {token: func(r *oauth.RefreshToken) { r.Confirmation.JKT = "K" }, sender: oauth.Confirmation{X5TS256: "A", JKT: "K"}, granted: "openid accounts"},
		"bound to a key, other":    {token: func(r *oauth.RefreshToken) { r.Confirmation.JKT = "K" }, sender: oauth.Confirmation{JKT: "L"}, want: oauth.InvalidGrant},
		"bound to a key, cert":     {token: func(r *oauth.RefreshToken) { r.Confirmation.JKT = "K" }, sender: oauth.Confirmation{X5TS256: "A"}, want: oauth.InvalidGrant},
		"user gone":                {token: func(r *oauth.RefreshToken) { r.User.ID = "u2" }, want: oauth.InvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			token := good
			if c.token != nil {
				c.token(&token)
			}
			at := rest{refresh: map[oauth.Digest]oauth.RefreshToken{token.Digest: token}, users: map[string]oauth.User{"u1": {}}}
			req := request(client(nil), map[string]string{"refresh_token": value.Reveal(), "scope": c.scope})
			req.Sender = c.sender
			want := outcome{Error: c.want, Scope: c.granted, Changes: c.changes}
			if c.want == "" {
				want.Refresh = oauth.RotateRefresh{Old: token, Grace: c.grace}
			}
			if c.fapi {
				req.Profile, want.Refresh = oauth.Profiles[oauth.ProfileFAPI2Security], oauth.KeepRefresh{}
			}
			got := outcomeOf(RefreshToken{Store: at, Users: at, RetryGrace: c.grace}.Redeem(t.Context(), req))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGrantsDoNotAnswerWhenTheStoreFails(t *testing.T) {
	down := rest{err: errors.New("disk on fire")}
	for name, grant := range map[string]oauth.GrantHandler{
		"code":    AuthorizationCode{Store: down, Users: down},
		"refresh": RefreshToken{Store: down, Users: down},
	} {
		t.Run(name, func(t *testing.T) {
			got := outcomeOf(grant.Redeem(t.Context(), request(client(nil), map[string]string{"code": "x", "refresh_token": "x"})))
			if diff := cmp.Diff(outcome{Error: oauth.ServerError}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	catalog := NewCatalog([]Resource{
		{ID: "https://api", Scopes: oauth.Scope{"accounts", "payments"}, Alg: "ES256", Lifetime: 5 * time.Minute},
		{ID: "https://cards", Scopes: oauth.Scope{"cards"}, Alg: "ES256", Lifetime: time.Minute},
		{ID: "https://opaque", Scopes: oauth.Scope{"accounts"}, Opaque: true, Alg: "ES256", Lifetime: time.Minute},
	})
	all := []string{"https://api", "https://cards", "https://opaque"}
	for name, c := range map[string]struct {
		asked, granted, registered []string
		scope                      oauth.Scope
		user                       bool
		want                       target
		fault                      oauth.Code
	}{
		"default is the first":        {registered: all, scope: oauth.Scope{"accounts", "cards"}, want: target{audience: all[:1], scope: oauth.Scope{"accounts"}, alg: "ES256", lifetime: 5 * time.Minute}},
		"two, shortest life":          {asked: all[:2], registered: all, scope: oauth.Scope{"accounts", "cards"}, want: target{audience: all[:2], scope: oauth.Scope{"accounts", "cards"}, alg: "ES256", lifetime: time.Minute}},
		"different kinds":             {asked: []string{all[0], all[2]}, registered: all, scope: oauth.Scope{"accounts"}, fault: oauth.InvalidTarget},
		"unknown":                     {asked: []string{"https://x"}, registered: all, fault: oauth.InvalidTarget},
		"not the client's":            {asked: all[1:2], registered: all[:1], fault: oauth.InvalidTarget},
		"not granted":                 {asked: all[1:2], granted: all[:1], registered: all, fault: oauth.InvalidTarget},
		"granted is the default":      {granted: all[1:2], registered: all, scope: oauth.Scope{"cards"}, want: target{audience: all[1:2], scope: oauth.Scope{"cards"}, alg: "ES256", lifetime: time.Minute}},
		"nothing left":                {asked: all[1:2], registered: all, scope: oauth.Scope{"accounts"}, fault: oauth.InvalidScope},
		"user scopes need a user":     {registered: all, scope: oauth.Scope{"openid"}, fault: oauth.InvalidScope},
		"user scopes are anywhere":    {registered: all, scope: oauth.Scope{"openid", "accounts"}, user: true, want: target{audience: all[:1], scope: oauth.Scope{"openid", "accounts"}, alg: "ES256", lifetime: 5 * time.Minute}},
		"grant outlived the resource": {granted: all[:1], registered: all[1:], scope: oauth.Scope{"accounts"}, fault: oauth.InvalidTarget},
		"asked for what it lost":      {asked: all[:1], granted: all[:2], registered: all[1:], scope: oauth.Scope{"accounts"}, fault: oauth.InvalidTarget},
		"what is left of the grant":   {granted: all[:2], registered: all[1:], scope: oauth.Scope{"accounts", "cards"}, want: target{audience: all[1:2], scope: oauth.Scope{"cards"}, alg: "ES256", lifetime: time.Minute}},
		"scope the client has lost":   {registered: all, scope: oauth.Scope{"unregistered"}, fault: oauth.InvalidScope},
		"no resource at all":          {fault: oauth.InvalidTarget},
	} {
		t.Run(name, func(t *testing.T) {
			a := oauth.Authorization{Subject: oauth.ClientItself{ClientID: "c1"}, Scope: c.scope, Resources: c.granted}
			if c.user {
				a.Subject = oauth.EndUser{ID: "u1"}
			}
			got, err := catalog.target(oauth.TokenRequest{Client: &oauth.Client{Resources: c.registered, Scope: "openid accounts payments cards"}, Resources: c.asked}, a)
			if o := outcomeOf(oauth.Authorization{}, err); o.Error != c.fault {
				t.Fatalf("error %q, want %q", o.Error, c.fault)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(target{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
