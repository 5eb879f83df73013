package token

import (
	"context"
	"errors"
	"maps"
	"slices"

	"signet/policy"
	"signet/provider/audit"
	"signet/provider/oauth"
)

// refuse commits what a refusal implies - a burnt code, a revoked grant, the audit entry of a denial - before
// the client hears of it.
func (e *Endpoint) refuse(ctx context.Context, req oauth.TokenRequest, caller oauth.ClientAuthentication, err error) error {
	var refusal *oauth.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	if waits(refusal.Err.Code) {
		if err := e.Store.Commit(ctx, slices.Concat(caller.Changes, refusal.Changes)...); err != nil {
			return err
		}
		return refusal.Err
	}
	entry, entryErr := e.refusedEntry(req, refusal)
	if entryErr != nil {
		return entryErr
	}
	if err := e.commit(ctx, req, caller, refusal.Changes, entry); err != nil {
		return err
	}
	return refusal.Err
}

// refusedEntry says what was refused and why.
func (e *Endpoint) refusedEntry(req oauth.TokenRequest, refusal *oauth.Refusal) (oauth.AuditEntry, error) {
	about := oauth.AuditEntry{
		RequestID: req.ID, ClientID: req.Client.ID, DecisionID: refusal.Err.Decision,
		Detail: map[string]any{"error": string(refusal.Err.Code), "grant_type": req.GrantType},
	}
	maps.Copy(about.Detail, refusal.Detail)
	event := audit.TokenRefused
	for _, change := range refusal.Changes {
		if revoked, ok := change.(oauth.RevokeGrant); ok {
			event, about.GrantID = reuseOf(req.GrantType), revoked.GrantID
		}
	}
	return e.Record.Entry(event, about)
}

// commit applies what the request changes, the client's proof and the audit entry together. When a single-use
// credential lost a race, that was a reuse, and what the credential had issued is revoked (RFC 6749 section
// 4.1.2, RFC 9700 section 4.14.2).
func (e *Endpoint) commit(ctx context.Context, req oauth.TokenRequest, caller oauth.ClientAuthentication, changes []oauth.Change, entry oauth.AuditEntry) error {
	changes = slices.Concat(caller.Changes, changes)
	if len(changes) == 0 {
		if err := e.Audit.Add(ctx, entry); err != nil {
			return oauth.Errorf(oauth.TemporarilyUnavailable, "the audit log cannot take the request").Because(err)
		}
		return nil
	}
	err := e.Store.Commit(ctx, append(changes, oauth.RecordAudit{Entry: entry})...)
	var conflict *oauth.Conflict
	if !errors.As(err, &conflict) {
		return err
	}
	grantID := reused(conflict.Change)
	if grantID == "" {
		return err
	}
	if failure := e.revoke(ctx, req, caller, grantID); failure != nil {
		// The client comes again, and what it presents is then known to be used.
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the request cannot be completed at present").Because(errors.Join(err, failure))
	}
	return err
}

// revoke ends the grant of a reused credential. The loser's own proof is used up with it, unless that, too, has
// been used meanwhile.
func (e *Endpoint) revoke(ctx context.Context, req oauth.TokenRequest, caller oauth.ClientAuthentication, grantID string) error {
	record, err := e.Record.Change(reuseOf(req.GrantType), oauth.AuditEntry{RequestID: req.ID, ClientID: req.Client.ID, GrantID: grantID})
	if err != nil {
		return err
	}
	revocation := []oauth.Change{oauth.RevokeGrant{GrantID: grantID, At: req.Now}, record}
	err = e.Store.Commit(ctx, slices.Concat(caller.Changes, revocation)...)
	if errors.As(err, new(*oauth.Conflict)) {
		return e.Store.Commit(ctx, revocation...)
	}
	return err
}

// reused returns the grant whose single-use credential lost the race, or "".
func reused(change oauth.Change) string {
	switch c := change.(type) {
	case oauth.RedeemCode:
		return c.GrantID
	case oauth.ReplaceRefresh:
		return c.New.GrantID
	default:
		return ""
	}
}

func reuseOf(grantType string) audit.Event {
	if grantType == oauth.GrantAuthorizationCode {
		return audit.CodeReused
	}
	return audit.RefreshReused
}

// issuedEntry says who got what, and by which rules.
func (e *Endpoint) issuedEntry(req oauth.TokenRequest, a oauth.Authorization, i issuance, d policy.Decision) oauth.AuditEntry {
	i.entry.RequestID, i.entry.ClientID, i.entry.Subject = req.ID, req.Client.ID, a.Subject.Subject()
	i.entry.GrantID, i.entry.JTI, i.entry.DecisionID = a.GrantID, i.jti, d.ID
	i.entry.Detail = map[string]any{"grant_type": req.GrantType, "scope": i.response.Scope, "aud": i.audience, "policy": d.Revision}
	bound := confirmation(req)
	if bound.X5TS256 != "" {
		i.entry.Detail["x5t#S256"] = bound.X5TS256
	}
	if bound.JKT != "" {
		i.entry.Detail["jkt"] = bound.JKT
	}
	if len(i.response.Details) > 0 {
		i.entry.Detail["authorization_details"] = i.response.Details.Types()
	}
	exchanged(i.entry.Detail, a, i)
	e.IDTokens.record(i.entry.Detail, i.idToken, i.idTokenEnds)
	return i.entry
}

// exchanged adds what was issued in the place of the usual, what it was made from and who acts.
func exchanged(detail map[string]any, a oauth.Authorization, i issuance) {
	if i.response.IssuedTokenType != "" {
		detail["issued_token_type"] = string(i.response.IssuedTokenType)
	}
	if a.Parent != "" {
		detail["made_from"] = a.Parent
	}
	if a.Actor != nil {
		detail["act"] = a.Actor
	}
	if out, ok := a.Output.(oauth.OutputTransactionToken); ok {
		detail["txn"] = out.Transaction
	}
}
