package provider_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// encryptionKey is a JWK set with one key to encrypt to.
func encryptionKey(t *testing.T) []byte {
	t.Helper()
	private, err := jose.Generate("RSA-OAEP-256", 2048, rand.Reader)
	must(t, err)
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: "e1", Alg: "RSA-OAEP-256", Public: private.Public()}})
	must(t, err)
	return raw
}

// TestLintOpenIDMetadata breaks the metadata of OpenID Connect Registration and the logout specifications in one way at a
// time: the severity, the field and its clause.
func TestLintOpenIDMetadata(t *testing.T) {
	const (
		registration = "OpenID Connect Registration section 2"
		post         = "OpenID Connect RP-Initiated Logout section 3.1"
		front        = "OpenID Connect Front-Channel Logout section 2"
		back         = "OpenID Connect Back-Channel Logout section 2.2"
		long         = 256
	)
	enc := encryptionKey(t)
	seconds := func(n int) *int { return &n }
	open := func(c *provider.Config) {
		c.Authorization.ResponseTypes = oauth.Profiles[oauth.ProfileOpenID].ResponseTypes
	}
	implicit := func(types ...string) func(*oauth.Client) {
		return func(c *oauth.Client) {
			c.GrantTypes, c.ResponseTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantImplicit}, types
		}
	}
	ciba := func(c *oauth.Client, mode string) { // pairwise
		c.GrantTypes, c.BackchannelMode, c.SubjectType = append(c.GrantTypes, oauth.GrantCIBA), mode, oauth.SubjectPairwise
	}
	public := func(c *oauth.Client) { c.AuthMethod, c.JWKS, c.RequestObjectAlg = oauth.AuthNone, nil, "" }
	encrypted := func(c *oauth.Client) { public(c); c.JWKS = enc }
	for _, test := range []struct {
		name   string
		edit   func(*oauth.Client)
		config func(*provider.Config)
		want   []string // "severity field: clause"
	}{
		{name: "all of it", edit: func(c *oauth.Client) {
			encrypted(c)
			c.ApplicationType, c.Contacts, c.LogoURI, c.ClientURI = "web", []string{"a@app.example"}, "https://app.example/l", "https://app.example"
			c.PolicyURI, c.TermsURI, c.SoftwareID, c.SoftwareVersion = "https://app.example/p", "https://app.example/t", "s", "1"
			c.SubjectType, c.SectorURI, c.DefaultMaxAge, c.RequireAuthTime = oauth.SubjectPairwise, "https://app.example/s", seconds(0), true
			c.IDTokenEncAlg, c.IDTokenEncEnc, c.UserinfoAlg, c.UserinfoEncAlg = "RSA-OAEP-256", "A256GCM", "ES256", "RSA-OAEP-256"
			c.RequestObjectEncAlg, c.RequestObjectEncEnc = "RSA-OAEP-256", "A128GCM"
			c.InitiateLoginURI, c.RequestURIs = "https://app.example/login", []string{"https://app.example/r", "https://app.example/r#x"}
			c.PostLogoutRedirectURIs, c.FrontchannelLogoutURI, c.BackchannelLogoutURI = []string{"https://app.example/out"}, "https://app.example/f?a=b", "https://app.example/b"
			c.FrontchannelLogoutSession, c.BackchannelLogoutSession = true, true
		}, config: func(c *provider.Config) { c.Keys.Algorithms = append(c.Keys.Algorithms, "RSA-OAEP-256") }},

		{name: "application type", edit: func(c *oauth.Client) { c.ApplicationType = "desktop" }, want: []string{"error application_type: " + registration}},
		{name: "pages", edit: func(c *oauth.Client) {
			c.LogoURI, c.ClientURI, c.PolicyURI, c.TermsURI = "javascript:alert(1)", "http://app.example", "https://a@app.example", "https://app.example/\" onload"
		}, want: []string{"error logo_uri: " + registration, "error client_uri: " + registration, "error policy_uri: " + registration, "error tos_uri: " + registration}},
		{name: "texts", edit: func(c *oauth.Client) {
			c.SoftwareID, c.SoftwareVersion, c.Contacts = strings.Repeat("x", long), "a\nb", []string{"a\u202eb"}
		}, want: []string{"error software_id: RFC 7591 section 2", "error software_version: RFC 7591 section 2", "error contacts: " + registration}},
		{name: "many contacts", edit: func(c *oauth.Client) { c.Contacts = make([]string, 21) }, want: []string{"error contacts: " + registration}},

		{name: "web", edit: func(c *oauth.Client) { c.ApplicationType, c.RedirectURIs = "web", []string{"https://localhost/cb"} }},
		{name: "web on loopback", edit: func(c *oauth.Client) {
			c.ApplicationType, c.RedirectURIs = "web", []string{"http://127.0.0.1/cb", "com.example.app:/cb"}
		},
			want: []string{"error redirect_uris: " + registration, "error redirect_uris: " + registration}},
		{name: "native", edit: func(c *oauth.Client) {
			c.ApplicationType, c.RedirectURIs = "native", []string{"http://127.0.0.1/cb", "com.example.app:/cb", "https://app.example/cb"}
		}},
		{name: "native on localhost", edit: func(c *oauth.Client) { c.ApplicationType, c.RedirectURIs = "native", []string{"http://localhost/cb"} },
			want: []string{"error redirect_uris: RFC 8252 sections 7.3 and 8.3"}},
		{name: "fragment", edit: func(c *oauth.Client) { c.RedirectURIs = []string{"https://app.example/cb#x"} }, want: []string{"error redirect_uris: RFC 6749 section 3.1.2"}},

		{name: "implicit", config: open, edit: implicit("code", "id_token", "id_token token")},
		{name: "hybrid", config: open, edit: implicit("code id_token", "code token", "code id_token token")},
		{name: "implicit to localhost", config: open, edit: func(c *oauth.Client) {
			implicit("code", "id_token")(c)
			c.RedirectURIs = []string{"https://localhost/cb", "https://a.localhost/cb", "https://[::1]/cb", "http://127.0.0.1/cb", "com.example.app:/cb"}
		}, want: []string{"error redirect_uris: " + registration, "error redirect_uris: " + registration, "error redirect_uris: " + registration, "error redirect_uris: " + registration, "error redirect_uris: " + registration}},
		{name: "implicit of a native app", config: open, edit: func(c *oauth.Client) {
			implicit("code", "id_token")(c)
			c.ApplicationType, c.RedirectURIs = "native", []string{"http://127.0.0.1/cb", "https://localhost/cb"}
		}},
		{name: "not served", edit: implicit("code id_token", "id_token"), want: []string{"error response_types: "}},
		{name: "implicit without what it gives", config: open, edit: implicit("code"), want: []string{"error response_types: " + registration}},
		{name: "implicit where it has nothing to give", config: func(c *provider.Config) { c.Authorization.ResponseTypes = []string{"code"} }, edit: implicit("code"), want: []string{"error grant_types: "}},
		{name: "tokens without implicit", config: open, edit: func(c *oauth.Client) {
			implicit("id_token token", "code id_token", "code")(c)
			c.GrantTypes = c.GrantTypes[:1]
		},
			want: []string{"error response_types: " + registration, "error response_types: " + registration}},
		{name: "code without its grant", config: open, edit: func(c *oauth.Client) { implicit("code token")(c); c.GrantTypes = c.GrantTypes[1:] }, want: []string{"error response_types: RFC 7591 section 2.1"}},
		{name: "a grant without code", config: open, edit: implicit("id_token"), want: []string{"warning grant_types: " + registration}},
		{name: "implicit without redirect URIs", config: open, edit: func(c *oauth.Client) {
			implicit("id_token")(c)
			c.GrantTypes, c.RedirectURIs = c.GrantTypes[1:], nil
		}, want: []string{"error redirect_uris: RFC 7591 section 2"}},
		{name: "tokens in front that must be bound", config: open, edit: func(c *oauth.Client) { implicit("code", "id_token token")(c); c.DPoPBound = true }, want: []string{"error response_types: RFC 9700 section 2.1.2"}},
		{name: "tokens in front of a client with a certificate", config: open, edit: func(c *oauth.Client) {
			implicit("code id_token", "code token", "id_token token")(c)
			c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=app"
		}, want: []string{"error response_types: RFC 9700 section 2.1.2", "error response_types: RFC 9700 section 2.1.2"}},
		{name: "tokens in front of a client with its own certificate", config: open, edit: func(c *oauth.Client) {
			implicit("code", "code token")(c)
			c.AuthMethod = oauth.AuthSelfSignedTLS
		}, want: []string{"error response_types: RFC 9700 section 2.1.2"}},
		{name: "unsigned in front", config: open, edit: func(c *oauth.Client) { implicit("code id_token")(c); c.IDTokenAlg = "none" }, want: []string{"error id_token_signed_response_alg: " + registration}},
		{name: "unsigned and pushed", edit: func(c *oauth.Client) {
			c.GrantTypes, c.BackchannelMode, c.BackchannelEndpoint = append(c.GrantTypes, oauth.GrantCIBA), oauth.BackchannelPush, "https://app.example/ciba"
			c.IDTokenAlg = "none"
		}, want: []string{"error id_token_signed_response_alg: " + registration}},
		{name: "implicit under FAPI", edit: func(c *oauth.Client) { implicit("code")(c); c.Profile = oauth.ProfileFAPI2Security }, want: []string{"error grant_types: FAPI 2.0 section 5.3.2.2 item 1"}},

		{name: "subject type", edit: func(c *oauth.Client) { c.SubjectType = "private" }, want: []string{"error subject_type: " + registration}},
		{name: "pairwise is off", config: func(c *provider.Config) { c.Subjects.PairwiseSaltFile = "" }, edit: func(c *oauth.Client) { c.SubjectType = oauth.SubjectPairwise }, want: []string{"error subject_type: " + registration}},
		{name: "pairwise", edit: func(c *oauth.Client) {
			c.SubjectType, c.RedirectURIs = oauth.SubjectPairwise, []string{"https://app.example/a", "https://app.example:1/b"}
		}},
		{name: "pairwise for two hosts", edit: func(c *oauth.Client) {
			c.SubjectType, c.RedirectURIs = oauth.SubjectPairwise, []string{"https://a.example/", "https://b.example/"}
		},
			want: []string{"error sector_identifier_uri: OpenID Connect Core section 8.1"}},
		{name: "pairwise for an app", edit: func(c *oauth.Client) {
			c.SubjectType, c.RedirectURIs = oauth.SubjectPairwise, []string{"com.example.app:/cb"}
		},
			want: []string{"error sector_identifier_uri: OpenID Connect Core section 8.1"}},
		{name: "pairwise for an app with another's host", edit: func(c *oauth.Client) {
			c.ApplicationType, c.SubjectType, c.RedirectURIs = "native", oauth.SubjectPairwise, []string{"com.evil.app://victim.example/cb"}
		}, want: []string{"error sector_identifier_uri: OpenID Connect Core section 8.1"}},
		{name: "pairwise on loopback", edit: func(c *oauth.Client) {
			c.ApplicationType, c.SubjectType, c.RedirectURIs = "native", oauth.SubjectPairwise, []string{"http://127.0.0.1/cb"}
		}, want: []string{"error sector_identifier_uri: OpenID Connect Core section 8.1"}},
		{name: "pairwise for an app of a sector", edit: func(c *oauth.Client) {
			c.ApplicationType, c.SubjectType, c.RedirectURIs, c.SectorURI = "native", oauth.SubjectPairwise, []string{"com.example.app:/cb"}, "https://app.example/s"
		}},
		{name: "pairwise, sector over http", edit: func(c *oauth.Client) { c.SubjectType, c.SectorURI = oauth.SubjectPairwise, "http://app.example/s" },
			want: []string{"error sector_identifier_uri: OpenID Connect Registration section 5"}},
		{name: "pairwise and CIBA, keys by value", edit: func(c *oauth.Client) { ciba(c, oauth.BackchannelPoll) }, want: []string{"error sector_identifier_uri: CIBA Core section 4"}},
		{name: "pairwise and CIBA, keys elsewhere", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPing)
			c.JWKS, c.JWKSURI, c.BackchannelEndpoint = nil, "https://evil.example/jwks", "https://app.example/ciba"
		}, want: []string{"error sector_identifier_uri: CIBA Core section 4"}},
		{name: "pairwise and CIBA, keys on the same host", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPoll)
			c.JWKS, c.JWKSURI = nil, "https://APP.example:8443/jwks"
		}},
		{name: "pairwise and CIBA of a sector", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPoll)
			c.RedirectURIs, c.GrantTypes, c.ResponseTypes, c.SectorURI = nil, []string{oauth.GrantCIBA}, nil, "https://sector.example/s"
		}},
		{name: "pairwise and CIBA alone", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPoll)
			c.RedirectURIs, c.GrantTypes, c.ResponseTypes = nil, []string{oauth.GrantCIBA}, nil
		}, want: []string{"error sector_identifier_uri: OpenID Connect Core section 8.1"}},
		{name: "pairwise and pushed elsewhere", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPush)
			c.JWKS, c.JWKSURI, c.BackchannelEndpoint = nil, "https://app.example/jwks", "https://evil.example/ciba"
		}, want: []string{"error sector_identifier_uri: CIBA Core section 4"}},
		{name: "pairwise and pushed to the same host", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPush)
			c.AuthMethod, c.SecretHash, c.BackchannelEndpoint = oauth.AuthSecretBasic, "x", "https://app.example/ciba"
		}},
		{name: "pairwise and CIBA with a secret", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPoll)
			c.AuthMethod, c.SecretHash, c.SectorURI = oauth.AuthSecretBasic, "x", "https://sector.example/s"
		}, want: []string{"error token_endpoint_auth_method: CIBA Core section 4"}},
		{name: "pairwise and signed CIBA with a secret", edit: func(c *oauth.Client) {
			ciba(c, oauth.BackchannelPoll)
			c.AuthMethod, c.SecretHash, c.SectorURI, c.BackchannelAlg = oauth.AuthSecretBasic, "x", "https://sector.example/s", "ES256"
		}},
		{name: "sector over http", edit: func(c *oauth.Client) { c.SectorURI = "http://app.example/s" }, want: []string{"error sector_identifier_uri: OpenID Connect Registration section 5"}},

		{name: "unknown encryption", edit: func(c *oauth.Client) {
			c.IDTokenEncAlg, c.IDTokenEncEnc, c.UserinfoEncAlg, c.UserinfoEncEnc = "RSA1_5", "A1", "dir", "A256GCM"
		}, want: []string{"error id_token_encrypted_response_alg: " + registration, "error id_token_encrypted_response_enc: " + registration, "error userinfo_encrypted_response_alg: " + registration}},
		{name: "enc alone", edit: func(c *oauth.Client) {
			c.IDTokenEncEnc, c.UserinfoEncEnc, c.RequestObjectEncEnc = "A256GCM", "A256GCM", "A256GCM"
		}, want: []string{
			"error id_token_encrypted_response_alg: " + registration, "error userinfo_encrypted_response_alg: " + registration, "error request_object_encryption_alg: " + registration}},
		{name: "no keys to encrypt to", edit: func(c *oauth.Client) { public(c); c.IDTokenEncAlg = "RSA-OAEP" }, want: []string{"error jwks: " + registration}},
		{name: "other keys to encrypt to", edit: func(c *oauth.Client) { encrypted(c); c.UserinfoEncAlg = "ECDH-ES" }, want: []string{"error userinfo_encrypted_response_alg: " + registration}},
		{name: "keys to encrypt to by URL", edit: func(c *oauth.Client) { c.JWKS, c.JWKSURI, c.IDTokenEncAlg = nil, "https://app.example/jwks", "ECDH-ES" }},
		{name: "nothing decrypts", edit: func(c *oauth.Client) { c.RequestObjectEncAlg = "RSA-OAEP-256" }, want: []string{"error request_object_encryption_alg: " + registration}},
		{name: "something else decrypts", config: func(c *provider.Config) { c.Keys.Algorithms = append(c.Keys.Algorithms, "RSA-OAEP-256") }, edit: func(c *oauth.Client) { c.RequestObjectEncAlg = "ECDH-ES" },
			want: []string{"error request_object_encryption_alg: " + registration}},
		{name: "unsigned userinfo", edit: func(c *oauth.Client) { c.UserinfoAlg = "none" }, want: []string{"error userinfo_signed_response_alg: " + registration}},
		{name: "userinfo under FAPI", edit: func(c *oauth.Client) { c.UserinfoAlg, c.Profile = "RS256", oauth.ProfileFAPI2Security }, want: []string{"error userinfo_signed_response_alg: FAPI 2.0 section 5.4.1 item 1"}},

		{name: "max_age", edit: func(c *oauth.Client) { c.DefaultMaxAge = seconds(-1) }, want: []string{"error default_max_age: " + registration}},
		{name: "login over http", edit: func(c *oauth.Client) { c.InitiateLoginURI = "http://app.example/login" }, want: []string{"error initiate_login_uri: " + registration}},
		{name: "login with a fragment", edit: func(c *oauth.Client) { c.InitiateLoginURI = "https://app.example/login#x" }, want: []string{"error initiate_login_uri: " + registration}},
		{name: "request URIs", edit: func(c *oauth.Client) {
			c.RequestURIs = []string{"https://app.example/a", "https://app.example/a", "http://app.example/b", "urn:x", "https://app.example/" + strings.Repeat("a", 500)}
		}, want: []string{"error request_uris: " + registration, "error request_uris: " + registration, "error request_uris: " + registration, "error request_uris: " + registration}},
		{name: "request URIs are off", config: func(c *provider.Config) { c.Authorization.RequestURIs = false }, edit: func(c *oauth.Client) { c.RequestURIs = []string{"https://app.example/a"} },
			want: []string{"warning request_uris: OpenID Connect Core section 6.2"}},

		{name: "logout", edit: func(c *oauth.Client) {
			c.ApplicationType = "web"
			c.PostLogoutRedirectURIs = []string{"http://app.example/", "/out", "com.example.app:/out", "https://other.example/out"}
		}, want: []string{"error post_logout_redirect_uris: RFC 8252 sections 7.3 and 8.3", "error post_logout_redirect_uris: RFC 6749 section 3.1.2", "error post_logout_redirect_uris: " + post}},
		{name: "front channel elsewhere", edit: func(c *oauth.Client) { c.FrontchannelLogoutURI = "https://other.example/f" }, want: []string{"error frontchannel_logout_uri: " + front}},
		{name: "front channel at another port", edit: func(c *oauth.Client) { c.FrontchannelLogoutURI = "https://app.example:444/f" }, want: []string{"error frontchannel_logout_uri: " + front}},
		{name: "front channel at the same port", edit: func(c *oauth.Client) { c.FrontchannelLogoutURI = "https://APP.example:443/f" }},
		{name: "channels over http", edit: func(c *oauth.Client) {
			c.FrontchannelLogoutURI, c.BackchannelLogoutURI = "http://app.example/f", "http://app.example/b"
		},
			want: []string{"error frontchannel_logout_uri: " + front, "error backchannel_logout_uri: " + back}},
		{name: "channels with fragments", edit: func(c *oauth.Client) {
			c.FrontchannelLogoutURI, c.BackchannelLogoutURI = "https://app.example/f#", "https://app.example/b#x"
		},
			want: []string{"error frontchannel_logout_uri: " + front, "error backchannel_logout_uri: " + back}},
		{name: "sessions of no channel", edit: func(c *oauth.Client) { c.FrontchannelLogoutSession, c.BackchannelLogoutSession = true, true },
			want: []string{"warning frontchannel_logout_session_required: " + front, "warning backchannel_logout_session_required: " + back}},
		{name: "logout is off", config: func(c *provider.Config) { c.Logout = provider.LogoutConfig{} }, edit: func(c *oauth.Client) {
			c.PostLogoutRedirectURIs, c.FrontchannelLogoutURI, c.BackchannelLogoutURI = []string{"https://app.example/out"}, "https://app.example/f", "https://app.example/b"
		}, want: []string{"warning post_logout_redirect_uris: " + post, "warning frontchannel_logout_uri: " + front, "warning backchannel_logout_uri: " + back}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, c := advanced(), capable(newSigningKey(t, "k1").jwks)
			if test.edit != nil {
				test.edit(c)
			}
			if test.config != nil {
				test.config(&config)
			}
			var got []string
			for _, f := range provider.LintClient(c, config) {
				got = append(got, string(f.Severity)+" "+f.Field+": "+f.Clause)
			}
			if d := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestLintSaysWhatIsMissing: who was registered for code id_token before it needed the grant type learns what to do.
func TestLintSaysWhatIsMissing(t *testing.T) {
	config, c := advanced(), capable(newSigningKey(t, "k1").jwks)
	c.ResponseTypes = []string{oauth.ResponseCodeIDToken}
	findings := provider.LintClient(c, config)
	if want := `response_types: "code id_token" needs the grant type implicit, and gets unauthorized_client without: add it to grant_types`; len(findings) != 1 ||
		findings[0].Severity != provider.SeverityError || !strings.HasPrefix(findings[0].Error(), want) {
		t.Errorf("%v", findings)
	}
}
