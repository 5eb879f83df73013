package token

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/issue"
	"signet/provider/oauth"
)

// told is what the last ID token says of the user, besides who it is.
func (d *knobDesk) told() map[string]any {
	var said map[string]any
	for _, name := range []string{"name", "email"} {
		if value, there := d.idToken[name]; there {
			if said == nil {
				said = map[string]any{}
			}
			said[name] = value
		}
	}
	return said
}

func TestReference_J23_J25_claims_of_the_ID_token(t *testing.T) {
	name, email := map[string]any{"name": "Anna"}, map[string]any{"email": "anna@bank.example"}
	both := map[string]any{"name": "Anna", "email": "anna@bank.example"}
	for _, c := range []struct {
		claims  issue.IDTokenClaims
		scope   string
		request map[string]oauth.ClaimRequest
		want    map[string]any
	}{
		{"", "openid profile", nil, nil},
		{"", "openid profile", asked("email"), email},
		{issue.ClaimsRequested, "openid profile", asked("email"), email},
		{issue.ClaimsOfScope, "openid profile", nil, name},
		{issue.ClaimsOfScope, "openid profile", asked("email"), both},
		{issue.ClaimsOfScope, "openid", nil, nil},
		{issue.ClaimsGranted, "openid profile", nil, nil},
		{issue.ClaimsGranted, "openid profile", asked("email"), nil},
		{issue.ClaimsGranted, "openid profile", asked("email", "name"), name},
	} {
		t.Run(string(c.claims)+" "+c.scope, func(t *testing.T) {
			d := newDesk(c.scope + " offline_access")
			d.idTokens.Claims = c.claims
			d.code.Request.Claims.IDToken = c.request
			d.at.codes[d.code.Digest] = d.code
			given := d.redeem(t)
			if diff := cmp.Diff(c.want, d.told()); diff != "" {
				t.Errorf("for the code: %s", diff)
			}
			if status, answer := d.use(t, given["refresh_token"]); status != http.StatusOK {
				t.Fatal(answer)
			}
			if diff := cmp.Diff(c.want, d.told()); diff != "" {
				t.Errorf("for the refresh token: %s", diff)
			}
		})
	}
	// A narrower token has less beside it.
	d := newDesk("openid profile email offline_access")
	d.idTokens.Claims = issue.ClaimsOfScope
	status, answer := d.use(t, d.redeem(t)["refresh_token"], "scope", "openid email")
	if diff := cmp.Diff(email, d.told()); status != http.StatusOK || diff != "" {
		t.Errorf("%v %s", answer, diff)
	}
}

func TestReference_J27_openid_optional(t *testing.T) {
	for name, c := range map[string]struct {
		optional bool
		profile  oauth.ProfileName
		scope    string
		want     bool
	}{
		"strict":               {false, oauth.ProfileOpenID, "accounts", false},
		"strict, asked for":    {false, oauth.ProfileOpenID, "openid accounts", true},
		"optional":             {true, oauth.ProfileOpenID, "accounts", true},
		"optional, with more":  {true, oauth.ProfileOpenID, "accounts profile", true},
		"optional, asked for":  {true, oauth.ProfileOpenID, "openid accounts", true},
		"FAPI 2.0":             {true, oauth.ProfileFAPI2Security, "accounts", false},
		"FAPI 2.0, asked for,": {true, oauth.ProfileFAPI2Security, "openid accounts", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(c.scope)
			d.profile, d.sender.Confirmation.X5TS256 = oauth.Profiles[c.profile], "C"
			d.idTokens.OpenIDOptional = c.optional
			d.code.Request.Claims.IDToken = asked("email")
			d.at.codes[d.code.Digest] = d.code
			answer := d.redeem(t)
			if _, given := answer["id_token"]; given != c.want {
				t.Errorf("%v", answer)
			}
			if _, said := d.idToken["email"]; said != d.code.Scope.Has("openid") {
				t.Errorf("the claims parameter counts with openid alone: %v", d.idToken)
			}
		})
	}
	withheld := IDTokenOptions{OpenIDOptional: true}
	if withheld.issues(oauth.Profiles[oauth.ProfileOpenID], oauth.Scope{"openid", "accounts"}, oauth.Scope{"accounts"}) {
		t.Error("policy withholds openid, and there is an ID token")
	}
}

func TestReference_J28_persist_ID_tokens(t *testing.T) {
	for _, persist := range []bool{false, true} {
		d := newDesk("openid")
		d.idTokens.Persist = persist
		d.redeem(t)
		want := any(nil)
		if persist {
			want = issue.IDTokenRecord("id", noon.Add(time.Minute))
		}
		if diff := cmp.Diff(want, d.audited.Detail["id_token"]); diff != "" {
			t.Errorf("persist %v: %s", persist, diff)
		}
	}
}
