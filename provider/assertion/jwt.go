package assertion

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// JWT judges a JWT (RFC 7523 section 3) that the client presents for the use, a grant type. The error is an *[oauth.Error],
// invalid_grant, or temporarily_unavailable when it cannot be judged now; any other is the store's.
func (r *Reader) JWT(ctx context.Context, client *oauth.Client, raw, use string, now time.Time) (Asserted, error) {
	claimed, ok := claimedIssuer(raw)
	if !ok {
		return Asserted{}, refuse("is no JWT", nil)
	}
	s, err := r.find(client, claimed, use)
	if err != nil {
		return Asserted{}, err
	}
	verified, err := r.verify(ctx, s, raw)
	if err != nil {
		return Asserted{}, blamed(err)
	}
	claims, err := jose.ParseClaims(verified.Payload)
	if err != nil {
		return Asserted{}, refuse("is malformed", err)
	}
	if reason := r.judge(s, verified.Typ, claims, claimed, now); reason != "" {
		return Asserted{}, refuse(reason, nil)
	}
	login, err := loginOf(claims, s.maxLifetime(), now)
	if err != nil {
		return Asserted{}, refuse("is malformed", err)
	}
	login.Issuer, login.Claims, login.ExpiresAt = claims.Issuer, verified.Payload, claims.Expiry
	login.Changes = used(claims.Issuer, claims.ID, claims.Expiry)
	if s.issuer == nil {
		login.Changes = usedByClient(client, claims.ID, claims.Expiry)
	}
	return r.about(ctx, s, claims.Subject, login)
}

// claimedIssuer reads, unproved, who says that it made the token: it only tells which keys to try.
func claimedIssuer(compact string) (string, bool) {
	_, rest, _ := strings.Cut(compact, ".")
	body, _, ok := strings.Cut(rest, ".")
	if !ok || len(compact) > jose.MaxTokenSize {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return "", false
	}
	claims, err := jose.ParseClaims(payload)
	return claims.Issuer, err == nil && claims.Issuer != ""
}

func (r *Reader) verify(ctx context.Context, s source, compact string) (jose.Verified, error) {
	if s.issuer == nil {
		return r.deps.Clients.VerifySigned(ctx, s.client, compact, s.profile.SigningAlgs)
	}
	return s.issuer.keys.verify(ctx, compact, s.profile.Algorithms(s.algorithms(s.profile.SigningAlgs)))
}

// judge returns why the claims of a verified token do not count; "" = they do.
func (r *Reader) judge(s source, typ string, claims jose.Claims, issuer string, now time.Time) string {
	most := s.maxLifetime()
	switch {
	case !validType(typ) || isAnother(claims):
		return "is of another type"
	case claims.Issuer != issuer:
		return "is of another issuer"
	case !r.isFor(s, claims):
		return "has another audience"
	case claims.Subject == "":
		return "has no sub"
	case claims.Expiry.IsZero():
		return "has no exp"
	case !now.Before(claims.Expiry.Add(Late)):
		return "has expired"
	case claims.Expiry.After(now.Add(most+Early)) || !claims.IssuedAt.IsZero() && claims.Expiry.After(claims.IssuedAt.Add(most)):
		return "lives too long"
	case claims.IssuedAt.After(now.Add(Early)) || claims.NotBefore.After(now.Add(Early)):
		return "is not valid yet"
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return "needs a jti of 1 to 256 bytes"
	}
	return ""
}

// isFor applies RFC 7523 section 3 item 3, and wants nobody else in the audience: what another server may also accept
// could be replayed there, or come from there.
func (r *Reader) isFor(s source, claims jose.Claims) bool {
	all, only := r.audiences(s)
	if only != "" {
		return claims.AudienceIsString && claims.Audience[0] == only
	}
	for _, aud := range claims.Audience {
		if !slices.Contains(all, aud) {
			return false
		}
	}
	return len(claims.Audience) > 0
}

// validType refuses JWTs that say that they are something else (RFC 8725 section 3.11): access tokens, client assertions,
// DPoP proofs, logout tokens.
func validType(typ string) bool {
	return typ == "" || strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "authorization-grant+jwt")
}

// isAnother tells JWTs that have no type of their own: request objects (RFC 9101 section 10.8), those of backchannel
// authentication (CIBA Core section 7.1), and security events, logout tokens among them (RFC 8417 section 2.2).
func isAnother(claims jose.Claims) bool {
	return slices.ContainsFunc(
		[]string{"response_type", "redirect_uri", "request_uri", "login_hint", "login_hint_token", "id_token_hint", "events"},
		func(name string) bool { _, sent := claims.Raw[name]; return sent })
}

// loginOf reads when and how the user logged in (OpenID Connect Core section 2). Without auth_time it was when the token was
// issued, without iat when it can have been issued at the earliest.
func loginOf(claims jose.Claims, most time.Duration, now time.Time) (Asserted, error) {
	a := Asserted{AuthTime: claims.IssuedAt}
	seconds := float64(-1)
	if a.AuthTime.IsZero() {
		a.AuthTime = claims.Expiry.Add(-most)
	}
	for name, into := range map[string]any{"auth_time": &seconds, "acr": &a.ACR, "amr": &a.AMR} {
		if raw, sent := claims.Raw[name]; sent {
			if err := json.Unmarshal(raw, into); err != nil {
				return Asserted{}, err
			}
		}
	}
	if seconds >= 0 && seconds < float64(now.Unix()) {
		a.AuthTime = time.Unix(int64(seconds), 0).UTC()
	}
	if a.AuthTime.After(now) {
		a.AuthTime = now
	}
	return a, nil
}
