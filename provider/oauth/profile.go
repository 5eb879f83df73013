package oauth

import (
	"net/url"
	"slices"
	"time"
)

// ProfileName names a security profile.
type ProfileName string

// The profiles that this build can serve.
const (
	ProfileOpenID              ProfileName = "openid"
	ProfileFAPI1Advanced       ProfileName = "fapi1-advanced"
	ProfileFAPI2Security       ProfileName = "fapi2-security"
	ProfileFAPI2MessageSigning ProfileName = "fapi2-message-signing"
	ProfileFAPICIBA            ProfileName = "fapi-ciba"
	// Implementer's drafts, for ecosystems that are certified by them.
	ProfileFAPI2SecurityID2       ProfileName = "fapi2-security-id2"
	ProfileFAPI2MessageSigningID1 ProfileName = "fapi2-message-signing-id1"
)

// Profile is a table of requirements. A profile can only tighten what a client is allowed to do.
type Profile struct {
	Name ProfileName
	// SigningAlgs are the JWS algorithms for assertions, request objects, proofs, access tokens and ID tokens.
	SigningAlgs []string
	// AuthMethods are the client authentication methods; "none" is a public client.
	AuthMethods []AuthMethod
	// AssertionAudienceIssuerOnly: an assertion's aud is the issuer, as a single string.
	AssertionAudienceIssuerOnly bool
	// SenderConstrained: no access token without a confirmation.
	SenderConstrained bool
	// CertificateBound: the confirmation is a certificate's; a DPoP key will not do.
	CertificateBound bool
	// RotateRefreshTokens: a refresh replaces the refresh token.
	RotateRefreshTokens bool
	// ResponseTypes are those of the authorization endpoint.
	ResponseTypes []string
	// SignedResponse: the answer carries a signature: an ID token in the hybrid flow, or a JWT (JARM).
	SignedResponse bool
	// HTTPSRedirects: redirect URIs are https; a program's own scheme or address will not do.
	HTTPSRedirects bool
	// RequirePAR: authorization requests must have been pushed.
	RequirePAR bool
	// RequirePKCE: every request needs a code challenge; PushedPKCE: every pushed one does. Where neither says so,
	// package authorize still asks for one unless a signature protects the code (RFC 9700 section 2.1.1).
	RequirePKCE, PushedPKCE bool
	// SignedRequest: authorization requests are signed request objects, with exp and nbf no further apart than
	// MaxRequestObject, and nbf no longer ago than that.
	SignedRequest    bool
	MaxRequestObject time.Duration
	// SignedBackchannel: backchannel authentication requests are signed; PushMode: they may be answered by push.
	SignedBackchannel, PushMode bool
	// BackchannelContext: backchannel authentication requests say what they are about, by a binding_message or
	// authorization_details.
	BackchannelContext bool
	// PasswordGrant: a client may have the user's password pass through it.
	PasswordGrant bool
	// MaxCodeLifetime bounds an authorization code's life, MaxPushedLifetime a request_uri's.
	MaxCodeLifetime, MaxPushedLifetime time.Duration
}

// Profiles is the table. Each value cites the clause that asks for it.
var Profiles = map[ProfileName]Profile{
	ProfileOpenID: {
		Name:        ProfileOpenID,
		SigningAlgs: []string{"ES256", "PS256", "EdDSA", "RS256"}, // RS256: OpenID Connect Core section 15.1
		AuthMethods: []AuthMethod{AuthNone, AuthSecretBasic, AuthSecretPost, AuthSecretJWT, AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS},
		ResponseTypes: []string{ // OpenID Connect Core section 3
			ResponseCode, ResponseIDToken, ResponseIDTokenToken, ResponseCodeIDToken, ResponseCodeToken, ResponseCodeIDTokenToken,
		},

		RotateRefreshTokens: true,             // RFC 9700 section 2.2.2
		PasswordGrant:       true,             // RFC 6749 section 4.3; RFC 9700 section 2.4 forbids it to all others
		PushMode:            true,             // CIBA Core section 5
		MaxRequestObject:    time.Hour,        // ours
		MaxCodeLifetime:     10 * time.Minute, // RFC 6749 section 4.1.2
		MaxPushedLifetime:   10 * time.Minute, // RFC 9126 section 2.2
	},
	ProfileFAPI1Advanced: {
		Name:          ProfileFAPI1Advanced,
		SigningAlgs:   []string{"ES256", "PS256"},                                  // FAPI 1.0 Advanced section 8.6
		AuthMethods:   []AuthMethod{AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS}, // FAPI 1.0 Advanced section 5.2.2 item 14
		ResponseTypes: []string{"code", "code id_token"},                           // FAPI 1.0 Advanced section 5.2.2 item 2

		SenderConstrained: true,             // FAPI 1.0 Advanced section 5.2.2 item 5
		CertificateBound:  true,             // FAPI 1.0 Advanced section 5.2.2 item 6
		SignedResponse:    true,             // FAPI 1.0 Advanced section 5.2.2 items 2 and 4
		HTTPSRedirects:    true,             // FAPI 1.0 Baseline section 5.2.2 item 20
		SignedRequest:     true,             // FAPI 1.0 Advanced section 5.2.2 item 1
		MaxRequestObject:  time.Hour,        // FAPI 1.0 Advanced section 5.2.2 items 13 and 17
		PushedPKCE:        true,             // FAPI 1.0 Advanced section 5.2.2 item 18
		MaxCodeLifetime:   60 * time.Second, // FAPI 1.0 Baseline section 5.2.2 item 13, with RFC 6749 section 4.1.2: short
		MaxPushedLifetime: 10 * time.Minute, // RFC 9126 section 2.2
	},
	ProfileFAPI2Security:          fapi2Security,
	ProfileFAPI2SecurityID2:       draft(fapi2Security, ProfileFAPI2SecurityID2),
	ProfileFAPI2MessageSigning:    signing(fapi2Security, ProfileFAPI2MessageSigning),
	ProfileFAPI2MessageSigningID1: draft(signing(fapi2Security, ProfileFAPI2MessageSigning), ProfileFAPI2MessageSigningID1),
	ProfileFAPICIBA: {
		Name:          ProfileFAPICIBA,
		SigningAlgs:   []string{"ES256", "PS256"},                                  // FAPI-CIBA section 7.10
		AuthMethods:   []AuthMethod{AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS}, // FAPI-CIBA section 5.2.2
		ResponseTypes: []string{"code", "code id_token"},

		SenderConstrained:  true,             // FAPI-CIBA section 5.2.2
		CertificateBound:   true,             // FAPI 1.0 Advanced section 5.2.2 item 6
		SignedResponse:     true,             // FAPI 1.0 Advanced section 5.2.2 items 2 and 4
		HTTPSRedirects:     true,             // FAPI 1.0 Baseline section 5.2.2 item 20
		SignedRequest:      true,             // FAPI 1.0 Advanced section 5.2.2 item 1
		PushedPKCE:         true,             // FAPI 1.0 Advanced section 5.2.2 item 18
		SignedBackchannel:  true,             // FAPI-CIBA section 5.2.2
		BackchannelContext: true,             // FAPI-CIBA section 5.2.2 item 2
		PushMode:           false,            // FAPI-CIBA section 5.2.2
		MaxRequestObject:   time.Hour,        // FAPI-CIBA section 5.2.2
		MaxCodeLifetime:    60 * time.Second, // as fapi1-advanced
		MaxPushedLifetime:  10 * time.Minute, // RFC 9126 section 2.2
	},
}

var fapi2Security = Profile{
	Name:          ProfileFAPI2Security,
	SigningAlgs:   []string{"ES256", "PS256", "EdDSA"},                         // FAPI 2.0 section 5.4.1
	AuthMethods:   []AuthMethod{AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS}, // FAPI 2.0 section 5.3.2.1
	ResponseTypes: []string{"code"},                                            // FAPI 2.0 section 5.3.2.2

	AssertionAudienceIssuerOnly: true,                         // FAPI 2.0 section 5.3.2.1
	SenderConstrained:           true,                         // FAPI 2.0 section 5.3.2.1
	RotateRefreshTokens:         false,                        // FAPI 2.0 section 5.3.2.1
	RequirePAR:                  true,                         // FAPI 2.0 section 5.3.2.2
	RequirePKCE:                 true,                         // FAPI 2.0 section 5.3.2.2
	MaxRequestObject:            time.Hour,                    // FAPI 2.0 Message Signing section 5.3.1
	MaxCodeLifetime:             60 * time.Second,             // FAPI 2.0 section 5.3.2.2
	MaxPushedLifetime:           10*time.Minute - time.Second, // FAPI 2.0 section 5.3.2.2: less than 600 seconds
}

// signing adds what FAPI 2.0 Message Signing section 5.3.1 asks for.
func signing(p Profile, name ProfileName) Profile {
	p.Name, p.SignedRequest = name, true
	return p
}

// draft takes away what the final text has tightened: an assertion may be for the endpoint too, or for a list
// (FAPI 2.0 Security Profile, second implementer's draft, section 5.3.1.1).
func draft(p Profile, name ProfileName) Profile {
	p.Name, p.AssertionAudienceIssuerOnly = name, false
	return p
}

// Tighten returns the requirements of both profiles at once: the instance's floor and the client's own. Their name,
// by which policy knows them, is the client's own profile's, unless that adds nothing to the floor.
func (p Profile) Tighten(q Profile) Profile {
	t := p
	t.SigningAlgs = intersect(p.SigningAlgs, q.SigningAlgs)
	t.AuthMethods = intersect(p.AuthMethods, q.AuthMethods)
	t.AssertionAudienceIssuerOnly = p.AssertionAudienceIssuerOnly || q.AssertionAudienceIssuerOnly
	t.SenderConstrained = p.SenderConstrained || q.SenderConstrained
	t.RotateRefreshTokens = p.RotateRefreshTokens && q.RotateRefreshTokens
	t.CertificateBound = p.CertificateBound || q.CertificateBound
	t.ResponseTypes = intersect(p.ResponseTypes, q.ResponseTypes)
	t.SignedResponse = p.SignedResponse || q.SignedResponse
	t.HTTPSRedirects = p.HTTPSRedirects || q.HTTPSRedirects
	t.RequirePAR = p.RequirePAR || q.RequirePAR
	t.RequirePKCE, t.PushedPKCE = p.RequirePKCE || q.RequirePKCE, p.PushedPKCE || q.PushedPKCE
	t.SignedRequest = p.SignedRequest || q.SignedRequest
	t.SignedBackchannel, t.PushMode = p.SignedBackchannel || q.SignedBackchannel, p.PushMode && q.PushMode
	t.BackchannelContext = p.BackchannelContext || q.BackchannelContext
	t.PasswordGrant = p.PasswordGrant && q.PasswordGrant
	t.MaxRequestObject = min(p.MaxRequestObject, q.MaxRequestObject)
	t.MaxCodeLifetime = min(p.MaxCodeLifetime, q.MaxCodeLifetime)
	t.MaxPushedLifetime = min(p.MaxPushedLifetime, q.MaxPushedLifetime)
	if q.Name != ProfileOpenID && !slices.Contains(includes[p.Name], q.Name) {
		t.Name = q.Name
	}
	return t
}

// includes says which profiles a stricter one has all the requirements of.
var includes = map[ProfileName][]ProfileName{
	ProfileFAPI2Security:          {ProfileFAPI2SecurityID2},
	ProfileFAPI2MessageSigning:    {ProfileFAPI2Security, ProfileFAPI2SecurityID2, ProfileFAPI2MessageSigningID1},
	ProfileFAPI2MessageSigningID1: {ProfileFAPI2SecurityID2},
	ProfileFAPICIBA:               {ProfileFAPI1Advanced},
}

// Algorithms returns those of algs that the profile allows for signatures.
func (p Profile) Algorithms(algs []string) []string { return intersect(algs, p.SigningAlgs) }

// Redirects says whether the profile lets answers go to the redirect URI.
func (p Profile) Redirects(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (!p.HTTPSRedirects || u.Scheme == "https")
}

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
