package oauth

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var agreedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestConsentIsToEachScopeWhereItWasGiven(t *testing.T) {
	until := agreedAt.Add(time.Hour)
	c := Consent{Agreed: slices.Concat(
		Agreement(Scope{"openid", "read"}, []string{"https://a"}, until), Agreement(Scope{"email", "write"}, []string{"https://b"}, until),
		Agreement(Scope{"list"}, nil, until), Agreement(Scope{"old"}, []string{"https://a"}, agreedAt),
	)}
	for _, test := range []struct {
		name      string
		scope     Scope
		resources []string
		want      bool
	}{
		{"as it was given", Scope{"openid", "read"}, []string{"https://a"}, true},
		{"less", Scope{"read"}, []string{"https://a"}, true},
		{"elsewhere", Scope{"write"}, []string{"https://a"}, false},
		{"elsewhere, the other way round", Scope{"read"}, []string{"https://b"}, false},
		{"both at both", Scope{"read", "write"}, []string{"https://a", "https://b"}, false},
		{"about the user, wherever", Scope{"openid", "email"}, []string{"https://a"}, true},
		{"about the user, nowhere", Scope{"openid"}, nil, true},
		{"about the user, at another resource server", Scope{"openid"}, []string{"https://c"}, false},
		{"another's scope", Scope{"profile"}, nil, false},
		{"without a resource server", Scope{"list"}, nil, true},
		{"a scope for one, without one", Scope{"read"}, nil, false},
		{"one without, at one", Scope{"list"}, []string{"https://a"}, false},
		{"over", Scope{"old"}, []string{"https://a"}, false},
	} {
		if got := c.Covers(test.scope, test.resources, agreedAt); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if c.Covers(Scope{"read"}, []string{"https://a"}, until) {
		t.Error("consent outlives its time")
	}
}

// However often a user agrees: what is covered at a resource server was agreed to at that resource server.
func TestConsentIsNoCrossProduct(t *testing.T) {
	scopes, servers := rapid.SampledFrom([]string{"r", "w", "x"}), rapid.SampledFrom([]string{"https://a", "https://b", "https://c"})
	rapid.Check(t, func(t *rapid.T) {
		var c Consent
		given := map[[2]string]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "approvals") {
			scope, at := Scope(rapid.SliceOfDistinct(scopes, rapid.ID).Draw(t, "scope")), rapid.SliceOfNDistinct(servers, 1, 3, rapid.ID).Draw(t, "at")
			c.Agreed = append(c.Agreed, Agreement(scope, at, agreedAt.Add(1))...)
			for _, s := range scope {
				for _, r := range at {
					given[[2]string{s, r}] = true
				}
			}
		}
		scope, server := scopes.Draw(t, "asked"), servers.Draw(t, "where")
		if got := c.Covers(Scope{scope}, []string{server}, agreedAt); got != given[[2]string{scope, server}] {
			t.Fatalf("%s at %s: %v", scope, server, got)
		}
	})
}
