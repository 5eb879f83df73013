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

	idToken     string // "" = none
	idTokenEnds time.Time
}

// mandate is what the tokens may say: what the grant and the policy agreed on.
func (e *Endpoint) mandate(req oauth.TokenRequest, a oauth.Authorization, t target, d policy.Decision) issue.Mandate {
	return issue.Mandate{
		Now: req.Now, Client: req.Client, Subject: a.Subject, GrantID: a.GrantID, Scope: d.Scope, Audience: t.audience,
		Parent: a.Parent, Actor: a.Actor, NotAfter: a.NotAfter, NotBeforeLeeway: e.NotBefore,
		Details: chosenBy(t.details, d.Details), Confirmation: confirmation(req), Nonce: a.Nonce,
		Opaque: t.opaque, Layout: t.layout, Alg: t.alg, AllowedAlgs: req.Profile.SigningAlgs,
		AccessLifetime: chosen(t.lifetime, d.AccessLifetime, e.Lifetimes.Most),
		IDLifetime:     chosen(shorter(e.Lifetimes.IDToken, req.Client.IDTokenLifetime), d.IDLifetime, e.Lifetimes.Most),
		AccessClaims:   d.AccessClaims, IDClaims: d.IDClaims, UserClaims: e.IDTokens.claims(a, d.Scope),
		Unsigned: req.Profile.Name == oauth.ProfileOpenID && a.AuthReqID == "", // a push does not leave over the client's connection
	}
}

// issue makes what the grant and the policy agreed on. Nothing is stored yet.
func (e *Endpoint) issue(ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, t target, d policy.Decision) (issuance, error) {
	m := e.mandate(req, a, t, d)
	if a.Output != nil {
		return e.alone(ctx, req, a, m, d)
	}
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
	if err := e.refreshToken(ctx, req, a, m, user, d, &issued); err != nil {
		return issuance{}, err
	}
	if e.IDTokens.issues(req.Profile, t.scope, m.Scope) {
		beside := issue.Beside{AccessToken: oauth.Secret(issued.response.AccessToken)}
		if a.AuthReqID != "" { // a push: nobody asked for it, so that the ID token vouches for all of it
			beside.AuthReqID, beside.RefreshToken = a.AuthReqID, oauth.Secret(issued.response.RefreshToken)
		}
		if issued.response.IDToken, err = e.Issue.IDTokenBeside(ctx, m, user, beside); err != nil {
			return issuance{}, unavailable(err)
		}
		issued.idToken, issued.idTokenEnds = issued.response.IDToken, m.Now.Add(m.IDLifetime)
	}
	return issued, nil
}

// blank is an issuance of nothing yet.
func (e *Endpoint) blank(m issue.Mandate) (issuance, error) {
	entry, err := e.Record.Entry(audit.TokenIssued, oauth.AuditEntry{})
	if err != nil {
		return issuance{}, err
	}
	return issuance{response: &response{Scope: m.Scope.String(), Details: m.Details}, entry: entry, audience: m.Audience}, nil
}

// accessToken makes the access token. Nothing is stored yet.
func (e *Endpoint) accessToken(ctx context.Context, m issue.Mandate) (issuance, error) {
	issued, err := e.blank(m)
	if err != nil {
		return issuance{}, err
	}
	access, err := e.Issue.AccessToken(ctx, m)
	if err != nil {
		return issuance{}, unavailable(err)
	}
	r := issued.response
	r.AccessToken, r.TokenType, r.ExpiresIn = access.Value.Reveal(), tokenType(m.Confirmation), access.ExpiresIn
	issued.changes, issued.jti = access.Changes, access.JTI
	return issued, nil
}

// refreshToken adds what becomes of the grant's refresh token.
func (e *Endpoint) refreshToken(ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, m issue.Mandate, user oauth.EndUser, d policy.Decision, issued *issuance) error {
	var value oauth.Secret
	var kept oauth.RefreshToken
	var err error
	switch r := a.Refresh.(type) {
	case oauth.NewRefresh:
		var changes []oauth.Change
		if value, kept, changes, err = e.firstRefresh(ctx, req, a, m, user, d); err != nil {
			return err
		}
		issued.changes = append(issued.changes, changes...)
	case oauth.RotateRefresh:
		if value, kept, err = e.Issue.Successor(r.Old, req.Now); err != nil {
			return err
		}
		issued.changes = append(issued.changes, oauth.ReplaceRefresh{Old: r.Old.Digest, New: kept, At: req.Now, Grace: r.Grace})
	}
	issued.response.RefreshToken = value.Reveal()
	if e.TellRefreshLifetime && value != "" {
		issued.response.RefreshExpiresIn = seconds(kept.ExpiresAt.Sub(req.Now))
	}
	return nil
}

// firstRefresh makes a grant's first refresh token, with what keeps it; "" where the client gets none.
func (e *Endpoint) firstRefresh(
	ctx context.Context, req oauth.TokenRequest, a oauth.Authorization, m issue.Mandate, user oauth.EndUser, d policy.Decision,
) (oauth.Secret, oauth.RefreshToken, []oauth.Change, error) {
	lifetime := chosen(shorter(e.Lifetimes.RefreshToken, req.Client.RefreshTokenLifetime), d.RefreshLifetime, policy.MaxRefreshLifetime)
	lifetime, err := issue.Within(lifetime, req.Now, a.NotAfter)
	if err != nil {
		return "", oauth.RefreshToken{}, nil, err
	}
	return e.Refresh.first(ctx, e.Issue, req.Profile, m, user, a, lifetime)
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

// shorter is the lifetime, or the client's own (0 = none) if that is shorter.
func shorter(lifetime time.Duration, ofClient int) time.Duration {
	if own := time.Duration(ofClient) * time.Second; own > 0 {
		return min(lifetime, own)
	}
	return lifetime
}

// seconds are the whole ones, as the wire has them.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
