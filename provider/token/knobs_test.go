package token

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// A client's own lifetime shortens the server's; policy's opinion comes before both, and the cap after all.
func TestLifetimes(t *testing.T) {
	for name, c := range map[string]struct {
		client              int // seconds, of each kind
		policy              time.Duration
		access, id, refresh float64
		seen                int64 // by policy
	}{
		"the server's":           {access: 60, id: 60, refresh: 3600, seen: 60},
		"the client's":           {client: 30, access: 30, id: 30, refresh: 30, seen: 30},
		"no longer for a client": {client: 7200, access: 60, id: 60, refresh: 3600, seen: 60},
		"policy before a client": {client: 30, policy: 45 * time.Second, access: 45, id: 45, refresh: 45, seen: 30},
		"policy within the cap":  {policy: 2 * time.Hour, access: 3600, id: 3600, refresh: 7200, seen: 60},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.deps = func(d *Deps) { d.TellRefreshLifetime = true }
			b.code.Scope = oauth.Scope{"openid", "offline_access", "accounts"}
			b.client.AccessTokenLifetime, b.client.IDTokenLifetime, b.client.RefreshTokenLifetime = c.client, c.client, c.client
			b.decision = policy.Decision{AccessLifetime: c.policy, IDLifetime: c.policy, RefreshLifetime: c.policy}
			status, body, answer := b.ask(t, redemption())
			if status != http.StatusOK || answer["expires_in"] != c.access || answer["refresh_token_expires_in"] != c.refresh {
				t.Errorf("%d %s", status, body)
			}
			if b.signed["exp"] != float64(noon.Unix())+c.access || b.others["exp"] != float64(noon.Unix())+c.id || b.asked.Token.Lifetime != c.seen {
				t.Errorf("access token until %v, ID token until %v, policy saw %d", b.signed["exp"], b.others["exp"], b.asked.Token.Lifetime)
			}
		})
	}
}

// Nothing is told of a refresh token's life unless that is asked for, nor where there is none.
func TestRefreshLifetimeIsToldOnRequest(t *testing.T) {
	b := newBench()
	if status, body, answer := b.ask(t, redemption()); status != http.StatusOK || answer["refresh_token"] == nil || answer["refresh_token_expires_in"] != nil {
		t.Errorf("%d %s", status, body)
	}
	b.deps = func(d *Deps) { d.TellRefreshLifetime = true }
	if status, body, answer := b.ask(t, credentials()); status != http.StatusOK || answer["refresh_token_expires_in"] != nil {
		t.Errorf("%d %s", status, body)
	}
}

// How access tokens look is the resource server's choice, then the client's, and then what a JWT that is asked for is.
func TestKinds(t *testing.T) {
	catalog := NewCatalog([]Resource{
		{ID: "https://jwt", Scopes: oauth.Scope{"a"}, Alg: "ES256", Lifetime: time.Minute, Layout: issue.LayoutRFC9068},
		{ID: "https://opaque", Scopes: oauth.Scope{"a"}, Alg: "ES256", Opaque: true, Lifetime: time.Minute},
		{ID: "https://light", Scopes: oauth.Scope{"a"}, Alg: "ES256", Layout: issue.LayoutLight, Lifetime: time.Minute},
		{ID: "https://ps", Scopes: oauth.Scope{"a"}, Alg: "PS256", Lifetime: time.Minute},
	})
	for name, c := range map[string]struct {
		asked  []string
		format oauth.TokenFormat
		alg    string
		out    oauth.Output
		want   kind
		code   oauth.Code
	}{
		"JWT":                              {asked: []string{"https://jwt"}, want: kind{alg: "ES256"}},
		"JWT, client by reference":         {asked: []string{"https://jwt"}, format: oauth.FormatOpaque, want: kind{opaque: true, alg: "ES256"}},
		"JWT, another alg":                 {asked: []string{"https://jwt"}, alg: "PS256", want: kind{alg: "PS256"}},
		"by reference":                     {asked: []string{"https://opaque"}, want: kind{opaque: true, alg: "ES256"}},
		"by reference, client JWT":         {asked: []string{"https://opaque"}, format: oauth.FormatJWT, want: kind{alg: "ES256"}},
		"by reference, JWT asked for":      {asked: []string{"https://opaque"}, out: oauth.OutputToken{Type: oauth.TokenTypeJWT}, want: kind{alg: "ES256"}},
		"by reference, token asked for":    {asked: []string{"https://opaque"}, out: oauth.OutputToken{Type: oauth.TokenTypeAccess}, want: kind{opaque: true, alg: "ES256"}},
		"client by reference, JWT asked":   {asked: []string{"https://jwt"}, format: oauth.FormatOpaque, out: oauth.OutputToken{Type: oauth.TokenTypeJWT}, want: kind{alg: "ES256"}},
		"light":                            {asked: []string{"https://light"}, want: kind{alg: "ES256", layout: issue.LayoutLight}},
		"of two layouts":                   {asked: []string{"https://jwt", "https://light"}, code: oauth.InvalidTarget},
		"of two formats":                   {asked: []string{"https://jwt", "https://opaque"}, code: oauth.InvalidTarget},
		"of two formats, one for a client": {asked: []string{"https://jwt", "https://opaque"}, format: oauth.FormatJWT, want: kind{alg: "ES256"}},
		"of two algs":                      {asked: []string{"https://jwt", "https://ps"}, code: oauth.InvalidTarget},
		"of two algs, one for a client":    {asked: []string{"https://jwt", "https://ps"}, alg: "ES256", want: kind{alg: "ES256"}},
	} {
		t.Run(name, func(t *testing.T) {
			client := &oauth.Client{Resources: c.asked, Scope: "a", AccessTokenFormat: c.format, AccessTokenAlg: c.alg}
			a := oauth.Authorization{Subject: oauth.ClientItself{ClientID: "c1"}, Scope: oauth.Scope{"a"}, Output: c.out}
			got, err := catalog.target(oauth.TokenRequest{Client: client, Resources: c.asked}, a)
			if o := outcomeOf(oauth.Authorization{}, err); o.Error != c.code {
				t.Fatalf("error %q, want %q", o.Error, c.code)
			}
			if diff := cmp.Diff(c.want, kind{got.opaque, got.alg, got.layout}, cmp.AllowUnexported(kind{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The parameter audience names resources as resource does, where that is switched on and it means nothing else.
func TestAudienceParameter(t *testing.T) {
	both := []any{"https://api", "https://cards"}
	for name, c := range map[string]struct {
		on   bool
		form url.Values
		want any
		code oauth.Code
	}{
		"off":                         {form: url.Values{"audience": {"https://cards"}}, want: "https://api"},
		"off, several":                {form: url.Values{"audience": {"https://cards", "https://x"}}, want: "https://api"},
		"on, none":                    {on: true, want: "https://api"},
		"on":                          {on: true, form: url.Values{"audience": {"https://cards"}}, want: "https://cards"},
		"on, several":                 {on: true, form: url.Values{"audience": {"https://api", "https://cards"}}, want: both},
		"on, beside resource":         {on: true, form: url.Values{"resource": {"https://api"}, "audience": {"https://cards"}}, want: both},
		"on, the same as resource":    {on: true, form: url.Values{"resource": {"https://api"}, "audience": {"https://api"}}, want: "https://api"},
		"on, unknown":                 {on: true, form: url.Values{"audience": {"https://x"}}, code: oauth.InvalidTarget},
		"on, no resource server":      {on: true, form: url.Values{"audience": {"c1"}}, code: oauth.InvalidTarget},
		"another parameter, repeated": {form: url.Values{"scope": {"accounts", "payments"}}, code: oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.client.Resources = []string{"https://api", "https://cards"}
			b.deps = func(d *Deps) {
				d.AudienceParameter = c.on
				d.Catalog = NewCatalog([]Resource{
					{ID: "https://api", Scopes: oauth.Scope{"accounts"}, Alg: "ES256", Lifetime: time.Minute},
					{ID: "https://cards", Scopes: oauth.Scope{"accounts"}, Alg: "ES256", Lifetime: time.Minute},
				})
			}
			form := credentials()
			for k, v := range c.form {
				form[k] = v
			}
			status, body, answer := b.ask(t, form)
			if c.code != "" {
				if status != http.StatusBadRequest || answer["error"] != string(c.code) {
					t.Errorf("%d %s", status, body)
				}
				return
			}
			if diff := cmp.Diff(c.want, b.signed["aud"]); diff != "" || status != http.StatusOK {
				t.Errorf("%d %s", status, diff)
			}
		})
	}
}

// A token exchange and a declared grant read audience themselves. What the former is asked for is what its authorization
// is for, by either parameter.
func TestAudienceOfAnExchange(t *testing.T) {
	for name, c := range map[string]struct {
		kind    string
		granted []string
		form    url.Values
		want    any
	}{
		"exchange, by both":                 {oauth.GrantTokenExchange, []string{"https://api", "https://cards"}, url.Values{"resource": {"https://api"}, "audience": {"https://cards"}}, []any{"https://api", "https://cards"}},
		"exchange, by audience alone":       {oauth.GrantTokenExchange, []string{"https://cards"}, url.Values{"audience": {"https://cards"}}, "https://cards"},
		"exchange, by a name for one":       {oauth.GrantTokenExchange, []string{"https://cards"}, url.Values{"audience": {"cards"}}, "https://cards"},
		"exchange, lost by its client":      {oauth.GrantTokenExchange, []string{"https://api", "https://lost"}, nil, "https://api"},
		"exchange, asked, not its client's": {oauth.GrantTokenExchange, []string{"https://api", "https://lost"}, url.Values{"audience": {"https://lost"}}, nil},
		"declared":                          {"urn:bank:clerk", nil, url.Values{"audience": {"counter"}}, "https://api"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.client.Resources, b.client.GrantTypes = []string{"https://api", "https://cards"}, []string{c.kind}
			b.deps = func(d *Deps) {
				d.AudienceParameter = true
				d.Grants = []oauth.GrantHandler{fixed{c.kind, oauth.Authorization{
					Subject: oauth.ClientItself{ClientID: "c1"}, Scope: oauth.Scope{"accounts"}, Resources: c.granted, Refresh: oauth.NoRefresh{},
				}}}
				d.Catalog = NewCatalog([]Resource{
					{ID: "https://api", Scopes: oauth.Scope{"accounts"}, Alg: "ES256", Lifetime: time.Minute},
					{ID: "https://cards", Scopes: oauth.Scope{"accounts"}, Alg: "ES256", Lifetime: time.Minute},
					{ID: "https://lost", Scopes: oauth.Scope{"accounts"}, Alg: "ES256", Lifetime: time.Minute},
				})
			}
			form := url.Values{"grant_type": {c.kind}}
			for k, v := range c.form {
				form[k] = v
			}
			status, body, answer := b.ask(t, form)
			if c.want == nil {
				if status != http.StatusBadRequest || answer["error"] != string(oauth.InvalidTarget) {
					t.Errorf("%d %s", status, body)
				}
				return
			}
			if diff := cmp.Diff(c.want, b.signed["aud"]); diff != "" || status != http.StatusOK {
				t.Errorf("%d %s %s", status, body, diff)
			}
		})
	}
}

// What is not on the server's list is not served, though the client be registered for it.
func TestServedGrantTypes(t *testing.T) {
	b := newBench()
	for _, c := range []struct {
		served []string
		listed []string
		want   int
	}{
		{nil, []string{oauth.GrantAuthorizationCode, oauth.GrantClientCredentials}, http.StatusOK},
		{[]string{oauth.GrantClientCredentials, oauth.GrantPassword}, []string{oauth.GrantClientCredentials}, http.StatusOK},
		{[]string{oauth.GrantAuthorizationCode}, []string{oauth.GrantAuthorizationCode}, http.StatusBadRequest},
		{[]string{}, nil, http.StatusBadRequest},
	} {
		var listed []string
		b.deps = func(d *Deps) { d.GrantTypes = c.served; listed = New(*d).GrantTypes() }
		status, body, answer := b.ask(t, credentials())
		if status != c.want || status != http.StatusOK && answer["error"] != string(oauth.UnsupportedGrantType) {
			t.Errorf("%v: %d %s", c.served, status, body)
		}
		if diff := cmp.Diff(c.listed, listed); diff != "" {
			t.Error(diff)
		}
	}
}

// Those whose clocks are behind can be helped.
func TestNotBefore(t *testing.T) {
	b := newBench()
	if b.ask(t, credentials()); b.signed["nbf"] != nil {
		t.Error(b.signed)
	}
	leeway := 30 * time.Second
	b.deps = func(d *Deps) { d.NotBefore = &leeway }
	if b.ask(t, credentials()); b.signed["nbf"] != float64(noon.Add(-leeway).Unix()) {
		t.Error(b.signed)
	}
}

// Where openid is optional, an ID token comes without it; where policy withholds it, none does. What is kept of one is
// in the audit log.
func TestIDTokensByOption(t *testing.T) {
	b := newBench()
	b.code.Scope = oauth.Scope{"accounts"}
	if status, body, answer := b.ask(t, redemption()); status != http.StatusOK || answer["id_token"] != nil {
		t.Errorf("%d %s", status, body)
	}
	b.deps = func(d *Deps) { d.IDTokens = IDTokenOptions{OpenIDOptional: true, Persist: true} }
	if status, body, answer := b.ask(t, redemption()); status != http.StatusOK || answer["id_token"] != "id" {
		t.Errorf("%d %s", status, body)
	}
	record, _ := b.audited.Detail["id_token"].(map[string]any)
	if record["sha256"] == nil || record["exp"] != noon.Add(time.Minute).Unix() {
		t.Errorf("audited %v", b.audited.Detail)
	}
	b.code.Scope, b.narrowed = oauth.Scope{"openid", "accounts"}, oauth.Scope{"accounts"}
	if status, body, answer := b.ask(t, redemption()); status != http.StatusOK || answer["id_token"] != nil || b.audited.Detail["id_token"] != nil {
		t.Errorf("%d %s", status, body)
	}
}
