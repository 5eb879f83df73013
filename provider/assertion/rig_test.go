package assertion

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
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

var now = time.Date(2026, 3, 4, 5, 7, 0, 0, time.UTC)

const (
	server   = "https://as.example"
	endpoint = "https://as.example/token"
	mtlsDoor = "https://mtls.as.example/token"
	sts      = "https://sts.example"
)

// keys are made once: RSA keys take long.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	for name, alg := range map[string]string{"sts": "ES256", "client": "ES256", "evil": "ES256", "saml": "RS256", "evil saml": "RS256"} {
		key, err := jose.Generate(alg, 2048, rand.Reader)
		if err != nil {
			panic(err)
		}
		made[name] = key
	}
	return made
})

func certificate(name string) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	key := keys()[name]
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

func jwks(t testing.TB, names ...string) []byte {
	t.Helper()
	var list []jose.PublicKey
	for _, name := range names {
		list = append(list, jose.PublicKey{Kid: name, Public: keys()[name].Public()})
	}
	raw, err := jose.MarshalKeySet(list)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// users of the tests: alice (u1), bob (u2, disabled), carol (u3, whose password is from 05:05:00).
type users struct{ err error }

func (u users) all() []oauth.User {
	return []oauth.User{
		{ID: "u1", Username: "alice"}, {ID: "u2", Username: "bob", Disabled: true}, {ID: "u3", Username: "carol", ValidFrom: now.Add(-2 * time.Minute)},
	}
}

func (u users) find(match func(oauth.User) bool) (oauth.User, error) {
	if u.err != nil {
		return oauth.User{}, u.err
	}
	for _, user := range u.all() {
		if match(user) {
			return user, nil
		}
	}
	return oauth.User{}, fmt.Errorf("user: %w", oauth.ErrNotFound)
}

func (u users) User(_ context.Context, id string) (oauth.User, error) {
	return u.find(func(user oauth.User) bool { return user.ID == id })
}

func (u users) UserByName(_ context.Context, name string) (oauth.User, error) {
	return u.find(func(user oauth.User) bool { return user.Username == name })
}

// clientKeys stand for the client's registered ones.
type clientKeys struct{ err error }

func (k clientKeys) VerifySigned(_ context.Context, _ *oauth.Client, compact string, algs []string) (jose.Verified, error) {
	if k.err != nil {
		return jose.Verified{}, k.err
	}
	set, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: "client", Public: keys()["client"].Public()}})
	if err != nil {
		return jose.Verified{}, err
	}
	parsed, err := jose.ParseKeySet(set)
	if err != nil {
		return jose.Verified{}, err
	}
	return jose.Verify(compact, parsed, algs)
}

func (k clientKeys) VerifySAML(_ context.Context, _ *oauth.Client, d *saml.Document, algs []string, at time.Time) (saml.Assertion, error) {
	if k.err != nil {
		return saml.Assertion{}, k.err
	}
	return d.Verify(nil, algs, at)
}

// samlKeys are those of a client whose certificate is that of "saml".
type samlKeys struct{ clientKeys }

func (samlKeys) VerifySAML(_ context.Context, _ *oauth.Client, d *saml.Document, algs []string, at time.Time) (saml.Assertion, error) {
	return d.Verify([]*x509.Certificate{certificate("saml")}, algs, at)
}

// pages is what is at the issuer's jwks_uri.
type pages struct {
	cached, fresh []byte
	refreshed     int
}

func (p *pages) Cached(context.Context, string, string, time.Duration) ([]byte, error) {
	if p.cached == nil {
		return nil, errors.New("PRIVATE: connection refused")
	}
	return p.cached, nil
}

func (p *pages) Refresh(context.Context, string, string) ([]byte, error) {
	p.refreshed++
	if p.fresh == nil {
		return nil, errors.New("PRIVATE: connection refused")
	}
	return p.fresh, nil
}

func client(change func(*oauth.Client)) *oauth.Client {
	c := &oauth.Client{ID: "app", AuthMethod: oauth.AuthPrivateKeyJWT, Scope: "openid accounts payments"}
	if change != nil {
		change(c)
	}
	return c
}

func deps(t testing.TB, change func(*Deps)) Deps {
	t.Helper()
	d := Deps{
		Issuer: server, Endpoints: []string{endpoint, mtlsDoor}, Floor: oauth.Profiles[oauth.ProfileOpenID], Users: users{},
		Issuers: []Issuer{{
			ID: sts, JWKS: jwks(t, "sts"), Certificates: []*x509.Certificate{certificate("saml")}, Scope: oauth.Scope{"accounts"},
			Audiences: []string{"urn:as"},
		}},
		SelfIssued: true, Clients: clientKeys{},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func reader(t testing.TB, change func(*Deps)) *Reader {
	t.Helper()
	r, err := New(deps(t, change))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// claims returns a good assertion's, changed: a nil value removes a claim.
func claims(changes map[string]any) map[string]any {
	c := map[string]any{"iss": sts, "sub": "u1", "aud": server, "jti": "j-1", "iat": now.Unix() - 10, "exp": now.Add(time.Minute).Unix()}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// jwt signs with a key of the tests; its kid is its name.
func jwt(t testing.TB, key, typ string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	alg := "RS256"
	if _, ec := keys()[key].(*ecdsa.PrivateKey); ec {
		alg = "ES256"
	}
	private, err := jose.NewPrivateKey(alg, key, keys()[key])
	if err != nil {
		t.Fatal(err)
	}
	token, err := private.Sign(typ, payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// plainSAML is an unsigned assertion; pairs of old and new text change it.
func plainSAML(pairs ...string) string {
	const text = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2026-03-04T05:06:00Z">` +
		`<saml:Issuer>https://sts.example</saml:Issuer><saml:Subject><saml:NameID>u1</saml:NameID>` +
		`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-03-04T05:10:00Z" ` +
		`Recipient="https://as.example/token"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>` +
		`<saml:Conditions><saml:AudienceRestriction><saml:Audience>https://as.example</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
		`<saml:AuthnStatement AuthnInstant="2026-03-04T05:00:00Z"><saml:AuthnContext><saml:AuthnContextClassRef>high</saml:AuthnContextClassRef>` +
		`</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="role"><saml:AttributeValue>teller</saml:AttributeValue>` +
		`</saml:Attribute></saml:AttributeStatement></saml:Assertion>`
	return strings.NewReplacer(pairs...).Replace(text)
}

// signedSAML is the parameter's value.
func signedSAML(t testing.TB, key, text string) string {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatal(err)
	}
	ctx, err := dsig.NewSigningContext(keys()[key].(*rsa.PrivateKey), [][]byte{certificate(key).Raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signed, err := ctx.SignEnveloped(doc.Root())
	if err != nil {
		t.Fatal(err)
	}
	doc.SetRoot(signed)
	raw, err := doc.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// refused checks the error, and that nothing comes with it; text is the description.
func refused(t testing.TB, got Asserted, err error, code oauth.Code, text string) {
	t.Helper()
	var fault *oauth.Error
	if !errors.As(err, &fault) || fault.Code != code || text != "" && fault.Description != text {
		t.Errorf("%v, want %s: %s", err, code, text)
	}
	if got.User.ID != "" || got.Changes != nil || got.Issuer != "" {
		t.Errorf("a refusal says something: %+v", got)
	}
	if fault != nil && strings.Contains(fault.Description, "PRIVATE") {
		t.Errorf("the cause is told: %v", fault)
	}
}
