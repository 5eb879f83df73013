// Package revocation is the revocation endpoint (RFC 7009).
//
// Invariant: only the client that a token was issued to can revoke it, and a success is answered only once
// the revocation is durable.
package revocation

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"signet/provider/audit"
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
		// Read returns an *oauth.Error with invalid_token for a token that is not live.
		Read(ctx context.Context, token oauth.Secret) (*issue.Held, error)
	}
	Store interface {
		issue.RefreshStore
		Commit(ctx context.Context, changes ...oauth.Change) error
	}
	Seal   *issue.RefreshSeal // reads refresh tokens that are their own record; nil = there are none
	Record *audit.Recorder
	Clock  oauth.Clock
	Log    *slog.Logger
}

// New returns the endpoint.
func New(deps Deps) http.Handler { return &endpoint{deps} }

type endpoint struct{ Deps }

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := e.answer(w, r); err != nil {
		web.WriteError(w, r, e.Log, err)
		return
	}
	// The client learns nothing about tokens that do not exist (RFC 7009 section 2.2).
	web.NoStore(w.Header())
	w.WriteHeader(http.StatusOK)
}

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	params, fault := web.ParseForm(w, r)
	if fault != nil {
		return fault
	}
	caller, err := e.Authenticate.Authenticate(ctx, r, params, e.Endpoints)
	if err != nil {
		return err
	}
	token := params.Secret("token")
	if token == "" {
		return oauth.Errorf(oauth.InvalidRequest, "token is missing")
	}
	changes, err := e.revoke(ctx, caller.Client, token)
	if err != nil {
		return err
	}
	return e.Store.Commit(ctx, slices.Concat(caller.Changes, changes)...)
}

// revoke returns the changes that end the token; none when there is nothing to end. The kind is found
// without the hint: looking both up costs little (RFC 7009 section 2.1).
func (e *endpoint) revoke(ctx context.Context, client *oauth.Client, token oauth.Secret) ([]oauth.Change, error) {
	refresh, err := e.Seal.Find(ctx, e.Store, token)
	switch {
	case err == nil:
		// A refresh token's revocation ends everything of its grant (RFC 7009 section 2.1).
		return e.changes(ctx, client, refresh.ClientID, audit.GrantRevoked, oauth.AuditEntry{GrantID: refresh.GrantID, Subject: refresh.User.ID},
			oauth.RevokeGrant{GrantID: refresh.GrantID, At: e.Clock()})
	case !errors.Is(err, oauth.ErrNotFound):
		return nil, err
	}
	access, err := e.Tokens.Read(ctx, token)
	var fault *oauth.Error
	if errors.As(err, &fault) && fault.Code == oauth.InvalidToken {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return e.changes(ctx, client, access.ClientID, audit.TokenRevoked, oauth.AuditEntry{JTI: access.JTI, Subject: cmp.Or(access.UserID(), access.ClientID)},
		oauth.RevokeAccessToken{JTI: access.JTI, Until: access.Expiry})
}

func (e *endpoint) changes(ctx context.Context, client *oauth.Client, owner string, event audit.Event, about oauth.AuditEntry, change oauth.Change) ([]oauth.Change, error) {
	if owner != client.ID {
		return nil, oauth.Errorf(oauth.InvalidRequest, "the token was issued to another client (RFC 7009 section 2.1)")
	}
	about.RequestID, about.ClientID = web.RequestID(ctx), client.ID
	record, err := e.Record.Change(event, about)
	if err != nil {
		return nil, err
	}
	return []oauth.Change{change, record}, nil
}
