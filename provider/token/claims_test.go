package token

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func asked(names ...string) map[string]oauth.ClaimRequest {
	m := map[string]oauth.ClaimRequest{}
	for _, name := range names {
		m[name] = oauth.ClaimRequest{}
	}
	return m
}

var anna = oauth.User{ID: "u1", Claims: map[string]any{"name": "Anna", "email": "anna@example.com", "sub": "another"}}

// What was asked for in the ID token is there as the account has it, after a code as after a refresh; what was asked for
// at the userinfo endpoint is not, nor what the client is no longer registered for.
func TestClaimsOfTheIDToken(t *testing.T) {
	wanted := oauth.ClaimsRequest{IDToken: asked("name", "email", "nickname"), Userinfo: asked("address")}
	kept := oauth.ClaimsRequest{IDToken: wanted.IDToken}
	for name, c := range map[string]struct {
		registered string
		claims     oauth.ClaimsRequest
		grant      *oauth.Grant // of a managed refresh token
		want       map[string]any
	}{
		"none asked for":       {"openid profile email", oauth.ClaimsRequest{}, nil, nil},
		"only at userinfo":     {"openid profile email", oauth.ClaimsRequest{Userinfo: asked("name")}, nil, nil},
		"all":                  {"openid profile email", wanted, nil, map[string]any{"name": "Anna", "email": "anna@example.com"}},
		"one is lost":          {"openid profile", wanted, nil, map[string]any{"name": "Anna"}},
		"the grant has lost":   {"openid profile email", wanted, &oauth.Grant{Claims: oauth.ClaimsRequest{IDToken: asked("email")}}, map[string]any{"email": "anna@example.com"}},
		"the grant has none":   {"openid profile email", wanted, &oauth.Grant{Claims: oauth.ClaimsRequest{Userinfo: asked("email")}}, nil},
		"the grant has gained": {"openid profile email", oauth.ClaimsRequest{IDToken: asked("name")}, &oauth.Grant{Claims: kept}, map[string]any{"name": "Anna"}},
	} {
		t.Run(name, func(t *testing.T) {
			holder := client(func(h *oauth.Client) { h.Scope = c.registered })
			code := oauth.AuthorizationCode{
				Digest: theCode.Digest(), ClientID: "c1", GrantID: "g1", User: oauth.EndUser{ID: "u1"}, Scope: oauth.Scope{"openid"},
				Request: oauth.AuthorizationRequest{RedirectURI: "https://app/cb", CodeChallenge: challenge(), Claims: c.claims}, ExpiresAt: noon.Add(time.Minute),
			}
			refresh := oauth.RefreshToken{
				Digest: theCode.Digest(), ClientID: "c1", GrantID: "g1", User: code.User, Scope: code.Scope, Managed: c.grant != nil,
				Claims: oauth.ClaimsRequest{IDToken: c.claims.IDToken}, ExpiresAt: noon.Add(time.Hour),
			}
			at := rest{
				codes: map[oauth.Digest]oauth.AuthorizationCode{code.Digest: code}, refresh: map[oauth.Digest]oauth.RefreshToken{code.Digest: refresh},
				users: map[string]oauth.User{"u1": anna}, grants: map[string]oauth.Grant{},
			}
			if c.grant != nil {
				c.grant.Scope = code.Scope
				at.grants["g1"] = *c.grant
			}
			refreshed, err := RefreshToken{Store: at, Users: at}.Redeem(t.Context(), request(holder, map[string]string{"refresh_token": theCode.Reveal()}))
			if diff := cmp.Diff(c.want, refreshed.UserClaims); err != nil || diff != "" {
				t.Errorf("refreshed: %v %s", err, diff)
			}
			if c.grant != nil {
				return
			}
			redeemed, err := AuthorizationCode{Store: at, Users: at}.Redeem(t.Context(), request(holder, map[string]string{
				"code": theCode.Reveal(), "redirect_uri": "https://app/cb", "code_verifier": verifier,
			}))
			if diff := cmp.Diff(c.want, redeemed.UserClaims); err != nil || diff != "" {
				t.Errorf("redeemed: %v %s", err, diff)
			}
			if diff := cmp.Diff(c.claims, redeemed.Claims); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The ID token of the token endpoint is unsigned for a client that has registered that, and for nobody whose profile
// asks for more; a push is signed. A pairwise client's tokens have its user's pairwise name, the audit log the account's.
func TestIDTokens(t *testing.T) {
	for name, c := range map[string]struct {
		profile  oauth.ProfileName
		alg      string
		unsigned bool
	}{
		"registered":             {oauth.ProfileOpenID, oauth.AlgNone, true},
		"registered, under FAPI": {oauth.ProfileFAPI2Security, oauth.AlgNone, false},
		"not registered":         {oauth.ProfileOpenID, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.profile, b.client.IDTokenAlg = oauth.Profiles[c.profile], c.alg
			b.client.SubjectType = oauth.SubjectPairwise
			b.sender.Confirmation.X5TS256 = "C"
			b.code.Scope = oauth.Scope{"openid"}
			status, body, answer := b.ask(t, redemption())
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, body)
			}
			_, fault := jose.ReadUnsigned(answer["id_token"].(string))
			if (fault == nil) != c.unsigned {
				t.Errorf("ID token %v", answer["id_token"])
			}
			if b.signed["sub"] == "u1" || b.signed["sub"] == "" || b.audited.Subject != "u1" {
				t.Errorf("the token is about %v, the audit log says %q", b.signed["sub"], b.audited.Subject)
			}
		})
	}
	b := pushBench{bench: newBench()}
	unsigned := cibaClient(func(c *oauth.Client) { c.IDTokenAlg = oauth.AlgNone })
	body, _, err := b.push().Tokens(t.Context(), unsigned, oauth.Profiles[oauth.ProfileOpenID], waiting(nil), authReqID)
	if err != nil {
		t.Fatal(err)
	}
	if token := idTokenIn(t, body); token[:4] != "JWT{" { // as pushBench signs
		t.Errorf("pushed %s", token)
	}
}

func idTokenIn(t *testing.T, body []byte) string {
	t.Helper()
	var got struct {
		ID string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	return got.ID
}

// Where the client's keys cannot be had nothing leaves, and nothing is used up.
func TestAnIDTokenThatCannotBeEncrypted(t *testing.T) {
	b := newBench()
	b.client.IDTokenEncAlg, b.code.Scope = "RSA-OAEP-256", oauth.Scope{"openid"}
	status, body, answer := b.ask(t, redemption())
	if status != http.StatusServiceUnavailable || answer["error"] != string(oauth.TemporarilyUnavailable) || b.committed != nil {
		t.Errorf("%d %s, committed %v", status, body, b.committed)
	}
}
