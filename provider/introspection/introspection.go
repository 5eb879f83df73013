// Package introspection is the introspection endpoint (RFC 7662).
//
// Invariant: who may not know about a token learns exactly what it would learn about one that never existed.
package introspection

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"signet/mtls"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

// Deps are what the endpoint works with. All are required.
type Deps struct {
	Authenticate interface {
		Authenticate(ctx context.Context, r *http.Request, params oauth.Params, peer *mtls.Peer, endpoints []string) (oauth.ClientAuthentication, error)
	}
	Peer      func(*http.Request) (*mtls.Peer, error)
	Endpoints []string // this endpoint's URLs at both doors: acceptable assertion audiences
	Tokens    interface {
		// Read returns an *oauth.Error with invalid_token for a token that is not live.
		Read(ctx context.Context, token oauth.Secret) (*resource.Token, error)
	}
	Store interface {
		RefreshToken(ctx context.Context, digest oauth.Digest) (oauth.RefreshToken, error)
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	Issuer string
	Clock  oauth.Clock
	Log    *slog.Logger
}

// response is RFC 7662 section 2.2; cnf is RFC 8705 section 3.2.
type response struct {
	Active       bool                `json:"active"`
	Scope        string              `json:"scope,omitempty"`
	ClientID     string              `json:"client_id,omitempty"`
	TokenType    string              `json:"token_type,omitempty"`
	Expiry       int64               `json:"exp,omitempty"`
	IssuedAt     int64               `json:"iat,omitempty"`
	Subject      string              `json:"sub,omitempty"`
	Audience     []string            `json:"aud,omitempty"`
	Issuer       string              `json:"iss,omitempty"`
	ID           string              `json:"jti,omitempty"`
	AuthTime     int64               `json:"auth_time,omitempty"`
	ACR          string              `json:"acr,omitempty"`
	Confirmation *oauth.Confirmation `json:"cnf,omitempty"`
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
	web.WriteJSON(w, http.StatusOK, answer)
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) (response, error) {
	ctx := r.Context()
	params, fault := web.ParseForm(w, r)
	if fault != nil {
		return response{}, fault
	}
	peer, err := e.Peer(r)
	if err != nil {
		return response{}, oauth.Errorf(oauth.InvalidRequest, "the client certificate cannot be read").Because(err)
	}
	caller, err := e.Authenticate.Authenticate(ctx, r, params, peer, e.Endpoints)
	if err != nil {
		return response{}, err
	}
	if caller.Client.Public() {
		return response{}, oauth.Errorf(oauth.InvalidClient, "introspection needs client authentication (RFC 7662 section 2.1)")
	}
	token := params.Secret("token")
	if token == "" {
		return response{}, oauth.Errorf(oauth.InvalidRequest, "token is missing")
	}
	answer, err := e.describe(ctx, caller.Client, token, params.Get("token_type_hint"))
	if err != nil {
		return response{}, err
	}
	return answer, e.Store.Commit(ctx, caller.Changes...)
}

// describe looks among access tokens and refresh tokens, the hinted kind first (RFC 7662 section 2.1).
func (e *endpoint) describe(ctx context.Context, client *oauth.Client, token oauth.Secret, hint string) (response, error) {
	kinds := []func(context.Context, *oauth.Client, oauth.Secret) (response, error){e.access, e.refresh}
	if hint == "refresh_token" {
		slices.Reverse(kinds)
	}
	for _, kind := range kinds {
		if answer, err := kind(ctx, client, token); err != nil || answer.Active {
			return answer, err
		}
	}
	return response{}, nil
}

func (e *endpoint) access(ctx context.Context, client *oauth.Client, token oauth.Secret) (response, error) {
	t, err := e.Tokens.Read(ctx, token)
	var fault *oauth.Error
	if errors.As(err, &fault) && fault.Code == oauth.InvalidToken {
		return response{}, nil
	}
	if err != nil {
		return response{}, err
	}
	if t.ClientID != client.ID && !mayRead(client, t.Audience) {
		return response{}, nil
	}
	answer := response{
		Active: true, Scope: t.Scope.String(), ClientID: t.ClientID, TokenType: "Bearer", Expiry: t.Expiry.Unix(), IssuedAt: t.IssuedAt.Unix(),
		Subject: t.Subject, Audience: t.Audience, Issuer: t.Issuer, ID: t.JTI, ACR: t.ACR,
	}
	if !t.AuthTime.IsZero() {
		answer.AuthTime = t.AuthTime.Unix()
	}
	if !t.Confirmation.IsZero() {
		answer.Confirmation = &t.Confirmation
	}
	return answer, nil
}

// mayRead says whether the client is the resource server of one of the audiences.
func mayRead(client *oauth.Client, audience []string) bool {
	return slices.ContainsFunc(audience, func(id string) bool { return slices.Contains(client.Introspects, id) })
}

// refresh describes a refresh token to the client that it was issued to, and to nobody else.
func (e *endpoint) refresh(ctx context.Context, client *oauth.Client, token oauth.Secret) (response, error) {
	t, err := e.Store.RefreshToken(ctx, token.Digest())
	if errors.Is(err, oauth.ErrNotFound) {
		return response{}, nil
	}
	if err != nil {
		return response{}, err
	}
	if t.ClientID != client.ID || t.Revoked || !t.RotatedAt.IsZero() || !e.Clock().Before(t.ExpiresAt) {
		return response{}, nil
	}
	answer := response{
		Active: true, Scope: t.Scope.String(), ClientID: t.ClientID, Expiry: t.ExpiresAt.Unix(), IssuedAt: t.IssuedAt.Unix(),
		Subject: t.User.ID, Issuer: e.Issuer,
	}
	if !t.Confirmation.IsZero() {
		answer.Confirmation = &t.Confirmation
	}
	return answer, nil
}
