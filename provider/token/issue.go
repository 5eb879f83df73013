package token

import (
	"context"
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

// issue makes the tokens that the grant and the policy agreed on. Nothing is stored yet.
func (e *Endpoint) issue(ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, t target, d policy.Decision) (issuance, error) {
	entry, err := e.Record.Entry(audit.TokenIssued, oauth.AuditEntry{})
	if err != nil {
		return issuance{}, err
	}
	m := issue.Mandate{
		Now: req.Now, Client: req.Client, Subject: a.Subject, GrantID: a.GrantID, Scope: d.Scope, Audience: t.audience,
		Confirmation: req.Sender, Nonce: a.Nonce, Opaque: t.opaque, Alg: t.alg, AllowedAlgs: req.Profile.SigningAlgs,
		AccessLifetime: chosen(t.lifetime, d.AccessLifetime, e.Lifetimes.Most), IDLifetime: chosen(e.Lifetimes.IDToken, d.IDLifetime, e.Lifetimes.Most),
		AccessClaims: d.AccessClaims, IDClaims: d.IDClaims,
	}
	access, err := e.Issue.AccessToken(ctx, m)
	if err != nil {
		return issuance{}, unavailable(err)
	}
	issued := issuance{
		response: &response{AccessToken: access.Value.Reveal(), TokenType: "Bearer", ExpiresIn: access.ExpiresIn, Scope: m.Scope.String()},
		changes:  access.Changes, entry: entry, jti: access.JTI, audience: t.audience,
	}
	user, person := a.Subject.(oauth.EndUser)
	if !person {
		return issued, nil
	}
	if m.Scope.Has(oauth.ScopeOpenID) {
		if issued.response.IDToken, err = e.Issue.IDToken(ctx, m, user, access.Value); err != nil {
			return issuance{}, unavailable(err)
		}
	}
	return issued, e.refreshToken(req, a, m, user, d, &issued)
}

// refreshToken adds what becomes of the grant's refresh token.
func (e *Endpoint) refreshToken(req oauth.TokenRequest, a oauth.Authorization, m issue.Mandate, user oauth.EndUser, d policy.Decision, issued *issuance) error {
	switch r := a.Refresh.(type) {
	case oauth.NewRefresh:
		lifetime := chosen(e.Lifetimes.RefreshToken, d.RefreshLifetime, policy.MaxRefreshLifetime)
		value, stored, err := e.Issue.NewRefreshToken(m, user, a.Scope, a.Resources, lifetime)
		if err != nil {
			return err
		}
		issued.response.RefreshToken = value.Reveal()
		issued.changes = append(issued.changes,
			oauth.StoreRefresh{Token: stored}, oauth.ExtendGrant{GrantID: a.GrantID, ExpiresAt: stored.ExpiresAt})
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

// unavailable is what the client hears when the keys cannot sign: nothing was burnt, so it can retry.
func unavailable(err error) error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "tokens cannot be signed at present").Because(fmt.Errorf("issuing: %w", err))
}

// chosen returns the policy's lifetime where it has an opinion (0 = none), never more than most.
func chosen(byDefault, byPolicy, most time.Duration) time.Duration {
	if byPolicy > 0 {
		return min(byPolicy, most)
	}
	return byDefault
}
