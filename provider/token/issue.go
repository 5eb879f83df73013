package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/oauth"
)

// issuance is what a request hands out once it has been committed.
type issuance struct {
	response *response
	changes  []oauth.Change
	entry    oauth.AuditEntry // id and time only, until issuedEntry fills it
	jti      string
	audience []string
}

// mandate is what the tokens may say: what the grant and the policy agreed on.
func (e *Endpoint) mandate(req oauth.TokenRequest, a oauth.Authorization, t target, d policy.Decision) issue.Mandate {
	return issue.Mandate{
		Now: req.Now, Client: req.Client, Subject: a.Subject, GrantID: a.GrantID, Scope: d.Scope, Audience: t.audience,
		Details: chosenBy(t.details, d.Details), Confirmation: confirmation(req), Nonce: a.Nonce, Opaque: t.opaque, Alg: t.alg, AllowedAlgs: req.Profile.SigningAlgs,
		AccessLifetime: chosen(t.lifetime, d.AccessLifetime, e.Lifetimes.Most), IDLifetime: chosen(e.Lifetimes.IDToken, d.IDLifetime, e.Lifetimes.Most),
		AccessClaims: d.AccessClaims, IDClaims: d.IDClaims, UserClaims: a.UserClaims,
		Unsigned: req.Profile.Name == oauth.ProfileOpenID && a.AuthReqID == "", // a push does not leave over the client's connection
	}
}

// accessToken makes the access token. Nothing is stored yet.
func (e *Endpoint) accessToken(ctx context.Context, m issue.Mandate) (issuance, error) {
	entry, err := e.Record.Entry(audit.TokenIssued, oauth.AuditEntry{})
	if err != nil {
		return issuance{}, err
	}
	access, err := e.Issue.AccessToken(ctx, m)
	if err != nil {
		return issuance{}, unavailable(err)
	}
	return issuance{
		response: &response{
			AccessToken: access.Value.Reveal(), TokenType: tokenType(m.Confirmation), ExpiresIn: access.ExpiresIn, Scope: m.Scope.String(), Details: m.Details,
		},
		changes: access.Changes, entry: entry, jti: access.JTI, audience: m.Audience,
	}, nil
}

// issue makes the tokens that the grant and the policy agreed on. Nothing is stored yet.
func (e *Endpoint) issue(ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, t target, d policy.Decision) (issuance, error) {
	m := e.mandate(req, a, t, d)
	issued, err := e.accessToken(ctx, m)
	if err != nil {
		return issuance{}, err
	}
	if a.TellGrant {
		issued.response.GrantID = a.GrantID
	}
	user, person := a.Subject.(oauth.EndUser)
	if !person {
		return issued, nil
	}
	if err := e.refreshToken(req, a, m, user, d, &issued); err != nil {
		return issuance{}, err
	}
	if m.Scope.Has(oauth.ScopeOpenID) {
		beside := issue.Beside{AccessToken: oauth.Secret(issued.response.AccessToken)}
		if a.AuthReqID != "" { // a push: nobody asked for it, so that the ID token vouches for all of it
			beside.AuthReqID, beside.RefreshToken = a.AuthReqID, oauth.Secret(issued.response.RefreshToken)
		}
		if issued.response.IDToken, err = e.Issue.IDTokenBeside(ctx, m, user, beside); err != nil {
			return issuance{}, unavailable(err)
		}
	}
	return issued, nil
}

// refreshToken adds what becomes of the grant's refresh token.
func (e *Endpoint) refreshToken(req oauth.TokenRequest, a oauth.Authorization, m issue.Mandate, user oauth.EndUser, d policy.Decision, issued *issuance) error {
	switch r := a.Refresh.(type) {
	case oauth.NewRefresh:
		lifetime := chosen(e.Lifetimes.RefreshToken, d.RefreshLifetime, policy.MaxRefreshLifetime)
		value, stored, err := e.Issue.NewRefreshToken(m, user, a, lifetime)
		if err != nil {
			return err
		}
		issued.response.RefreshToken = value.Reveal()
		var keep oauth.Change = oauth.StoreRefresh{Token: stored}
		if r.Supersedes {
			keep = oauth.SupersedeRefresh{Token: stored}
		}
		issued.changes = append(issued.changes, keep, oauth.ExtendGrant{GrantID: a.GrantID, ExpiresAt: stored.ExpiresAt})
	case oauth.RotateRefresh:
		value, stored, err := e.Issue.Successor(r.Old, req.Now)
		if err != nil {
			return err
		}
		issued.response.RefreshToken = value.Reveal()
		issued.changes = append(issued.changes, oauth.ReplaceRefresh{Old: r.Old.Digest, New: stored, At: req.Now, Grace: r.Grace})
	}
	return nil
}

// unavailable is what the client hears when the keys cannot sign, or when its own cannot be had to encrypt to: nothing
// was burnt, so it can retry.
func unavailable(err error) error {
	if known := (*oauth.Error)(nil); errors.As(err, &known) {
		return err
	}
	return oauth.Errorf(oauth.TemporarilyUnavailable, "tokens cannot be signed at present").Because(fmt.Errorf("issuing: %w", err))
}

// chosen returns the policy's lifetime where it has an opinion (0 = none), never more than most.
func chosen(byDefault, byPolicy, most time.Duration) time.Duration {
	if byPolicy > 0 {
		return min(byPolicy, most)
	}
	return byDefault
}
