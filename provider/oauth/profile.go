package oauth

import (
	"slices"
	"time"
)

// ProfileName names a security profile.
type ProfileName string

// The profiles that this build can serve.
const (
	ProfileOpenID        ProfileName = "openid"
	ProfileFAPI2Security ProfileName = "fapi2-security"
)

// Profile is a table of requirements. A profile can only tighten what a client is allowed to do.
type Profile struct {
	Name ProfileName
	// SigningAlgs are the JWS algorithms for assertions, access tokens and ID tokens.
	SigningAlgs []string
	// AuthMethods are the client authentication methods; "none" is a public client.
	AuthMethods []AuthMethod
	// AssertionAudienceIssuerOnly: an assertion's aud is the issuer, as a single string.
	AssertionAudienceIssuerOnly bool
	// SenderConstrained: no access token without a confirmation.
	SenderConstrained bool
	// RotateRefreshTokens: a refresh replaces the refresh token.
	RotateRefreshTokens bool
	// RequirePAR: authorization requests must have been pushed.
	RequirePAR bool
	// MaxCodeLifetime bounds an authorization code's life.
	MaxCodeLifetime time.Duration
}

// Profiles is the table. Each value cites the clause that asks for it.
var Profiles = map[ProfileName]Profile{
	ProfileOpenID: {
		Name:        ProfileOpenID,
		SigningAlgs: []string{"ES256", "PS256", "EdDSA", "RS256"}, // RS256: OpenID Connect Core section 15.1
		AuthMethods: []AuthMethod{AuthNone, AuthSecretBasic, AuthSecretPost, AuthSecretJWT, AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS},

		RotateRefreshTokens: true,             // RFC 9700 section 2.2.2
		MaxCodeLifetime:     10 * time.Minute, // RFC 6749 section 4.1.2
	},
	ProfileFAPI2Security: {
		Name:        ProfileFAPI2Security,
		SigningAlgs: []string{"ES256", "PS256", "EdDSA"},                         // FAPI 2.0 section 5.4.1
		AuthMethods: []AuthMethod{AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS}, // FAPI 2.0 section 5.3.2.1

		AssertionAudienceIssuerOnly: true,             // FAPI 2.0 section 5.3.2.1
		SenderConstrained:           true,             // FAPI 2.0 section 5.3.2.1
		RotateRefreshTokens:         false,            // FAPI 2.0 section 5.3.2.1
		RequirePAR:                  true,             // FAPI 2.0 section 5.3.2.2
		MaxCodeLifetime:             60 * time.Second, // FAPI 2.0 section 5.3.2.2
	},
}

// Tighten returns the requirements of both profiles at once: the instance's floor and the client's own.
func (p Profile) Tighten(q Profile) Profile {
	t := p
	t.SigningAlgs = intersect(p.SigningAlgs, q.SigningAlgs)
	t.AuthMethods = intersect(p.AuthMethods, q.AuthMethods)
	t.AssertionAudienceIssuerOnly = p.AssertionAudienceIssuerOnly || q.AssertionAudienceIssuerOnly
	t.SenderConstrained = p.SenderConstrained || q.SenderConstrained
	t.RotateRefreshTokens = p.RotateRefreshTokens && q.RotateRefreshTokens
	t.RequirePAR = p.RequirePAR || q.RequirePAR
	t.MaxCodeLifetime = min(p.MaxCodeLifetime, q.MaxCodeLifetime)
	if p.Name == ProfileOpenID {
		t.Name = q.Name
	}
	return t
}

// Algorithms returns those of algs that the profile allows for signatures.
func (p Profile) Algorithms(algs []string) []string { return intersect(algs, p.SigningAlgs) }

func intersect[T comparable](a, b []T) []T {
	return slices.DeleteFunc(slices.Clone(a), func(v T) bool { return !slices.Contains(b, v) })
}

// For returns the requirements for a client under the instance's floor. A client without a profile, or
// with one that this build does not know, is held to the floor alone or to nothing at all respectively:
// the second result is false when the profile is unknown, and the caller must refuse.
func (p Profile) For(c *Client) (Profile, bool) {
	if c.Profile == "" || c.Profile == p.Name {
		return p, true
	}
	own, ok := Profiles[c.Profile]
	if !ok {
		return Profile{}, false
	}
	return p.Tighten(own), true
}
