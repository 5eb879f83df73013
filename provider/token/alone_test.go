package token

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/oauth"
)

// fixed is a grant that always decides the same.
type fixed struct {
	kind string
	a    oauth.Authorization
}

func (f fixed) GrantType() string { return f.kind }

func (f fixed) Redeem(context.Context, oauth.TokenRequest) (oauth.Authorization, error) {
	return f.a, nil
}

// exchanging is a bench whose token exchange decides so.
func exchanging(a oauth.Authorization) *bench {
	b := newBench()
	b.client.GrantTypes = append(b.client.GrantTypes, oauth.GrantTokenExchange)
	b.client.TrustDomains = []string{"https://domain"}
	if a.Refresh == nil {
		a.Refresh = oauth.NoRefresh{}
	}
	b.deps = func(d *Deps) {
		d.Grants = []oauth.GrantHandler{fixed{oauth.GrantTokenExchange, a}}
		d.Domains = map[string]oauth.Scope{"https://domain": {"payments"}, "https://other": nil}
	}
	return b
}

func exchangeForm() url.Values { return url.Values{"grant_type": {oauth.GrantTokenExchange}} }

// delegated is what a service may do for a user until a minute has gone by.
func delegated(out oauth.Output) oauth.Authorization {
	return oauth.Authorization{
		Subject: oauth.EndUser{ID: "u1", AuthTime: noon}, GrantID: "g1", Scope: oauth.Scope{"openid", "accounts", "payments"}, Resources: []string{"https://api"},
		Parent: "g1.parent", Actor: &oauth.Actor{Subject: "service", Act: &oauth.Actor{Subject: "other"}}, NotAfter: noon.Add(time.Minute), Output: out,
	}
}

// Whatever a grant asks for goes into access_token, and the response says what it is (RFC 8693 section 2.2.1).
func TestOutputs(t *testing.T) {
	transaction := oauth.OutputTransactionToken{Transaction: "t1", Audience: "https://domain", Workload: "w1", Lifetime: 15 * time.Second}
	for name, c := range map[string]struct {
		out  oauth.Output
		want map[string]any // of the response
		kept []string
	}{
		"an access token": {
			oauth.OutputToken{Type: oauth.TokenTypeAccess},
			map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60.0, "scope": "openid accounts payments", "issued_token_type": string(oauth.TokenTypeAccess)}, nil,
		},
		"a JWT": {
			oauth.OutputToken{Type: oauth.TokenTypeJWT},
			map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60.0, "scope": "openid accounts payments", "issued_token_type": string(oauth.TokenTypeJWT)}, nil,
		},
		"an ID token": {
			oauth.OutputIDToken{},
			map[string]any{"access_token": "id", "token_type": "N_A", "expires_in": 60.0, "scope": "openid", "issued_token_type": string(oauth.TokenTypeID)}, nil,
		},
		"a refresh token": {
			oauth.OutputRefreshToken{},
			map[string]any{"access_token": "?", "token_type": "N_A", "expires_in": 60.0, "scope": "openid accounts payments", "issued_token_type": string(oauth.TokenTypeRefresh)},
			[]string{"StoreRefresh", "ExtendGrant"},
		},
		"a transaction token": {
			transaction,
			map[string]any{"access_token": "id", "token_type": "N_A", "expires_in": 15.0, "scope": "payments", "issued_token_type": string(oauth.TokenTypeTxn)}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := exchanging(delegated(c.out))
			status, body, answer := b.ask(t, exchangeForm())
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, body)
			}
			if c.want["access_token"] == "?" && answer["access_token"] != "" {
				c.want["access_token"] = answer["access_token"]
			}
			if diff := cmp.Diff(c.want, answer); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(append(append([]string{"UseAssertion"}, c.kept...), "RecordAudit"), b.committed); diff != "" {
				t.Error(diff)
			}
			if b.audited.Detail["issued_token_type"] != answer["issued_token_type"] || b.audited.Detail["made_from"] != "g1.parent" || b.audited.Detail["act"] == nil {
				t.Errorf("audited %v", b.audited.Detail)
			}
			for _, signed := range []map[string]any{b.signed, b.others} {
				if signed == nil {
					continue
				}
				jti, _ := signed["jti"].(string)
				act := map[string]any{"sub": "service", "act": map[string]any{"sub": "other"}}
				if diff := cmp.Diff(act, signed["act"]); diff != "" || !strings.HasPrefix(jti, "g1.parent~") {
					t.Errorf("%v", signed)
				}
			}
		})
	}
}

// Without an output of its own the usual comes, bounded all the same.
func TestUsualTokensAreBounded(t *testing.T) {
	a := delegated(nil)
	a.Refresh = oauth.NewRefresh{}
	b := exchanging(a)
	with := b.deps
	b.deps = func(d *Deps) { with(d); d.TellRefreshLifetime = true }
	status, body, answer := b.ask(t, exchangeForm())
	if status != http.StatusOK || answer["id_token"] != "id" || answer["refresh_token"] == nil || answer["expires_in"] != 60.0 || answer["refresh_token_expires_in"] != 60.0 {
		t.Fatalf("%d %s", status, body)
	}
	kept := b.changes[1].(oauth.StoreRefresh).Token
	if !kept.Derived || kept.Actor == nil || kept.Actor.Act == nil || !kept.ExpiresAt.Equal(a.NotAfter) {
		t.Errorf("%+v", kept)
	}
	if end := float64(a.NotAfter.Unix()); b.signed["exp"] != end || b.others["exp"] != end {
		t.Errorf("the access token ends at %v, the ID token at %v, what they are made from at %v", b.signed["exp"], b.others["exp"], end)
	}
}

// Nothing lives longer than what it is made from, whatever the server, the client and policy would have.
func TestNotAfter(t *testing.T) {
	transaction := oauth.OutputTransactionToken{Transaction: "t1", Audience: "https://domain", Lifetime: time.Minute}
	for _, left := range []time.Duration{-time.Hour, 0, time.Second - 1, time.Second, 2500 * time.Millisecond, 59 * time.Second} {
		for name, out := range map[string]oauth.Output{
			"usual": nil, "access": oauth.OutputToken{Type: oauth.TokenTypeAccess}, "refresh": oauth.OutputRefreshToken{}, "id": oauth.OutputIDToken{}, "txn": transaction,
		} {
			a := delegated(out)
			a.NotAfter, a.Refresh = noon.Add(left), oauth.NewRefresh{}
			b := exchanging(a)
			b.decision = policy.Decision{AccessLifetime: time.Hour, IDLifetime: time.Hour, RefreshLifetime: time.Hour}
			status, body, answer := b.ask(t, exchangeForm())
			whole := left.Truncate(time.Second)
			if whole <= 0 {
				if status != http.StatusBadRequest || answer["error"] != string(oauth.InvalidGrant) || b.committed != nil {
					t.Errorf("%s, %v left: %d %s", name, left, status, body)
				}
				continue
			}
			if status != http.StatusOK || answer["expires_in"] != whole.Seconds() {
				t.Errorf("%s, %v left: %d %s", name, left, status, body)
			}
			for _, signed := range []map[string]any{b.signed, b.others} {
				if exp, ok := signed["exp"].(float64); ok && int64(exp) > a.NotAfter.Unix() {
					t.Errorf("%s, %v left: exp %v", name, left, exp)
				}
			}
			for _, change := range b.changes {
				if stored, ok := change.(oauth.StoreRefresh); ok && stored.Token.ExpiresAt.After(a.NotAfter) {
					t.Errorf("%s, %v left: the refresh token ends at %v", name, left, stored.Token.ExpiresAt)
				}
			}
		}
	}
}

// Policy may narrow, but not so that something leaves that needs what it has withheld.
func TestPolicyNarrowsOutputs(t *testing.T) {
	offline := true
	transaction := oauth.OutputTransactionToken{Transaction: "t1", Audience: "https://domain", Lifetime: time.Minute}
	elsewhere, unknown := transaction, transaction
	elsewhere.Audience, unknown.Audience = "https://other", "https://unknown"
	contradicted := transaction
	contradicted.Context = json.RawMessage(`{"amount":1}`)
	for name, c := range map[string]struct {
		out     oauth.Output
		a       func(*oauth.Authorization)
		left    oauth.Scope
		context map[string]any
		form    url.Values
		client  func(*oauth.Client)
		want    string // scope
		code    oauth.Code
		kept    []string
	}{
		"refresh token, less":                     {out: oauth.OutputRefreshToken{}, left: oauth.Scope{"accounts"}, want: "accounts"},
		"refresh token, needs offline_access":     {out: oauth.OutputRefreshToken{}, client: func(c *oauth.Client) { c.RequireOfflineAccess = &offline }, code: oauth.InvalidScope},
		"ID token, no openid granted":             {out: oauth.OutputIDToken{}, a: func(a *oauth.Authorization) { a.Scope = oauth.Scope{"accounts"} }, code: oauth.InvalidScope},
		"ID token, openid withheld":               {out: oauth.OutputIDToken{}, left: oauth.Scope{}, code: oauth.AccessDenied, kept: []string{"UseAssertion", "RecordAudit"}},
		"ID token for a resource":                 {out: oauth.OutputIDToken{}, form: url.Values{"resource": {"https://api"}}, code: oauth.InvalidTarget},
		"transaction, all":                        {out: transaction, want: "payments"},
		"transaction, nothing left":               {out: transaction, left: oauth.Scope{}, code: oauth.AccessDenied, kept: []string{"UseAssertion", "RecordAudit"}},
		"transaction, nothing meant there":        {out: transaction, a: func(a *oauth.Authorization) { a.Scope = oauth.Scope{"accounts"} }, code: oauth.InvalidScope},
		"transaction, not the client's domain":    {out: elsewhere, code: oauth.InvalidTarget},
		"transaction, all scopes of the domain":   {out: elsewhere, client: func(c *oauth.Client) { c.TrustDomains = []string{"https://other"} }, want: "openid accounts payments"},
		"transaction, unknown domain":             {out: unknown, client: func(c *oauth.Client) { c.TrustDomains = []string{"https://unknown"} }, code: oauth.InvalidTarget},
		"transaction, context added":              {out: transaction, context: map[string]any{"amount": 2}, want: "payments"},
		"transaction, context contradicted":       {out: contradicted, context: map[string]any{"amount": 2}, code: oauth.AccessDenied, kept: []string{"UseAssertion", "RecordAudit"}},
		"access token, too many generations":      {out: oauth.OutputToken{Type: oauth.TokenTypeAccess}, a: func(a *oauth.Authorization) { a.Parent = "g1.p" + strings.Repeat("~c", oauth.MaxGenerations) }, code: oauth.InvalidRequest},
		"access token, the last generation":       {out: oauth.OutputToken{Type: oauth.TokenTypeAccess}, a: func(a *oauth.Authorization) { a.Parent = "g1.p" + strings.Repeat("~c", oauth.MaxGenerations-1) }, want: "openid accounts payments"},
		"transaction token, too many generations": {out: transaction, a: func(a *oauth.Authorization) { a.Parent = "g1.p" + strings.Repeat("~c", oauth.MaxGenerations) }, code: oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			a := delegated(c.out)
			if c.a != nil {
				c.a(&a)
			}
			b := exchanging(a)
			b.narrowed, b.decision.TransactionContext = c.left, c.context
			if c.client != nil {
				c.client(b.client)
			}
			form := exchangeForm()
			maps.Copy(form, c.form)
			status, body, answer := b.ask(t, form)
			if c.code != "" {
				if status != http.StatusBadRequest || answer["error"] != string(c.code) || b.signed != nil {
					t.Errorf("%d %s", status, body)
				}
				if diff := cmp.Diff(c.kept, b.committed); diff != "" {
					t.Error(diff)
				}
				return
			}
			if status != http.StatusOK || answer["scope"] != c.want {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

// A refresh token alone keeps what policy has left, as there is nothing beside it that says less.
func TestRefreshTokenAloneIsNarrowed(t *testing.T) {
	b := exchanging(delegated(oauth.OutputRefreshToken{}))
	b.narrowed = oauth.Scope{"accounts"}
	b.ask(t, exchangeForm())
	kept := b.changes[1].(oauth.StoreRefresh).Token
	if kept.Scope.String() != "accounts" || kept.GrantID != "g1" || !kept.Derived {
		t.Errorf("%+v", kept)
	}
}

// Tokens about a client itself can be exchanged, but not for one that is about a user.
func TestOutputsThatNeedAUser(t *testing.T) {
	for _, out := range []oauth.Output{oauth.OutputRefreshToken{}, oauth.OutputIDToken{}} {
		a := delegated(out)
		a.Subject = oauth.ClientItself{ClientID: "c2"}
		b := exchanging(a)
		if status, body, _ := b.ask(t, exchangeForm()); status != http.StatusInternalServerError || b.committed != nil {
			t.Errorf("%T: %d %s", out, status, body)
		}
	}
}

// Policy is told all that a grant has to tell.
func TestPolicyIsToldTheQuestion(t *testing.T) {
	a := delegated(oauth.OutputToken{Type: oauth.TokenTypeAccess})
	claims := json.RawMessage(`{"sub":"u1"}`)
	a.Question = &oauth.Question{
		Exchange: &oauth.ExchangeFacts{
			SubjectType: oauth.TokenTypeJWT, SubjectIssuer: "https://bank", SubjectClaims: claims, Actor: a.Actor,
			ActorType: oauth.TokenTypeAccess, Requested: oauth.TokenTypeAccess,
		},
		Transaction: &oauth.TransactionFacts{Audience: "https://domain", Context: claims, Details: claims, Replaces: true},
		Assertion:   &oauth.AssertionFacts{Issuer: "https://bank", Claims: claims},
		Parameters:  map[string]string{"user_type": "employee"},
	}
	b := exchanging(a)
	b.client.TrustedFor, b.client.Introspects = []string{"x"}, []string{"https://api"}
	if status, body, _ := b.ask(t, exchangeForm()); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	want := policy.Grant{
		Type: oauth.GrantTokenExchange, Scope: []string{"openid", "accounts", "payments"}, Resources: []string{"https://api"},
		Exchange: &policy.Exchange{
			SubjectTokenType: string(oauth.TokenTypeJWT), SubjectIssuer: "https://bank", SubjectClaims: claims, ActorTokenType: string(oauth.TokenTypeAccess),
			Actors: []policy.Actor{{Subject: "service"}, {Subject: "other"}}, RequestedTokenType: string(oauth.TokenTypeAccess),
		},
		Transaction: &policy.Transaction{Audience: "https://domain", RequestContext: claims, RequestDetails: claims, Replaces: true},
		Assertion:   &policy.Assertion{Issuer: "https://bank", Claims: claims}, Parameters: map[string]string{"user_type": "employee"},
	}
	if diff := cmp.Diff(want, b.asked.Grant); diff != "" {
		t.Error(diff)
	}
	if b.asked.Client.TrustedFor == nil || b.asked.Client.Introspects == nil || b.asked.Token.Lifetime != 60 {
		t.Errorf("%+v %+v", b.asked.Client, b.asked.Token)
	}
}
