package provider

import (
	"fmt"
	"slices"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// Requirement is what one clause of a profile asks of a client's registration.
type Requirement struct {
	Rule   string `json:"rule"`   // e.g. "fapi2-security/confidential"; stable
	Clause string `json:"clause"` // e.g. "FAPI 2.0 section 5.3.2.1 item 3"
	Text   string `json:"text"`   // what is required

	check rule
}

// rule lists what of a client does not fit the profile.
type rule func(p oauth.Profile, c *oauth.Client) []misfit

type misfit struct{ field, text string }

func misfits(field, format string, args ...any) []misfit {
	return []misfit{{field, fmt.Sprintf(format, args...)}}
}

// clause is one line of a profile's table.
type clause struct {
	name, clause, text string
	check              rule
}

// Requirements lists what the profile asks of a client, in the order of its specifications. openid asks for nothing
// that does not hold for every client.
func Requirements(name oauth.ProfileName) []Requirement {
	var list []Requirement
	for _, c := range requirementTables[name] {
		list = append(list, Requirement{Rule: string(name) + "/" + c.name, Clause: c.clause, Text: c.text, check: c.check})
	}
	return list
}

// requirementTables holds for each profile what its clauses ask of a registration. What only a request can break is
// enforced where the request is served; oauth.Profiles has the values for both.
var requirementTables = map[oauth.ProfileName][]clause{
	oauth.ProfileFAPI1Advanced:          fapi1Advanced,
	oauth.ProfileFAPI2Security:          fapi2Security,
	oauth.ProfileFAPI2SecurityID2:       fapi2Security, // what a registration can break is as in the final text
	oauth.ProfileFAPI2MessageSigning:    fapi2Signing,
	oauth.ProfileFAPI2MessageSigningID1: fapi2Signing,
	oauth.ProfileFAPICIBA: slices.Concat(fapi1Advanced, []clause{
		{"backchannel-confidential", "FAPI-CIBA section 5.2.2 item 1", "only confidential clients use the backchannel", confidentialBackchannel},
		{"no-push", "FAPI-CIBA section 5.2.2 item 3", "tokens are not pushed", noPush},
		{"signed-backchannel-request", "FAPI-CIBA section 5.2.2 item 6", "the client has keys to sign its backchannel requests with", signsBackchannel},
		{"backchannel-algorithms", "FAPI-CIBA section 7.10", "backchannel requests are signed with PS256 or ES256", algorithm("backchannel_authentication_request_signing_alg", func(c *oauth.Client) string { return c.BackchannelAlg })},
	}),
}

var fapi1Advanced = slices.Concat([]clause{
	{"redirect-https", "FAPI 1.0 Baseline section 5.2.2 item 20", "redirect URIs are https", httpsRedirects},
	{"request-object-keys", "FAPI 1.0 Advanced section 5.2.2 item 1", "the client has keys to sign its request objects with", signsRequests},
	{"response-type", "FAPI 1.0 Advanced section 5.2.2 item 2", "response types are code and code id_token", responseTypes},
	{"no-implicit", "FAPI 1.0 Advanced section 5.2.2 item 2", "the grant type implicit is not used", noImplicit},
	{"no-password", "RFC 9700 section 2.4", "the grant type password is not used", noPassword},
	{"certificate-bound", "FAPI 1.0 Advanced section 5.2.2 items 5 and 6", "access tokens are bound to a certificate", certificateBound},
	{"client-authentication", "FAPI 1.0 Advanced section 5.2.2 item 14", "clients authenticate by certificate or private_key_jwt", authenticates},
	{"confidential", "FAPI 1.0 Advanced section 5.2.2 item 16", "there are no public clients", confidential},
}, algorithms("FAPI 1.0 Advanced section 8.6", "PS256 or ES256"))

var fapi2Signing = slices.Concat(fapi2Security, []clause{
	{"request-object-keys", "FAPI 2.0 Message Signing section 5.3.1", "the client has keys to sign its request objects with", signsRequests},
})

var fapi2Security = slices.Concat([]clause{
	{"no-password", "FAPI 2.0 section 5.3.2.1 item 2", "the grant type password is not used", noPassword},
	{"confidential", "FAPI 2.0 section 5.3.2.1 item 3", "there are no public clients", confidential},
	{"client-authentication", "FAPI 2.0 section 5.3.2.1 item 6", "clients authenticate by certificate or private_key_jwt", authenticates},
	{"response-type", "FAPI 2.0 section 5.3.2.2 item 1", "the response type is code", responseTypes},
	{"no-implicit", "FAPI 2.0 section 5.3.2.2 item 1", "the grant type implicit is not used", noImplicit},
}, algorithms("FAPI 2.0 section 5.4.1 item 1", "PS256, ES256 or EdDSA"))

// algorithms is the rows about what signs: one for each field, so that each is named.
func algorithms(from, which string) []clause {
	var rows []clause
	for _, f := range algorithmFields {
		rows = append(rows, clause{"algorithm/" + f.name, from, f.what + " with " + which, algorithm(f.name, f.of)})
	}
	return append(rows, clause{"algorithm/jwks", from, "a client that signs has a key for " + which, keysFit})
}

var algorithmFields = []struct {
	name, what string
	of         func(*oauth.Client) string
}{
	{"token_endpoint_auth_signing_alg", "client assertions are signed", func(c *oauth.Client) string { return c.AuthSigningAlg }},
	{"request_object_signing_alg", "request objects are signed", func(c *oauth.Client) string { return c.RequestObjectAlg }},
	{"id_token_signed_response_alg", "ID tokens are signed", func(c *oauth.Client) string { return c.IDTokenAlg }},
	{"access_token_signing_alg", "access tokens are signed", func(c *oauth.Client) string { return c.AccessTokenAlg }},
	{"userinfo_signed_response_alg", "userinfo is signed", func(c *oauth.Client) string { return c.UserinfoAlg }},
	{"authorization_signed_response_alg", "authorization responses are signed", func(c *oauth.Client) string { return c.ResponseAlg }},
	{"introspection_signed_response_alg", "introspection responses are signed", func(c *oauth.Client) string { return c.IntrospectionAlg }},
}

func algorithm(field string, of func(*oauth.Client) string) rule {
	return func(p oauth.Profile, c *oauth.Client) []misfit {
		if alg := of(c); alg != "" && !slices.Contains(p.SigningAlgs, alg) {
			return misfits(field, "want one of %v", p.SigningAlgs)
		}
		return nil
	}
}

func confidential(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.Public() {
		return misfits("token_endpoint_auth_method", "a public client is not allowed")
	}
	return nil
}

func authenticates(p oauth.Profile, c *oauth.Client) []misfit {
	if c.Public() || slices.Contains(p.AuthMethods, c.AuthMethod) {
		return nil
	}
	return misfits("token_endpoint_auth_method", "want one of %v", p.AuthMethods)
}

func responseTypes(p oauth.Profile, c *oauth.Client) []misfit {
	for _, t := range c.ResponseTypes {
		if !slices.Contains(p.ResponseTypes, t) {
			return misfits("response_types", "want %q at most", p.ResponseTypes)
		}
	}
	return nil
}

func noImplicit(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.Allows(oauth.GrantImplicit) {
		return misfits("grant_types", "implicit is not allowed")
	}
	return nil
}

func noPassword(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.Allows(oauth.GrantPassword) {
		return misfits("grant_types", "password is not allowed")
	}
	return nil
}

func certificateBound(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.DPoPBound {
		return misfits("dpop_bound_access_tokens", "must not be set: tokens are bound to a certificate")
	}
	return nil
}

func httpsRedirects(p oauth.Profile, c *oauth.Client) (list []misfit) {
	for _, uri := range c.RedirectURIs {
		if oauth.CheckRedirectURI(uri) == nil && !p.Redirects(uri) {
			list = append(list, misfit{"redirect_uris", fmt.Sprintf("%q is not https", uri)})
		}
	}
	return list
}

// hasKeys says whether the client can sign anything.
func hasKeys(c *oauth.Client) bool { return len(c.JWKS) > 0 || c.JWKSURI != "" }

// signs says whether the client has to sign anything under the profile.
func signs(p oauth.Profile, c *oauth.Client) bool {
	return c.AuthMethod == oauth.AuthPrivateKeyJWT ||
		asks(c) && (p.SignedRequest || c.RequireSignedRequest || signsObjects(c)) ||
		c.Allows(oauth.GrantCIBA) && (p.SignedBackchannel || c.BackchannelAlg != "")
}

// keysFit looks at the keys that are registered by value. Those that fit no profile are found as metadata.
func keysFit(p oauth.Profile, c *oauth.Client) []misfit {
	if set := inlineKeys(c); set != nil && signs(p, c) && set.Verifies(every.SigningAlgs) && !set.Verifies(p.SigningAlgs) {
		return misfits("jwks", "has no key for any of %v", p.SigningAlgs)
	}
	return nil
}

// inlineKeys is nil when there are none, or none that can be read.
func inlineKeys(c *oauth.Client) *jose.KeySet {
	set, err := jose.ParseKeySet(c.JWKS)
	if err != nil {
		return nil
	}
	return set
}

func signsRequests(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.Allows(oauth.GrantAuthorizationCode) && !hasKeys(c) {
		return misfits("jwks", "jwks or jwks_uri is needed: authorization requests must be signed")
	}
	return nil
}

func signsBackchannel(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.Allows(oauth.GrantCIBA) && !hasKeys(c) {
		return misfits("jwks", "jwks or jwks_uri is needed: backchannel requests must be signed")
	}
	return nil
}

func confidentialBackchannel(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.Public() && c.Allows(oauth.GrantCIBA) {
		return misfits("grant_types", "a public client cannot use the backchannel")
	}
	return nil
}

func noPush(_ oauth.Profile, c *oauth.Client) []misfit {
	if c.BackchannelMode == oauth.BackchannelPush {
		return misfits("backchannel_token_delivery_mode", "want poll or ping")
	}
	return nil
}
