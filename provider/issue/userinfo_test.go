package issue

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

func TestUserinfo(t *testing.T) {
	claims := map[string]any{"sub": "pairwise", "name": "Anna", "iss": "https://evil", "aud": "c2"}
	i := issuer(plain{}, "ES256", "RS256")
	if got, err := i.Userinfo(t.Context(), &oauth.Client{ID: "c1"}, []string{"ES256"}, claims); err != nil || got != "" {
		t.Errorf("nothing is registered: %q, %v", got, err)
	}
	for registered, want := range map[string]string{"RS256": "RS256", "ES256": "ES256", "PS256": "ES256", "none": "ES256"} {
		token, err := i.Userinfo(t.Context(), &oauth.Client{ID: "c1", UserinfoAlg: registered}, []string{"RS256", "ES256"}, claims)
		if err != nil || !strings.HasPrefix(token, want+".JWT.") {
			t.Fatalf("%s: %s, %v", registered, token, err)
		}
		if diff := cmp.Diff(map[string]any{"iss": "https://issuer", "aud": "c1", "sub": "pairwise", "name": "Anna"}, claimsIn(t, token)); diff != "" {
			t.Error(diff)
		}
	}
	if claims["aud"] != "c2" {
		t.Error("the caller's claims were changed")
	}
	c := &oauth.Client{ID: "c1", UserinfoAlg: "RS256"}
	if got, err := i.Userinfo(t.Context(), c, []string{"PS256"}, claims); err == nil || got != "" {
		t.Errorf("signed with a forbidden algorithm: %q", got)
	}
	if got, err := issuer(plain{errors.New("sealed")}, "RS256").Userinfo(t.Context(), c, []string{"RS256"}, claims); err == nil || got != "" {
		t.Errorf("not signed: %q", got)
	}
}

// What passes for userinfo passes for nothing else: it is no hint.
func TestUserinfoIsNoHint(t *testing.T) {
	key := newHintKey(t)
	token, err := issuer(plain{}, "ES256").Userinfo(t.Context(), &oauth.Client{ID: "c1", UserinfoAlg: "ES256"}, []string{"ES256"}, map[string]any{"sub": "u1"})
	if err != nil {
		t.Fatal(err)
	}
	compact, err := key.Sign("JWT", []byte(token[strings.Index(token, "{"):]))
	if err != nil {
		t.Fatal(err)
	}
	if got, fault := (Hints{Issuer: "https://issuer", Keys: key}).Subject(&oauth.Client{ID: "c1"}, compact, noon); fault == nil {
		t.Errorf("taken for a hint about %q", got)
	}
}

// A claim needs to be asked for, by scope or by name, and its scope value to be registered still.
func TestClaimsFor(t *testing.T) {
	user := oauth.User{ID: "u1", Claims: map[string]any{"name": "Anna", "email": "a@example.com", "phone_number": "+49", "sub": "another", "salary": 9}}
	asked := func(names ...string) map[string]oauth.ClaimRequest {
		m := map[string]oauth.ClaimRequest{}
		for _, name := range names {
			m[name] = oauth.ClaimRequest{Essential: true}
		}
		return m
	}
	for name, c := range map[string]struct {
		registered string
		scope      oauth.Scope
		asked      map[string]oauth.ClaimRequest
		want       map[string]any
	}{
		"nothing":                   {"openid email", nil, nil, nil},
		"by scope":                  {"openid email", oauth.Scope{"openid", "email"}, nil, map[string]any{"email": "a@example.com"}},
		"by name":                   {"openid email", nil, asked("email"), map[string]any{"email": "a@example.com"}},
		"both":                      {"openid email profile", oauth.Scope{"email"}, asked("name"), map[string]any{"email": "a@example.com", "name": "Anna"}},
		"a scope that it has lost":  {"openid", oauth.Scope{"openid", "email"}, nil, map[string]any{}},
		"a claim that it has lost":  {"openid profile", oauth.Scope{"openid"}, asked("email", "name"), map[string]any{"name": "Anna"}},
		"not a claim of this world": {"openid profile", nil, asked("sub", "salary"), map[string]any{}},
		"not known of the user":     {"openid profile", nil, asked("nickname"), map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(c.asked)
			got := ClaimsFor(user, &oauth.Client{Scope: c.registered}, c.scope, c.asked)
			if diff := cmp.Diff(c.want, got); diff != "" || len(c.asked) != before {
				t.Errorf("%d of %d left of the request, %s", len(c.asked), before, diff)
			}
		})
	}
}
