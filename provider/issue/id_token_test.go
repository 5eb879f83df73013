package issue

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// The user's claims are in the ID token beside policy's, which win; no account can say who issued what, about whom.
func TestIDTokenHasTheUsersClaims(t *testing.T) {
	m := mandate()
	m.UserClaims = map[string]any{"name": "Anna", "email": "anna@example.com", "sub": "another", "iss": "https://evil", "auth_time": 1, "salary": 9}
	m.IDClaims = map[string]any{"email": "by-policy@example.com", "tier": "gold"}
	token, err := issuer(plain{}, "ES256").IDToken(t.Context(), m, oauth.EndUser{ID: "u1", AuthTime: noon}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "https://issuer", "sub": "u1", "aud": "c1", "iat": float64(noon.Unix()), "exp": float64(noon.Add(time.Minute).Unix()),
		"auth_time": float64(noon.Unix()), "name": "Anna", "email": "by-policy@example.com", "tier": "gold",
	}
	if diff := cmp.Diff(want, claimsIn(t, token)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"iss", "sub", "auth_time"} {
		if strings.Count(token, `"`+name+`"`) != 1 {
			t.Errorf("%s is there more than once: %s", name, token)
		}
	}
}

// An ID token is unsigned only for who has registered it, and where the mandate lets it be.
func TestUnsigned(t *testing.T) {
	for name, c := range map[string]struct {
		registered string
		unsigned   bool
		want       string // "" = no signature
	}{
		"registered, at the token endpoint": {oauth.AlgNone, true, ""},
		"registered, elsewhere":             {oauth.AlgNone, false, "ES256"},
		"not registered":                    {"", true, "ES256"},
		"another registered":                {"PS256", true, "PS256"},
	} {
		t.Run(name, func(t *testing.T) {
			m := mandate()
			m.Client.IDTokenAlg, m.Unsigned = c.registered, c.unsigned
			token, err := issuer(plain{}, "ES256", "PS256").IDToken(t.Context(), m, oauth.EndUser{ID: "u1", AuthTime: noon}, "access")
			if err != nil {
				t.Fatal(err)
			}
			payload, unsigned := jose.ReadUnsigned(token)
			switch {
			case c.want == "" && (unsigned != nil || claimsIn(t, string(payload))["sub"] != "u1" || claimsIn(t, string(payload))["at_hash"] != nil):
				t.Errorf("%s: %v", payload, unsigned)
			case c.want != "" && !strings.HasPrefix(token, c.want+".JWT."):
				t.Error(token)
			}
			access, err := issuer(plain{}, "ES256").AccessToken(t.Context(), m)
			if err != nil || !strings.HasPrefix(access.Value.Reveal(), "ES256.at+jwt.") {
				t.Errorf("the access token: %v", err)
			}
			if out, err := issuer(plain{}, "ES256").LogoutToken(t.Context(), m.Client, m.AllowedAlgs, "u1", "", noon); err != nil || !strings.HasPrefix(out, "ES256.logout+jwt.") {
				t.Errorf("the logout token: %s, %v", out, err)
			}
		})
	}
}

func TestLogoutToken(t *testing.T) {
	i := issuer(plain{}, "ES256", "PS256")
	c := &oauth.Client{ID: "c1", IDTokenAlg: "PS256"}
	seen := map[any]bool{}
	for _, test := range []struct{ sub, sid string }{{"u1", "s1"}, {"u1", ""}, {"", "s1"}} {
		token, err := i.LogoutToken(t.Context(), c, []string{"ES256", "PS256"}, test.sub, test.sid, noon)
		if err != nil || !strings.HasPrefix(token, "PS256.logout+jwt.") {
			t.Fatalf("%s, %v", token, err)
		}
		got := claimsIn(t, token)
		want := map[string]any{
			"iss": "https://issuer", "aud": "c1", "iat": float64(noon.Unix()), "exp": float64(noon.Add(2 * time.Minute).Unix()), "jti": got["jti"],
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}
		if test.sub != "" {
			want["sub"] = test.sub
		}
		if test.sid != "" {
			want["sid"] = test.sid
		}
		if diff := cmp.Diff(want, got); diff != "" || got["jti"] == "" || seen[got["jti"]] {
			t.Errorf("%v %s", got["jti"], diff)
		}
		seen[got["jti"]] = true
	}
	for name, bad := range map[string]func() (string, error){
		"about nobody": func() (string, error) { return i.LogoutToken(t.Context(), c, []string{"PS256"}, "", "", noon) },
		"no algorithm": func() (string, error) { return i.LogoutToken(t.Context(), c, []string{"RS256"}, "u1", "", noon) },
		"cannot sign": func() (string, error) {
			return issuer(plain{errors.New("sealed")}, "PS256").LogoutToken(t.Context(), c, []string{"PS256"}, "u1", "", noon)
		},
	} {
		if got, err := bad(); err == nil || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
