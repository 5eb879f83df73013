package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signet/provider/oauth"
)

// TypeLogout is the JWT header type of a logout token (OpenID Connect Back-Channel Logout section 2.4).
const TypeLogout = "logout+jwt"

// logoutLifetime is that of a logout token: no more than two minutes (OpenID Connect Back-Channel Logout section 2.4).
const logoutLifetime = 2 * time.Minute

// logoutClaims are those of OpenID Connect Back-Channel Logout section 2.4. There is never a nonce among them.
type logoutClaims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub,omitempty"`
	Audience string      `json:"aud"`
	IssuedAt int64       `json:"iat"`
	Expiry   int64       `json:"exp"`
	ID       string      `json:"jti"`
	Session  string      `json:"sid,omitempty"`
	Events   logoutEvent `json:"events"`
}

type logoutEvent struct {
	Logout struct{} `json:"http://schemas.openid.net/event/backchannel-logout"`
}

var errNobody = errors.New("a logout token about nobody")

// LogoutToken issues a token that ends the user's session at the client (OpenID Connect Back-Channel Logout section
// 2.4), signed and encrypted as its ID tokens are, and never unsigned. sub and sid are how the client knows the user and
// the session: the caller gets them from [Issuer.Subject] and [Issuer.SessionID]. One of them may be "". allowed are the
// algorithms of the client's profile.
func (i *Issuer) LogoutToken(
	ctx context.Context, c *oauth.Client, allowed []string, sub, sid string, now time.Time,
) (string, error) {
	if sub == "" && sid == "" {
		return "", errNobody
	}
	alg, err := i.alg(c.IDTokenAlg, allowed)
	if err != nil {
		return "", err
	}
	id, err := oauth.NewID(i.opt.Random)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(logoutClaims{
		Issuer: i.opt.Issuer, Subject: sub, Audience: c.ID, IssuedAt: now.Unix(), Expiry: now.Add(logoutLifetime).Unix(),
		ID: id, Session: sid,
	})
	if err != nil {
		return "", fmt.Errorf("logout token: %w", err)
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, TypeLogout, payload)
	if err != nil {
		return "", fmt.Errorf("signing a logout token: %w", err)
	}
	return i.Pack(ctx, c, compact, c.IDTokenEncAlg, c.IDTokenEncEnc)
}
