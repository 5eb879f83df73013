package token

import (
	"context"
	"errors"
	"slices"

	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/pkce"
)

// CodeStore reads codes at rest.
type CodeStore interface {
	// Code returns oauth.ErrNotFound for a code that does not exist; a used or expired one is returned
	// for as long as it is kept.
	Code(ctx context.Context, digest oauth.Digest) (oauth.AuthorizationCode, error)
}

// AuthorizationCode is the authorization_code grant (RFC 6749 section 4.1.3) with PKCE (RFC 7636).
type AuthorizationCode struct {
	Store CodeStore
	Users UserStore
	// IDClaims says which of the user's claims may go into the ID token.
	IDClaims issue.IDTokenClaims
}

// GrantType implements oauth.GrantHandler.
func (AuthorizationCode) GrantType() string { return oauth.GrantAuthorizationCode }

// Redeem checks the code and returns its redemption as a change. A failed attempt burns the code only for
// the client it was issued to; a reused code revokes what it issued (RFC 6749 section 4.1.2). A managed grant must
// still be the one that the code was issued for.
func (g AuthorizationCode) Redeem(ctx context.Context, req oauth.TokenRequest) (oauth.Authorization, error) {
	presented := req.Params.Secret("code")
	if presented == "" {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidRequest, "code is missing")
	}
	code, err := g.Store.Code(ctx, presented.Digest())
	if errors.Is(err, oauth.ErrNotFound) || err == nil && code.ClientID != req.Client.ID {
		return oauth.Authorization{}, oauth.Errorf(oauth.InvalidGrant, "the authorization code is not known for this client")
	}
	if err != nil {
		return oauth.Authorization{}, err
	}
	if code.Used {
		return oauth.Authorization{}, &oauth.Refusal{
			Err:     oauth.Errorf(oauth.InvalidGrant, "the authorization code was used before; what it issued is revoked"),
			Changes: []oauth.Change{oauth.RevokeGrant{GrantID: code.GrantID, At: req.Now}},
		}
	}
	if fault := checkCode(code, req); fault != nil {
		return oauth.Authorization{}, &oauth.Refusal{Err: fault, Changes: []oauth.Change{oauth.BurnCode{Digest: code.Digest, At: req.Now}}}
	}
	user, err := userMayGoOn(ctx, g.Users, code.User)
	if err != nil {
		return oauth.Authorization{}, err
	}
	changes := []oauth.Change{oauth.RedeemCode{Digest: code.Digest, GrantID: code.GrantID, At: req.Now}}
	if code.GrantSeen != nil { // first, so that it is no reuse when the grant has changed
		changes = slices.Insert(changes, 0, oauth.Change(oauth.CheckGrant{GrantID: code.GrantID, Seen: *code.GrantSeen}))
	}
	return oauth.Authorization{
		Subject: code.User, GrantID: code.GrantID, Scope: code.Scope, Resources: code.Request.Resources, Details: code.Request.Details,
		TellGrant: code.Request.GrantAction != "", Nonce: code.Request.Nonce, Refresh: refreshForCode(req.Client, code), Changes: changes,
		Claims: code.Request.Claims, UserClaims: g.IDClaims.For(user, req.Client, code.Scope, code.Request.Claims.IDToken),
	}, nil
}

func checkCode(code oauth.AuthorizationCode, req oauth.TokenRequest) *oauth.Error {
	switch {
	case !req.Now.Before(code.ExpiresAt):
		return oauth.Errorf(oauth.InvalidGrant, "the authorization code has expired")
	case req.Params.Get("redirect_uri") != code.Request.RedirectURI:
		return oauth.Errorf(oauth.InvalidGrant, "redirect_uri is not the one of the authorization request (RFC 6749 section 4.1.3)")
	case code.Request.CodeChallenge == "" && req.Params.Has("code_verifier"):
		return oauth.Errorf(oauth.InvalidGrant, "there is a code_verifier, and the authorization request had no code_challenge (RFC 9700 section 2.1.1)")
	case code.Request.CodeChallenge != "" && !pkce.Verify(code.Request.CodeChallenge, req.Params.Get("code_verifier")):
		return oauth.Errorf(oauth.InvalidGrant, "code_verifier does not match the code_challenge (RFC 7636 section 4.6)")
	case code.Request.DPoPJKT != "" && code.Request.DPoPJKT != req.Sender.JKT:
		return oauth.Errorf(oauth.InvalidGrant, "the authorization code is bound to another DPoP key (RFC 9449 section 10)")
	default:
		return nil
	}
}

// IssuesRefresh is [RefreshOptions.Issues] by the zero options, of which no others give more.
func IssuesRefresh(client *oauth.Client, scope oauth.Scope) bool {
	return RefreshOptions{}.Issues(client, scope)
}

// refreshForCode is refreshFor, where the grant may have a refresh token from before it was merged or replaced.
func refreshForCode(client *oauth.Client, code oauth.AuthorizationCode) oauth.Refresh {
	refresh := refreshFor(client, code.Scope)
	if _, issues := refresh.(oauth.NewRefresh); issues {
		return oauth.NewRefresh{Supersedes: code.Request.GrantID != ""}
	}
	return refresh
}

func refreshFor(client *oauth.Client, scope oauth.Scope) oauth.Refresh {
	if IssuesRefresh(client, scope) {
		return oauth.NewRefresh{}
	}
	return oauth.NoRefresh{}
}
