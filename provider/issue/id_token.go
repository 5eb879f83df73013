package issue

import (
	"context"
	"fmt"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// idClaims are the claims of OpenID Connect Core section 2.
type idClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Expiry   int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	AuthTime int64    `json:"auth_time"`
	Nonce    string   `json:"nonce,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	AtHash   string   `json:"at_hash,omitempty"`
	Session  string   `json:"sid,omitempty"`
}

// IDToken issues an ID token about user for the client, hashing in the access token issued beside it
// (OpenID Connect Core section 3.1.3.6).
func (i *Issuer) IDToken(ctx context.Context, m Mandate, user oauth.EndUser, access oauth.Secret) (string, error) {
	alg, err := i.alg(m.Client.IDTokenAlg, m.AllowedAlgs)
	if err != nil {
		return "", err
	}
	hash, err := jose.HalfHash(alg, access.Reveal())
	if err != nil {
		return "", err
	}
	payload, err := marshalWith(idClaims{
		Issuer: i.opt.Issuer, Subject: user.ID, Audience: m.Client.ID,
		Expiry: m.Now.Add(m.IDLifetime).Unix(), IssuedAt: m.Now.Unix(), AuthTime: user.AuthTime.Unix(),
		Nonce: m.Nonce, ACR: user.ACR, AMR: user.AMR, AtHash: hash, Session: user.SessionID,
	}, m.IDClaims)
	if err != nil {
		return "", err
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, "JWT", payload)
	if err != nil {
		return "", fmt.Errorf("signing an ID token: %w", err)
	}
	return compact, nil
}
