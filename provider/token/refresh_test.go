package token

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/policy"
	"signet/provider/issue"
	"signet/provider/keys/keystest"
	"signet/provider/oauth"
)

func pointer(v bool) *bool { return &v }

// Whether the user is looked for is the owner's choice.
func TestReference_J17_check_user(t *testing.T) {
	for name, c := range map[string]struct {
		ignore bool
		user   *oauth.User // nil = gone
		want   int
	}{
		"checked, there":       {false, &oauth.User{ID: "u1"}, http.StatusOK},
		"checked, disabled":    {false, &oauth.User{ID: "u1", Disabled: true}, http.StatusBadRequest},
		"checked, gone":        {false, nil, http.StatusBadRequest},
		"checked, other login": {false, &oauth.User{ID: "u1", ValidFrom: noon.Add(time.Minute)}, http.StatusBadRequest},
		"ignored, disabled":    {true, &oauth.User{ID: "u1", Disabled: true}, http.StatusOK},
		"ignored, gone":        {true, nil, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk("openid offline_access")
			d.refresh.IgnoreUser = c.ignore
			given := d.redeem(t)
			delete(d.users, "u1")
			if c.user != nil {
				d.users["u1"] = *c.user
			}
			status, answer := d.use(t, given["refresh_token"])
			if status != c.want || status != http.StatusOK && answer["error"] != "invalid_grant" {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
}

func TestReference_J19_require_offline_access(t *testing.T) {
	for name, c := range map[string]struct {
		scope  string
		server bool
		client *bool
		want   bool
	}{
		"plain OAuth":                       {"accounts", false, nil, true},
		"plain OAuth, required":             {"accounts", true, nil, false},
		"plain OAuth, required, asked for":  {"accounts offline_access", true, nil, true},
		"plain OAuth, the client's own yes": {"accounts", false, pointer(true), false},
		"plain OAuth, the client's own no":  {"accounts", true, pointer(false), true},
		"OpenID Connect":                    {"openid", false, pointer(false), false},
		"OpenID Connect, asked for":         {"openid offline_access", true, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(c.scope)
			d.refresh.RequireOfflineAccess, d.client.RequireOfflineAccess = c.server, c.client
			answer := d.redeem(t)
			if _, given := answer["refresh_token"]; given != c.want {
				t.Errorf("%v", answer)
			}
			if d.refresh.Issues(d.client, d.code.Scope) != c.want {
				t.Error("the pages are told otherwise")
			}
		})
	}
}

// A sealed refresh token works for as long as its grant lives, for its client alone, and rests nowhere.
func TestReference_J29_refresh_tokens_that_are_not_stored(t *testing.T) {
	d := newDesk("openid offline_access").sealed()
	given := d.redeem(t)
	token, _ := given["refresh_token"].(string)
	if len(d.at.refresh) != 0 || !d.refresh.Seal.Sealed(oauth.Secret(token)) || given["refresh_token_expires_in"] != 3600.0 {
		t.Fatalf("%v, stored %v", given, d.at.refresh)
	}
	if until := d.at.grants["g1"].ExpiresAt; !until.Equal(noon.Add(time.Hour)) {
		t.Errorf("the grant is kept until %v", until)
	}
	for range 2 {
		if status, answer := d.use(t, token, "scope", "openid"); status != http.StatusOK || answer["refresh_token"] != nil || answer["scope"] != "openid" {
			t.Errorf("%d %v", status, answer)
		}
	}
	refused := func(why, token string) {
		t.Helper()
		if status, answer := d.use(t, token); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("%s: %d %v", why, status, answer)
		}
	}
	last := token[len(token)-5:]
	refused("altered", strings.TrimSuffix(token, last)+strings.Map(func(r rune) rune { return 'a' + (r+1)%26 }, last))
	refused("too long", token+strings.Repeat("A", 5000))
	refused("no base64url", "s1.===")
	d.client.ID = "c2"
	refused("another client's", token)
	d.client.ID, d.now = "c1", noon.Add(time.Hour)
	refused("expired", token)
	d.now, d.before = noon, func() {
		revoked := d.at.grants["g1"]
		revoked.Revoked = true
		d.at.grants["g1"] = revoked
	}
	refused("of a grant that is revoked meanwhile", token)
	d.before = nil
	refused("of a revoked grant", token)
	delete(d.at.grants, "g1")
	refused("of a grant that is gone", token)
}

// What has to be remembered is stored, whatever the option says.
func TestWhatIsStoredAllTheSame(t *testing.T) {
	for name, change := range map[string]func(*knobDesk){
		"rotated by the server's choice": func(d *knobDesk) { d.refresh.NoRotation = false },
		"rotated by the client's choice": func(d *knobDesk) { d.client.RotateRefreshTokens = pointer(true) },
		"a public client's":              func(d *knobDesk) { d.client.AuthMethod = oauth.AuthNone },
		"of a managed grant":             func(d *knobDesk) { d.code.Request.GrantAction = oauth.GrantCreate },
		"in the place of another":        func(d *knobDesk) { d.code.Request.GrantID = "g1" },
		"too long": func(d *knobDesk) {
			d.code.Request.Details = oauth.Details{{Type: "pay", JSON: []byte(`{"type":"pay","at":"https://api","x":"` + strings.Repeat("x", 5000) + `"}`)}}
			d.chosen = []int{0}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk("openid offline_access").sealed()
			change(d)
			d.at.codes[d.code.Digest] = d.code
			given := d.redeem(t)
			if len(d.at.refresh) != 1 || d.refresh.Seal.Sealed(oauth.Secret(given["refresh_token"].(string))) {
				t.Errorf("%v, stored %v", given, d.at.refresh)
			}
			if status, answer := d.use(t, given["refresh_token"]); status != http.StatusOK {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
}

// The theft of a sealed token from a client that has become public would not be noticed: it is refused. An outage of the
// key backend is no refusal.
func TestSealedRefreshTokensThatDoNotCount(t *testing.T) {
	d := newDesk("openid offline_access").sealed()
	token := d.redeem(t)["refresh_token"]
	d.client.AuthMethod = oauth.AuthNone
	if status, answer := d.use(t, token); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("%d %v", status, answer)
	}
	d.client.AuthMethod = oauth.AuthPrivateKeyJWT
	down := keystest.NewMemory()
	down.FailWith(errors.Join(errors.New("PRIVATE"), oauth.ErrUnavailable))
	d.refresh.Seal = &issue.RefreshSeal{Sealer: down}
	if status, answer := d.use(t, token); status != http.StatusServiceUnavailable {
		t.Errorf("%d %v", status, answer)
	}
	d = newDesk("openid offline_access").sealed()
	d.refresh.Seal.Sealer = down
	if status, answer := d.post(t, redemption()); status != http.StatusServiceUnavailable || d.changes != nil {
		t.Errorf("%d %v, committed %v", status, answer, d.changes)
	}
}

// The end of a refresh token moves only where the owner says so, by no more than the life that it began with.
func TestReference_J31_extend_on_rotation(t *testing.T) {
	for name, c := range map[string]struct {
		extend  bool
		client  int
		derived bool
		login   time.Duration // how long ago
		want    time.Duration // left after a rotation half an hour later
	}{
		"kept":                    {want: 30 * time.Minute},
		"extended":                {extend: true, want: time.Hour},
		"the client's is shorter": {extend: true, client: 2400, want: 40 * time.Minute},
		"made from another":       {extend: true, derived: true, want: 30 * time.Minute},
		"long after the login":    {extend: true, login: policy.MaxRefreshLifetime - time.Hour - 15*time.Minute, want: 45 * time.Minute},
		"too long after it":       {extend: true, login: policy.MaxRefreshLifetime, want: 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk("accounts")
			d.refresh.ExtendOnRotation = c.extend
			given := d.redeem(t)["refresh_token"].(string)
			stored := d.at.refresh[oauth.Secret(given).Digest()]
			stored.Derived, stored.User.AuthTime = c.derived, noon.Add(-c.login)
			d.at.refresh[stored.Digest] = stored
			d.client.RefreshTokenLifetime = c.client
			d.now = noon.Add(30 * time.Minute)
			status, answer := d.use(t, given)
			if status != http.StatusOK || answer["refresh_token_expires_in"] != c.want.Seconds() {
				t.Fatalf("%d %v", status, answer)
			}
			next := d.at.refresh[oauth.Secret(answer["refresh_token"].(string)).Digest()]
			if left := next.ExpiresAt.Sub(d.now); left != c.want || d.at.grants["g1"].ExpiresAt.Before(next.ExpiresAt) {
				t.Errorf("%v left, of the grant %v", left, d.at.grants["g1"].ExpiresAt)
			}
		})
	}
}

func TestReference_J32_rotation(t *testing.T) {
	bound := oauth.Confirmation{JKT: "K"}
	for name, c := range map[string]struct {
		off     bool
		client  *bool
		public  bool
		profile oauth.ProfileName
		sender  oauth.Confirmation
		want    bool
	}{
		"default":                   {want: true},
		"off":                       {off: true},
		"off, the client's own yes": {off: true, client: pointer(true), want: true},
		"on, the client's own no":   {client: pointer(false)},
		"public":                    {off: true, client: pointer(false), public: true, want: true},
		"public, with a key":        {off: true, public: true, sender: bound},
		"FAPI 2.0":                  {client: pointer(true), profile: oauth.ProfileFAPI2Security, sender: bound},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk("accounts")
			d.refresh.NoRotation, d.client.RotateRefreshTokens, d.sender.Confirmation = c.off, c.client, c.sender
			if c.public {
				d.client.AuthMethod = oauth.AuthNone
			}
			if c.profile != "" {
				d.profile = oauth.Profiles[c.profile]
			}
			given := d.redeem(t)["refresh_token"]
			status, answer := d.use(t, given)
			if _, rotated := answer["refresh_token"]; status != http.StatusOK || rotated != c.want {
				t.Errorf("%d %v", status, answer)
			}
			again := map[bool]int{true: http.StatusBadRequest, false: http.StatusOK}[c.want]
			if status, answer = d.use(t, given); status != again || d.at.grants["g1"].Revoked != c.want {
				t.Errorf("again: %d %v", status, answer)
			}
		})
	}
}

// What was made from another token has its actor, and ends with it.
func TestRefreshOfADerivedToken(t *testing.T) {
	d := newDesk("accounts")
	actor := &oauth.Actor{Subject: "app", Act: &oauth.Actor{Subject: "before"}}
	const value = oauth.Secret("derived")
	token := oauth.RefreshToken{
		Digest: value.Digest(), ClientID: "c1", GrantID: "g1", User: d.code.User, Scope: oauth.Scope{"accounts"},
		Actor: actor, Derived: true, IssuedAt: noon, ExpiresAt: noon.Add(10 * time.Second),
	}
	d.at.refresh[token.Digest] = token
	a, err := RefreshToken{Store: d.at, Users: d.at}.Redeem(t.Context(), request(d.client, map[string]string{"refresh_token": value.Reveal()}))
	if err != nil || !a.NotAfter.Equal(token.ExpiresAt) || a.Actor != actor {
		t.Fatalf("%+v %v", a, err)
	}
	if status, answer := d.use(t, value.Reveal()); status != http.StatusOK || answer["expires_in"] != 10.0 {
		t.Errorf("%d %v", status, answer)
	}
	want := map[string]any{"sub": "app", "act": map[string]any{"sub": "before"}}
	if diff := cmp.Diff(any(want), d.signed["act"]); diff != "" {
		t.Error(diff)
	}
}
