package oauth

import (
	"slices"
	"time"
)

// Consent is what a user has agreed to let a client have.
type Consent struct {
	UserID   string    `json:"sub"`
	ClientID string    `json:"client_id"`
	Agreed   []Agreed  `json:"agreed,omitempty"`
	At       time.Time `json:"at"` // when the user last agreed to something
}

// Agreed is one thing that a user has agreed to: a scope value at a resource server (RFC 8707), until the end of the
// time that the user was shown. Scopes that are for no resource server have no Resource. The empty Scope is access
// to the resource server whatever the scope.
type Agreed struct {
	Scope    string    `json:"scope,omitempty"`
	Resource string    `json:"resource,omitempty"`
	Until    time.Time `json:"until"`
}

// Agreement lists what a user agrees to who allows all of the scope at all of the resource servers. [StandardScopes]
// are about the user, and for no resource server.
func Agreement(scope Scope, resources []string, until time.Time) []Agreed {
	var all []Agreed
	for _, resource := range resources {
		all = append(all, Agreed{Resource: resource, Until: until})
	}
	for _, value := range scope {
		if len(resources) == 0 || StandardScopes.Has(value) {
			all = append(all, Agreed{Scope: value, Until: until})
			continue
		}
		for _, resource := range resources {
			all = append(all, Agreed{value, resource, until})
		}
	}
	return all
}

// Covers says whether the user has agreed to all of the scope at all of the resource servers, and still does.
func (c Consent) Covers(scope Scope, resources []string, now time.Time) bool {
	return !slices.ContainsFunc(Agreement(scope, resources, time.Time{}), func(needed Agreed) bool {
		return !slices.ContainsFunc(c.Agreed, func(a Agreed) bool {
			return a.Scope == needed.Scope && a.Resource == needed.Resource && now.Before(a.Until)
		})
	})
}
