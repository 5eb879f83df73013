package provider_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider"
	"signet/provider/oauth"
)

// TestLintFurtherGrants is [TestLintClient] for the grants that are off by default, and for the client's own tokens.
func TestLintFurtherGrants(t *testing.T) {
	const (
		batch       = "urn:bank:batch"
		grantTypes  = "error metadata/grant_types: "
		trustedFor  = "error metadata/trusted_for: "
		trustWarns  = "warning metadata/trusted_for: "
		txnDomains  = "metadata/transaction_token_audiences: Transaction Tokens section 7"
		offlineOnly = "warning metadata/scope: OpenID Connect Core section 11"
	)
	jwks := newSigningKey(t, "k1").jwks
	on, off := true, false
	add := func(grants ...string) func(*oauth.Client) {
		return func(c *oauth.Client) { c.GrantTypes = append(c.GrantTypes, grants...) }
	}
	with := func(edits ...func(*oauth.Client)) func(*oauth.Client) {
		return func(c *oauth.Client) {
			for _, edit := range edits {
				edit(c)
			}
		}
	}
	public := func(c *oauth.Client) { c.AuthMethod, c.JWKS, c.RequestObjectAlg = oauth.AuthNone, nil, "" }
	for _, test := range []struct {
		name    string
		profile oauth.ProfileName
		edit    func(*oauth.Client)
		config  func(*provider.Config)
		want    []string // "severity rule: clause"
	}{
		{name: "all of them", edit: with(add(oauth.GrantPassword, oauth.GrantDevice, oauth.GrantTokenExchange, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer, batch), func(c *oauth.Client) {
			c.TrustedFor, c.TrustDomains = []string{batch, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer}, []string{"bank.example"}
		})},
		{name: "device, public", edit: with(public, add(oauth.GrantDevice), func(c *oauth.Client) { c.RequireOfflineAccess = &off })},
		{name: "none on", edit: add(oauth.GrantPassword, oauth.GrantDevice, oauth.GrantTokenExchange, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer), config: func(c *provider.Config) {
			c.PasswordGrant.Enabled, c.TokenExchange.Enabled, c.Device.Enabled, c.AssertionGrants = false, false, false, provider.AssertionGrants{}
		}, want: []string{grantTypes, grantTypes, grantTypes, grantTypes, grantTypes}},
		{name: "not listed", config: func(c *provider.Config) { c.TokenEndpoint.GrantTypes = []string{oauth.GrantAuthorizationCode} }, want: []string{grantTypes}},
		{name: "code not listed", config: func(c *provider.Config) { c.TokenEndpoint.GrantTypes = []string{oauth.GrantRefreshToken} }, want: []string{grantTypes, "error metadata/response_types: "}},

		{name: "password under FAPI 1.0", profile: oauth.ProfileFAPI1Advanced, edit: add(oauth.GrantPassword), want: []string{"error fapi1-advanced/no-password: RFC 9700 section 2.4"}},
		{name: "password under FAPI 2.0", profile: oauth.ProfileFAPI2Security, edit: add(oauth.GrantPassword), want: []string{"error fapi2-security/no-password: FAPI 2.0 section 5.3.2.1 item 2"}},
		{name: "password under message signing", profile: oauth.ProfileFAPI2MessageSigning, edit: add(oauth.GrantPassword), want: []string{"error fapi2-message-signing/no-password: FAPI 2.0 section 5.3.2.1 item 2"}},

		{name: "declared, not trusted", edit: add(batch), want: []string{trustedFor}},
		{name: "declared, public", edit: with(public, add(batch), func(c *oauth.Client) { c.TrustedFor = []string{batch} }), want: []string{
			"error metadata/grant_types: RFC 6749 section 4.5", trustedFor + "RFC 7521 section 4.1"}},
		{name: "declared no more", edit: with(add(batch), func(c *oauth.Client) { c.TrustedFor = []string{batch} }), config: func(c *provider.Config) { c.DeclaredGrants = nil }, want: []string{
			grantTypes + "RFC 7591 section 2", trustedFor}},
		{name: "trusted for others", edit: func(c *oauth.Client) { c.TrustedFor = []string{oauth.GrantPassword, batch, batch} }, want: []string{trustedFor, trustWarns, trustedFor}},
		{name: "trusted, but not self-issued", edit: with(add(oauth.GrantJWTBearer), func(c *oauth.Client) { c.TrustedFor = []string{oauth.GrantJWTBearer} }), config: func(c *provider.Config) { c.AssertionGrants.SelfIssued = false },
			want: []string{trustWarns + "RFC 7521 section 4.1"}},
		{name: "trusted without keys", edit: with(add(oauth.GrantJWTBearer), func(c *oauth.Client) {
			c.TrustedFor, c.AuthMethod, c.TLSSubjectDN, c.JWKS, c.RequestObjectAlg = []string{oauth.GrantJWTBearer}, oauth.AuthTLS, "CN=app", nil, ""
		}), want: []string{"error metadata/jwks: RFC 7521 section 4.1"}},

		{name: "trust domains", edit: with(add(oauth.GrantTokenExchange), func(c *oauth.Client) { c.TrustDomains = []string{"bank.example", "moon.example", "bank.example"} }), want: []string{"error " + txnDomains, "error " + txnDomains}},
		{name: "trust domain without exchange", edit: func(c *oauth.Client) { c.TrustDomains = []string{"bank.example"} }, want: []string{"warning " + txnDomains}},
		{name: "trust domain, public", edit: with(public, add(oauth.GrantTokenExchange), func(c *oauth.Client) { c.TrustDomains = []string{"bank.example"} }), want: []string{"error " + txnDomains}},

		{name: "its own tokens", edit: func(c *oauth.Client) {
			c.AccessTokenFormat, c.AccessTokenAlg, c.AccessTokenLifetime, c.IDTokenLifetime, c.RefreshTokenLifetime = "opaque", "PS256", 300, 60, 3600
			c.RotateRefreshTokens, c.RequireOfflineAccess = &off, &off
		}},
		{name: "odd tokens", edit: func(c *oauth.Client) {
			c.AccessTokenFormat, c.AccessTokenAlg, c.AccessTokenLifetime, c.IDTokenLifetime, c.RefreshTokenLifetime = "saml", "HS256", -1, 301, 2592001
		}, want: []string{"error metadata/access_token_format: ", "error metadata/access_token_signing_alg: RFC 9068 section 2.1", "error metadata/access_token_lifetime: ",
			"warning metadata/id_token_lifetime: ", "warning metadata/refresh_token_lifetime: "}},
		{name: "FAPI 2.0: access tokens by RS256", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { c.AccessTokenAlg = "RS256" }, want: []string{"error fapi2-security/algorithm/access_token_signing_alg: FAPI 2.0 section 5.4.1 item 1"}},
		{name: "FAPI 2.0: rotation", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { c.RotateRefreshTokens = &on }, want: []string{"warning metadata/rotate_refresh_tokens: FAPI 2.0 section 5.3.2.1"}},
		{name: "public without rotation", edit: with(public, func(c *oauth.Client) { c.RotateRefreshTokens = &off }), want: []string{"warning metadata/rotate_refresh_tokens: RFC 9700 section 2.2.2"}},
		{name: "public and bound, without rotation", edit: with(public, func(c *oauth.Client) { c.RotateRefreshTokens, c.DPoPBound = &off, true })},
		{name: "refresh tokens of nobody", edit: func(c *oauth.Client) {
			c.GrantTypes, c.RefreshTokenLifetime, c.RotateRefreshTokens, c.RequireOfflineAccess = []string{oauth.GrantAuthorizationCode}, 5, &on, &on
		}, want: []string{"warning metadata/refresh_token_lifetime: ", "warning metadata/require_offline_access: ", "warning metadata/rotate_refresh_tokens: "}},
		{name: "offline only", edit: func(c *oauth.Client) { c.RequireOfflineAccess = &on }, want: []string{offlineOnly}},
		{name: "offline only, by the server", config: func(c *provider.Config) { c.RefreshTokens.RequireOfflineAccess = true }, want: []string{offlineOnly}},
		{name: "offline only for others", edit: func(c *oauth.Client) { c.RequireOfflineAccess = &off }, config: func(c *provider.Config) { c.RefreshTokens.RequireOfflineAccess = true }},
		{name: "offline", edit: func(c *oauth.Client) { c.RequireOfflineAccess, c.Scope = &on, c.Scope+" offline_access" }},

		{name: "encrypted answers", edit: func(c *oauth.Client) {
			c.JWKS, c.RequestObjectAlg = keyFor(t, "RSA-OAEP-256"), ""
			c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=app"
			c.IntrospectionEncAlg, c.ResponseEncAlg, c.ResponseEncEnc = "RSA-OAEP-256", "RSA-OAEP-256", "A256GCM"
		}},
		{name: "encrypted to nobody", edit: func(c *oauth.Client) {
			c.IntrospectionEncAlg, c.ResponseEncAlg, c.ResponseEncEnc = "RSA1_5", "RSA-OAEP-256", "A512GCM"
		}, want: []string{"error metadata/introspection_encrypted_response_alg: RFC 9701 section 6", "error metadata/authorization_encrypted_response_enc: JARM section 3",
			"error metadata/authorization_encrypted_response_alg: JARM section 3"}},
		{name: "enc without alg", edit: func(c *oauth.Client) { c.IntrospectionEncEnc = "A256GCM" }, want: []string{"error metadata/introspection_encrypted_response_alg: RFC 9701 section 6"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, c := advanced(), capable(jwks)
			c.Profile = test.profile
			if test.edit != nil {
				test.edit(c)
			}
			if test.config != nil {
				test.config(&config)
			}
			var got []string
			for _, f := range provider.LintClient(c, config) {
				got = append(got, string(f.Severity)+" "+f.Rule+": "+f.Clause)
			}
			if d := cmp.Diff(slices.Sorted(slices.Values(test.want)), slices.Sorted(slices.Values(got)), cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}
