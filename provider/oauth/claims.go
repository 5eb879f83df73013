package oauth

import (
	"maps"
	"slices"
)

// claimsOf lists the claims that each scope asks for (OpenID Connect Core section 5.4).
var claimsOf = map[string][]string{
	ScopeProfile: {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	ScopeEmail:   {"email", "email_verified"},
	ScopeAddress: {"address"},
	ScopePhone:   {"phone_number", "phone_number_verified"},
}

// scopeOf is claimsOf the other way round.
var scopeOf = func() map[string]string {
	m := map[string]string{}
	for scope, claims := range claimsOf {
		for _, claim := range claims {
			m[claim] = scope
		}
	}
	return m
}()

// StandardClaims lists every claim about a user that there is here, sorted, without sub.
func StandardClaims() []string { return slices.Sorted(maps.Keys(scopeOf)) }

// StandardClaim says whether the claim is one of them, and which scope value asks for it.
func StandardClaim(name string) (scope string, ok bool) {
	scope, ok = scopeOf[name]
	return scope, ok
}

// ClaimsRequest is the claims parameter (OpenID Connect Core section 5.5), reduced to the claims of [StandardClaims]:
// what acr and sub ask for is kept elsewhere in the request.
type ClaimsRequest struct {
	IDToken  map[string]ClaimRequest `json:"id_token,omitempty"`
	Userinfo map[string]ClaimRequest `json:"userinfo,omitempty"`
}

// ClaimRequest is what is wanted of one claim (OpenID Connect Core section 5.5.1).
type ClaimRequest struct {
	Essential bool  `json:"essential,omitempty"`
	Value     any   `json:"value,omitempty"`
	Values    []any `json:"values,omitempty"`
}

// IsZero says that no claim is asked for.
func (c ClaimsRequest) IsZero() bool { return len(c.IDToken) == 0 && len(c.Userinfo) == 0 }

// Scope returns the scope values that stand for the claims where a user is asked for consent: what is agreed to is the
// whole of a scope value, what is given out is the claim.
func (c ClaimsRequest) Scope() Scope {
	var scope Scope
	for _, asked := range []map[string]ClaimRequest{c.IDToken, c.Userinfo} {
		for name := range asked {
			if value, ok := scopeOf[name]; ok && !scope.Has(value) {
				scope = append(scope, value)
			}
		}
	}
	slices.Sort(scope)
	return scope
}

// Union returns what either asks for.
func (c ClaimsRequest) Union(other ClaimsRequest) ClaimsRequest {
	return ClaimsRequest{IDToken: both(c.IDToken, other.IDToken), Userinfo: both(c.Userinfo, other.Userinfo)}
}

func both(a, b map[string]ClaimRequest) map[string]ClaimRequest {
	if len(a) == 0 {
		return b
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// ClaimsFor returns what is known of the user among the claims that the scope, or one of the requests, asks for.
func (u User) ClaimsFor(scope Scope, requested map[string]ClaimRequest) map[string]any {
	claims := map[string]any{}
	give := func(name string) {
		if value, known := u.Claims[name]; known {
			claims[name] = value
		}
	}
	for _, value := range scope {
		for _, name := range claimsOf[value] {
			give(name)
		}
	}
	for name := range requested {
		if _, ok := scopeOf[name]; ok {
			give(name)
		}
	}
	return claims
}
