package issue

import (
	"context"
	"fmt"
	"maps"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// typeIDToken is the JWT header type of an ID token.
const typeIDToken = "JWT"

// idClaims are the claims of OpenID Connect Core sections 2 and 3.3.2.11, FAPI 1.0 Advanced section 5.2.2.1, CIBA Core
// section 10.3.1 and RFC 8693 section 4.1.
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

	ID    string       `json:"jti,omitempty"`
	Actor *oauth.Actor `json:"act,omitempty"`

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

// IDTokenBeside issues an ID token about user for the client that vouches for what is sent beside it. It is encrypted
// where the client has registered that. One that is not signed vouches for nothing. One whose client may exchange tokens
// has a jti that names its grant: it can become a subject_token. The errors are those of [Issuer.AccessToken].
func (i *Issuer) IDTokenBeside(ctx context.Context, m Mandate, user oauth.EndUser, beside Beside) (string, error) {
	alg, err := i.idTokenAlg(m)
	if err != nil {
		return "", err
	}
	claims, err := i.idClaims(m, user)
	if err != nil {
		return "", err
	}
	if alg != oauth.AlgNone {
		if err := claims.vouch(alg, beside); err != nil {
			return "", err
		}
	}
	payload, err := marshalWith(claims, m.furtherIDClaims())
	if err != nil {
		return "", err
	}
	token, err := i.signIDToken(ctx, alg, payload)
	if err != nil {
		return "", err
	}
	return i.Pack(ctx, m.Client, token, m.Client.IDTokenEncAlg, m.Client.IDTokenEncEnc)
}

// idTokenAlg is "none" only for who has registered it, and where the mandate lets it be.
func (i *Issuer) idTokenAlg(m Mandate) (string, error) {
	if m.Unsigned && m.Client.IDTokenAlg == oauth.AlgNone {
		return oauth.AlgNone, nil
	}
	return i.alg(m.Client.IDTokenAlg, m.AllowedAlgs)
}

func (i *Issuer) idClaims(m Mandate, user oauth.EndUser) (idClaims, error) {
	lifetime, err := Within(m.IDLifetime, m.Now, m.NotAfter)
	if err != nil {
		return idClaims{}, err
	}
	id, err := i.idTokenID(m)
	if err != nil {
		return idClaims{}, err
	}
	subject, err := i.Subject(m.Client, user.ID)
	if err != nil {
		return idClaims{}, err
	}
	session := "" // it is for logging out (Back-Channel Logout section 2.1), and no other client has a use for it
	if m.Client.LogsOut() {
		session, err = i.SessionID(m.Client, user.SessionID)
	}
	return idClaims{
		Issuer: i.opt.Issuer, Subject: subject, Audience: m.Client.ID,
		Expiry: m.Now.Add(lifetime).Unix(), IssuedAt: m.Now.Unix(), AuthTime: user.AuthTime.Unix(),
		Nonce: m.Nonce, ACR: user.ACR, AMR: user.AMR, Session: session, ID: id, Actor: m.Actor,
	}, err
}

// idTokenID is "" where nobody will ever ask what has become of the ID token.
func (i *Issuer) idTokenID(m Mandate) (string, error) {
	if m.GrantID == "" || !m.Client.Allows(oauth.GrantTokenExchange) {
		return "", nil
	}
	return i.tokenID(m)
}

// vouch takes in the hashes of what is beside, made with the hash of the signature's algorithm.
func (c *idClaims) vouch(alg string, beside Beside) (err error) {
	c.AuthReqID = beside.AuthReqID
	for _, part := range []struct {
		hash *string
		of   string
	}{
		{&c.AtHash, beside.AccessToken.Reveal()}, {&c.CHash, beside.Code.Reveal()},
		{&c.SHash, beside.State}, {&c.RtHash, beside.RefreshToken.Reveal()},
	} {
		if part.of == "" {
			continue
		}
		if *part.hash, err = jose.HalfHash(alg, part.of); err != nil {
			return err
		}
	}
	return nil
}

// furtherIDClaims are policy's and the user's; where both have one of the same name, policy's counts.
func (m Mandate) furtherIDClaims() map[string]any {
	if len(m.UserClaims) == 0 {
		return m.IDClaims
	}
	all := make(map[string]any, len(m.UserClaims)+len(m.IDClaims))
	for name, value := range m.UserClaims {
		if _, standard := oauth.StandardClaim(name); standard { // no account says who issued what, about whom
			all[name] = value
		}
	}
	maps.Copy(all, m.IDClaims)
	return all
}

func (i *Issuer) signIDToken(ctx context.Context, alg string, payload []byte) (string, error) {
	if alg == oauth.AlgNone {
		return jose.Unsigned(typeIDToken, payload), nil
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, typeIDToken, payload)
	if err != nil {
		return "", fmt.Errorf("signing an ID token: %w", err)
	}
	return compact, nil
}
