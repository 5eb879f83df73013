package provider_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"signet/provider"
	"signet/provider/oauth"
)

const sts = "https://sts.bank.example"

// tokenService is somebody else who logs users in.
type tokenService struct {
	keyRing
	saml        *rsa.PrivateKey
	certificate *x509.Certificate
}

func newTokenService(t *testing.T) *tokenService {
	t.Helper()
	s := &tokenService{keyRing: newKeyRing(t)}
	var err error
	s.saml, err = rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sts"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, s.saml.Public(), s.saml)
	must(t, err)
	s.certificate, err = x509.ParseCertificate(raw)
	must(t, err)
	return s
}

// believed is the configuration that believes it; every grant is on.
func (s *tokenService) believed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeRule(t, dir, "sts.jwks", string(s.jwks))
	writeRule(t, dir, "sts.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate.Raw})))
	return everyGrant + `
assertion_issuers:
  - {issuer: "` + sts + `", jwks: "` + dir + `/sts.jwks", certificates: ["` + dir + `/sts.pem"], subject: username, scope: [openid, accounts]}
`
}

// jwt is a good assertion about alice; alter changes some claims.
func (s *tokenService) jwt(t *testing.T, h *house, alter map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": sts, "sub": "alice"}
	for name, value := range alter {
		claims[name] = value
	}
	return s.sign(t, "ES256", map[string]any{"kid": "ES256", "typ": "JWT"}, h.claimsFor(sts, claims))
}

// assertion is a good SAML 2.0 assertion about alice, in base64url.
func (s *tokenService) assertion(t *testing.T, h *house, audience string) string {
	t.Helper()
	now := h.now().UTC()
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	doc := etree.NewDocument()
	must(t, doc.ReadFromString(strings.NewReplacer("ISSUER", sts, "AUDIENCE", audience, "RECIPIENT", h.issuer+"/token", "NOW", at(0), "UNTIL", at(time.Minute), "ID_", "_"+rand.Text()).Replace(
		`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="ID_" Version="2.0" IssueInstant="NOW"><saml:Issuer>ISSUER</saml:Issuer>`+
			`<saml:Subject><saml:NameID>alice</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`+
			`<saml:SubjectConfirmationData NotOnOrAfter="UNTIL" Recipient="RECIPIENT"/></saml:SubjectConfirmation></saml:Subject>`+
			`<saml:Conditions NotBefore="NOW" NotOnOrAfter="UNTIL"><saml:AudienceRestriction><saml:Audience>AUDIENCE</saml:Audience></saml:AudienceRestriction></saml:Conditions>`+
			`<saml:AuthnStatement AuthnInstant="NOW"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`+
			`</saml:Assertion>`)))
	ctx, err := dsig.NewSigningContext(s.saml, [][]byte{s.certificate.Raw})
	must(t, err)
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signed, err := ctx.SignEnveloped(doc.Root())
	must(t, err)
	out := etree.NewDocument()
	out.SetRoot(signed)
	var text bytes.Buffer
	_, err = out.WriteTo(&text)
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(text.Bytes())
}

// withGrants registers a client with further grants.
func (h *house) withGrants(id string, change func(*oauth.Client), grants ...string) *oauth.Client {
	h.t.Helper()
	return h.register(id, func(c *oauth.Client) {
		c.GrantTypes = append(c.GrantTypes, grants...)
		if change != nil {
			change(c)
		}
	})
}

func exchanging(subject string, kind oauth.TokenType, more ...string) []string {
	return append([]string{"grant_type", oauth.GrantTokenExchange, "subject_token", subject, "subject_token_type", string(kind)}, more...)
}

func TestReference_J10_JWTBearer(t *testing.T) {
	service := newTokenService(t)
	h := newHouseWith(t, service.believed(t), nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantJWTBearer)
	bearer := func(assertion string, more ...string) []string {
		return append([]string{"grant_type", oauth.GrantJWTBearer, "assertion", assertion}, more...)
	}
	good := service.jwt(t, h, nil)
	claims := claimsOf(t, h.granted(bearer(good, "scope", "accounts"), basic("app")).text("access_token"))
	if claims["sub"] != "sub-alice" || claims["scope"] != "accounts" || claims["client_id"] != "app" {
		t.Error(claims)
	}
	h.denied("invalid_grant", bearer(good), basic("app"))
	for name, alter := range map[string]map[string]any{
		"another audience": {"aud": "https://elsewhere.example"}, "nobody": {"sub": "nobody"}, "expired": {"exp": -time.Minute},
		"another issuer": {"iss": "https://evil.example"}, "no end": {"exp": nil}, "good for too long": {"exp": 24 * time.Hour},
	} {
		if r := h.ask(bearer(service.jwt(t, h, alter)), basic("app")); r.Status != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	h.denied("invalid_scope", bearer(service.jwt(t, h, nil), "scope", "payments"), basic("app"))
}

func TestReference_J11_TokenExchange(t *testing.T) {
	h := newHouseWith(t, "token_exchange: {enabled: true}\n", nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantTokenExchange)
	h.withGrants("other", nil, oauth.GrantTokenExchange)
	h.withGrants("api", func(c *oauth.Client) { c.Introspects = []string{apiJWT} }, oauth.GrantTokenExchange)
	first := h.tokensOf("app", "openid accounts offline_access")
	id := first.text("id_token")
	for requested, want := range map[oauth.TokenType]string{
		oauth.TokenTypeAccess: "Bearer", oauth.TokenTypeJWT: "Bearer", oauth.TokenTypeID: "N_A", oauth.TokenTypeRefresh: "N_A",
	} {
		r := h.granted(exchanging(id, oauth.TokenTypeID, "requested_token_type", string(requested)), basic("app"))
		if r.text("issued_token_type") != string(requested) || r.text("token_type") != want || r.text("access_token") == "" || r.text("refresh_token") != "" {
			t.Errorf("%s: %s", requested, r.Body)
		}
	}
	h.denied("invalid_request", exchanging(id, oauth.TokenTypeID), basic("other"))
	delegated := h.granted(exchanging(first.text("access_token"), oauth.TokenTypeAccess,
		"actor_token", h.granted(append(ownToken, "resource", apiJWT), basic("api")).text("access_token"), "actor_token_type", string(oauth.TokenTypeAccess),
		"scope", "accounts"), basic("api"))
	claims := claimsOf(t, delegated.text("access_token"))
	act, _ := claims["act"].(map[string]any)
	if claims["sub"] != "sub-alice" || claims["client_id"] != "api" || act["sub"] != "api" || claims["scope"] != "accounts" {
		t.Error(claims)
	}
	h.denied("invalid_scope", exchanging(first.text("access_token"), oauth.TokenTypeAccess, "scope", "payments"), basic("app"))
	h.post(h.http(nil), h.issuer+"/revoke", form("token", first.text("access_token")), basic("app"))
	if about := h.about("api", delegated.text("access_token")); about["active"] != false {
		t.Errorf("what was made of it outlives it: %v", about)
	}
}

func TestReference_T6_TokenExchangeOfResources(t *testing.T) {
	h := newHouseWith(t, "token_exchange: {enabled: true}\n", nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantTokenExchange)
	first := h.tokensOf("app", "accounts payments", "resource", apiJWT)
	for _, name := range []string{"resource", "audience"} {
		narrowed := h.granted(exchanging(first.text("access_token"), oauth.TokenTypeAccess, name, apiJWT, "scope", "payments"), basic("app"))
		if claims := claimsOf(t, narrowed.text("access_token")); claims["aud"] != apiJWT || claims["scope"] != "payments" {
			t.Errorf("%s: %v", name, claims)
		}
		h.denied("invalid_target", exchanging(first.text("access_token"), oauth.TokenTypeAccess, name, "https://elsewhere.example"), basic("app"))
	}
}

func TestReference_J35_TransactionTokens(t *testing.T) {
	h := newHouseWith(t, "token_exchange: {enabled: true}\ntransaction_tokens: {trust_domains: [{audience: \"https://inside.bank.example\", lifetime: 30s}]}\n", nil)
	h.user("alice")
	h.withGrants("gateway", func(c *oauth.Client) {
		c.Introspects, c.TrustDomains = []string{apiJWT}, []string{"https://inside.bank.example"}
	}, oauth.GrantTokenExchange)
	h.withGrants("stranger", func(c *oauth.Client) { c.Introspects = []string{apiJWT} }, oauth.GrantTokenExchange)
	h.register("app", nil)
	token := h.tokensOf("app", "openid accounts payments").text("access_token")
	txn := func(subject string, kind oauth.TokenType, scope string, more ...string) []string {
		return exchanging(subject, kind, append([]string{
			"requested_token_type", string(oauth.TokenTypeTxn), "audience", "https://inside.bank.example", "scope", scope,
		}, more...)...)
	}
	r := h.granted(txn(token, oauth.TokenTypeAccess, "payments", "request_context", `{"req_ip":"192.0.2.1"}`, "request_details", `{"amount":1}`), basic("gateway"))
	claims, header := claimsOf(t, r.text("access_token")), headerOf(t, r.text("access_token"))
	if r.text("token_type") != "N_A" || r.text("issued_token_type") != string(oauth.TokenTypeTxn) || r.text("refresh_token") != "" || header["typ"] != "txntoken+jwt" {
		t.Errorf("%v %s", header, r.Body)
	}
	rctx, _ := claims["rctx"].(map[string]any)
	if claims["txn"] == nil || claims["sub"] != "sub-alice" || claims["aud"] != "https://inside.bank.example" || claims["scope"] != "payments" ||
		claims["req_wl"] != "gateway" || rctx["req_ip"] != "192.0.2.1" || lifetime(t, r.text("access_token")) > 30 {
		t.Error(claims)
	}
	again := claimsOf(t, h.granted(txn(r.text("access_token"), oauth.TokenTypeTxn, "payments"), basic("gateway")).text("access_token"))
	for _, name := range []string{"txn", "sub", "aud"} {
		if again[name] != claims[name] {
			t.Errorf("a replacement changes %s: %v", name, again[name])
		}
	}
	h.denied("invalid_scope", txn(r.text("access_token"), oauth.TokenTypeTxn, "accounts"), basic("gateway"))
	h.denied("invalid_target", txn(token, oauth.TokenTypeAccess, "payments"), basic("stranger"))
	h.advance(time.Minute)
	if late := h.ask(txn(r.text("access_token"), oauth.TokenTypeTxn, "payments"), basic("gateway")); late.Status != http.StatusBadRequest {
		t.Errorf("from an expired one: %d %s", late.Status, late.Body)
	}
}

func TestReference_C1_EveryGrant(t *testing.T) {
	service := newTokenService(t)
	h := newHouseWith(t, service.believed(t), nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantPassword, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer)
	first := h.tokensOf("app", "openid accounts offline_access")
	for name, pairs := range map[string][]string{
		"password":           {"grant_type", "password", "username", "alice", "password", password, "scope", "accounts"},
		"client_credentials": ownToken,
		"refresh_token":      {"grant_type", "refresh_token", "refresh_token", first.text("refresh_token")},
		"jwt-bearer":         {"grant_type", oauth.GrantJWTBearer, "assertion", service.jwt(t, h, nil)},
		"saml2-bearer":       {"grant_type", oauth.GrantSAML2Bearer, "assertion", service.assertion(t, h, h.issuer)},
	} {
		if r := h.ask(pairs, basic("app")); r.Status != http.StatusOK || r.text("access_token") == "" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
}

func TestReference_C2_SelfIssuedAssertions(t *testing.T) {
	h := newHouseWith(t, everyGrant, nil)
	h.user("alice")
	ring := newKeyRing(t)
	self := func(trusted ...string) func(*oauth.Client) {
		return func(c *oauth.Client) {
			c.AuthMethod, c.JWKS, c.TrustedFor = oauth.AuthPrivateKeyJWT, ring.jwks, trusted
		}
	}
	h.withGrants("trusted", self(oauth.GrantJWTBearer), oauth.GrantJWTBearer)
	h.withGrants("other", self(), oauth.GrantJWTBearer)
	asserts := func(client, about string, alter map[string]any) []string {
		claims := h.claimsFor(client, map[string]any{"sub": about})
		for name, value := range alter {
			claims[name] = value
		}
		return []string{"grant_type", oauth.GrantJWTBearer, "assertion", ring.sign(t, "ES256", map[string]any{"kid": "ES256"}, claims), "scope", "accounts"}
	}
	// No client authentication besides: the assertion is that.
	if claims := claimsOf(t, h.granted(asserts("trusted", "sub-alice", nil)).text("access_token")); claims["sub"] != "sub-alice" || claims["client_id"] != "trusted" {
		t.Error(claims)
	}
	if claims := claimsOf(t, h.granted(asserts("other", "other", nil)).text("access_token")); claims["sub"] != "other" {
		t.Errorf("about itself: %v", claims)
	}
	if r := h.ask(asserts("other", "sub-alice", nil)); r.Status == http.StatusOK {
		t.Errorf("about a user, without being trusted: %s", r.Body)
	}
	if r := h.ask(asserts("trusted", "sub-alice", map[string]any{"aud": "https://elsewhere.example"})); r.Status == http.StatusOK {
		t.Errorf("for another audience: %s", r.Body)
	}
	used := asserts("trusted", "sub-alice", nil)
	h.granted(used)
	if r := h.ask(used); r.Status == http.StatusOK {
		t.Errorf("twice: %s", r.Body)
	}
}

func TestReference_C3_TokensFromAnAssertion(t *testing.T) {
	service := newTokenService(t)
	h := newHouseWith(t, service.believed(t), nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantJWTBearer)
	bearer := func(scope string) reply {
		return h.granted([]string{"grant_type", oauth.GrantJWTBearer, "assertion", service.jwt(t, h, nil), "scope", scope}, basic("app"))
	}
	if r := bearer("openid accounts"); r.text("id_token") == "" || claimsOf(t, r.text("id_token"))["sub"] != "sub-alice" || r.text("refresh_token") != "" {
		t.Error(r.Body)
	}
	if r := bearer("accounts"); r.text("id_token") != "" || r.text("access_token") == "" {
		t.Error(r.Body)
	}
}

func TestReference_C4_SAMLAssertions(t *testing.T) {
	service := newTokenService(t)
	h := newHouseWith(t, service.believed(t), nil)
	h.user("alice")
	h.withGrants("app", nil, oauth.GrantSAML2Bearer)
	bearer := func(assertion string) []string {
		return []string{"grant_type", oauth.GrantSAML2Bearer, "assertion", assertion, "scope", "openid accounts"}
	}
	good := service.assertion(t, h, h.issuer)
	r := h.granted(bearer(good), basic("app"))
	if claims := claimsOf(t, r.text("access_token")); claims["sub"] != "sub-alice" || r.text("id_token") == "" {
		t.Errorf("%v %s", claims, r.Body)
	}
	h.denied("invalid_grant", bearer(good), basic("app"))
	h.denied("invalid_grant", bearer(service.assertion(t, h, "https://elsewhere.example")), basic("app"))
	h.denied("invalid_grant", bearer(newTokenService(t).assertion(t, h, h.issuer)), basic("app"))
	h.denied("invalid_grant", bearer("not base64url"), basic("app"))
}

func TestReference_T7_ImplicitAndCustomGrants(t *testing.T) {
	rules := t.TempDir()
	writeRule(t, rules, "declared.rego", "package signet.custom.grant\n\ndeclared contains \"urn:bank:grant:branch\"\n")
	h := newHouseWith(t, `
authorization: {response_types: [code, "id_token token"]}
declared_grants: [{type: "urn:bank:grant:branch", parameters: [branch]}]
policy: {directory: `+rules+"}\n", nil)
	h.user("alice")
	h.withGrants("spa", func(c *oauth.Client) { c.ResponseTypes = []string{"code", "id_token token"} }, oauth.GrantImplicit)
	h.withGrants("branch", func(c *oauth.Client) { c.TrustedFor = []string{"urn:bank:grant:branch"} }, "urn:bank:grant:branch")
	person := h.browser()
	person.open(h.issuer + "/authorize?" + newFlow("spa", "openid accounts", "response_type", "id_token token").query)
	person.submit("login-form", "username", "alice", "password", password)
	person.submit("consent-form", approval(t, person.page.Body)...)
	fragment := form()
	for _, pair := range strings.Split(person.at.Fragment, "&") {
		name, value, _ := strings.Cut(pair, "=")
		fragment.Set(name, value)
	}
	if fragment.Get("access_token") == "" || fragment.Get("id_token") == "" || fragment.Get("token_type") != "Bearer" {
		t.Errorf("implicit: %v", fragment)
	}
	r := h.granted([]string{"grant_type", "urn:bank:grant:branch", "branch", "7", "scope", "accounts"}, basic("branch"))
	if claims := claimsOf(t, r.text("access_token")); claims["sub"] != "branch" {
		t.Error(claims)
	}
}

func TestReference_J22_Encryption(t *testing.T) {
	h := newHouse(t, nil)
	h.user("alice")
	ring := newKeyRing(t)
	key := strings.Replace(string(ring.jwks), `"alg":"RS256"`, `"alg":"RSA-OAEP-256","use":"enc"`, 1)
	h.register("app", func(c *oauth.Client) {
		c.JWKS = []byte(key)
		c.IDTokenEncAlg, c.IDTokenEncEnc = "RSA-OAEP-256", "A256GCM"
		c.UserinfoAlg, c.UserinfoEncAlg, c.UserinfoEncEnc = "ES256", "RSA-OAEP-256", "A256GCM"
		c.IntrospectionEncAlg, c.IntrospectionEncEnc = "RSA-OAEP-256", "A256GCM"
		c.ResponseEncAlg, c.ResponseEncEnc = "RSA-OAEP-256", "A256GCM"
	})
	encrypted := func(name, compact string) {
		t.Helper()
		if header := headerOf(t, compact); strings.Count(compact, ".") != 4 || header["alg"] != "RSA-OAEP-256" || header["enc"] != "A256GCM" {
			t.Errorf("%s: %v", name, header)
		}
	}
	r := h.tokensOf("app", "openid accounts")
	encrypted("ID token", r.text("id_token"))
	encrypted("userinfo", h.get(h.http(nil), h.issuer+"/userinfo", bearer(r.text("access_token"))).Body)
	signed := h.post(h.http(nil), h.issuer+"/introspect", form("token", r.text("access_token")), basic("app"), func(r *http.Request) {
		r.Header.Set("Accept", "application/token-introspection+jwt")
	})
	encrypted("introspection", signed.Body)
	answer := h.browser().login(newFlow("app", "openid accounts", "response_mode", "jwt"))
	encrypted("authorization response", answer.Get("response"))
	for _, name := range []string{"id_token", "userinfo", "introspection", "authorization"} {
		if !listed(h.metadata(), name+"_encryption_alg_values_supported", "RSA-OAEP-256") || !listed(h.metadata(), name+"_encryption_enc_values_supported", "A256GCM") {
			t.Errorf("%s is not advertised", name)
		}
	}
}

func claimsHouse(t *testing.T, claims string) *house {
	h := newHouseWith(t, "id_tokens: {claims: "+claims+"}\n", nil)
	h.user("alice")
	h.register("app", nil)
	return h
}

func TestReference_J23_ClaimsFollowTheAccessToken(t *testing.T) {
	const asks = `{"id_token":{"email":null,"name":null}}`
	both := claimsOf(t, claimsHouse(t, "requested").tokensOf("app", "openid email", "claims", asks).text("id_token"))
	filtered := claimsOf(t, claimsHouse(t, "granted").tokensOf("app", "openid email", "claims", asks).text("id_token"))
	if both["email"] == nil || both["name"] == nil || filtered["email"] == nil || filtered["name"] != nil {
		t.Errorf("%v %v", both, filtered)
	}
}

func TestReference_J25_LegacyClaims(t *testing.T) {
	plain := claimsOf(t, claimsHouse(t, "requested").tokensOf("app", "openid email").text("id_token"))
	legacy := claimsOf(t, claimsHouse(t, "scope").tokensOf("app", "openid email").text("id_token"))
	if plain["email"] != nil || legacy["email"] != "alice@example.com" {
		t.Errorf("%v %v", plain, legacy)
	}
}

func TestReference_J27_OpenIDScopeIsOptional(t *testing.T) {
	for extra, want := range map[string]bool{"": false, "authorization: {openid_optional: true}\n": true} {
		h := newHouseWith(t, extra, nil)
		h.user("alice")
		h.register("app", nil)
		r := h.tokensOf("app", "accounts")
		info := h.get(h.http(nil), h.issuer+"/userinfo", bearer(r.text("access_token")))
		if (r.text("id_token") != "") != want || (info.Status == http.StatusOK) != want {
			t.Errorf("%q: %s, userinfo %d", extra, r.Body, info.Status)
		}
	}
}

func TestReference_J28_ID_tokens_persist(t *testing.T) {
	for extra, want := range map[string]bool{"": false, "id_tokens: {persist: true}\n": true} {
		h := newHouseWith(t, extra, nil)
		h.user("alice")
		h.register("app", nil)
		id := h.tokensOf("app", "openid").text("id_token")
		digest := oauth.Secret(id).Digest()
		entries := strings.Join(h.twin(nil, nil).state(t)["audit"], "\n")
		if strings.Contains(entries, digest.String()) != want || strings.Contains(entries, id) {
			t.Errorf("%q: %s", extra, entries)
		}
	}
}

func TestReference_J29_RefreshTokensThatAreNotKept(t *testing.T) {
	h := newHouseWith(t, "refresh_tokens: {persist: false, rotate: false}\n", nil)
	h.user("alice")
	h.register("app", nil)
	token := h.tokensOf("app", "accounts").text("refresh_token")
	if kept := h.twin(nil, nil).state(t)["refresh_tokens"]; len(kept) != 0 || len(token) <= 43 {
		t.Errorf("kept: %v", kept)
	}
	if r := h.refresh("app", token); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if h.about("app", token)["active"] != true {
		t.Error("introspection does not know it")
	}
	h.post(h.http(nil), h.issuer+"/revoke", form("token", token), basic("app"))
	if r := h.refresh("app", token); r.text("error") != "invalid_grant" {
		t.Errorf("after its end: %d %s", r.Status, r.Body)
	}
}

func TestReference_J34_FurtherOptions(t *testing.T) {
	h := newHouseWith(t, `
token_endpoint: {tell_refresh_lifetime: true}
authorization: {require_par: true}
logout: {revoke_refresh_tokens: true}
dpop: {require_nonce: true, proof_lifetime: 30s, proof_leeway: 5s}
`, func(c *provider.Config) { c.Keys.ArchiveFor = 24 * time.Hour })
	h.user("alice")
	h.register("app", func(c *oauth.Client) { c.PostLogoutRedirectURIs = []string{callback} })
	f := newFlow("app", "openid accounts offline_access")
	if answer := h.browser().open(h.issuer + "/authorize?" + f.query); answer.Get("error") != "invalid_request" {
		t.Errorf("not pushed: %v", answer)
	}
	if h.metadata()["require_pushed_authorization_requests"] != true {
		t.Error("require_par is not advertised")
	}
	pushed := newFlow("app", "accounts")
	values, person := form(), h.browser()
	for _, pair := range strings.Split(pushed.query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		text, err := url.QueryUnescape(value)
		must(t, err)
		values.Set(name, text)
	}
	par := h.post(h.http(nil), h.issuer+"/par", values, basic("app"))
	person.open(h.issuer + "/authorize?" + form("client_id", "app", "request_uri", par.text("request_uri")).Encode())
	person.submit("login-form", "username", "alice", "password", password)
	answer := person.submit("consent-form", approval(t, person.page.Body)...)
	r := h.post(h.http(nil), h.issuer+"/token", pushed.redeem(answer.Get("code")), basic("app"))
	if r.JSON["refresh_token_expires_in"] != 2592000.0 {
		t.Error(r.Body)
	}
	person.open(h.issuer + "/end_session?" + form("client_id", "app").Encode())
	person.submit("logout-form", "decision", "approve")
	if after := h.refresh("app", r.text("refresh_token")); after.text("error") != "invalid_grant" {
		t.Errorf("after the logout: %d %s", after.Status, after.Body)
	}
	if archived := h.get(h.http(nil), h.issuer+"/jwks/archived"); archived.Status != http.StatusOK || archived.JSON["keys"] == nil {
		t.Errorf("%d %s", archived.Status, archived.Body)
	}
	key := newDPoPKey(t, "ES256")
	early := h.post(h.http(nil), h.issuer+"/token", form(ownToken...), basic("app"), func(req *http.Request) {
		req.Header.Set("DPoP", key.proof(h, http.MethodPost, h.issuer+"/token"))
	})
	if early.text("error") != "use_dpop_nonce" || early.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("%d %s", early.Status, early.Body)
	}
}
