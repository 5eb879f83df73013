package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/provider"
	"signet/provider/oauth"
)

// TestValidateClient breaks a good registration in one way at a time.
func TestValidateClient(t *testing.T) {
	const (
		method    = "token_endpoint_auth_method: want one of"
		tlsName   = "tls_client_auth_subject_dn: exactly one of the five"
		authAlg   = "token_endpoint_auth_signing_alg: want one of"
		idAlg     = "id_token_signed_response_alg: want one of"
		clientID  = "client_id: want 1 to 255 printable ASCII characters"
		noKeys    = "jwks: jwks or jwks_uri is needed for"
		noSecret  = "client_secret: is needed for"
		notHTTPS  = "jwks_uri: want an https URL"
		noPrivate = "jwks: "
	)
	jwks := newSigningKey(t, "k1").jwks
	grants := []string{oauth.GrantAuthorizationCode, oauth.GrantClientCredentials, oauth.GrantRefreshToken}
	secret := func(c *oauth.Client) { c.AuthMethod, c.JWKS, c.SecretHash = oauth.AuthSecretBasic, nil, "sha256$x" }
	public := func(c *oauth.Client) {
		c.AuthMethod, c.JWKS, c.GrantTypes = oauth.AuthNone, nil, []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	}
	fapi := func(c *oauth.Client) {
		c.Profile, c.GrantTypes = oauth.ProfileFAPI2Security, []string{oauth.GrantClientCredentials}
	}
	redirect := func(uri string) func(*oauth.Client) {
		return func(c *oauth.Client) { c.RedirectURIs = append(c.RedirectURIs, uri) }
	}
	for _, test := range []struct {
		name  string
		floor oauth.ProfileName // "" = openid
		edit  func(*oauth.Client)
		want  []string // the beginning of each fault; none = a good registration
	}{
		{name: "good", edit: func(*oauth.Client) {}},
		{name: "with a secret", edit: secret},
		{name: "public", edit: public},
		{name: "resource server", edit: func(c *oauth.Client) { c.Resources, c.Introspects = nil, []string{apiJWT} }},

		{name: "no id", edit: func(c *oauth.Client) { c.ID = "" }, want: []string{clientID}},
		{name: "long id", edit: func(c *oauth.Client) { c.ID = strings.Repeat("a", 256) }, want: []string{clientID}},
		{name: "control character in the id", edit: func(c *oauth.Client) { c.ID = "a\nb" }, want: []string{clientID}},

		{name: "unknown profile", edit: func(c *oauth.Client) { c.Profile = "fapi9" }, want: []string{"profile: is not known"}},
		{name: "FAPI", edit: fapi},
		{name: "FAPI floor", floor: oauth.ProfileFAPI2Security, edit: func(c *oauth.Client) { fapi(c); c.Profile = "" }},
		{name: "FAPI and the code grant", edit: func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI2Security }},
		{name: "FAPI floor and the code grant", floor: oauth.ProfileFAPI2Security, edit: func(*oauth.Client) {}},
		{name: "FAPI and a secret", edit: func(c *oauth.Client) { fapi(c); secret(c) }, want: []string{method}},
		{name: "FAPI and RS256", edit: func(c *oauth.Client) { fapi(c); c.AuthSigningAlg = "RS256" }, want: []string{authAlg}},
		{name: "FAPI and an RS256 ID token", edit: func(c *oauth.Client) { fapi(c); c.IDTokenAlg = "RS256" }, want: []string{idAlg}},

		{name: "unknown method", edit: func(c *oauth.Client) { c.AuthMethod = "password" }, want: []string{method}},
		{name: "no secret", edit: func(c *oauth.Client) { secret(c); c.SecretHash = "" }, want: []string{noSecret}},
		{name: "no keys", edit: func(c *oauth.Client) { c.JWKS = nil }, want: []string{noKeys}},
		{name: "no keys for a self-signed certificate", edit: func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthSelfSignedTLS, nil }, want: []string{noKeys}},
		{name: "keys by URL", edit: func(c *oauth.Client) { c.JWKS, c.JWKSURI = nil, "https://app.example/jwks" }},
		{name: "keys by value and by URL", edit: func(c *oauth.Client) { c.JWKSURI = "https://app.example/jwks" }, want: []string{"jwks_uri: must not be given together with jwks"}},
		{name: "keys over http", edit: func(c *oauth.Client) { c.JWKS, c.JWKSURI = nil, "http://app.example/jwks" }, want: []string{notHTTPS}},
		{name: "keys that are none", edit: func(c *oauth.Client) { c.JWKS = []byte("[]") }, want: []string{noPrivate}},
		{name: "unknown algorithm", edit: func(c *oauth.Client) { c.AuthSigningAlg = "none" }, want: []string{authAlg}},
		{name: "an algorithm of secrets", edit: func(c *oauth.Client) { c.AuthSigningAlg = "HS256" }, want: []string{authAlg}},
		{name: "client_secret_jwt", edit: func(c *oauth.Client) { secret(c); c.AuthMethod, c.AuthSigningAlg = oauth.AuthSecretJWT, "HS256" }},
		{name: "client_secret_jwt by ES256", edit: func(c *oauth.Client) { secret(c); c.AuthMethod, c.AuthSigningAlg = oauth.AuthSecretJWT, "ES256" }, want: []string{authAlg}},
		{name: "unsigned ID token", edit: func(c *oauth.Client) { c.IDTokenAlg = "none" }},
		{name: "an ID token signed with a secret", edit: func(c *oauth.Client) { c.IDTokenAlg = "HS256" }, want: []string{idAlg}},
		{name: "FAPI and an unsigned ID token", edit: func(c *oauth.Client) { fapi(c); c.IDTokenAlg = "none" }, want: []string{idAlg}},

		{name: "certificate", edit: func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "CN=app,O=Bank" }},
		{name: "certificate without a name", edit: func(c *oauth.Client) { c.AuthMethod = oauth.AuthTLS }, want: []string{tlsName}},
		{name: "certificate with two names", edit: func(c *oauth.Client) {
			c.AuthMethod, c.TLSSubjectDN, c.TLSSANDNS = oauth.AuthTLS, "CN=app", "app.example"
		}, want: []string{tlsName}},
		{name: "certificate with a malformed name", edit: func(c *oauth.Client) { c.AuthMethod, c.TLSSubjectDN = oauth.AuthTLS, "app" }, want: []string{tlsName}},

		{name: "no grant", edit: func(c *oauth.Client) { c.GrantTypes = nil }, want: []string{"grant_types: at least one is needed"}},
		{name: "unknown grant", edit: func(c *oauth.Client) { c.GrantTypes = append(c.GrantTypes, "telepathy") },
			want: []string{`grant_types: "telepathy" is not known; known: authorization_code, implicit, client_credentials, refresh_token, urn:openid:params:grant-type:ciba, password`}},
		{name: "a grant that is off", edit: func(c *oauth.Client) { c.GrantTypes = append(c.GrantTypes, oauth.GrantPassword, oauth.GrantDevice) },
			want: []string{"grant_types: password is not enabled: see password_grant.enabled", "grant_types: " + oauth.GrantDevice + " is not enabled: see device.enabled"}},
		{name: "public with client_credentials", edit: func(c *oauth.Client) { public(c); c.GrantTypes = slices.Clone(grants) },
			want: []string{"grant_types: a public client cannot use client_credentials"}},
		{name: "code grant without a redirect URI", edit: func(c *oauth.Client) { c.RedirectURIs = nil }, want: []string{"redirect_uris: at least one is needed"}},

		{name: "loopback", edit: redirect("http://127.0.0.1/cb")},
		{name: "an app's scheme", edit: redirect("com.example.app:/cb")},
		{name: "localhost", edit: redirect("http://localhost:1/cb"), want: []string{`redirect_uris: "http://localhost:1/cb" is http`}},
		{name: "http", edit: redirect("http://app.example/cb"), want: []string{`redirect_uris: "http://app.example/cb" is http`}},
		{name: "no host", edit: redirect("https:///cb"), want: []string{`redirect_uris: "https:///cb" has no host`}},
		{name: "user information", edit: redirect("https://u@bank/cb"), want: []string{`redirect_uris: "https://u@bank/cb" has user information`}},
		{name: "backslash", edit: redirect(`http://127.0.0.1/cb\x`), want: []string{`redirect_uris: "http://127.0.0.1/cb\\x" has a character`}},
		{name: "space", edit: redirect("https://x/ y"), want: []string{`redirect_uris: "https://x/ y" has a character`}},
		{name: "fragment", edit: redirect("https://app.example/cb#x"), want: []string{`redirect_uris: "https://app.example/cb#x" has a fragment`}},
		{name: "relative", edit: redirect("/cb"), want: []string{`redirect_uris: "/cb" is not an absolute URI`}},
		{name: "script", edit: redirect("javascript:alert(1)"), want: []string{`redirect_uris: "javascript:alert(1)" has a private-use scheme`}},

		{name: "malformed scope", edit: func(c *oauth.Client) { c.Scope = "openid  accounts" }, want: []string{"scope: is malformed"}},
		{name: "unknown scope", edit: func(c *oauth.Client) { c.Scope = "openid moon" }, want: []string{`scope: "moon" is not configured`}},
		{name: "no resource", edit: func(c *oauth.Client) { c.Resources = nil }, want: []string{"resources: at least one resource server is needed"}},
		{name: "unknown resource", edit: func(c *oauth.Client) { c.Resources = []string{"https://moon.example"} },
			want: []string{`resources: "https://moon.example" is not a configured`}},
		{name: "introspects an unknown resource", edit: func(c *oauth.Client) { c.Introspects = []string{"https://moon.example"} },
			want: []string{`introspects: "https://moon.example" is not a configured`}},

		{name: "all faults at once", edit: func(c *oauth.Client) { c.ID, c.JWKS, c.RedirectURIs, c.Scope = "", nil, []string{"/a", "/b"}, "moon" },
			want: []string{clientID, noKeys, `redirect_uris: "/a" is`, `redirect_uris: "/b" is`, `scope: "moon" is`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := registry()
			if test.floor != "" {
				config.Profile = test.floor
			}
			c := &oauth.Client{
				ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, JWKS: jwks, Scope: "openid email accounts", GrantTypes: slices.Clone(grants),
				RedirectURIs: []string{"https://app.example/cb"}, Resources: []string{apiJWT},
			}
			test.edit(c)
			var got []string
			for i, fault := range provider.ValidateClient(c, config) {
				text := fault.Error()
				if i < len(test.want) && strings.HasPrefix(text, test.want[i]) {
					text = test.want[i]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// registry is what of a configuration registrations are held against.
func registry() provider.Config {
	return provider.Config{
		Profile: oauth.ProfileOpenID,
		Keys:    provider.KeysConfig{Algorithms: []string{"ES256", "RS256"}},
		Scopes:  []provider.Scope{{Name: "accounts", Description: "See your accounts"}},
		Resources: []provider.Resource{
			{ID: apiJWT, Name: "Accounts API", Scopes: []string{"accounts"}},
		},
	}
}

// TestNoCommonAlgorithm is a house whose keys a stricter client cannot use.
func TestNoCommonAlgorithm(t *testing.T) {
	config := registry()
	config.Keys.Algorithms = []string{"RS256"}
	c := &oauth.Client{
		ID: "app", Profile: oauth.ProfileFAPI2Security, AuthMethod: oauth.AuthTLS, TLSSubjectDN: "CN=app", Scope: "accounts",
		GrantTypes: []string{oauth.GrantClientCredentials}, Resources: []string{apiJWT},
	}
	faults := provider.ValidateClient(c, config)
	if len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), "profile: none of keys.algorithms is allowed under it") {
		t.Errorf("%v", faults)
	}
}

// TestStandardScopesHaveWords holds the words against the one list of names.
func TestStandardScopesHaveWords(t *testing.T) {
	var names oauth.Scope
	for _, s := range (provider.Config{}).AllScopes() {
		names = append(names, s.Name)
		if s.Description == "" {
			t.Errorf("%s has no words", s.Name)
		}
	}
	if diff := cmp.Diff(oauth.StandardScopes, names); diff != "" {
		t.Error(diff)
	}
}
