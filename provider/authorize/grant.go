package authorize

import (
	"context"
	"errors"
	"slices"
	"time"

	"signet/provider/oauth"
)

// checkGrantAction takes what is to become of a grant (Grant Management for OAuth 2.0 section 6.1).
func (e *Endpoint) checkGrantAction(from inquiry, req *oauth.AuthorizationRequest) *oauth.Error {
	if !e.deps.GrantManagement {
		return nil
	}
	action, id := oauth.GrantAction(from.params.Get("grant_management_action")), from.params.Get("grant_id")
	switch action {
	case "":
		if e.deps.GrantActionRequired {
			return oauth.Errorf(oauth.InvalidRequest, "grant_management_action is missing")
		}
		if id != "" {
			return oauth.Errorf(oauth.InvalidRequest, "grant_id needs a grant_management_action")
		}
	case oauth.GrantCreate:
		if id != "" {
			return oauth.Errorf(oauth.InvalidRequest, "a grant that is to be created has no grant_id yet")
		}
	case oauth.GrantMerge, oauth.GrantReplace:
		if id == "" {
			return oauth.Errorf(oauth.InvalidRequest, "grant_id is missing")
		}
	default:
		return oauth.Errorf(oauth.InvalidRequest, "grant_management_action has an unknown value")
	}
	req.GrantAction, req.GrantID = action, id
	return nil
}

// existing returns the grant that the request is to change, the zero one when it names none.
func (e *Endpoint) existing(ctx context.Context, req oauth.AuthorizationRequest) (oauth.Grant, error) {
	if req.GrantID == "" {
		return oauth.Grant{}, nil
	}
	grant, err := e.deps.Store.Grant(ctx, req.GrantID)
	switch {
	case errors.Is(err, oauth.ErrNotFound),
		err == nil && (grant.ClientID != req.ClientID || !grant.Managed || grant.Revoked || !e.deps.Clock().Before(grant.ExpiresAt)):
		return oauth.Grant{}, oauth.Errorf(oauth.InvalidGrantID, "the grant is not known for this client").Because(err)
	case err != nil:
		return oauth.Grant{}, err
	}
	return grant, nil
}

// owner returns whose grant the request is to change: nobody else may log in for it. "" = anybody.
func (e *Endpoint) owner(ctx context.Context, req oauth.AuthorizationRequest) (string, error) {
	grant, err := e.existing(ctx, req)
	return grant.UserID, err
}

// settleGrant returns the grant that comes of the user's approval, and the change that keeps it.
func (e *Endpoint) settleGrant(ctx context.Context, req oauth.AuthorizationRequest, user oauth.EndUser, now, until time.Time) (oauth.Grant, oauth.Change, error) {
	grant, err := e.existing(ctx, req)
	if err != nil {
		return oauth.Grant{}, nil, err
	}
	if grant.ID == "" {
		grant = oauth.Grant{
			ClientID: req.ClientID, UserID: user.ID, Scope: req.Scope, Resources: req.Resources, Details: req.Details,
			CreatedAt: now, Managed: req.GrantAction != "", ExpiresAt: until,
		}
		grant.ID, err = oauth.NewID(e.deps.Random)
		return grant, oauth.StoreGrant{Grant: grant}, err
	}
	if grant.UserID != user.ID {
		return oauth.Grant{}, nil, notTheirs()
	}
	seen := grant.UpdatedAt
	if req.GrantAction == oauth.GrantMerge {
		grant.Scope = union(grant.Scope, req.Scope)
		grant.Resources = union(grant.Resources, req.Resources)
		grant.Details = mergeDetails(grant.Details, req.Details)
	} else {
		grant.Scope, grant.Resources, grant.Details = req.Scope, req.Resources, req.Details
	}
	// A database keeps microseconds, and the next change compares with what it kept.
	grant.UpdatedAt = now.Truncate(time.Microsecond)
	if until.After(grant.ExpiresAt) {
		grant.ExpiresAt = until
	}
	return grant, oauth.ReplaceGrant{Grant: grant, Seen: seen}, nil
}

func notTheirs() *oauth.Error {
	return oauth.Errorf(oauth.AccessDenied, "the grant is another user's")
}

func union[S ~[]string](a, b S) S {
	both := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(both, v) {
			both = append(both, v)
		}
	}
	return both
}

// mergeDetails leaves out of b what a has to the letter.
func mergeDetails(a, b oauth.Details) oauth.Details {
	both := slices.Clone(a)
	for _, detail := range b {
		if !slices.ContainsFunc(both, func(known oauth.Detail) bool { return string(known.JSON) == string(detail.JSON) }) {
			both = append(both, detail)
		}
	}
	return both
}
