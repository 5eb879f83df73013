package authorize

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signet/provider/oauth"
)

func TestDecide(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	loggedIn := func(ago time.Duration) *oauth.EndUser { return &oauth.EndUser{ID: "u1", AuthTime: now.Add(-ago)} }
	seconds := func(n int) *int { return &n }
	confidential := &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, Resources: []string{accounts, "https://b.example"}}
	public := &oauth.Client{ID: "app", AuthMethod: oauth.AuthNone}
	agreed := oauth.Consent{UserID: "u1", ClientID: "app", Agreed: oauth.Agreement(oauth.Scope{"openid", "accounts"}, []string{accounts}, now.Add(1))}
	others := agreed
	others.UserID = "u2"
	lapsed, elsewhere := agreed, agreed
	lapsed.Agreed = oauth.Agreement(oauth.Scope{"openid", "accounts"}, []string{accounts}, now)
	elsewhere.Agreed = slices.Concat(agreed.Agreed, oauth.Agreement(oauth.Scope{"payments"}, []string{"https://b.example"}, now.Add(1)))
	grant := func(user string, ends time.Duration, details ...oauth.Detail) oauth.Grant {
		return oauth.Grant{ID: "g1", UserID: user, Scope: oauth.Scope{"openid"}, Resources: []string{accounts}, Details: details, ExpiresAt: now.Add(ends)}
	}

	for _, test := range []struct {
		name    string
		user    *oauth.EndUser
		settled bool
		prompt  []string
		maxAge  *int
		scope   oauth.Scope
		target  []string
		uri     string
		answer  string // response type
		client  *oauth.Client
		consent oauth.Consent
		details oauth.Details
		before  oauth.Grant // the request is a merge with it
		want    string
	}{
		{name: "nobody", want: "login"},
		{name: "nobody, silently", prompt: []string{"none"}, want: "login_required"},
		{name: "somebody without consent", user: loggedIn(0), want: "consent"},
		{name: "the same, silently", user: loggedIn(0), prompt: []string{"none"}, want: "consent_required"},
		{name: "somebody with consent", user: loggedIn(0), consent: agreed, want: "code"},
		{name: "the same, silently", user: loggedIn(0), prompt: []string{"none"}, consent: agreed, want: "code"},
		{name: "somebody else's consent", user: loggedIn(0), consent: others, want: "consent"},
		{name: "narrower scope", user: loggedIn(0), scope: oauth.Scope{"openid"}, consent: agreed, want: "code"},
		{name: "wider scope", user: loggedIn(0), scope: oauth.Scope{"openid", "payments"}, consent: agreed, want: "consent"},
		{name: "agreed resource", user: loggedIn(0), target: []string{accounts}, consent: agreed, want: "code"},
		{name: "another resource", user: loggedIn(0), target: []string{"https://b.example"}, consent: agreed, want: "consent"},
		{name: "details are asked for each time", user: loggedIn(0), consent: agreed, details: oauth.Details{payment("1")}, want: "consent"},
		{name: "the same, silently", user: loggedIn(0), consent: agreed, details: oauth.Details{payment("1")}, prompt: []string{"none"}, want: "consent_required"},
		{name: "details alone", user: loggedIn(0), scope: oauth.Scope{}, details: oauth.Details{payment("1")}, want: "consent"},
		{name: "consent that has lapsed", user: loggedIn(0), consent: lapsed, want: "consent"},
		{name: "agreed to elsewhere", user: loggedIn(0), scope: oauth.Scope{"payments"}, target: []string{accounts}, consent: elsewhere, want: "consent"},
		{name: "own grant", user: loggedIn(0), consent: agreed, before: grant("u1", time.Hour), want: "code"},
		{name: "own grant would last longer", user: loggedIn(0), consent: agreed, before: grant("u1", time.Minute), want: "consent"},
		{name: "the same, silently", user: loggedIn(0), prompt: []string{"none"}, consent: agreed, before: grant("u1", time.Minute), want: "consent_required"},
		{name: "details of before are given again", user: loggedIn(0), consent: agreed, before: grant("u1", time.Hour, payment("1")), want: "consent"},
		{name: "the same, silently", user: loggedIn(0), prompt: []string{"none"}, consent: agreed, before: grant("u1", time.Hour, payment("1")), want: "consent_required"},
		{name: "another's grant", user: loggedIn(0), consent: agreed, before: grant("u2", time.Hour), want: "access_denied"},
		{name: "another's grant, nobody there", before: grant("u2", time.Hour), want: "login"},
		{name: "prompt login", user: loggedIn(0), prompt: []string{"login"}, consent: agreed, want: "login"},
		{name: "prompt login, done", user: loggedIn(0), settled: true, prompt: []string{"login"}, consent: agreed, want: "code"},
		{name: "prompt select_account", user: loggedIn(0), prompt: []string{"select_account"}, consent: agreed, want: "login"},
		{name: "prompt consent", user: loggedIn(0), prompt: []string{"consent"}, consent: agreed, want: "consent"},
		{name: "prompt login consent", user: loggedIn(0), prompt: []string{"login", "consent"}, consent: agreed, want: "login"},
		{name: "prompt login consent, logged in", user: loggedIn(0), settled: true, prompt: []string{"login", "consent"}, consent: agreed, want: "consent"},
		{name: "max_age kept", user: loggedIn(9 * time.Second), maxAge: seconds(10), consent: agreed, want: "code"},
		{name: "max_age reached", user: loggedIn(10 * time.Second), maxAge: seconds(10), consent: agreed, want: "login"},
		{name: "max_age reached, silently", user: loggedIn(10 * time.Second), maxAge: seconds(10), prompt: []string{"none"}, consent: agreed, want: "login_required"},
		{name: "max_age 0 is like prompt login", user: loggedIn(0), maxAge: seconds(0), consent: agreed, want: "login"},
		{name: "max_age 0, done", user: loggedIn(time.Minute), settled: true, maxAge: seconds(0), consent: agreed, want: "code"},
		{name: "the largest max_age", user: loggedIn(time.Hour), maxAge: seconds(maxMaxAge), consent: agreed, want: "code"},
		{name: "public at https", user: loggedIn(0), client: public, consent: agreed, want: "code"},
		{name: "public on loopback", user: loggedIn(0), client: public, uri: "http://127.0.0.1:1/cb", consent: agreed, want: "consent"},
		{name: "public at its own scheme", user: loggedIn(0), client: public, uri: "com.example:/cb", consent: agreed, want: "consent"},
		{name: "public in front at https", user: loggedIn(0), client: public, answer: "id_token token", consent: agreed, want: "code"},
		{name: "confidential on loopback, a code", user: loggedIn(0), uri: "http://127.0.0.1:1/cb", answer: "code", consent: agreed, want: "code"},
		{name: "confidential on loopback, an ID token", user: loggedIn(0), uri: "http://127.0.0.1:1/cb", answer: "id_token", consent: agreed, want: "consent"},
		{name: "confidential on loopback, an access token", user: loggedIn(0), uri: "http://127.0.0.1:1/cb", answer: "code token", consent: agreed, want: "consent"},
		{name: "confidential at its own scheme, an ID token and a code", user: loggedIn(0), uri: "com.example:/cb", answer: "code id_token", consent: agreed, want: "consent"},
		{name: "confidential at https, both tokens", user: loggedIn(0), answer: "id_token token", consent: agreed, want: "code"},
		{name: "the same, silently", user: loggedIn(0), client: public, uri: "com.example:/cb", prompt: []string{"none"}, consent: agreed, want: "consent_required"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := situation{client: test.client, user: test.user, settled: test.settled, consent: test.consent, now: now}
			if s.client == nil {
				s.client = confidential
			}
			s.request = oauth.AuthorizationRequest{
				Prompt: test.prompt, MaxAge: test.maxAge, Scope: test.scope, Resources: test.target, RedirectURI: test.uri, Details: test.details,
				ResponseType: test.answer,
			}
			if test.scope == nil {
				s.request.Scope = oauth.Scope{"openid", "accounts"}
			}
			if test.uri == "" {
				s.request.RedirectURI = callback
			}
			if test.target == nil {
				s.request.Resources = []string{accounts}
			}
			s.outcome = outcome{before: test.before, grant: oauth.Grant{Scope: s.request.Scope, Resources: s.request.Resources, Details: test.details}}
			if test.before.ID != "" {
				s.outcome.grant = test.before
				s.outcome.grant.Scope, s.outcome.grant.ExpiresAt = union(test.before.Scope, s.request.Scope), now.Add(time.Hour)
			}
			if got := nameOf(decide(s)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func nameOf(s step) string {
	switch s := s.(type) {
	case askLogin:
		return "login"
	case askConsent:
		return "consent"
	case issueAnswer:
		return "code"
	case refuse:
		return string(s.err.Code)
	default:
		return fmt.Sprintf("%T", s)
	}
}
