// Package userinfo is the UserInfo endpoint (OpenID Connect Core section 5.3).
//
// Invariant: a claim leaves only when the token's scope, or the claims request that its grant was made by, asks for it.
package userinfo

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"

	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/web"
)

// mediaType is that of an answer that is signed or encrypted (OpenID Connect Core section 5.3.2).
const mediaType = "application/jwt"

// ClaimNames lists every claim that the endpoint can answer with, sorted, for discovery.
func ClaimNames() []string {
	names := append(oauth.StandardClaims(), "sub")
	slices.Sort(names)
	return names
}

// Deps are what the endpoint works with. All but OpenIDOptional are required.
type Deps struct {
	Endpoints []string // this endpoint's URLs at both doors: what a DPoP proof may be for
	Guard     *issue.Guard
	Issue     interface {
		// Userinfo signs and encrypts the claims as the client has registered; "" = they leave as they are.
		Userinfo(ctx context.Context, c *oauth.Client, allowed []string, claims map[string]any) (string, error)
	}
	Store interface {
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	// OpenIDOptional answers clients that are held to OpenID Connect alone also where the user was not asked for the scope
	// openid: as servers did before it was required. A token that was narrowed to less than openid is still too little.
	OpenIDOptional bool
	Log            *slog.Logger
}

// New returns the endpoint: GET and POST.
func New(deps Deps) http.Handler { return &endpoint{deps} }

type endpoint struct{ Deps }

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, fault := tokenInHeader(w, r)
	if fault != nil {
		web.WriteBearerError(w, r, e.Log, fault, e.Guard.Algs()...)
		return
	}
	told, err := e.answer(w, from)
	if err != nil {
		web.WriteBearerError(w, from.Request, e.Log, err, e.Guard.Algs()...)
		return
	}
	web.NoStore(w.Header())
	if told.jwt == "" {
		web.WriteJSON(w, http.StatusOK, told.claims)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	_, _ = io.WriteString(w, told.jwt) // #nosec G705 -- a JWT, said to be one; the client is gone when it fails
}

// answer is what the client is told, and the same as a JWT where it has registered that.
type answer struct {
	claims map[string]any
	jwt    string
}

// answer admits the client, finds what it may be told, packs that and commits what the request changes.
func (e *endpoint) answer(w http.ResponseWriter, r request) (*answer, error) {
	token, changes, err := e.Guard.Admit(w, r.Request, e.Endpoints)
	if err != nil {
		return nil, err
	}
	profile, err := e.Guard.Profile(token)
	if err != nil {
		return nil, err
	}
	switch {
	case r.fromForm && profile.Name != oauth.ProfileOpenID: // FAPI 2.0 section 5.3.4
		return nil, oauth.Errorf(oauth.InvalidRequest, "this client's profile wants the access token in the header")
	case !token.Scope.Has(oauth.ScopeOpenID) && !e.withoutOpenID(token, profile):
		return nil, web.InsufficientScope(oauth.ScopeOpenID)
	case token.User == nil:
		return nil, oauth.Errorf(oauth.InvalidToken, "the access token is about no user")
	}
	told := &answer{claims: claimsOf(token)}
	if told.jwt, err = e.Issue.Userinfo(r.Context(), token.Client, profile.SigningAlgs, told.claims); err != nil {
		return nil, unavailable(err)
	}
	if len(changes) > 0 {
		if err := e.Store.Commit(r.Context(), changes...); err != nil {
			return nil, err
		}
	}
	return told, nil
}

// withoutOpenID says whether the token will do although it lacks openid.
func (e *endpoint) withoutOpenID(token *issue.Held, profile oauth.Profile) bool {
	return e.OpenIDOptional && profile.Name == oauth.ProfileOpenID && token.Grant != nil && !token.Grant.Scope.Has(oauth.ScopeOpenID)
}

// claimsOf are those that the token's scope and its grant's claims request ask for; the latter counts with openid alone,
// without which policy has not been asked about it. The subject is the token's: the one that the client knows from the ID
// token beside it.
func claimsOf(token *issue.Held) map[string]any {
	requested := token.Grant.Claims.Userinfo
	if !token.Scope.Has(oauth.ScopeOpenID) {
		requested = nil
	}
	claims := issue.ClaimsFor(*token.User, token.Client, token.Scope, requested)
	if claims == nil {
		claims = map[string]any{}
	}
	claims["sub"] = token.Subject
	return claims
}
