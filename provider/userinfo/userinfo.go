// Package userinfo is the UserInfo endpoint (OpenID Connect Core section 5.3).
//
// Invariant: a claim leaves only when the token's scope asks for it.
package userinfo

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/web"
)

// claimsOf lists the claims that each scope asks for (OpenID Connect Core section 5.4).
var claimsOf = map[string][]string{
	oauth.ScopeProfile: {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	oauth.ScopeEmail:   {"email", "email_verified"},
	oauth.ScopeAddress: {"address"},
	oauth.ScopePhone:   {"phone_number", "phone_number_verified"},
}

// ClaimNames lists every claim that the endpoint can answer with, sorted, for discovery.
func ClaimNames() []string {
	names := slices.Concat(slices.Collect(maps.Values(claimsOf))...)
	names = append(names, "sub")
	slices.Sort(names)
	return names
}

// Deps are what the endpoint works with. All are required.
type Deps struct {
	Endpoints []string // this endpoint's URLs at both doors: what a DPoP proof may be for
	Guard     *issue.Guard
	Users     interface {
		User(ctx context.Context, id string) (oauth.User, error)
	}
	Store interface {
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	Log *slog.Logger
}

// New returns the endpoint.
func New(deps Deps) http.Handler { return &endpoint{deps} }

type endpoint struct{ Deps }

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, err := e.answer(w, r)
	if err != nil {
		web.WriteBearerError(w, r, e.Log, err, e.Guard.Algs()...)
		return
	}
	web.NoStore(w.Header())
	web.WriteJSON(w, http.StatusOK, claims)
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	ctx := r.Context()
	token, changes, err := e.Guard.Admit(w, r, e.Endpoints)
	if err != nil {
		return nil, err
	}
	if !token.Scope.Has(oauth.ScopeOpenID) {
		return nil, web.InsufficientScope(oauth.ScopeOpenID)
	}
	user, err := e.Users.User(ctx, token.Subject)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && user.Disabled {
		return nil, oauth.Errorf(oauth.InvalidToken, "the user's account is not usable")
	}
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		if err := e.Store.Commit(ctx, changes...); err != nil {
			return nil, err
		}
	}
	return claimsFor(user, token.Scope), nil
}

func claimsFor(user oauth.User, scope oauth.Scope) map[string]any {
	claims := map[string]any{"sub": user.ID}
	for _, token := range scope {
		for _, name := range claimsOf[token] {
			if value, known := user.Claims[name]; known {
				claims[name] = value
			}
		}
	}
	return claims
}
