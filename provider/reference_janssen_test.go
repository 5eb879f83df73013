package provider_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/provider"
	"signet/provider/oauth"
)

func TestReference_J1_TokenEndpointFromDiscovery(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	document := h.metadata()
	aliases, _ := document["mtls_endpoint_aliases"].(map[string]any)
	for _, endpoint := range []any{document["token_endpoint"], aliases["token_endpoint"]} {
		at, _ := endpoint.(string)
		if r := h.post(h.http(h.leaf(certs.Request{})), at, form(ownToken...), basic("app")); r.Status != http.StatusOK {
			t.Errorf("%s: %d %s", at, r.Status, r.Body)
		}
	}
	if document["token_endpoint"] == aliases["token_endpoint"] {
		t.Error("there is one door only")
	}
}

func TestReference_J2_TokensByGrantAndScope(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	h.register("once", func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantAuthorizationCode} })
	for _, c := range []struct {
		client, scope string
		id, refresh   bool
	}{{"app", "openid accounts", true, false}, {"app", "openid accounts offline_access", true, true}, {"app", "accounts", false, true},
		{"once", "openid accounts", true, false}} {
		r := h.tokensOf(c.client, c.scope)
		if r.text("access_token") == "" || (r.text("id_token") != "") != c.id || (r.text("refresh_token") != "") != c.refresh {
			t.Errorf("%s %q: %s", c.client, c.scope, r.Body)
		}
	}
}

func TestReference_J3_ResponseMembersAndHeaders(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	h.register("app", nil)
	r := h.tokensOf("app", "openid accounts offline_access")
	var members []string
	for name := range r.JSON {
		members = append(members, name)
	}
	want := []string{"access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(members))); diff != "" {
		t.Error(diff)
	}
	if r.Status != http.StatusOK || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Pragma") != "no-cache" ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%d %v", r.Status, r.Header)
	}
}

func TestReference_J4_FourMethods(t *testing.T) {
	h := newHouse(t, nil)
	key := newSigningKey(t, "k1")
	h.register("basic", nil)
	h.register("post", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretPost })
	h.register("secretjwt", func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretJWT })
	h.register("pkjwt", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	post := []string{"client_id", "post", "client_secret", secretOf("post").Reveal()}
	proven := func(assertion string) []string {
		return []string{"client_assertion_type", jwtBearer, "client_assertion", assertion}
	}
	h.granted(ownToken, basic("basic"))
	h.granted(append(post, ownToken...))
	h.granted(append(proven(h.secretAssertion("secretjwt")), ownToken...))
	h.granted(append(proven(h.assertion(key, "pkjwt", nil)), ownToken...))
	h.denied("invalid_client", append(proven(h.assertion(newSigningKey(t, "k1"), "pkjwt", nil)), ownToken...))
	for _, method := range []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"} {
		if !listed(h.metadata(), "token_endpoint_auth_methods_supported", method) {
			t.Errorf("%s is not advertised", method)
		}
	}
}

func TestReference_J5_MutualTLS(t *testing.T) {
	h := newHouse(t, nil)
	leaf := h.leaf(certs.Request{
		Subject: pkix.Name{CommonName: "tpp", Organization: []string{"Bank"}}, OrganizationID: "PSDDE-BAFIN-1",
		DNSNames: []string{"tpp.bank.example"}, URIs: []string{"spiffe://bank.example/tpp"}, IPs: []string{"192.0.2.7"}, Emails: []string{"tpp@bank.example"},
	})
	own, err := certs.SelfSigned(rand.Reader, time.Now(), certs.Request{Subject: pkix.Name{CommonName: "own"}})
	must(t, err)
	tls := func(change func(*oauth.Client)) func(*oauth.Client) {
		return func(c *oauth.Client) { c.AuthMethod = oauth.AuthTLS; change(c) }
	}
	kinds := map[string]func(*oauth.Client){
		"dn":    tls(func(c *oauth.Client) { c.TLSSubjectDN = "organizationIdentifier=PSDDE-BAFIN-1,CN=tpp,O=Bank" }),
		"oid":   tls(func(c *oauth.Client) { c.TLSSubjectDN = "2.5.4.97=PSDDE-BAFIN-1,2.5.4.3=tpp,2.5.4.10=Bank" }),
		"dns":   tls(func(c *oauth.Client) { c.TLSSANDNS = "tpp.bank.example" }),
		"uri":   tls(func(c *oauth.Client) { c.TLSSANURI = "spiffe://bank.example/tpp" }),
		"ip":    tls(func(c *oauth.Client) { c.TLSSANIP = "192.0.2.7" }),
		"email": tls(func(c *oauth.Client) { c.TLSSANEmail = "tpp@bank.example" }),
	}
	for id, change := range kinds {
		h.register(id, change)
		r := h.atMTLS(leaf, append(ownToken, "client_id", id, "resource", apiOpaque))
		if r.Status != http.StatusOK {
			t.Errorf("%s: %d %s", id, r.Status, r.Body)
			continue
		}
		h.register("api-"+id, func(c *oauth.Client) { c.Introspects = []string{apiOpaque} })
		cnf, _ := h.about("api-"+id, r.text("access_token"))["cnf"].(map[string]any)
		if cnf["x5t#S256"] != mtls.Thumbprint(leaf.Certificate) {
			t.Errorf("%s, introspected: cnf is %v", id, cnf)
		}
		if r := h.atMTLS(h.leaf(certs.Request{Subject: pkix.Name{CommonName: "another"}}), append(ownToken, "client_id", id)); r.text("error") != "invalid_client" {
			t.Errorf("%s with another certificate: %d %s", id, r.Status, r.Body)
		}
	}
	h.register("self", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS = oauth.AuthSelfSignedTLS, keyOf(t, own.Key, "own", own).jwks
	})
	r := h.atMTLS(own, append(ownToken, "client_id", "self"))
	cnf, _ := claimsOf(t, r.text("access_token"))["cnf"].(map[string]any)
	if r.Status != http.StatusOK || cnf["x5t#S256"] != mtls.Thumbprint(own.Certificate) {
		t.Errorf("self-signed: %d %s", r.Status, r.Body)
	}
}

func TestReference_J6_CertificatesFromProxies(t *testing.T) {
	for format, header := range map[mtls.ProxyFormat]func(*x509.Certificate) (name, value string){
		mtls.FormatRFC9440: func(c *x509.Certificate) (string, string) {
			return "Client-Cert", ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
		},
		mtls.FormatEnvoy: func(c *x509.Certificate) (string, string) {
			return "X-Forwarded-Client-Cert", `Hash=00;Cert="` + escapedPEM(c) + `";Subject="CN=x"`
		},
		mtls.FormatTraefik: func(c *x509.Certificate) (string, string) {
			return "X-Forwarded-Tls-Client-Cert", base64.StdEncoding.EncodeToString(c.Raw)
		},
		mtls.FormatNginx: func(c *x509.Certificate) (string, string) { return "X-SSL-Client-Cert", escapedPEM(c) },
	} {
		t.Run(string(format), func(t *testing.T) {
			h := newHouse(t, nil)
			proxy := h.leaf(certs.Request{Subject: pkix.Name{CommonName: "proxy"}})
			bank := h.leaf(certs.Request{DNSNames: []string{"bank.example"}})
			h.register("bank", func(c *oauth.Client) { c.AuthMethod, c.TLSSANDNS = oauth.AuthTLS, "bank.example" })
			tw := h.twin(func(c *provider.Config) {
				c.TrustedProxies = provider.TrustedProxies{Thumbprints: []string{mtls.Thumbprint(proxy.Certificate)}, Format: format}
			}, nil)
			name, value := header(bank.Certificate)
			told := func(r *http.Request) { r.Header.Set(name, value) }
			r := tw.atMTLS(proxy, append(ownToken, "client_id", "bank"), told)
			if r.Status != http.StatusOK {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
			bound, _ := claimsOf(t, r.text("access_token"))["cnf"].(map[string]any)
			if bound["x5t#S256"] != mtls.Thumbprint(bank.Certificate) {
				t.Errorf("bound to %v", bound)
			}
			if r := tw.atMTLS(h.leaf(certs.Request{}), append(ownToken, "client_id", "bank"), told); r.text("error") != "invalid_client" {
				t.Errorf("a stranger's word: %d %s", r.Status, r.Body)
			}
		})
	}
}

func escapedPEM(c *x509.Certificate) string {
	return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
}

func TestReference_J7_OneMethodForEachClient(t *testing.T) {
	h := newHouse(t, nil)
	key := newSigningKey(t, "k1")
	h.register("pkjwt", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	h.register("basic", nil)
	h.granted(append(ownToken, "client_assertion_type", jwtBearer, "client_assertion", h.assertion(key, "pkjwt", nil)))
	h.denied("invalid_client", ownToken, basic("pkjwt"))
	h.denied("invalid_client", append(ownToken, "client_id", "basic", "client_secret", secretOf("basic").Reveal()))
}

func TestReference_J8_PolicyDecidesAboutClients(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "client.rego", `package signet.custom.client

deny contains {
	"rule": "bank.not_at_this_door",
	"error": "unauthorized_client",
	"text": "this client calls at the mTLS door",
} if {
	input.client.id == "strict"
	input.request.door != "mtls"
}
`)
	h := newHouseWith(t, "policy: {directory: "+rules+"}\n", nil)
	h.register("strict", nil)
	h.register("app", nil)
	h.granted(ownToken, basic("app"))
	h.denied("unauthorized_client", ownToken, basic("strict"))
	if r := h.atMTLS(h.leaf(certs.Request{}), ownToken, basic("strict")); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestReference_J9_GrantsOfEachClient(t *testing.T) {
	h := newHouseWith(t, everyGrant, nil)
	h.register("none", func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantRefreshToken} })
	for _, grant := range []string{
		"authorization_code", "client_credentials", "password", oauth.GrantTokenExchange, oauth.GrantDevice, oauth.GrantCIBA, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer,
	} {
		h.denied("unauthorized_client", []string{"grant_type", grant}, basic("none"))
		if !listed(h.metadata(), "grant_types_supported", grant) {
			t.Errorf("%s is not advertised", grant)
		}
	}
	h.denied("unsupported_grant_type", []string{"grant_type", "implicit"}, basic("none"))
	plain := newHouse(t, nil)
	if document := plain.metadata(); listed(document, "grant_types_supported", "password") || listed(document, "response_types_supported", "id_token token") {
		t.Errorf("on without having been asked for: %v %v", document["grant_types_supported"], document["response_types_supported"])
	}
	if c := plain.register("app", nil); c.Allows(oauth.GrantImplicit) || c.Allows(oauth.GrantPassword) {
		t.Error(c.GrantTypes)
	}
	fapi := plain.config
	fapi.Profile, fapi.PasswordGrant.Enabled, fapi.Authorization.ResponseTypes = oauth.ProfileFAPI2Security, true, []string{"id_token token"}
	faults := faultsText(fapi.Validate())
	if !strings.Contains(faults, "password_grant") || !strings.Contains(faults, "response_types") {
		t.Errorf("under FAPI: %s", faults)
	}
}

// everyGrant has all of them on.
const everyGrant = `
password_grant: {enabled: true}
device: {enabled: true}
token_exchange: {enabled: true}
assertion_grants: {jwt_bearer: true, saml2_bearer: true, self_issued: true}
ciba: {enabled: true}
`

func TestReference_J12_PolicyShapesTokens(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "token.rego", `package signet.custom.token

access_claims.tier := "gold" if input.client.id == "one"

id_claims.greeting := "hello" if input.client.id == "one"

access_lifetime := 60 if input.client.id == "one"

id_lifetime := 90 if input.client.id == "one"

refresh_lifetime := 3600 if input.client.id == "one"

deny contains {"rule": "bank.vetoed", "error": "access_denied", "text": "vetoed"} if input.client.id == "two"
`)
	writeRule(t, rules, "scope.rego", "package signet.custom.scope\n\nwithhold contains \"payments\" if input.client.id == \"one\"\n")
	h := newHouseWith(t, "policy: {directory: "+rules+"}\ntoken_endpoint: {tell_refresh_lifetime: true}\n", nil)
	h.user("alice")
	h.register("one", nil)
	h.register("two", nil)
	h.register("three", nil)
	r := h.tokensOf("one", "openid accounts payments offline_access")
	access, id := claimsOf(t, r.text("access_token")), claimsOf(t, r.text("id_token"))
	if access["tier"] != "gold" || id["greeting"] != "hello" || access["greeting"] != nil || id["tier"] != nil {
		t.Errorf("%v %v", access, id)
	}
	if lifetime(t, r.text("access_token")) != 60 || lifetime(t, r.text("id_token")) != 90 || r.JSON["refresh_token_expires_in"] != 3600.0 || r.text("scope") != "openid accounts offline_access" {
		t.Error(r.Body)
	}
	h.denied("access_denied", ownToken, basic("two"))
	if other := h.granted(ownToken, basic("three")); claimsOf(t, other.text("access_token"))["tier"] != nil || lifetime(t, other.text("access_token")) != 300 {
		t.Error(other.Body)
	}
}

func TestReference_J13_TokenEndpointIsConfigured(t *testing.T) {
	h := newHouseWith(t, "endpoints: {token: /jans-auth/restv1/token}\n", nil)
	h.register("app", nil)
	at := h.issuer + "/jans-auth/restv1/token"
	if h.metadata()["token_endpoint"] != at {
		t.Error(h.metadata()["token_endpoint"])
	}
	if r := h.post(h.http(nil), at, form(ownToken...), basic("app")); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestReference_J14_MethodsAreAdvertised(t *testing.T) {
	h := newHouse(t, nil)
	for _, method := range []string{"none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"} {
		if !listed(h.metadata(), "token_endpoint_auth_methods_supported", method) {
			t.Errorf("%s is missing", method)
		}
	}
	h.register("basic", nil)
	fapi := h.twin(func(c *provider.Config) { c.Profile = oauth.ProfileFAPI2Security }, nil)
	if listed(fapi.metadata(), "token_endpoint_auth_methods_supported", "client_secret_basic") {
		t.Error("a FAPI profile has no secrets")
	}
	fapi.denied("invalid_client", ownToken, basic("basic"))
}

func TestReference_J15_AssertionAlgorithms(t *testing.T) {
	h := newHouse(t, nil)
	ring := newKeyRing(t)
	h.register("any", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, ring.jwks })
	h.register("ps256", func(c *oauth.Client) {
		c.AuthMethod, c.JWKS, c.AuthSigningAlg = oauth.AuthPrivateKeyJWT, ring.jwks, "PS256"
	})
	proven := func(alg, client string) []string {
		assertion := ring.sign(t, alg, map[string]any{"kid": alg}, h.claimsFor(client, nil))
		return append([]string{"client_assertion_type", jwtBearer, "client_assertion", assertion}, ownToken...)
	}
	for _, alg := range []string{"ES256", "PS256", "EdDSA", "RS256"} {
		h.granted(proven(alg, "any"))
		if !listed(h.metadata(), "token_endpoint_auth_signing_alg_values_supported", alg) {
			t.Errorf("%s is not advertised", alg)
		}
	}
	h.granted(proven("PS256", "ps256"))
	h.denied("invalid_client", proven("ES256", "ps256"))
}

// lifetimesHouse has its own lifetimes, a client with shorter ones, and a policy with an opinion about another.
func lifetimesHouse(t *testing.T) *house {
	rules := t.TempDir()
	writeRule(t, rules, "token.rego", `package signet.custom.token

access_lifetime := 30 if input.client.id == "bypolicy"

id_lifetime := 31 if input.client.id == "bypolicy"

refresh_lifetime := 32 if input.client.id == "bypolicy"
`)
	h := newHouseWith(t, `
lifetimes: {access_token: 10m, id_token: 20m, refresh_token: 30h}
token_endpoint: {tell_refresh_lifetime: true}
policy: {directory: `+rules+"}\n", nil)
	h.user("alice")
	h.register("plain", nil)
	h.register("short", func(c *oauth.Client) { c.AccessTokenLifetime, c.IDTokenLifetime, c.RefreshTokenLifetime = 60, 70, 80 })
	h.register("bypolicy", func(c *oauth.Client) { c.AccessTokenLifetime, c.IDTokenLifetime, c.RefreshTokenLifetime = 60, 70, 80 })
	return h
}

func TestReference_J16_AccessTokenLifetime(t *testing.T) {
	h := lifetimesHouse(t)
	for client, want := range map[string]int{"plain": 600, "short": 60, "bypolicy": 30} {
		r := h.granted(ownToken, basic(client))
		if got := lifetime(t, r.text("access_token")); got != want || r.JSON["expires_in"] != float64(want) {
			t.Errorf("%s: %d %s", client, got, r.Body)
		}
	}
}

func TestReference_J24_IDTokenLifetimeAndAlgorithm(t *testing.T) {
	h := lifetimesHouse(t)
	h.register("eddsa", func(c *oauth.Client) { c.IDTokenAlg = "EdDSA" })
	for client, want := range map[string]int{"plain": 1200, "short": 70, "bypolicy": 31} {
		if got := lifetime(t, h.tokensOf(client, "openid").text("id_token")); got != want {
			t.Errorf("%s: %d", client, got)
		}
	}
	if header := headerOf(t, h.tokensOf("eddsa", "openid").text("id_token")); header["alg"] != "EdDSA" {
		t.Error(header)
	}
	for _, alg := range []string{"ES256", "EdDSA"} {
		if !listed(h.metadata(), "id_token_signing_alg_values_supported", alg) {
			t.Errorf("%s is not advertised", alg)
		}
	}
}

func TestReference_J30_RefreshTokenLifetime(t *testing.T) {
	h := lifetimesHouse(t)
	for client, want := range map[string]float64{"plain": 108000, "short": 80, "bypolicy": 32} {
		r := h.tokensOf(client, "accounts")
		if r.JSON["refresh_token_expires_in"] != want {
			t.Errorf("%s: %s", client, r.Body)
		}
	}
	token := h.tokensOf("bypolicy", "accounts").text("refresh_token")
	h.advance(32 * time.Second)
	if r := h.refresh("bypolicy", token); r.text("error") != "invalid_grant" {
		t.Errorf("after its end: %d %s", r.Status, r.Body)
	}
}

func TestReference_J17_UserPresenceOnRefresh(t *testing.T) {
	for extra, usable := range map[string]bool{"": false, "refresh_tokens: {check_user: false}\n": true} {
		h := newHouseWith(t, extra, nil)
		user := h.user("alice")
		h.register("app", nil)
		token := h.tokensOf("app", "accounts").text("refresh_token")
		user.Disabled = true
		must(t, h.store.Commit(t.Context(), oauth.StoreUser{User: user}))
		r := h.refresh("app", token)
		if (r.Status == http.StatusOK) != usable || !usable && r.text("error") != "invalid_grant" {
			t.Errorf("%q: %d %s", extra, r.Status, r.Body)
		}
	}
}

func TestReference_J18_DefaultAlgorithm(t *testing.T) {
	h := newHouse(t, func(c *provider.Config) {
		c.Keys.Algorithms = []string{"EdDSA", "ES256"}
		c.Resources[0].SigningAlg = "EdDSA"
	})
	h.user("alice")
	h.register("app", nil)
	r := h.tokensOf("app", "openid accounts")
	if headerOf(t, r.text("access_token"))["alg"] != "EdDSA" || headerOf(t, r.text("id_token"))["alg"] != "EdDSA" {
		t.Errorf("%v %v", headerOf(t, r.text("access_token")), headerOf(t, r.text("id_token")))
	}
}

func TestReference_J21_AccessTokenAlgorithmOfTheClient(t *testing.T) {
	h := newHouse(t, nil)
	h.register("app", nil)
	h.register("eddsa", func(c *oauth.Client) { c.AccessTokenAlg = "EdDSA" })
	for client, want := range map[string]string{"app": "ES256", "eddsa": "EdDSA"} {
		if alg := headerOf(t, h.granted(ownToken, basic(client)).text("access_token"))["alg"]; alg != want {
			t.Errorf("%s: %v", client, alg)
		}
	}
}

func TestReference_J19_OfflineAccessForRefreshTokens(t *testing.T) {
	yes, no := true, false
	for extra, byDefault := range map[string]bool{"": true, "refresh_tokens: {require_offline_access: true}\n": false} {
		h := newHouseWith(t, extra, nil)
		h.user("alice")
		h.register("app", nil)
		h.register("strict", func(c *oauth.Client) { c.RequireOfflineAccess = &yes })
		h.register("lax", func(c *oauth.Client) { c.RequireOfflineAccess = &no })
		for client, want := range map[string]bool{"app": byDefault, "strict": false, "lax": true} {
			if r := h.tokensOf(client, "accounts"); (r.text("refresh_token") != "") != want {
				t.Errorf("%q, %s without offline_access: %s", extra, client, r.Body)
			}
			if r := h.tokensOf(client, "accounts offline_access"); r.text("refresh_token") == "" {
				t.Errorf("%q, %s with offline_access: %s", extra, client, r.Body)
			}
		}
	}
}

func TestReference_J20_GrantTypesOfTheServer(t *testing.T) {
	h := newHouseWith(t, "token_endpoint: {grant_types: [authorization_code, refresh_token]}\n", nil)
	c := h.register("app", func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken} })
	c.GrantTypes = append(c.GrantTypes, oauth.GrantClientCredentials) // from before
	must(t, h.store.Commit(t.Context(), oauth.StoreClient{Client: *c}))
	h.denied("unsupported_grant_type", ownToken, basic("app"))
	if listed(h.metadata(), "grant_types_supported", "client_credentials") || !listed(h.metadata(), "grant_types_supported", "refresh_token") {
		t.Error(h.metadata()["grant_types_supported"])
	}
}

func TestReference_J33_ResponseTypesOfTheServer(t *testing.T) {
	h := newHouseWith(t, "authorization: {response_types: [code]}\n", nil)
	h.user("alice")
	c := h.register("app", nil)
	c.GrantTypes, c.ResponseTypes = append(c.GrantTypes, oauth.GrantImplicit), []string{"code", "code id_token"} // from before
	must(t, h.store.Commit(t.Context(), oauth.StoreClient{Client: *c}))
	if diff := cmp.Diff([]any{"code"}, h.metadata()["response_types_supported"]); diff != "" {
		t.Error(diff)
	}
	f := newFlow("app", "openid", "response_type", "code id_token")
	person := h.browser()
	if person.open(h.issuer + "/authorize?" + f.query); !strings.Contains(person.at.Fragment, "error=unsupported_response_type") {
		t.Errorf("%v", person.at)
	}
}

func TestReference_J26_EveryEndpointAtTheMTLSDoor(t *testing.T) {
	h := newHouseWith(t, everyGrant+"registration: {enabled: true, open: true, scopes: [openid], resources: [\"https://api.bank.example\"]}\n", nil)
	document := h.metadata()
	aliases, _ := document["mtls_endpoint_aliases"].(map[string]any)
	for _, name := range []string{
		"token_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint",
		"backchannel_authentication_endpoint", "device_authorization_endpoint", "registration_endpoint",
	} {
		at, _ := aliases[name].(string)
		if !strings.HasPrefix(at, h.mtls+"/") || document[name] == at {
			t.Errorf("%s: %q", name, at)
			continue
		}
		if r := h.post(h.http(h.leaf(certs.Request{})), at, form("x", "y")); r.Status == http.StatusNotFound || r.Status >= 500 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
}

func TestReference_J31_RotationExtendsTheLifetime(t *testing.T) {
	for extra, alive := range map[string]bool{"": false, "refresh_tokens: {extend_on_rotation: true}\n": true} {
		h := newHouseWith(t, extra, func(c *provider.Config) { c.Lifetimes.RefreshToken = time.Hour })
		h.user("alice")
		h.register("app", nil)
		token := h.tokensOf("app", "accounts").text("refresh_token")
		h.advance(45 * time.Minute)
		next := h.refresh("app", token)
		h.advance(45 * time.Minute)
		if r := h.refresh("app", next.text("refresh_token")); (r.Status == http.StatusOK) != alive {
			t.Errorf("%q: %d %s", extra, r.Status, r.Body)
		}
	}
}

func TestReference_J32_RefreshTokensThatStay(t *testing.T) {
	h := newHouseWith(t, "refresh_tokens: {rotate: false}\n", nil)
	yes := true
	h.user("alice")
	h.register("app", nil)
	h.register("rotating", func(c *oauth.Client) { c.RotateRefreshTokens = &yes })
	token := h.tokensOf("app", "accounts").text("refresh_token")
	for range 2 {
		if r := h.refresh("app", token); r.Status != http.StatusOK || r.text("refresh_token") != "" {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	if r := h.refresh("rotating", h.tokensOf("rotating", "accounts").text("refresh_token")); r.text("refresh_token") == "" {
		t.Errorf("its own choice: %s", r.Body)
	}
}
