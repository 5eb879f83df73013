package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"signet/provider/oauth"
)

// Layouts of the claims of access tokens.
const (
	LayoutRFC9068 = "rfc9068" // RFC 9068 section 2.2
	// LayoutLight adds what resource servers of light-oauth2 read: scope as an array (but not by reference: RFC 7662
	// section 2.2 has text), nbf, version and user_id. A user_type, and another user_id, are policy's to add.
	LayoutLight = "light"
)

// lightVersion is the "version" of [LayoutLight].
const lightVersion = "1.0"

// TypeAccessToken is the JWT header type of an access token (RFC 9068 section 2.1).
const TypeAccessToken = "at+jwt"

// accessClaims are the claims of RFC 9068 section 2.2, RFC 8693 section 4.1, RFC 8705 section 3.1, RFC 9449 section 6.1,
// RFC 9396 section 9.1 and RFC 7662 section 2.2.
type accessClaims struct {
	Issuer       string              `json:"iss"`
	Subject      string              `json:"sub"`
	Audience     any                 `json:"aud"`
	ClientID     string              `json:"client_id"`
	Expiry       int64               `json:"exp"`
	IssuedAt     int64               `json:"iat"`
	NotBefore    int64               `json:"nbf,omitempty"`
	ID           string              `json:"jti"`
	Scope        string              `json:"scope,omitempty"`
	AuthTime     int64               `json:"auth_time,omitempty"`
	ACR          string              `json:"acr,omitempty"`
	AMR          []string            `json:"amr,omitempty"`
	Actor        *oauth.Actor        `json:"act,omitempty"`
	Confirmation *oauth.Confirmation `json:"cnf,omitempty"`
	Details      oauth.Details       `json:"authorization_details,omitempty"`
}

// lightClaims are those of [LayoutLight]. Its members come before those of the same name within.
type lightClaims struct {
	accessClaims
	Scope   any    `json:"scope,omitempty"`
	Version string `json:"version,omitempty"`
	UserID  string `json:"user_id,omitempty"`
}

// AccessToken is an issued access token.
type AccessToken struct {
	Value     oauth.Secret
	JTI       string
	ExpiresIn int64 // seconds
	Changes   []oauth.Change
}

// AccessToken issues a JWT (RFC 9068) or, when the mandate says so, an opaque token whose claims are stored. An
// *[oauth.Error] says that there can be none: what it would be made from has expired, or has too many ancestors.
func (i *Issuer) AccessToken(ctx context.Context, m Mandate) (AccessToken, error) {
	var err error
	if m.AccessLifetime, err = Within(m.AccessLifetime, m.Now, m.NotAfter); err != nil {
		return AccessToken{}, err
	}
	jti, err := i.tokenID(m)
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

// tokenID makes a jti that names the grant, and the token that this one is made from, so that whatever of them has been
// revoked is found from the token alone. The error is invalid_request when there have been too many generations.
func (i *Issuer) tokenID(m Mandate) (string, error) {
	id, err := oauth.NewID(i.opt.Random)
	switch {
	case err != nil:
		return "", err
	case m.Parent != "" && (m.GrantID == "" || m.GrantID == GrantOf(m.Parent)):
		jti, ok := oauth.ChildID(m.Parent, id)
		if !ok {
			return "", oauth.Errorf(oauth.InvalidRequest, "no more than %d tokens are made one from the other", oauth.MaxGenerations)
		}
		return jti, nil
	case m.GrantID == "":
		return id, nil
	default:
		return m.GrantID + "." + id, nil
	}
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
		Expiry: m.Now.Add(m.AccessLifetime).Unix(), IssuedAt: m.Now.Unix(), ID: jti, Scope: m.Scope.String(), Actor: m.Actor, Details: m.Details,
	}
	if m.NotBeforeLeeway != nil {
		claims.NotBefore = m.Now.Add(-*m.NotBeforeLeeway).Unix()
	}
	if !m.Confirmation.IsZero() {
		claims.Confirmation = &m.Confirmation
	}
	if user, ok := m.Subject.(oauth.EndUser); ok {
		claims.AuthTime, claims.ACR, claims.AMR = user.AuthTime.Unix(), user.ACR, user.AMR
	}
	if m.Layout == LayoutLight {
		return marshalWith(m.light(claims), m.AccessClaims)
	}
	return marshalWith(claims, m.AccessClaims)
}

// light lays the claims out as [LayoutLight] says. What policy has set of its own names is left to policy.
func (m Mandate) light(claims accessClaims) lightClaims {
	laid := lightClaims{accessClaims: claims}
	if laid.NotBefore == 0 {
		laid.NotBefore = claims.IssuedAt
	}
	switch {
	case len(m.Scope) == 0:
	case m.Opaque:
		laid.Scope = claims.Scope
	default:
		laid.Scope = m.Scope
	}
	if _, set := m.AccessClaims["version"]; !set {
		laid.Version = lightVersion
	}
	_, person := m.Subject.(oauth.EndUser)
	if _, set := m.AccessClaims["user_id"]; person && !set {
		laid.UserID = claims.Subject
	}
	return laid
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
