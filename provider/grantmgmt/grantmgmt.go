package grantmgmt

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/web"
)

// The scopes of access tokens for this API (Grant Management for OAuth 2.0 section 7.2).
const (
	ScopeQuery  = "grant_management_query"
	ScopeRevoke = "grant_management_revoke"
)

// Actions are the values of grant_management_actions_supported (Grant Management for OAuth 2.0 section 8.1).
func Actions() []string {
	return []string{"query", "revoke", string(oauth.GrantCreate), string(oauth.GrantMerge), string(oauth.GrantReplace)}
}

// Deps are what the API works with. All are required.
type Deps struct {
	// Path is where the API is mounted, e.g. "/grants"; below it, after a slash, comes the grant_id.
	Path string
	// Endpoints are the URLs of Path at both doors: what a DPoP proof may be for, the grant_id added.
	Endpoints []string
	// Audience is what a token's audience must contain: the API as a resource server (RFC 8707).
	Audience string
	Guard    *issue.Guard
	Store    interface {
		// Grant returns oauth.ErrNotFound, wrapped, for a grant that does not exist. Revoked ones exist.
		Grant(ctx context.Context, id string) (oauth.Grant, error)
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	Record *audit.Recorder
	Clock  oauth.Clock
	Log    *slog.Logger
}

// New returns the API: GET and DELETE of one grant.
func New(deps Deps) http.Handler { return &endpoint{deps} }

type endpoint struct{ Deps }

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	grant, err := e.answer(w, r)
	if err != nil {
		web.WriteBearerError(w, r, e.Log, err, e.Guard.Algs()...)
		return
	}
	web.NoStore(w.Header())
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	web.WriteJSON(w, http.StatusOK, describe(grant))
}

// answer admits the client, finds its grant and commits what the request changes.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) (oauth.Grant, error) {
	needed := ScopeQuery
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		needed = ScopeRevoke
	default:
		return oauth.Grant{}, web.MethodNotAllowed(http.MethodGet, http.MethodDelete)
	}
	id, fault := e.grantID(r)
	if fault != nil {
		return oauth.Grant{}, fault
	}
	token, changes, err := e.Guard.Admit(w, r, e.urls(id))
	if err != nil {
		return oauth.Grant{}, err
	}
	if !slices.Contains(token.Audience, e.Audience) {
		return oauth.Grant{}, oauth.Errorf(oauth.InvalidToken, "the access token is not for the grant management API")
	}
	if !token.Scope.Has(needed) {
		return oauth.Grant{}, web.InsufficientScope(needed)
	}
	grant, err := e.find(r.Context(), id, token)
	if err != nil {
		return oauth.Grant{}, err
	}
	if r.Method == http.MethodDelete {
		revoked, err := e.revoke(r.Context(), grant)
		if err != nil {
			return oauth.Grant{}, err
		}
		changes = append(changes, revoked...)
	}
	if len(changes) == 0 {
		return grant, nil
	}
	return grant, e.Store.Commit(r.Context(), changes...)
}

// grantID is the rest of the path, as it was sent: a grant_id needs no escaping.
func (e *endpoint) grantID(r *http.Request) (string, *oauth.Error) {
	id, below := strings.CutPrefix(r.URL.EscapedPath(), e.Path+"/")
	if !below || !isID(id) {
		return "", noSuchGrant()
	}
	return id, nil
}

// isID bounds what is looked up: base64url text (oauth.NewID).
func isID(text string) bool {
	const characters, maxLength = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 64
	return text != "" && len(text) <= maxLength && strings.Trim(text, characters) == ""
}

func (e *endpoint) urls(id string) []string {
	urls := make([]string, len(e.Endpoints))
	for i, endpoint := range e.Endpoints {
		urls[i] = endpoint + "/" + id
	}
	return urls
}

// find returns the client's own live grant. A token about a user reaches that user's grants only.
func (e *endpoint) find(ctx context.Context, id string, token *issue.Held) (oauth.Grant, error) {
	grant, err := e.Store.Grant(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) {
		return oauth.Grant{}, noSuchGrant().Because(err)
	}
	if err != nil {
		return oauth.Grant{}, err
	}
	others := grant.ClientID != token.ClientID || token.Grant != nil && token.UserID() != grant.UserID
	if others || !grant.Managed || grant.Revoked || !e.Clock().Before(grant.ExpiresAt) {
		return oauth.Grant{}, noSuchGrant()
	}
	return grant, nil
}

func noSuchGrant() *oauth.Error { return oauth.Errorf(oauth.NotFound, "there is no such grant") }

// revoke returns the changes that end the grant, and with it every token made from it. Nor does the user's agreement
// outlive it: a silent request would bring back what was ended.
func (e *endpoint) revoke(ctx context.Context, grant oauth.Grant) ([]oauth.Change, error) {
	record, err := e.Record.Change(audit.GrantRevoked, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: grant.ClientID, Subject: grant.UserID, GrantID: grant.ID,
		Detail: map[string]any{"by": "client"},
	})
	if err != nil {
		return nil, err
	}
	return []oauth.Change{
		oauth.RevokeGrant{GrantID: grant.ID, At: e.Clock()},
		oauth.ForgetConsent{UserID: grant.UserID, ClientID: grant.ClientID}, record,
	}, nil
}

// status is the answer to a query (Grant Management for OAuth 2.0 section 7.4).
type status struct {
	Scopes  []scopeAt     `json:"scopes,omitempty"`
	Details oauth.Details `json:"authorization_details,omitempty"`
}

type scopeAt struct {
	Scope    string   `json:"scope"`
	Resource []string `json:"resource,omitempty"`
}

// describe tells scopes about the user, which are for no resource server, from the others.
func describe(grant oauth.Grant) status {
	s := status{Details: grant.Details}
	var elsewhere oauth.Scope
	for _, scope := range grant.Scope {
		if !oauth.StandardScopes.Has(scope) {
			elsewhere = append(elsewhere, scope)
		}
	}
	if len(elsewhere) > 0 {
		s.Scopes = append(s.Scopes, scopeAt{elsewhere.String(), grant.Resources})
	}
	if about := grant.Scope.Intersect(oauth.StandardScopes); len(about) > 0 {
		s.Scopes = append(s.Scopes, scopeAt{Scope: about.String()})
	}
	return s
}
