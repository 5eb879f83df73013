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
		return nil
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
	if !carries(req.ResponseType, partCode) { // the grant_id comes from the token endpoint (Grant Management section 6.2)
		return oauth.Errorf(oauth.InvalidRequest, "grant_management_action needs a response type with a code")
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

// outcome is what would come of a request.
type outcome struct {
	// before is the grant that the request names, as it is; the zero one when it names none.
	before oauth.Grant
	// grant is that grant as it would be, still with the UpdatedAt of before, or a new one without an ID and a user.
	grant oauth.Grant
}

// foresee finds out what would come of the request.
func (e *Endpoint) foresee(ctx context.Context, p progress, now time.Time) (outcome, error) {
	req, until := p.waiting.Request, e.codeUntil(p, now).Add(e.deps.RefreshLifetime)
	before, err := e.existing(ctx, req)
	if err != nil {
		return outcome{}, err
	}
	if before.ID == "" {
		return outcome{grant: oauth.Grant{
			ClientID: req.ClientID, Scope: req.Scope, Resources: req.Resources, Details: req.Details, Claims: req.Claims,
			CreatedAt: now, Managed: req.GrantAction != "", ExpiresAt: until,
		}}, nil
	}
	grant := before
	if req.GrantAction == oauth.GrantMerge {
		grant.Scope = union(before.Scope, req.Scope)
		grant.Resources = union(before.Resources, req.Resources)
		grant.Details = mergeDetails(before.Details, req.Details)
		grant.Claims = before.Claims.Union(req.Claims)
	} else {
		grant.Scope, grant.Resources, grant.Details, grant.Claims = req.Scope, req.Resources, req.Details, req.Claims
	}
	if len(grant.Details) > 0 && carries(req.ResponseType, partToken) { // as checkDetails does those of the request itself
		return outcome{}, oauth.Errorf(oauth.InvalidRequest, "the grant has authorization_details: it needs a response type without an access token in the answer")
	}
	if until.After(grant.ExpiresAt) {
		grant.ExpiresAt = until
	}
	return outcome{before, grant}, nil
}

// codeUntil is when a code issued now expires.
func (e *Endpoint) codeUntil(p progress, now time.Time) time.Time {
	return now.Add(min(e.deps.CodeLifetime, p.profile.MaxCodeLifetime))
}

// prolongs says whether an earlier grant would last longer than its user was told.
func (o outcome) prolongs() bool {
	return o.before.ID != "" && o.grant.ExpiresAt.After(o.before.ExpiresAt)
}

// shown is what the consent page shows of it; nil when the request itself says all.
func (o outcome) shown() *oauth.Grant {
	if o.before.ID == "" {
		return nil
	}
	return &o.grant
}

// shownIn says whether the page that this request waits for shows this very outcome: the grant that it is about may
// have been changed by another request meanwhile.
func (o outcome) shownIn(waiting oauth.Interaction) bool {
	return o.before.ID == "" || waiting.Outcome != nil && waiting.Outcome.UpdatedAt.Equal(o.before.UpdatedAt)
}

// settle returns the grant that comes of the user's approval, and the change that keeps it.
func (e *Endpoint) settle(o outcome, action oauth.GrantAction, user oauth.EndUser, now time.Time) (oauth.Grant, oauth.Change, error) {
	grant := o.grant
	if o.before.ID == "" {
		var err error
		grant.UserID = user.ID
		grant.ID, err = oauth.NewID(e.deps.Random)
		return grant, oauth.StoreGrant{Grant: grant}, err
	}
	if grant.UserID != user.ID {
		return oauth.Grant{}, nil, notTheirs()
	}
	// A database keeps microseconds, and the next change compares with what it kept.
	grant.UpdatedAt = oauth.Updated(o.before.UpdatedAt, now)
	if action == oauth.GrantReplace {
		grant.ReplacedAt = grant.UpdatedAt
	}
	return grant, oauth.ReplaceGrant{Grant: grant, Seen: o.before.UpdatedAt}, nil
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
