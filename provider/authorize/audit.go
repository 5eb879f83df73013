package authorize

import (
	"context"
	"maps"
	"slices"

	"signet/provider/audit"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/web"
)

// entries are what the audit log keeps of an approval: the consent, if it was given just now, and what has left. An
// access token that leaves has its own entry from the one who decided about it; here its jti is named.
func (e *Endpoint) entries(ctx context.Context, p progress, out handout, user oauth.EndUser, given bool) ([]oauth.Change, error) {
	about := oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: p.client.ID, Subject: user.ID, GrantID: out.grant.ID,
		Detail: describe(p.waiting.Request, user),
	}
	var changes []oauth.Change
	if given {
		entry, err := e.recorder.Change(audit.ConsentGiven, about)
		if err != nil {
			return nil, err
		}
		changes = append(changes, entry)
	}
	event := audit.CodeIssued
	if out.code == "" {
		event = audit.TokenIssued
	}
	about.DecisionID = out.front.DecisionID
	about.Detail = e.withAnswer(about.Detail, p.waiting.Request, out)
	entry, err := e.recorder.Change(event, about)
	return append(changes, entry), err
}

// describe is what the audit log keeps of what was agreed to.
func describe(req oauth.AuthorizationRequest, user oauth.EndUser) map[string]any {
	detail := map[string]any{"scope": req.Scope.String(), "resources": req.Resources, "acr": user.ACR}
	if len(req.Details) > 0 {
		detail["authorization_details"] = req.Details
	}
	if !req.Claims.IsZero() { // their names: wanted values are about a person
		detail["claims"] = map[string][]string{
			"id_token": slices.Sorted(maps.Keys(req.Claims.IDToken)), "userinfo": slices.Sorted(maps.Keys(req.Claims.Userinfo)),
		}
	}
	if req.GrantAction != "" {
		detail["grant_management_action"] = string(req.GrantAction)
	}
	return detail
}

// withAnswer adds what has left in the answer beside a code: of an ID token there is no other trace.
func (e *Endpoint) withAnswer(detail map[string]any, req oauth.AuthorizationRequest, out handout) map[string]any {
	detail = maps.Clone(detail)
	detail["response_type"] = req.ResponseType
	if carries(req.ResponseType, partIDToken) {
		detail["id_token"] = true
		if e.deps.PersistIDTokens {
			detail["id_token"] = issue.IDTokenRecord(out.idToken.compact, out.idToken.expires)
		}
	}
	if out.front.JTI != "" {
		detail["access_token"] = out.front.JTI
	}
	return detail
}
