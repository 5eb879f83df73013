package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"signet/certs"
	"signet/mtls"
)

func TestDNEqual(t *testing.T) {
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"itself":                    {"CN=a,O=b,C=DE", "CN=a,O=b,C=DE", true},
		"short name and identifier": {"CN=a,organizationIdentifier=PSDDE-BAFIN-1", "2.5.4.3=a,2.5.4.97=PSDDE-BAFIN-1", true},
		"prefix OID.":               {"2.5.4.97=x", "oid.2.5.4.97=x", true},
		"long name":                 {"CN=a,ST=b", "commonName=a,stateOrProvinceName=b", true},
		"type in another case":      {"cn=a,Dc=b", "CN=a,DC=b", true},
		"value in another case":     {"CN=Bank Ärzte,C=de", "CN=bank ÄRZTE,C=DE", true},
		"Greek sigmas":              {"CN=ΟΔΟΣ", "CN=οδος", true},
		"spaces at separators":      {"CN = a , O = b", "CN=a,O=b", true},
		"spaces at the ends":        {`CN=\ a\ ,O=b`, "CN=a,O=b", true},
		"runs of spaces":            {"CN=a   b", "CN=a b", true},
		"no-break space":            {"CN=a\u00a0b", "CN=a b", true},
		"multi-valued in any order": {"CN=a+UID=b,C=DE", "UID=b+CN=a,C=DE", true},
		"escape and hex escape":     {`O=Meier\, Müller`, `O=Meier\2C M\C3\BCller`, true},
		"text and DER":              {"CN=Bob!", "CN=#0c04426f6221", true},
		"UTF8String and Printable":  {"CN=#0c03426f62", "CN=#1303424f42", true},
		"BMPString":                 {"CN=Bü", "CN=#1e04004200fc", true},
		"UniversalString":           {"CN=B", "CN=#1c0400000042", true},
		"T61String":                 {"CN=ü", "CN=#1401fc", true},
		"not a string":              {"2.5.4.45=#0303000102", "2.5.4.45=#0303000102", true},
		"equals sign in a value":    {"CN=a=b", `CN=a\=b`, true},
		"empty value":               {"CN=,C=DE", "CN= ,C=DE", true},
		"both empty":                {"", "", true},

		"another value":                  {"CN=a", "CN=b", false},
		"another type":                   {"CN=a", "O=a", false},
		"order of relative names":        {"CN=a,O=b", "O=b,CN=a", false},
		"multi-valued is not a sequence": {"CN=a+O=b", "CN=a,O=b", false},
		"one more":                       {"CN=a,C=DE", "CN=a", false},
		"one more in a relative name":    {"CN=a+O=b", "CN=a", false},
		"twice is not once":              {"CN=a+CN=a", "CN=a", false},
		"a space is not none":            {"CN=a b", "CN=ab", false},
		"empty and not":                  {"", "CN=", false},
		"a separator in a value":         {`CN=a\,O=b`, "CN=a,O=b", false},
		"a plus in a value":              {`CN=a\+O=b`, "CN=a+O=b", false},
		"a quotation mark in a value":    {`CN=a\"+O=\"b`, "CN=a+O=b", false},
		"full-width look-alike":          {"CN=Ａ", "CN=A", false},
		"NUL in a value":                 {`CN=bank\00evil`, "CN=bank", false},
		"control character in a value":   {`CN=bank\01`, "CN=bank", false},
		"bits, other":                    {"2.5.4.45=#0303000102", "2.5.4.45=#0303000103", false},
		"a string that looks like DER":   {`CN=\#0c0161`, "CN=#0c0161", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, errA := mtls.ParseDN(test.a)
			b, errB := mtls.ParseDN(test.b)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if a.Equal(b) != test.want || b.Equal(a) != test.want {
				t.Errorf("%q and %q: got %v", test.a, test.b, a.Equal(b))
			}
		})
	}
}

func TestParseDNRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"no equals sign":       "CN",
		"openssl's slashes":    "/C=DE/CN=a",
		"no type":              "=a",
		"unknown type":         "XYZ=a",
		"type with a space":    "C N=a",
		"comma at the end":     "CN=a,",
		"comma at the start":   ",CN=a",
		"plus at the end":      "CN=a+",
		"bare quotation marks": `O="Meier, Müller"`,
		"bare semicolon":       "CN=a;O=b",
		"bare less-than":       "CN=<a",
		"bare NUL":             "CN=a\x00",
		"backslash at the end": `CN=a\`,
		"half a hex escape":    `CN=a\4`,
		"no hex escape":        `CN=a\zz`,
		"escapes not UTF-8":    `CN=\C3\28`,
		"not UTF-8":            "CN=\xff",
		"odd hex":              "CN=#0c0",
		"not hex":              "CN=#0cxx",
		"empty hex":            "CN=#",
		"hex, two elements":    "CN=#0c01610c0161",
		"hex, cut off":         "CN=#0c0561",
		"hex, string broken":   "CN=#0c01ff",
		"hex, BMP odd":         "CN=#1e0100",
		"hex, BMP surrogate":   "CN=#1e02d800",
		"hex, Universal large": "CN=#1c0400110000",
		"identifier of one":    "2=a",
		"leading zero":         "2.05.4=a",
		"empty arc":            "2..4=a",
		"first arc":            "3.1=a",
		"second arc":           "1.40=a",
		"huge arc":             "2.5.99999999999999999999=a",
		"too long":             "CN=" + strings.Repeat("a", 9000),
		"too many":             strings.Repeat("CN=a,", 70) + "CN=a",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := mtls.ParseDN(in); !errors.Is(err, mtls.ErrDN) {
				t.Errorf("%q: got %v, error %v", in, got, err)
			}
		})
	}
}

func TestDNString(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"cn = Bank , o = B AG , c = DE":       "CN=Bank,O=B AG,C=DE",
		"2.5.4.97=PSDDE-BAFIN-1+CN=x":         "organizationIdentifier=PSDDE-BAFIN-1+CN=x",
		`CN=\ a\ ,O=\#b,OU=c\2Cd\0A`:          `CN=\ a\ ,O=\#b,OU=c\,d\0A`,
		`CN=a"b`:                              "",
		`CN=\"\+\,\;\<\>\\\=`:                 `CN=\"\+\,\;\<\>\\=`,
		"1.2.3.4=#1303424f42":                 "1.2.3.4=#1303424f42",
		"1.2.3.4=text":                        "1.2.3.4=text",
		"2.5.4.45=#0303000102":                "2.5.4.45=#0303000102",
		"emailAddress=a@b.example,DC=b,DC=de": "emailAddress=a@b.example,DC=b,DC=de",
	} {
		dn, err := mtls.ParseDN(in)
		if want == "" && in != "" {
			if err == nil {
				t.Errorf("%q parsed", in)
			}
			continue
		}
		if err != nil || dn.String() != want {
			t.Errorf("%q: got %q (%v), want %q", in, dn, err, want)
		}
	}
}

// TestDNOf reads a subject of a real certificate, with a multi-valued name that pkix.Name would flatten.
func TestDNOf(t *testing.T) {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value any
	}
	type rdnSET []attribute
	raw := der(t, []rdnSET{
		{{asn1.ObjectIdentifier{2, 5, 4, 6}, "DE"}},
		{{asn1.ObjectIdentifier{2, 5, 4, 10}, "Meier, Müller & Söhne"}},
		{{asn1.ObjectIdentifier{2, 5, 4, 3}, "Bank"}, {asn1.ObjectIdentifier{2, 5, 4, 5}, "42"}},
	})
	ca := newCA(t, "Test CA")
	leaf := issue(t, ca, certs.Request{RawSubject: raw})
	got, err := mtls.DNOf(leaf.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	want, err := mtls.ParseDN(`serialNumber=42+CN=bank, O=meier\, müller & söhne, C=de`)
	if err != nil || !got.Equal(want) {
		t.Errorf("%s is not %s (%v)", got, want, err)
	}
	if text := `serialNumber=42+CN=Bank,O=Meier\, Müller & Söhne,C=DE`; got.String() != text {
		t.Errorf("got %s, want %s", got, text)
	}
	if issuer, err := mtls.IssuerOf(leaf.Certificate); err != nil || issuer.String() != "CN=Test CA" {
		t.Errorf("issuer %s, %v", issuer, err)
	}
	for name, cert := range map[string]*x509.Certificate{
		"none":         nil,
		"empty":        {},
		"no sequence":  {RawSubject: []byte{0x31, 0}},
		"trailing":     {RawSubject: []byte{0x30, 0, 0}},
		"empty set":    {RawSubject: []byte{0x30, 2, 0x31, 0}},
		"no value":     {RawSubject: unhex(t, "300931073005060355040300")[:11]},
		"huge":         {RawSubject: make([]byte, 10000)},
		"string wrong": {RawSubject: unhex(t, "300c310a3008060355040313 01ff")},
	} {
		if got, err := mtls.DNOf(cert); !errors.Is(err, mtls.ErrDN) {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
		if cert == nil {
			if _, err := mtls.IssuerOf(cert); !errors.Is(err, mtls.ErrDN) {
				t.Errorf("issuer of none: %v", err)
			}
		}
	}
}

// TestDNOfAgreesWithGo compares the string form with crypto/x509's own for a plain name.
func TestDNOfAgreesWithGo(t *testing.T) {
	name := pkix.Name{Country: []string{"DE"}, Organization: []string{"A+B, \"C\""}, OrganizationalUnit: []string{"#x"}, CommonName: " bank "}
	leaf := issue(t, newCA(t, "CA"), certs.Request{Subject: name})
	got, err := mtls.DNOf(leaf.Certificate)
	if err != nil || got.String() != leaf.Certificate.Subject.String() {
		t.Errorf("got %s, Go says %s (%v)", got, leaf.Certificate.Subject, err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	out, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	return must(t, out, err)
}

func FuzzParseDN(f *testing.F) {
	for _, seed := range []string{
		"", "CN=a,O=b,C=DE", "CN=a+UID=b", `O=Meier\, Müller\0A`, `CN=\ a\ `, "2.5.4.97=#0c0161", "OID.1.2.3=#1e04004200fc",
		"CN = a , O = b", `CN=\C3\BC`, "CN=#", "CN=\u00a0\u2003x", "2.5.4.45=#0303000102", "CN=ſK\u212a", `CN=\#x`, "=,+",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		dn, err := mtls.ParseDN(in)
		if err != nil {
			if !errors.Is(err, mtls.ErrDN) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := mtls.ParseDN(dn.String())
		if len(dn.String()) > 8<<10 {
			return // escapes may make it longer than what is read
		}
		if err != nil || !dn.Equal(again) {
			t.Fatalf("%q became %q: %v", in, dn, err)
		}
	})
}

func FuzzDNOf(f *testing.F) {
	f.Add(unhex(f, "300c310a3008060355040313 0141"))
	f.Add(unhex(f, "3000"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dn, err := mtls.DNOf(&x509.Certificate{RawSubject: raw})
		if err != nil || len(dn.String()) > 8<<10 {
			return
		}
		if again, err := mtls.ParseDN(dn.String()); err != nil || !dn.Equal(again) {
			t.Fatalf("%x became %q: %v", raw, dn, err)
		}
	})
}
