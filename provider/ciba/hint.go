package ciba

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/provider/audit"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/web"
)

// maxHintAge is how long ago an ID token may have been issued to be a hint. Its exp is for those who believe what
// it says; here it only names somebody, and an expired one does so, too.
const maxHintAge = 90 * 24 * time.Hour

// errHint is why a hint named nobody; for the log only.
var errHint = errors.New("the hint names no user who can log in")

// hinted finds the user whom the request's one hint names (CIBA Core section 7.1). An account that is disabled is
// told from one that does not exist by nobody.
func (s *Service) hinted(ctx context.Context, caller oauth.ClientAuthentication, p oauth.Params, now time.Time) (oauth.User, error) {
	var user oauth.User
	var err error
	switch {
	case p.Has("login_hint"):
		user, err = s.named(ctx, p.Get("login_hint"))
	case p.Has("id_token_hint"):
		var subject string
		if subject, err = s.fromIDToken(caller.Client, p.Get("id_token_hint"), now); err == nil {
			user, err = s.deps.Store.User(ctx, subject)
		}
	default:
		var name string
		if name, err = s.fromHintToken(ctx, p.Get("login_hint_token"), now); err == nil {
			user, err = s.named(ctx, name)
		}
	}
	if errors.Is(err, oauth.ErrNotFound) || err == nil && user.Disabled {
		return oauth.User{}, oauth.Errorf(oauth.UnknownUserID, "the hint names no user").Because(errHint)
	}
	return user, err
}

func (s *Service) named(ctx context.Context, name string) (oauth.User, error) {
	if len(name) > maxHint {
		return oauth.User{}, oauth.ErrNotFound
	}
	if s.deps.LoginHint == BySubject {
		return s.deps.Store.User(ctx, name)
	}
	return s.deps.Store.UserByName(ctx, strings.TrimSpace(name))
}

// fromIDToken returns the subject of an ID token that this server once gave this client.
func (s *Service) fromIDToken(client *oauth.Client, compact string, now time.Time) (string, error) {
	refuse := func(text string, cause error) (string, error) {
		return "", oauth.Errorf(oauth.InvalidRequest, "the id_token_hint %s", text).Because(cause)
	}
	verified, err := jose.Verify(compact, s.deps.Keys.KeySet(), s.deps.Keys.Algorithms())
	if err != nil {
		return refuse("was not signed by this server, or too long ago", err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	switch _, login := claims.Raw["auth_time"]; {
	case err != nil:
		return refuse("is malformed", err)
	case verified.Typ != "JWT" || claims.Issuer != s.deps.Issuer || claims.Subject == "" || !login:
		return refuse("is no ID token of this server", nil)
	case !slices.Contains(claims.Audience, client.ID):
		return refuse("was issued to another client", nil)
	case claims.IssuedAt.Before(now.Add(-maxHintAge)):
		return refuse("was issued too long ago", nil)
	}
	return claims.Subject, nil
}

// fromHintToken returns whom a login_hint_token of one of the configured issuers names: a JWT with iss, aud, exp
// and sub (CIBA Core section 7.1 leaves its form to the parties).
func (s *Service) fromHintToken(ctx context.Context, compact string, now time.Time) (string, error) {
	refuse := func(text string, cause error) (string, error) {
		return "", oauth.Errorf(oauth.InvalidRequest, "the login_hint_token %s", text).Because(cause)
	}
	issuer, ok := s.hintIssuer(compact)
	if !ok {
		return refuse("is not from an issuer that is known here", nil)
	}
	keys, err := issuer.Keys(ctx)
	if err != nil {
		return "", oauth.Errorf(oauth.TemporarilyUnavailable, "the keys of the login_hint_token's issuer cannot be had at present").Because(err)
	}
	verified, err := jose.Verify(compact, keys, issuer.Algs)
	if err != nil {
		return refuse("is not signed by its issuer", err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	switch {
	case err != nil || claims.Issuer != issuer.Issuer:
		return refuse("is malformed", err)
	case !slices.Contains(claims.Audience, s.deps.Issuer):
		return refuse("is for another audience", nil)
	case claims.Expiry.IsZero() || claims.Subject == "":
		return refuse("needs exp and sub", nil)
	case claims.NotBefore.After(now.Add(skew)):
		return refuse("is not valid yet", nil)
	case !now.Before(claims.Expiry.Add(skew)):
		return "", oauth.Errorf(oauth.ExpiredLoginHintToken, "the login_hint_token has expired")
	}
	return claims.Subject, nil
}

// hintIssuer reads, unproved, who says that it made the token: it only tells which keys to try.
func (s *Service) hintIssuer(compact string) (HintIssuer, bool) {
	_, rest, _ := strings.Cut(compact, ".")
	body, _, _ := strings.Cut(rest, ".")
	if len(compact) > jose.MaxTokenSize {
		return HintIssuer{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return HintIssuer{}, false
	}
	claims, err := jose.ParseClaims(payload)
	if err != nil {
		return HintIssuer{}, false
	}
	for _, issuer := range s.deps.HintIssuers {
		if issuer.Issuer == claims.Issuer {
			return issuer, true
		}
	}
	return HintIssuer{}, false
}

// admit judges whether the user may be asked: by the user code of those who have one, whatever the client is
// registered for, as it is theirs against requests that they did not start (CIBA Core section 7.1), and by how many
// requests wait already.
func (s *Service) admit(ctx context.Context, client *oauth.Client, user oauth.User, code oauth.Secret, now time.Time) error {
	if err := s.checkCode(ctx, client, user, code); err != nil {
		return err
	}
	waiting, err := s.deps.Store.PendingBackchannels(ctx, user.ID, now)
	if err != nil {
		return err
	}
	if len(waiting) >= MaxPending {
		return oauth.Errorf(oauth.InvalidRequest, "too many requests wait for this user already")
	}
	return nil
}

func (s *Service) checkCode(ctx context.Context, client *oauth.Client, user oauth.User, code oauth.Secret) error {
	switch {
	case user.UserCodeHash == "":
		return nil
	case code == "":
		return oauth.Errorf(oauth.MissingUserCode, "this user wants a user_code")
	case s.deps.UserCodes == nil:
		return oauth.Errorf(oauth.TemporarilyUnavailable, "user codes cannot be judged here")
	}
	right, err := s.deps.UserCodes.Check(ctx, client.ID, user, code)
	if err != nil || right {
		return err
	}
	entry, err := s.deps.Record.Entry(audit.LoginFailed, oauth.AuditEntry{
		RequestID: web.RequestID(ctx), ClientID: client.ID, Subject: user.ID, Detail: map[string]any{"reason": "wrong user code"},
	})
	if err == nil {
		err = s.deps.Audit.Add(ctx, entry)
	}
	if err != nil {
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the audit log cannot take the request").Because(err)
	}
	return oauth.Errorf(oauth.InvalidUserCode, "the user_code is wrong")
}
