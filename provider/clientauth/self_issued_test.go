package clientauth

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"signet/provider/assertion/saml"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// redeemer is a client that redeems assertions of its own.
func redeemer(t testing.TB) *oauth.Client {
	c := app(t)
	c.GrantTypes = []string{oauth.GrantJWTBearer, oauth.GrantSAML2Bearer}
	return c
}

func redeemed(grantType, raw string) attempt {
	return attempt{params: url.Values{"grant_type": {grantType}, "assertion": {raw}}}
}

func selfIssuing(d *Deps) { d.SelfIssuedAt = endpoints }

// TestSelfIssuedAuthenticates: an assertion that the client has issued itself, and redeems, says who calls; it is used up by
// the grant.
func TestSelfIssuedAuthenticates(t *testing.T) {
	b := newBank(t, selfIssuing, redeemer(t))
	for name, a := range map[string]attempt{
		"about itself":     redeemed(oauth.GrantJWTBearer, signed(t, "ES256", "es", "", claims(nil))),
		"about a user":     redeemed(oauth.GrantJWTBearer, signed(t, "PS256", "rsa", "JWT", claims(map[string]any{"sub": "u1"}))),
		"for the endpoint": redeemed(oauth.GrantJWTBearer, signed(t, "ES256", "es", "authorization-grant+jwt", claims(map[string]any{"aud": mtlsDoor}))),
	} {
		for _, id := range []string{"", "app"} {
			if id != "" {
				a.params.Set("client_id", id)
			}
			got, err := b.try(a)
			if err != nil || got.Client.ID != "app" || got.Method != oauth.AuthPrivateKeyJWT || len(got.Changes) != 0 {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
}

// otherKey signs with a key that is nobody's, under the client's kid.
func otherKey(t *testing.T) string {
	key, err := jose.NewPrivateKey("ES256", "es", generate()["other"])
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Sign("", payload(t, claims(nil)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestSelfIssuedRefused: it is as strict as a client assertion, and nothing else can be had by it.
func TestSelfIssuedRefused(t *testing.T) {
	good := func(changes map[string]any) string { return signed(t, "ES256", "es", "", claims(changes)) }
	jwt := func(raw string) attempt { return redeemed(oauth.GrantJWTBearer, raw) }
	at := func(d time.Duration) any { return now.Add(d).Unix() }
	set := func(a attempt, name, value string) attempt {
		a.params.Set(name, value)
		return a
	}
	for name, c := range map[string]struct {
		deps   func(*Deps)
		client func(*oauth.Client)
		try    attempt
		code   oauth.Code
	}{
		"not allowed here":        {func(*Deps) {}, nil, jwt(good(nil)), oauth.InvalidClient},
		"at another endpoint":     {func(d *Deps) { d.SelfIssuedAt = []string{issuer + "/elsewhere"} }, nil, jwt(good(nil)), oauth.InvalidClient},
		"another grant":           {selfIssuing, nil, redeemed(oauth.GrantClientCredentials, good(nil)), oauth.InvalidClient},
		"no grant":                {selfIssuing, nil, redeemed("", good(nil)), oauth.InvalidClient},
		"token exchange":          {selfIssuing, nil, redeemed(oauth.GrantTokenExchange, good(nil)), oauth.InvalidClient},
		"grant not registered":    {selfIssuing, func(c *oauth.Client) { c.GrantTypes = nil }, jwt(good(nil)), oauth.InvalidClient},
		"a client with secrets":   {selfIssuing, func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretBasic }, jwt(good(nil)), oauth.InvalidClient},
		"a client with HMAC":      {selfIssuing, func(c *oauth.Client) { c.AuthMethod = oauth.AuthSecretJWT }, jwt(good(nil)), oauth.InvalidClient},
		"a client with TLS":       {selfIssuing, func(c *oauth.Client) { c.AuthMethod = oauth.AuthSelfSignedTLS }, jwt(good(nil)), oauth.InvalidClient},
		"a disabled client":       {selfIssuing, func(c *oauth.Client) { c.Disabled = true }, jwt(good(nil)), oauth.InvalidClient},
		"another client":          {selfIssuing, nil, jwt(good(map[string]any{"iss": "other"})), oauth.InvalidClient},
		"another client_id":       {selfIssuing, nil, set(jwt(good(nil)), "client_id", "other"), oauth.InvalidClient},
		"another's as client_id":  {selfIssuing, nil, set(jwt(good(map[string]any{"iss": "other"})), "client_id", "app"), oauth.InvalidClient},
		"a secret beside":         {selfIssuing, nil, set(jwt(good(nil)), "client_secret", strong), oauth.InvalidClient},
		"another key":             {selfIssuing, nil, jwt(otherKey(t)), oauth.InvalidClient},
		"unsigned":                {selfIssuing, nil, jwt(forge(`{"alg":"none"}`, payload(t, claims(nil)), func(string) []byte { return nil })), oauth.InvalidClient},
		"HS256 by the public key": {selfIssuing, nil, jwt(forge(`{"alg":"HS256","kid":"es"}`, payload(t, claims(nil)), hs256(jwks(t, map[string]string{"es": "ES256"})))), oauth.InvalidClient},
		"not its algorithm":       {selfIssuing, func(c *oauth.Client) { c.AuthSigningAlg = "PS256" }, jwt(good(nil)), oauth.InvalidClient},
		"a client assertion":      {selfIssuing, nil, jwt(signed(t, "ES256", "es", "client-authentication+jwt", claims(nil))), oauth.InvalidClient},
		"an access token":         {selfIssuing, nil, jwt(signed(t, "ES256", "es", "at+jwt", claims(nil))), oauth.InvalidClient},
		"a request object":        {selfIssuing, nil, jwt(good(map[string]any{"response_type": "code"})), oauth.InvalidClient},
		"no sub":                  {selfIssuing, nil, jwt(good(map[string]any{"sub": nil})), oauth.InvalidClient},
		"another audience":        {selfIssuing, nil, jwt(good(map[string]any{"aud": "https://other.example"})), oauth.InvalidClient},
		"FAPI, the endpoint":      {selfIssuing, func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI2Security }, jwt(good(map[string]any{"aud": endpoint})), oauth.InvalidClient},
		"expired":                 {selfIssuing, nil, jwt(good(map[string]any{"exp": at(-10 * time.Second)})), oauth.InvalidClient},
		"lives too long":          {selfIssuing, nil, jwt(good(map[string]any{"exp": at(2 * time.Hour)})), oauth.InvalidClient},
		"no jti":                  {selfIssuing, nil, jwt(good(map[string]any{"jti": nil})), oauth.InvalidClient},
		"nonsense":                {selfIssuing, nil, jwt("nonsense"), oauth.InvalidClient},
		"no assertion":            {selfIssuing, nil, jwt(""), oauth.InvalidClient},
		"SAML for a JWT":          {selfIssuing, nil, redeemed(oauth.GrantSAML2Bearer, good(nil)), oauth.InvalidClient},
	} {
		t.Run(name, func(t *testing.T) {
			client := redeemer(t)
			if c.client != nil {
				c.client(client)
			}
			newBank(t, c.deps, client).refused(t, c.try, c.code)
		})
	}
	// Whose method is another must not be let in by it, but goes on by its own.
	client := redeemer(t)
	client.AuthMethod, client.SecretHash = oauth.AuthSecretBasic, hashed(t, strong)
	a := jwt(good(nil))
	a.basic = basic("app", strong)
	if got, err := newBank(t, selfIssuing, client).try(a); err != nil || got.Method != oauth.AuthSecretBasic {
		t.Errorf("%+v, %v", got, err)
	}
	// And whoever redeems another's says by its own proof who it is.
	client = redeemer(t)
	a = jwt(good(map[string]any{"iss": "https://sts.example"}))
	a.params.Set("client_assertion", good(nil))
	a.params.Set("client_assertion_type", oauth.AssertionTypeJWT)
	if got, err := newBank(t, selfIssuing, client).try(a); err != nil || len(got.Changes) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// ownCertificates are of the client's RSA key, and of one that the client does not have.
var ownCertificates = sync.OnceValue(func() map[string]*x509.Certificate {
	made := map[string]*x509.Certificate{}
	stranger, err := jose.Generate("RS256", 2048, rand.Reader)
	if err != nil {
		panic(err)
	}
	generate()["stranger"] = stranger
	for _, name := range []string{"PS256", "stranger"} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		}
		key := generate()[name]
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			panic(err)
		}
		if made[name], err = x509.ParseCertificate(der); err != nil {
			panic(err)
		}
	}
	return made
})

// withCertificate is a JWK set of one key with its certificate.
func withCertificate(t testing.TB, name string, members map[string]any) json.RawMessage {
	t.Helper()
	cert := ownCertificates()[name]
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: "rsa", Public: cert.PublicKey}})
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	set.Keys[0]["x5c"] = []string{base64.StdEncoding.EncodeToString(cert.Raw)}
	for member, value := range members {
		set.Keys[0][member] = value
	}
	return payload(t, set)
}

func samlBy(t testing.TB, name string, pairs ...string) string {
	t.Helper()
	const text = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2026-03-04T05:06:00Z">` +
		`<saml:Issuer>app</saml:Issuer><saml:Subject><saml:NameID>app</saml:NameID>` +
		`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-03-04T05:10:00Z" ` +
		`Recipient="https://localhost:9443/token"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions>` +
		`<saml:AudienceRestriction><saml:Audience>https://localhost:9443</saml:Audience></saml:AudienceRestriction></saml:Conditions></saml:Assertion>`
	doc := etree.NewDocument()
	if err := doc.ReadFromString(strings.NewReplacer(pairs...).Replace(text)); err != nil {
		t.Fatal(err)
	}
	cert := ownCertificates()[name]
	ctx, err := dsig.NewSigningContext(generate()[name], [][]byte{cert.Raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	root, err := ctx.SignEnveloped(doc.Root())
	if err != nil {
		t.Fatal(err)
	}
	doc.SetRoot(root)
	raw, err := doc.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// TestSelfIssuedSAML is the same with a SAML assertion, by the certificate that the client's JWKS has.
func TestSelfIssuedSAML(t *testing.T) {
	for name, c := range map[string]struct {
		client func(*oauth.Client)
		raw    string
		ok     bool
	}{
		"good":                 {nil, samlBy(t, "PS256"), true},
		"about a user":         {nil, samlBy(t, "PS256", "<saml:NameID>app", "<saml:NameID>u1"), true},
		"of its algorithm":     {func(c *oauth.Client) { c.AuthSigningAlg = "RS256" }, samlBy(t, "PS256"), true},
		"of another algorithm": {func(c *oauth.Client) { c.AuthSigningAlg = "PS256" }, samlBy(t, "PS256"), false},
		"FAPI":                 {func(c *oauth.Client) { c.Profile = oauth.ProfileFAPI2Security }, samlBy(t, "PS256"), false}, // RS256 is not for it
		"another's":            {nil, samlBy(t, "stranger"), false},
		"another issuer":       {nil, samlBy(t, "PS256", "<saml:Issuer>app", "<saml:Issuer>other"), false},
		"another audience":     {nil, samlBy(t, "PS256", "<saml:Audience>https://localhost:9443", "<saml:Audience>https://other.example"), false},
		"another recipient":    {nil, samlBy(t, "PS256", "https://localhost:9443/token", "https://other.example/token"), false},
		"expired":              {nil, samlBy(t, "PS256", "05:10:00", "05:05:57"), false},
		"a key to encrypt to":  {func(c *oauth.Client) { c.JWKS = withCertificate(t, "PS256", map[string]any{"use": "enc"}) }, samlBy(t, "PS256"), false},
		"a key for another":    {func(c *oauth.Client) { c.JWKS = withCertificate(t, "PS256", map[string]any{"alg": "PS256"}) }, samlBy(t, "PS256"), false},
		"no certificate":       {func(c *oauth.Client) { c.JWKS = jwks(t, map[string]string{"rsa": "PS256"}) }, samlBy(t, "PS256"), false},
		"no keys":              {func(c *oauth.Client) { c.JWKS = nil }, samlBy(t, "PS256"), false},
		"grant not registered": {func(c *oauth.Client) { c.GrantTypes = []string{oauth.GrantJWTBearer} }, samlBy(t, "PS256"), false},
	} {
		t.Run(name, func(t *testing.T) {
			client := redeemer(t)
			client.JWKS = withCertificate(t, "PS256", nil)
			if c.client != nil {
				c.client(client)
			}
			b := newBank(t, selfIssuing, client)
			try := redeemed(oauth.GrantSAML2Bearer, c.raw)
			if !c.ok {
				b.refused(t, try, oauth.InvalidClient)
				return
			}
			if got, err := b.try(try); err != nil || got.Client.ID != "app" || len(got.Changes) != 0 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestVerifySAML reads the client's jwks_uri again for a certificate that is not there yet.
func TestVerifySAML(t *testing.T) {
	client := redeemer(t)
	client.JWKS, client.JWKSURI = nil, "https://app.example/jwks"
	raw, err := base64.RawURLEncoding.DecodeString(samlBy(t, "PS256"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := saml.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cached, fresh json.RawMessage
		refreshed     int
		signature     bool // the client's fault
		ok            bool
	}{
		"cached":         {withCertificate(t, "PS256", nil), nil, 0, false, true},
		"new":            {withCertificate(t, "stranger", nil), withCertificate(t, "PS256", nil), 1, false, true},
		"another's":      {withCertificate(t, "stranger", nil), withCertificate(t, "stranger", nil), 1, true, false},
		"down":           {nil, nil, 0, false, false},
		"down meanwhile": {withCertificate(t, "stranger", nil), nil, 1, false, false},
	} {
		b := newBank(t, nil, client)
		b.pages.cached, b.pages.fresh = c.cached, c.fresh
		got, err := b.VerifySAML(t.Context(), client, document, []string{"RS256"}, now)
		if (err == nil) != c.ok || errors.Is(err, ErrSignature) != c.signature || (got.Subject == "app") != c.ok || b.pages.refreshed != c.refreshed {
			t.Errorf("%s: %+v, %v, read again %d times", name, got, err, b.pages.refreshed)
		}
	}
}
