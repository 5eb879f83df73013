package provider_test

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"signet/provider"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// advanced is a configuration with every feature on.
func advanced() provider.Config {
	config := registry()
	config.Keys.Algorithms = []string{"ES256", "PS256", "EdDSA", "RS256"}
	config.CIBA.Enabled = true
	config.Authorization.RequestURIs, config.Subjects.PairwiseSaltFile = true, "salt"
	on := true
	config.Logout = provider.LogoutConfig{Enabled: &on, Frontchannel: &on, Backchannel: &on}
	config.Authentication.PasswordACR = []string{"urn:signet:acr:password"}
	config.PasswordGrant.Enabled, config.TokenExchange.Enabled, config.Device.Enabled = true, true, true
	config.AssertionGrants = provider.AssertionGrants{JWTBearer: true, SAML2Bearer: true, SelfIssued: true}
	config.TransactionTokens.TrustDomains = []provider.TrustDomain{{Audience: "bank.example"}}
	config.DeclaredGrants = []provider.DeclaredGrant{{Type: "urn:bank:batch"}}
	config.Lifetimes = provider.Lifetimes{AccessToken: 5 * time.Minute, IDToken: 5 * time.Minute, RefreshToken: 720 * time.Hour}
	config.DetailsTypes = []provider.DetailsType{{Type: "payment", Resources: []string{apiJWT}}, {Type: "elsewhere", Resources: []string{"https://other.example"}}}
	return config
}

// capable is a registration that uses much and fits every profile with the code grant.
func capable(jwks []byte) *oauth.Client {
	return &oauth.Client{
		ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: jwks, Scope: "openid accounts", Resources: []string{apiJWT},
		GrantTypes: []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}, RedirectURIs: []string{"https://app.example/cb"},
		ResponseTypes: []string{"code"}, RequestObjectAlg: "ES256", IDTokenAlg: "PS256", ResponseAlg: "ES256", DetailsTypes: []string{"payment"},
	}
}

// keyFor is a JWK set with one key, for this algorithm alone.
func keyFor(t testing.TB, alg string) []byte {
	t.Helper()
	signer, err := jose.Generate(alg, 2048, rand.Reader)
	must(t, err)
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: "k1", Alg: alg, Public: signer.Public()}})
	must(t, err)
	return raw
}

// TestLintClient breaks a registration in one way at a time: the rule, its clause and its severity.
func TestLintClient(t *testing.T) {
	jwks := newSigningKey(t, "k1").jwks
	ciba := func(c *oauth.Client) {
		c.GrantTypes, c.BackchannelMode = append(c.GrantTypes, oauth.GrantCIBA), oauth.BackchannelPoll
	}
	public := func(c *oauth.Client) { c.AuthMethod, c.JWKS, c.RequestObjectAlg = oauth.AuthNone, nil, "" }
	tls := func(c *oauth.Client) {
		c.AuthMethod, c.TLSSubjectDN, c.JWKS, c.RequestObjectAlg = oauth.AuthTLS, "CN=app", nil, ""
	}
	for _, test := range []struct {
		name    string
		profile oauth.ProfileName
		edit    func(*oauth.Client)
		config  func(*provider.Config)
		want    []string // "severity rule: clause"
	}{
		{name: "good"},
		{name: "good under FAPI 1.0", profile: oauth.ProfileFAPI1Advanced},
		{name: "good under FAPI 2.0", profile: oauth.ProfileFAPI2Security},
		{name: "good under message signing", profile: oauth.ProfileFAPI2MessageSigning},
		{name: "good under FAPI-CIBA", profile: oauth.ProfileFAPICIBA, edit: ciba},

		{name: "unknown response type", edit: func(c *oauth.Client) { c.ResponseTypes = []string{"token"} }, want: []string{
			"error metadata/response_types: RFC 7591 section 2", "warning metadata/grant_types: OpenID Connect Registration section 2"}},
		{name: "response type twice", edit: func(c *oauth.Client) { c.ResponseTypes = []string{"code", "code"} }, want: []string{"error metadata/response_types: RFC 7591 section 2"}},
		{name: "ID token without openid", edit: func(c *oauth.Client) { c.ResponseTypes, c.Scope = []string{"code id_token"}, "accounts" }, want: []string{
			"error metadata/response_types: OpenID Connect Core section 3.3.2.1", "error metadata/response_types: OpenID Connect Registration section 2"}},
		{name: "response type without the grant", edit: func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantClientCredentials} }, want: []string{"error metadata/response_types: RFC 7591 section 2.1"}},
		{name: "an algorithm without a key", config: func(c *provider.Config) { c.Keys.Algorithms = []string{"ES256"} }, want: []string{"error metadata/id_token_signed_response_alg: OpenID Connect Registration section 2"}},
		{name: "unsigned answers", edit: func(c *oauth.Client) { c.ResponseAlg, c.IntrospectionAlg = "none", "HS256" }, want: []string{
			"error metadata/authorization_signed_response_alg: JARM section 3", "error metadata/introspection_signed_response_alg: RFC 9701 section 6"}},
		{name: "requests that may be unsigned", edit: func(c *oauth.Client) { c.RequestObjectAlg = "none" }},
		{name: "unsigned requests", edit: func(c *oauth.Client) { c.RequestObjectAlg, c.RequireSignedRequest = "none", true }, want: []string{"error metadata/request_object_signing_alg: RFC 9101 section 10.5"}},
		{name: "signed requests without keys", edit: func(c *oauth.Client) { tls(c); c.RequireSignedRequest = true }, want: []string{"error metadata/jwks: RFC 9101 section 6.2"}},
		{name: "pushed requests without the grant", edit: func(c *oauth.Client) {
			c.GrantTypes, c.ResponseTypes, c.RequirePAR, c.RequireSignedRequest = []string{oauth.GrantClientCredentials}, nil, true, true
		}, want: []string{"warning metadata/require_signed_request_object: RFC 9101 section 10.5", "warning metadata/require_pushed_authorization_requests: RFC 9126 section 6"}},
		{name: "details", edit: func(c *oauth.Client) { c.DetailsTypes = []string{"payment", "payment", "moon", "elsewhere"} }, want: []string{
			"error metadata/authorization_details_types: RFC 9396 section 10", "error metadata/authorization_details_types: RFC 9396 section 10",
			"warning metadata/authorization_details_types: RFC 9396 section 9"}},
		{name: "acr", edit: func(c *oauth.Client) { c.DefaultACR = []string{"urn:signet:acr:password", "gold", "a b"} }, want: []string{
			"warning metadata/default_acr_values: OpenID Connect Registration section 2", "error metadata/default_acr_values: OpenID Connect Registration section 2"}},

		{name: "CIBA", edit: ciba},
		{name: "CIBA ping", edit: func(c *oauth.Client) {
			ciba(c)
			c.BackchannelMode, c.BackchannelEndpoint = oauth.BackchannelPing, "https://app.example/ciba"
		}},
		{name: "CIBA off", edit: ciba, config: func(c *provider.Config) { c.CIBA.Enabled = false }, want: []string{"error metadata/grant_types: "}},
		{name: "CIBA without a mode", edit: func(c *oauth.Client) { ciba(c); c.BackchannelMode = "" }, want: []string{"error metadata/backchannel_token_delivery_mode: CIBA Core section 4"}},
		{name: "CIBA ping to http", edit: func(c *oauth.Client) {
			ciba(c)
			c.BackchannelMode, c.BackchannelEndpoint = oauth.BackchannelPing, "http://app.example/ciba"
		}, want: []string{"error metadata/backchannel_client_notification_endpoint: CIBA Core section 4"}},
		{name: "CIBA poll with an endpoint", edit: func(c *oauth.Client) { ciba(c); c.BackchannelEndpoint = "https://x.example" }, want: []string{"warning metadata/backchannel_client_notification_endpoint: CIBA Core section 4"}},
		{name: "CIBA without openid", edit: func(c *oauth.Client) { ciba(c); c.Scope = "accounts" }, want: []string{"error metadata/scope: CIBA Core section 7.1"}},
		{name: "CIBA unsigned", edit: func(c *oauth.Client) { ciba(c); c.BackchannelAlg = "none" }, want: []string{"error metadata/backchannel_authentication_request_signing_alg: CIBA Core section 4"}},
		{name: "CIBA signed without keys", edit: func(c *oauth.Client) { ciba(c); tls(c); c.BackchannelAlg = "PS256" }, want: []string{"error metadata/jwks: CIBA Core section 7.1.1"}},
		{name: "CIBA public", edit: func(c *oauth.Client) { ciba(c); public(c) }, want: []string{"error metadata/grant_types: CIBA Core section 7.1"}},
		{name: "CIBA push, bound", edit: func(c *oauth.Client) {
			ciba(c)
			c.BackchannelMode, c.BackchannelEndpoint, c.DPoPBound = oauth.BackchannelPush, "https://app.example/ciba", true
		}, want: []string{"error metadata/backchannel_token_delivery_mode: CIBA Core section 5"}},
		{name: "CIBA push under FAPI 2.0", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) {
			ciba(c)
			c.BackchannelMode, c.BackchannelEndpoint = oauth.BackchannelPush, "https://app.example/ciba"
		}, want: []string{"error metadata/backchannel_token_delivery_mode: CIBA Core section 5"}},
		{name: "CIBA fields without the grant", edit: func(c *oauth.Client) { c.BackchannelUserCode = true }, want: []string{"warning metadata/backchannel_token_delivery_mode: CIBA Core section 4"}},

		{name: "keys for nothing", edit: func(c *oauth.Client) { c.JWKS, c.RequestObjectAlg = keyFor(t, "ES512"), "" }, want: []string{"error metadata/jwks: RFC 7591 section 2"}},
		{name: "keys for nothing, but nothing to sign", edit: func(c *oauth.Client) { tls(c); c.JWKS = keyFor(t, "ES512") }},
		{name: "keys for other algorithms", edit: func(c *oauth.Client) {
			ciba(c)
			c.AuthSigningAlg, c.RequestObjectAlg, c.BackchannelAlg = "PS256", "EdDSA", "PS256"
		}, want: []string{
			"error metadata/token_endpoint_auth_signing_alg: RFC 7591 section 2", "error metadata/request_object_signing_alg: RFC 9101 section 10.5",
			"error metadata/backchannel_authentication_request_signing_alg: CIBA Core section 4"}},
		{name: "FAPI 1.0: a key for EdDSA alone", profile: oauth.ProfileFAPI1Advanced, edit: func(c *oauth.Client) { c.JWKS, c.RequestObjectAlg = keyFor(t, "EdDSA"), "" },
			want: []string{"error fapi1-advanced/algorithm/jwks: FAPI 1.0 Advanced section 8.6"}},
		{name: "FAPI 1.0: by certificate, requests signed with EdDSA", profile: oauth.ProfileFAPI1Advanced, edit: func(c *oauth.Client) { tls(c); c.JWKS = keyFor(t, "EdDSA") },
			want: []string{"error fapi1-advanced/algorithm/jwks: FAPI 1.0 Advanced section 8.6"}},
		{name: "FAPI 2.0: a key for RS256 alone", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { c.JWKS, c.RequestObjectAlg = keyFor(t, "RS256"), "" },
			want: []string{"error fapi2-security/algorithm/jwks: FAPI 2.0 section 5.4.1 item 1"}},
		{name: "FAPI 2.0: a key for EdDSA alone", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { c.JWKS, c.RequestObjectAlg = keyFor(t, "EdDSA"), "" }},
		{name: "FAPI 2.0: by certificate, with a certificate's key", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { tls(c); c.JWKS = keyFor(t, "RS256") }},

		{name: "FAPI 1.0: public", profile: oauth.ProfileFAPI1Advanced, edit: public, want: []string{
			"error fapi1-advanced/request-object-keys: FAPI 1.0 Advanced section 5.2.2 item 1", "error fapi1-advanced/confidential: FAPI 1.0 Advanced section 5.2.2 item 16"}},
		{name: "FAPI 1.0: no keys to sign with", profile: oauth.ProfileFAPI1Advanced, edit: tls, want: []string{"error fapi1-advanced/request-object-keys: FAPI 1.0 Advanced section 5.2.2 item 1"}},
		{name: "FAPI 1.0: DPoP", profile: oauth.ProfileFAPI1Advanced, edit: func(c *oauth.Client) { c.DPoPBound = true }, want: []string{"error fapi1-advanced/certificate-bound: FAPI 1.0 Advanced section 5.2.2 items 5 and 6"}},
		{name: "FAPI 1.0: loopback and an app's scheme", profile: oauth.ProfileFAPI1Advanced, edit: func(c *oauth.Client) { c.RedirectURIs = []string{"http://127.0.0.1/cb", "com.example.app:/cb"} }, want: []string{
			"error fapi1-advanced/redirect-https: FAPI 1.0 Baseline section 5.2.2 item 20", "error fapi1-advanced/redirect-https: FAPI 1.0 Baseline section 5.2.2 item 20"}},
		{name: "FAPI 1.0: EdDSA", profile: oauth.ProfileFAPI1Advanced, edit: func(c *oauth.Client) { c.AuthSigningAlg, c.ResponseAlg = "EdDSA", "EdDSA" }, want: []string{
			"error fapi1-advanced/algorithm/token_endpoint_auth_signing_alg: FAPI 1.0 Advanced section 8.6", "error fapi1-advanced/algorithm/authorization_signed_response_alg: FAPI 1.0 Advanced section 8.6"}},
		{name: "FAPI 2.0: public", profile: oauth.ProfileFAPI2Security, edit: public, want: []string{"error fapi2-security/confidential: FAPI 2.0 section 5.3.2.1 item 3"}},
		{name: "FAPI 2.0: hybrid", profile: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { c.ResponseTypes = []string{"code", "code id_token"} }, want: []string{"error fapi2-security/response-type: FAPI 2.0 section 5.3.2.2 item 1"}},
		{name: "FAPI 2.0: by certificate", profile: oauth.ProfileFAPI2Security, edit: tls},
		{name: "message signing: no keys to sign with", profile: oauth.ProfileFAPI2MessageSigning, edit: tls, want: []string{"error fapi2-message-signing/request-object-keys: FAPI 2.0 Message Signing section 5.3.1"}},
		{name: "FAPI-CIBA: push, unsigned, EdDSA", profile: oauth.ProfileFAPICIBA, edit: func(c *oauth.Client) {
			ciba(c)
			tls(c)
			c.GrantTypes = []string{oauth.GrantCIBA}
			c.ResponseTypes, c.BackchannelMode, c.BackchannelEndpoint = nil, oauth.BackchannelPush, "https://app.example/ciba"
		}, want: []string{"error metadata/backchannel_token_delivery_mode: CIBA Core section 5", "error fapi-ciba/no-push: FAPI-CIBA section 5.2.2 item 3", "error fapi-ciba/signed-backchannel-request: FAPI-CIBA section 5.2.2 item 6"}},
		{name: "FAPI-CIBA: EdDSA", profile: oauth.ProfileFAPICIBA, edit: func(c *oauth.Client) { ciba(c); c.BackchannelAlg = "EdDSA" }, want: []string{"error fapi-ciba/backchannel-algorithms: FAPI-CIBA section 7.10"}},
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
			if d := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestWhatLintPassesFitsTheProfiles draws registrations at random: one without errors breaks no rule of oauth.Profiles
// that a registration can break.
func TestWhatLintPassesFitsTheProfiles(t *testing.T) {
	jwks, config := newSigningKey(t, "k1").jwks, advanced()
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		names := append(provider.ProfileNames(), "")
		config.Profile = oauth.ProfileName(rapid.SampledFrom(provider.ProfileNames()).Draw(t, "floor"))
		c := capable(jwks)
		c.Profile = oauth.ProfileName(rapid.SampledFrom(names).Draw(t, "own"))
		c.TLSSubjectDN, c.SecretHash = "CN=app", "x"
		alg := func() string {
			return rapid.SampledFrom([]string{"", "ES256", "PS256", "EdDSA", "RS256", "none"}).Draw(t, "alg")
		}
		changes := []func(){ // a few at a time, so that there are some that pass
			func() {
				c.AuthMethod = rapid.SampledFrom([]oauth.AuthMethod{oauth.AuthPrivateKeyJWT, oauth.AuthTLS, oauth.AuthNone, oauth.AuthSecretBasic}).Draw(t, "method")
			},
			func() { c.AuthSigningAlg = alg() }, func() { c.IDTokenAlg = alg() }, func() { c.ResponseAlg = alg() },
			func() { c.RequestObjectAlg = alg() }, func() { c.UserinfoAlg = alg() }, func() { c.AccessTokenAlg = alg() },
			func() { c.GrantTypes = append(c.GrantTypes, oauth.GrantPassword) },
			func() { c.ResponseTypes = []string{oauth.ResponseCodeIDToken} },
			func() { c.GrantTypes = append(c.GrantTypes, oauth.GrantImplicit) }, func() { c.DPoPBound = true },
		}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(changes)-1), 0, 3).Draw(t, "changes") {
			changes[i]()
		}
		if len(provider.ValidateClient(c, config)) > 0 {
			return
		}
		passed++
		p, ok := oauth.Profiles[config.Profile].For(c)
		if !ok || !slices.Contains(p.AuthMethods, c.AuthMethod) || !slices.Contains(p.ResponseTypes, c.ResponseTypes[0]) || c.Allows(oauth.GrantImplicit) && p.Name != oauth.ProfileOpenID ||
			c.Allows(oauth.GrantPassword) && !p.PasswordGrant || p.CertificateBound && c.DPoPBound {
			t.Errorf("%s does not fit %+v", c.AuthMethod, p)
		}
		for field, alg := range map[string]string{
			"assertion": c.AuthSigningAlg, "ID token": c.IDTokenAlg, "JARM": c.ResponseAlg, "request": c.RequestObjectAlg, "userinfo": c.UserinfoAlg, "access token": c.AccessTokenAlg,
		} {
			unsigned := p.Name == oauth.ProfileOpenID && alg == oauth.AlgNone && (field == "ID token" || field == "request") // OpenID Connect Core sections 2 and 6.1
			if alg != "" && !unsigned && !slices.Contains(p.SigningAlgs, alg) {
				t.Errorf("%s: %s is not allowed under %s", field, alg, p.Name)
			}
		}
	})
	if passed == 0 {
		t.Error("no registration passed: the property was not tried")
	}
}

// TestRequirementsCiteTheirClauses: each rule has a name of its own, a clause and words; each FAPI profile has rules.
func TestRequirementsCiteTheirClauses(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range provider.ProfileNames() {
		list := provider.Requirements(oauth.ProfileName(name))
		if (len(list) == 0) != (name == string(oauth.ProfileOpenID)) {
			t.Errorf("%s has %d requirements", name, len(list))
		}
		for _, r := range list {
			if seen[r.Rule] || !strings.HasPrefix(r.Rule, name+"/") || !strings.Contains(r.Clause, " section ") || r.Text == "" {
				t.Errorf("%+v", r)
			}
			seen[r.Rule] = true
		}
	}
}

// TestFindingsAsJSON: programs read these names.
func TestFindingsAsJSON(t *testing.T) {
	raw, err := json.Marshal(provider.Finding{Rule: "r", Clause: "c", Field: "f", Text: "t", Severity: provider.SeverityError})
	if want := `{"rule":"r","clause":"c","field":"f","text":"t","severity":"error"}`; err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
}
