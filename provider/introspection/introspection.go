// Package introspection is the introspection endpoint (RFC 7662), with answers signed, and encrypted, on request (RFC 9701).
//
// Invariant: who may not know about a token learns exactly what it would learn about one that never existed.
package introspection

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Deps are what the endpoint works with. All but Seal are required.
type Deps struct {
	Authenticate interface {
		Authenticate(ctx context.Context, r *http.Request, params oauth.Params, endpoints []string) (oauth.ClientAuthentication, error)
	}
	Endpoints []string // this endpoint's URLs at both doors: acceptable assertion audiences
	Tokens    interface {
		// Active returns an *oauth.Error with invalid_token for a token that is good for nothing.
		Active(ctx context.Context, token oauth.Secret) (*issue.Held, error)
	}
	Details interface {
		// For returns those that count at one of the resource servers.
		For(client *oauth.Client, details oauth.Details, audience []string) oauth.Details
	}
	Store interface {
		issue.RefreshStore
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	Seal  *issue.RefreshSeal // reads refresh tokens that are their own record; nil = there are none
	Issue interface {
		// Introspection signs an answer, and encrypts it where the client has registered that (RFC 9701 sections 5 and 6).
		Introspection(ctx context.Context, client *oauth.Client, allowed []string, now time.Time, answer map[string]any) (string, error)
		// Subject is how the client knows the user.
		Subject(client *oauth.Client, userID string) (string, error)
	}
	Issuer string
	Clock  oauth.Clock
	Log    *slog.Logger
}

// New returns the endpoint.
func New(deps Deps) http.Handler { return &endpoint{deps} }

type endpoint struct{ Deps }

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := e.answer(w, r)
	if err != nil {
		web.WriteError(w, r, e.Log, err)
		return
	}
	web.NoStore(w.Header())
	if answer.signed == "" {
		web.WriteJSON(w, http.StatusOK, answer.claims)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	_, _ = io.WriteString(w, answer.signed) // the client is gone when it fails
}

// answer is what the endpoint knows about a token, and the same signed when that was asked for.
type answer struct {
	claims map[string]any
	signed string
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) (*answer, error) {
	ctx := r.Context()
	params, fault := web.ParseForm(w, r)
	if fault != nil {
		return nil, fault
	}
	caller, err := e.Authenticate.Authenticate(ctx, r, params, e.Endpoints)
	if err != nil {
		return nil, err
	}
	if caller.Client.Public() {
		return nil, oauth.Errorf(oauth.InvalidClient, "introspection needs client authentication (RFC 7662 section 2.1)")
	}
	token := params.Secret("token")
	if token == "" {
		return nil, oauth.Errorf(oauth.InvalidRequest, "token is missing")
	}
	told := &answer{}
	if told.claims, err = e.describe(ctx, caller.Client, token, params.Get("token_type_hint")); err != nil {
		return nil, err
	}
	if wantsSigned(r) {
		if told.signed, err = e.sign(r, caller, told.claims); err != nil {
			return nil, err
		}
	}
	return told, e.Store.Commit(ctx, caller.Changes...)
}

// describe looks among access tokens and refresh tokens, the hinted kind first (RFC 7662 section 2.1).
func (e *endpoint) describe(ctx context.Context, client *oauth.Client, token oauth.Secret, hint string) (map[string]any, error) {
	kinds := []func(context.Context, *oauth.Client, oauth.Secret) (map[string]any, error){e.access, e.refresh}
	if hint == "refresh_token" {
		slices.Reverse(kinds)
	}
	for _, kind := range kinds {
		if answer, err := kind(ctx, client, token); err != nil || answer != nil {
			return answer, err
		}
	}
	return map[string]any{"active": false}, nil
}

// access says all that the token says (RFC 7662 section 2.2): for a token by reference, this is where its
// resource server learns what policy has put into it; of authorization_details, only what counts there. It answers
// nil for a token that the client may not know.
func (e *endpoint) access(ctx context.Context, client *oauth.Client, token oauth.Secret) (map[string]any, error) {
	t, err := e.Tokens.Active(ctx, token)
	var fault *oauth.Error
	if errors.As(err, &fault) && fault.Code == oauth.InvalidToken {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if t.ClientID != client.ID && !mayRead(client, t.Audience) {
		return nil, nil
	}
	answer := maps.Clone(t.Claims)
	answer["active"], answer["token_type"] = true, "Bearer"
	if len(t.Scope) > 0 {
		answer["scope"] = t.Scope.String() // a text here, however the token has it (RFC 7662 section 2.2)
	}
	if t.Confirmation.JKT != "" {
		answer["token_type"] = "DPoP" // RFC 9449 section 6.2
	}
	if len(t.Details) > 0 && t.ClientID != client.ID {
		e.limitDetails(client, t, answer)
	}
	return answer, nil
}

// limitDetails leaves out what is another resource server's to know (RFC 9396 section 9.2).
func (e *endpoint) limitDetails(asking *oauth.Client, t *issue.Held, answer map[string]any) {
	delete(answer, "authorization_details")
	own := slices.DeleteFunc(slices.Clone(t.Audience), func(id string) bool { return !slices.Contains(asking.Introspects, id) })
	if here := e.Details.For(t.Client, t.Details, own); len(here) > 0 {
		answer["authorization_details"] = here
	}
}

// mayRead says whether the client is the resource server of one of the audiences.
func mayRead(client *oauth.Client, audience []string) bool {
	return slices.ContainsFunc(audience, func(id string) bool { return slices.Contains(client.Introspects, id) })
}

// refresh describes a refresh token to the client that it was issued to, and to nobody else: they get nil.
func (e *endpoint) refresh(ctx context.Context, client *oauth.Client, token oauth.Secret) (map[string]any, error) {
	t, err := e.Seal.Find(ctx, e.Store, token)
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if t.ClientID != client.ID || t.Revoked || !t.RotatedAt.IsZero() || !e.Clock().Before(t.ExpiresAt) {
		return nil, nil
	}
	subject, err := e.Issue.Subject(client, t.User.ID)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{
		"active": true, "client_id": t.ClientID, "exp": t.ExpiresAt.Unix(), "iat": t.IssuedAt.Unix(), "sub": subject, "iss": e.Issuer,
	}
	if len(t.Scope) > 0 { // an empty scope has no form on the wire (RFC 6749 section 3.3)
		answer["scope"] = t.Scope.String()
	}
	if len(t.Details) > 0 {
		answer["authorization_details"] = t.Details // RFC 9396 section 9.2
	}
	if !t.Confirmation.IsZero() {
		answer["cnf"] = t.Confirmation
	}
	if t.Actor != nil {
		answer["act"] = t.Actor // RFC 8693 section 4.1
	}
	return answer, nil
}
