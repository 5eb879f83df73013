package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

var now = time.Date(2026, 3, 4, 5, 7, 0, 0, time.UTC)

const (
	idp      = "https://sts.example"
	server   = "https://as.example"
	endpoint = "https://as.example/token"
)

// identity is a key with its certificate.
type identity struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func certify(key crypto.Signer) identity {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sts.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return identity{key, cert}
}

func newRSA(bits int) identity {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return certify(key)
}

func newEC(curve elliptic.Curve) identity {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return certify(key)
}

// identities are made once: RSA keys take long.
var (
	issuer   = sync.OnceValue(func() identity { return newRSA(2048) })
	attacker = sync.OnceValue(func() identity { return newRSA(2048) })
)

// plain is an unsigned assertion; pairs of old and new text change it.
func plain(pairs ...string) string {
	const text = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2026-03-04T05:06:00Z">` +
		`<saml:Issuer>https://sts.example</saml:Issuer><saml:Subject><saml:NameID>alice</saml:NameID>` +
		`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-03-04T05:10:00Z" ` +
		`Recipient="https://as.example/token"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>` +
		`<saml:Conditions NotBefore="2026-03-04T05:06:00Z" NotOnOrAfter="2026-03-04T05:11:00Z"><saml:AudienceRestriction>` +
		`<saml:Audience>https://as.example</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
		`<saml:AuthnStatement AuthnInstant="2026-03-04T05:00:00Z"><saml:AuthnContext><saml:AuthnContextClassRef>high</saml:AuthnContextClassRef>` +
		`</saml:AuthnContext></saml:AuthnStatement></saml:Assertion>`
	return strings.NewReplacer(pairs...).Replace(text)
}

func element(t testing.TB, text string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return doc.Root()
}

func write(t testing.TB, el *etree.Element) string {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(el.Copy())
	text, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// signing makes signatures as goxmldsig does; change sets another algorithm.
func signing(t testing.TB, by identity, change func(*dsig.SigningContext)) *dsig.SigningContext {
	t.Helper()
	ctx, err := dsig.NewSigningContext(by.key, [][]byte{by.cert.Raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if change != nil {
		change(ctx)
	}
	return ctx
}

// signed signs the assertion and returns the tree of it.
func signed(t testing.TB, text string, by identity, change func(*dsig.SigningContext)) *etree.Element {
	t.Helper()
	el, err := signing(t, by, change).SignEnveloped(element(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return el
}

// sign signs the assertion as issuers do: ECDSA signatures have the two numbers side by side.
func sign(t testing.TB, text string, by identity) string {
	t.Helper()
	el := signed(t, text, by, nil)
	if key, ok := by.key.(*ecdsa.PrivateKey); ok {
		value := el.FindElement("./Signature/SignatureValue")
		der, err := base64.StdEncoding.DecodeString(value.Text())
		if err != nil {
			t.Fatal(err)
		}
		var pair struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &pair); err != nil {
			t.Fatal(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		raw := append(pair.R.FillBytes(make([]byte, size)), pair.S.FillBytes(make([]byte, size))...)
		value.SetText(base64.StdEncoding.EncodeToString(raw))
	}
	return write(t, el)
}

// verify reads and verifies with the issuer's certificate.
func verify(text string, certs ...*x509.Certificate) (Assertion, error) {
	if len(certs) == 0 {
		certs = []*x509.Certificate{issuer().cert}
	}
	d, err := Parse([]byte(text))
	if err != nil {
		return Assertion{}, err
	}
	return d.Verify(certs, Algorithms(), now)
}

// refused checks that nothing comes out, and why.
func refused(t testing.TB, text string, want ...error) {
	t.Helper()
	a, err := verify(text)
	if err == nil || a.Subject != "" || a.ID != "" {
		t.Errorf("accepted: %+v, %v", a, err)
		return
	}
	for _, one := range want {
		if errors.Is(err, one) {
			return
		}
	}
	t.Errorf("refused with %v, want one of %v", err, want)
}

func certificate(t testing.TB, file string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
