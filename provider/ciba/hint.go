package ciba

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/provider/issue"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// skew is how far the clock of a login_hint_token's issuer may be from ours.
const skew = 30 * time.Second

// maxHintLife is how long a login_hint_token may live: it is made for one request.
const maxHintLife = 10 * time.Minute

// errHint is why a hint named nobody; for the log only.
var errHint = errors.New("the hint names no user who can log in")

// hinted finds the user whom the request's one hint names (CIBA Core section 7.1). An account that is disabled is
// told from one that does not exist by nobody. With an error there is no user.
func (s *Service) hinted(ctx context.Context, caller oauth.ClientAuthentication, p oauth.Params, now time.Time) (oauth.User, error) {
	user, err := s.lookUp(ctx, caller.Client, p, now)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && user.Disabled {
		return oauth.User{}, oauth.Errorf(oauth.UnknownUserID, "the hint names no user").Because(errHint)
	}
	if err != nil {
		return oauth.User{}, err
	}
	if p.Has("login_hint") {
		s.unknown.add(caller.Client.ID, -1)
	}
	return user, nil
}

func (s *Service) lookUp(ctx context.Context, client *oauth.Client, p oauth.Params, now time.Time) (oauth.User, error) {
	switch {
	case p.Has("login_hint"): // the one hint that a client can make up
		if !s.unknown.take(client.ID) {
			return oauth.User{}, oauth.Errorf(oauth.InvalidRequest, "too many login_hints of this client have named nobody: try again later, or with another kind of hint")
		}
		return s.named(ctx, p.Get("login_hint"))
	case p.Has("id_token_hint"):
		hints := issue.Hints{Issuer: s.deps.Issuer, Keys: s.deps.Keys}
		subject, fault := hints.Subject(client, p.Get("id_token_hint"), now)
		if fault != nil {
			return oauth.User{}, fault
		}
		return s.deps.Store.User(ctx, subject)
	}
	name, err := s.fromHintToken(ctx, client, p.Get("login_hint_token"), now)
	if err != nil {
		return oauth.User{}, err
	}
	return s.named(ctx, name)
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

// fromHintToken returns whom a login_hint_token of one of the configured issuers names (CIBA Core section 7.1 leaves
// its form to the parties): a JWT, of type JWT or of none, with iss, aud, iat, exp at most ten minutes later, and sub.
// When it says for which client it was made, by azp or client_id, it is for that one only.
func (s *Service) fromHintToken(ctx context.Context, client *oauth.Client, compact string, now time.Time) (string, error) {
	refuse := func(text string, cause error) (string, error) {
		return "", oauth.Errorf(oauth.InvalidRequest, "the login_hint_token %s", text).Because(cause)
	}
	issuer, ok := s.hintIssuer(compact)
	if !ok {
		return refuse("is not from an issuer that is known here", nil)
	}
	verified, err := issuer.verify(ctx, compact)
	if errors.Is(err, errNoKeys) {
		return "", oauth.Errorf(oauth.TemporarilyUnavailable, "the keys of the login_hint_token's issuer cannot be had at present").Because(err)
	}
	if err != nil {
		return refuse("is not signed by its issuer", err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	switch {
	case verified.Typ != "" && !strings.EqualFold(verified.Typ, "JWT"): // RFC 8725 section 3.11
		return refuse("is of another type", nil)
	case err != nil || claims.Issuer != issuer.Issuer:
		return refuse("is malformed", err)
	case !slices.Contains(claims.Audience, s.deps.Issuer):
		return refuse("is for another audience", nil)
	case !meantFor(client, claims):
		return refuse("was made for another client", nil)
	case claims.Expiry.IsZero() || claims.IssuedAt.IsZero() || claims.Subject == "":
		return refuse("needs iat, exp and sub", nil)
	case claims.NotBefore.After(now.Add(skew)) || claims.IssuedAt.After(now.Add(skew)):
		return refuse("is not valid yet", nil)
	case claims.Expiry.After(claims.IssuedAt.Add(maxHintLife)):
		return refuse("lives longer than ten minutes", nil)
	case !now.Before(claims.Expiry.Add(skew)):
		return "", oauth.Errorf(oauth.ExpiredLoginHintToken, "the login_hint_token has expired")
	}
	return claims.Subject, nil
}

// errNoKeys: it cannot be judged now who signed.
var errNoKeys = errors.New("no keys at present")

// verify reads the issuer's keys again when the token's is not among those known.
func (h HintIssuer) verify(ctx context.Context, compact string) (jose.Verified, error) {
	keys, err := h.Keys(ctx)
	if err != nil {
		return jose.Verified{}, errors.Join(errNoKeys, err)
	}
	verified, err := jose.Verify(compact, keys, h.Algs)
	if !errors.Is(err, jose.ErrUnknownKey) || h.Fresh == nil {
		return verified, err
	}
	if keys, err = h.Fresh(ctx); err != nil {
		return jose.Verified{}, errors.Join(errNoKeys, err)
	}
	return jose.Verify(compact, keys, h.Algs)
}

// meantFor judges the claims by which a token says for which client it was made, where it has them.
func meantFor(client *oauth.Client, claims jose.Claims) bool {
	for _, name := range []string{"azp", "client_id"} {
		raw, sent := claims.Raw[name]
		var id string
		if sent && (json.Unmarshal(raw, &id) != nil || id != client.ID) {
			return false
		}
	}
	return true
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

// admit judges whether the user may be asked: by how many requests wait, by how often this client has asked already,
// and by the user code of those who have one, whatever the client is registered for, as it is theirs against requests
// that they did not start (CIBA Core section 7.1). What costs most comes last.
func (s *Service) admit(ctx context.Context, client *oauth.Client, user oauth.User, code oauth.Secret, now time.Time) error {
	waiting, err := s.deps.Store.PendingBackchannels(ctx, user.ID, now)
	if err != nil {
		return err
	}
	own := 0
	for _, request := range waiting {
		if request.ClientID == client.ID {
			own++
		}
	}
	asked := pair(client.ID, user.ID)
	switch {
	case own >= s.deps.PendingOfClient:
		return oauth.Errorf(oauth.InvalidRequest, "too many requests of this client wait for this user already")
	case len(waiting) >= MaxPending:
		return oauth.Errorf(oauth.InvalidRequest, "too many requests wait for this user already")
	case !s.asked.take(asked):
		return oauth.Errorf(oauth.InvalidRequest, "this client has asked for this user too often: try again later")
	}
	if err = s.checkCode(ctx, client, user, code); err != nil {
		s.asked.add(asked, -1) // the user never hears of it
	}
	return err
}

// checkCode: wrong codes slow the client down by themselves, see [UserCodes].
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
	return oauth.Errorf(oauth.InvalidUserCode, "the user_code is wrong")
}
