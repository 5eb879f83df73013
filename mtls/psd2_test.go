package mtls_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
)

var oidQCStatements = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}

// The ASN.1 module of ETSI TS 119 495 annex A, as encoding/asn1 sees it: an independent writer for the tests.
type (
	qcStatement struct {
		ID   asn1.ObjectIdentifier
		Info asn1.RawValue `asn1:"optional"`
	}
	psd2Type struct {
		Roles         []psd2Role
		AuthorityName string `asn1:"utf8"`
		AuthorityID   string `asn1:"utf8"`
	}
	psd2Role struct {
		ID   asn1.ObjectIdentifier
		Name string `asn1:"utf8"`
	}
)

func role(arc int, name string) psd2Role {
	return psd2Role{asn1.ObjectIdentifier{0, 4, 0, 19495, 1, arc}, name}
}

func der(t testing.TB, value any) []byte {
	t.Helper()
	out, err := asn1.Marshal(value)
	return must(t, out, err)
}

func psd2Statement(t testing.TB, name, id string, roles ...psd2Role) qcStatement {
	t.Helper()
	return qcStatement{asn1.ObjectIdentifier{0, 4, 0, 19495, 2}, asn1.RawValue{FullBytes: der(t, psd2Type{roles, name, id})}}
}

var (
	qcCompliance = qcStatement{ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 1}}
	qcRetention  = qcStatement{ID: asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 3}, Info: asn1.RawValue{FullBytes: []byte{2, 1, 10}}}
)

func TestParseQCStatements(t *testing.T) {
	ai := psd2Statement(t, "BaFin", "DE-BAFIN", role(3, "PSP_AI"))
	long := strings.Repeat("ü", 256)
	tests := map[string]struct {
		in   []byte
		want *mtls.PSD2
		bad  bool
	}{
		"among others": {in: der(t, []qcStatement{qcCompliance, qcRetention, ai}),
			want: &mtls.PSD2{Roles: []string{"PSP_AI"}, AuthorityName: "BaFin", AuthorityID: "DE-BAFIN"}},
		"all roles": {in: der(t, []qcStatement{psd2Statement(t, "Banco de España", "ES-BDE", role(4, "PSP_IC"), role(1, "PSP_AS"), role(3, "PSP_AI"), role(2, "PSP_PI"))}),
			want: &mtls.PSD2{Roles: []string{"PSP_IC", "PSP_AS", "PSP_AI", "PSP_PI"}, AuthorityName: "Banco de España", AuthorityID: "ES-BDE"}},
		"a role twice is one": {in: der(t, []qcStatement{psd2Statement(t, "N", "I", role(3, "PSP_AI"), role(3, "PSP_AI"))}),
			want: &mtls.PSD2{Roles: []string{"PSP_AI"}, AuthorityName: "N", AuthorityID: "I"}},
		"an unknown role keeps its number": {in: der(t, []qcStatement{psd2Statement(t, "N", "I", role(9, "PSP_XX"))}),
			want: &mtls.PSD2{Roles: []string{"0.4.0.19495.1.9"}, AuthorityName: "N", AuthorityID: "I"}},
		"256 characters":    {in: der(t, []qcStatement{psd2Statement(t, long, "I", role(1, "PSP_AS"))}), want: &mtls.PSD2{Roles: []string{"PSP_AS"}, AuthorityName: long, AuthorityID: "I"}},
		"no PSD2 statement": {in: der(t, []qcStatement{qcCompliance})},
		"no statement":      {in: []byte{0x30, 0}},

		"empty":                           {in: nil, bad: true},
		"trailing":                        {in: append(der(t, []qcStatement{ai}), 0), bad: true},
		"cut off":                         {in: der(t, []qcStatement{ai})[:20], bad: true},
		"two PSD2 statements":             {in: der(t, []qcStatement{ai, ai}), bad: true},
		"no information":                  {in: der(t, []qcStatement{{ID: asn1.ObjectIdentifier{0, 4, 0, 19495, 2}}}), bad: true},
		"no role":                         {in: der(t, []qcStatement{psd2Statement(t, "N", "I")}), bad: true},
		"known number, another's name":    {in: der(t, []qcStatement{psd2Statement(t, "N", "I", role(3, "PSP_PI"))}), bad: true},
		"unknown number, a known name":    {in: der(t, []qcStatement{psd2Statement(t, "N", "I", role(9, "PSP_PI"))}), bad: true},
		"name in another case":            {in: der(t, []qcStatement{psd2Statement(t, "N", "I", role(3, "psp_ai"))}), bad: true},
		"no authority name":               {in: der(t, []qcStatement{psd2Statement(t, "", "I", role(3, "PSP_AI"))}), bad: true},
		"authority name of 257":           {in: der(t, []qcStatement{psd2Statement(t, long+"x", "I", role(3, "PSP_AI"))}), bad: true},
		"authority name is not UTF-8":     {in: bytes.Replace(der(t, []qcStatement{ai}), []byte("BaFin"), []byte("Ba\xffin"), 1), bad: true},
		"authority name is no UTF8String": {in: bytes.Replace(der(t, []qcStatement{ai}), []byte("\x0c\x05BaFin"), []byte("\x13\x05BaFin"), 1), bad: true},
		"oversized":                       {in: append([]byte{0x30, 0x83, 1, 0, 0}, make([]byte, 1<<16)...), bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := mtls.ParseQCStatements(test.in)
			if test.bad != errors.Is(err, mtls.ErrQCStatements) || (err != nil) != test.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMarshalQCStatements holds the writer against bytes made by hand from the standard's ASN.1.
func TestMarshalQCStatements(t *testing.T) {
	want := "304b" +
		"3013" + "060604008e460106" + "3009" + "060704008e46010603" + // QcType: web
		"3034" + "060604008198270 2" + "302a" +
		"3013" + "3011" + "060704008198270103" + "0c06" + hex.EncodeToString([]byte("PSP_AI")) +
		"0c09" + hex.EncodeToString([]byte("Authority")) + "0c08" + hex.EncodeToString([]byte("DE-BAFIN"))
	got, err := mtls.MarshalQCStatements(mtls.PSD2{Roles: []string{"PSP_AI"}, AuthorityName: "Authority", AuthorityID: "DE-BAFIN"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(want, " ", ""), hex.EncodeToString(got)); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]mtls.PSD2{
		"no role":      {AuthorityName: "N", AuthorityID: "I"},
		"empty role":   {Roles: []string{""}, AuthorityName: "N", AuthorityID: "I"},
		"unknown role": {Roles: []string{"PSP_XX"}, AuthorityName: "N", AuthorityID: "I"},
		"no authority": {Roles: []string{"PSP_AI"}, AuthorityID: "I"},
		"not UTF-8":    {Roles: []string{"PSP_AI"}, AuthorityName: "\xff", AuthorityID: "I"},
		"too many":     {Roles: slices.Repeat([]string{"PSP_AI"}, 33), AuthorityName: "N", AuthorityID: "I"},
	} {
		if _, err := mtls.MarshalQCStatements(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestPSD2OfCertificate goes the whole way: a statement into a certificate and out again.
func TestPSD2OfCertificate(t *testing.T) {
	ca := newCA(t, "CA")
	want := &mtls.PSD2{Roles: []string{"PSP_PI", "PSP_AI"}, AuthorityName: "Banca d’Italia", AuthorityID: "IT-BI"}
	tpp := issue(t, ca, certs.Request{Subject: pkix.Name{CommonName: "tpp"}, OrganizationID: "PSDIT-BI-12345", QC: want})
	got, err := mtls.PSD2Of(tpp.Certificate)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got := mtls.OrganizationID(tpp.Certificate); got != "PSDIT-BI-12345" {
		t.Errorf("organization %q", got)
	}
	plain := issue(t, ca, certs.Request{})
	if got, err := mtls.PSD2Of(plain.Certificate); got != nil || err != nil || mtls.OrganizationID(plain.Certificate) != "" {
		t.Errorf("a plain certificate: %v, %v", got, err)
	}
	if got, err := mtls.PSD2Of(nil); got != nil || err != nil || mtls.OrganizationID(nil) != "" {
		t.Errorf("no certificate: %v, %v", got, err)
	}
	broken := issue(t, ca, certs.Request{Extra: []pkix.Extension{{Id: oidQCStatements, Value: []byte{0x30, 5}}}})
	if _, err := mtls.PSD2Of(broken.Certificate); !errors.Is(err, mtls.ErrQCStatements) {
		t.Errorf("a broken extension: %v", err)
	}
	extension := pkix.Extension{Id: oidQCStatements, Value: []byte{0x30, 0}}
	if _, err := mtls.PSD2Of(&x509.Certificate{Extensions: []pkix.Extension{extension, extension}}); !errors.Is(err, mtls.ErrQCStatements) {
		t.Errorf("the extension twice: %v", err)
	}
}

func TestOrganizationIDTwiceIsNone(t *testing.T) {
	second := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "PSDDE-BAFIN-2"}
	leaf := issue(t, newCA(t, "CA"), certs.Request{
		Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{second}}, OrganizationID: "PSDDE-BAFIN-1"})
	if got := mtls.OrganizationID(leaf.Certificate); got != "" {
		t.Errorf("got %q", got)
	}
}

func FuzzQCStatements(f *testing.F) {
	ai := psd2Statement(f, "BaFin", "DE-BAFIN", role(3, "PSP_AI"), role(2, "PSP_PI"))
	f.Add(der(f, []qcStatement{qcCompliance, qcRetention, ai}))
	f.Add(der(f, []qcStatement{ai, ai}))
	f.Add(der(f, []qcStatement{psd2Statement(f, "N", "I", role(9, "PSP_XX"))}))
	f.Add([]byte{0x30, 0})
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := mtls.ParseQCStatements(in)
		if err != nil || got == nil {
			if got != nil || err != nil && !errors.Is(err, mtls.ErrQCStatements) {
				t.Fatalf("%v, %v", got, err)
			}
			return
		}
		if len(got.Roles) == 0 || got.AuthorityName == "" || got.AuthorityID == "" {
			t.Fatalf("incomplete: %+v", got)
		}
		out, err := mtls.MarshalQCStatements(*got)
		if err != nil {
			return // a role that only has a number
		}
		again, err := mtls.ParseQCStatements(out)
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}
