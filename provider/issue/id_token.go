package issue

import (
	"context"
	"fmt"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// idClaims are the claims of OpenID Connect Core sections 2 and 3.3.2.11, FAPI 1.0 Advanced section 5.2.2.1 and
// CIBA Core section 10.3.1.
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
	CHash    string   `json:"c_hash,omitempty"`
	SHash    string   `json:"s_hash,omitempty"`
	Session  string   `json:"sid,omitempty"`

	AuthReqID string `json:"urn:openid:params:jwt:claim:auth_req_id,omitempty"`
	RtHash    string `json:"urn:openid:params:jwt:claim:rt_hash,omitempty"`
}

// Beside is what an ID token is sent together with. It vouches for each part that is there, so that none can be
// replaced on the way.
type Beside struct {
	AccessToken oauth.Secret // at_hash (OpenID Connect Core section 3.1.3.6)
	Code        oauth.Secret // c_hash (OpenID Connect Core section 3.3.2.11)
	State       string       // s_hash (FAPI 1.0 Advanced section 5.2.2.1)
	// RefreshToken and AuthReqID are those of a CIBA push (CIBA Core section 10.3.1).
	RefreshToken oauth.Secret
	AuthReqID    string
}

// IDToken issues an ID token about user for the client, hashing in the access token issued beside it
// (OpenID Connect Core section 3.1.3.6).
func (i *Issuer) IDToken(ctx context.Context, m Mandate, user oauth.EndUser, access oauth.Secret) (string, error) {
	return i.IDTokenBeside(ctx, m, user, Beside{AccessToken: access})
}

// IDTokenBeside issues an ID token about user for the client that vouches for what is sent beside it.
func (i *Issuer) IDTokenBeside(ctx context.Context, m Mandate, user oauth.EndUser, beside Beside) (string, error) {
	alg, err := i.alg(m.Client.IDTokenAlg, m.AllowedAlgs)
	if err != nil {
		return "", err
	}
	claims := idClaims{
		Issuer: i.opt.Issuer, Subject: user.ID, Audience: m.Client.ID,
		Expiry: m.Now.Add(m.IDLifetime).Unix(), IssuedAt: m.Now.Unix(), AuthTime: user.AuthTime.Unix(),
		Nonce: m.Nonce, ACR: user.ACR, AMR: user.AMR, Session: user.SessionID, AuthReqID: beside.AuthReqID,
	}
	for _, part := range []struct {
		hash *string
		of   string
	}{
		{&claims.AtHash, beside.AccessToken.Reveal()}, {&claims.CHash, beside.Code.Reveal()},
		{&claims.SHash, beside.State}, {&claims.RtHash, beside.RefreshToken.Reveal()},
	} {
		if part.of == "" {
			continue
		}
		if *part.hash, err = jose.HalfHash(alg, part.of); err != nil {
			return "", err
		}
	}
	payload, err := marshalWith(claims, m.IDClaims)
	if err != nil {
		return "", err
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, "JWT", payload)
	if err != nil {
		return "", fmt.Errorf("signing an ID token: %w", err)
	}
	return compact, nil
}
