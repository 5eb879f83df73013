package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"signet/provider/oauth"
)

// TypeAccessToken is the JWT header type of an access token (RFC 9068 section 2.1).
const TypeAccessToken = "at+jwt"

// accessClaims are the claims of RFC 9068 section 2.2, RFC 8705 section 3.1, RFC 9449 section 6.1, RFC 9396
// section 9.1 and RFC 7662 section 2.2.
type accessClaims struct {
	Issuer       string              `json:"iss"`
	Subject      string              `json:"sub"`
	Audience     any                 `json:"aud"`
	ClientID     string              `json:"client_id"`
	Expiry       int64               `json:"exp"`
	IssuedAt     int64               `json:"iat"`
	ID           string              `json:"jti"`
	Scope        string              `json:"scope,omitempty"`
	AuthTime     int64               `json:"auth_time,omitempty"`
	ACR          string              `json:"acr,omitempty"`
	AMR          []string            `json:"amr,omitempty"`
	Confirmation *oauth.Confirmation `json:"cnf,omitempty"`
	Details      oauth.Details       `json:"authorization_details,omitempty"`
}

// AccessToken is an issued access token.
type AccessToken struct {
	Value     oauth.Secret
	JTI       string
	ExpiresIn int64 // seconds
	Changes   []oauth.Change
}

// AccessToken issues a JWT (RFC 9068) or, when the mandate says so, an opaque token whose claims are stored.
func (i *Issuer) AccessToken(ctx context.Context, m Mandate) (AccessToken, error) {
	jti, err := i.tokenID(m.GrantID)
	if err != nil {
		return AccessToken{}, err
	}
	payload, err := i.accessPayload(m, jti)
	if err != nil {
		return AccessToken{}, err
	}
	issued := AccessToken{JTI: jti, ExpiresIn: int64(m.AccessLifetime.Seconds())}
	if m.Opaque {
		if issued.Value, err = oauth.NewSecret(i.opt.Random); err != nil {
			return AccessToken{}, err
		}
		issued.Changes = []oauth.Change{oauth.StoreOpaque{Token: oauth.OpaqueToken{
			Digest: issued.Value.Digest(), JTI: jti, GrantID: m.GrantID, ClientID: m.Client.ID,
			Claims: payload, ExpiresAt: m.Now.Add(m.AccessLifetime),
		}}}
		return issued, nil
	}
	alg, err := i.alg(m.Alg, m.AllowedAlgs)
	if err != nil {
		return AccessToken{}, err
	}
	compact, err := i.opt.Signer.Sign(ctx, alg, TypeAccessToken, payload)
	if err != nil {
		return AccessToken{}, fmt.Errorf("signing an access token: %w", err)
	}
	issued.Value = oauth.Secret(compact)
	return issued, nil
}

// tokenID makes a jti that names the grant, so that a revoked grant is found from the token alone.
func (i *Issuer) tokenID(grantID string) (string, error) {
	id, err := oauth.NewID(i.opt.Random)
	if err != nil || grantID == "" {
		return id, err
	}
	return grantID + "." + id, nil
}

// GrantOf returns the grant that a jti names, or "".
func GrantOf(jti string) string {
	grantID, _, found := strings.Cut(jti, ".")
	if !found {
		return ""
	}
	return grantID
}

func (i *Issuer) accessPayload(m Mandate, jti string) ([]byte, error) {
	subject, err := i.subjectOf(m.Client, m.Subject)
	if err != nil {
		return nil, err
	}
	claims := accessClaims{
		Issuer: i.opt.Issuer, Subject: subject, Audience: audience(m.Audience), ClientID: m.Client.ID,
		Expiry: m.Now.Add(m.AccessLifetime).Unix(), IssuedAt: m.Now.Unix(), ID: jti, Scope: m.Scope.String(), Details: m.Details,
	}
	if !m.Confirmation.IsZero() {
		claims.Confirmation = &m.Confirmation
	}
	if user, ok := m.Subject.(oauth.EndUser); ok {
		claims.AuthTime, claims.ACR, claims.AMR = user.AuthTime.Unix(), user.ACR, user.AMR
	}
	return marshalWith(claims, m.AccessClaims)
}

// marshalWith writes claims as one JSON object and appends the further ones.
func marshalWith(claims any, further map[string]any) ([]byte, error) {
	payload, err := json.Marshal(claims)
	if err != nil || len(further) == 0 {
		return payload, err
	}
	tail, err := json.Marshal(further)
	if err != nil {
		return nil, fmt.Errorf("claims from policy: %w", err)
	}
	payload[len(payload)-1] = ','
	return append(payload, tail[1:]...), nil
}
