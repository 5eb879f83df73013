package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"

	"signet/certs"
	"signet/mtls"
)

func TestIdentityMatch(t *testing.T) {
	leaf := issue(t, newCA(t, "CA"), certs.Request{
		Subject:  pkix.Name{Country: []string{"DE"}, Organization: []string{"Bank AG"}, CommonName: "client"},
		DNSNames: []string{"other.example", "Client.Bank.example", "*.wild.example"},
		URIs:     []string{"spiffe://bank.example/client", "https://bank.example/a%2fb"},
		IPs:      []string{"192.0.2.7", "2001:db8::1"},
		Emails:   []string{"Ops@Bank.example"},
	}).Certificate
	tests := map[string]struct {
		identity mtls.Identity
		want     bool
	}{
		"subject":                      {mtls.Identity{SubjectDN: "CN=client,O=Bank AG,C=DE"}, true},
		"subject, written differently": {mtls.Identity{SubjectDN: "cn=CLIENT, 2.5.4.10=bank  ag, c=de"}, true},
		"subject, another":             {mtls.Identity{SubjectDN: "CN=client2,O=Bank AG,C=DE"}, false},
		"subject, certificate's order": {mtls.Identity{SubjectDN: "C=DE,O=Bank AG,CN=client"}, false},
		"subject, part of it":          {mtls.Identity{SubjectDN: "CN=client"}, false},
		"host":                         {mtls.Identity{SANDNS: "client.bank.example"}, true},
		"host, another":                {mtls.Identity{SANDNS: "bank.example"}, false},
		"host is not a subject":        {mtls.Identity{SANDNS: "client"}, false},
		"a wildcard does not match":    {mtls.Identity{SANDNS: "a.wild.example"}, false},
		"URI":                          {mtls.Identity{SANURI: "spiffe://bank.example/client"}, true},
		"URI, as written":              {mtls.Identity{SANURI: "https://bank.example/a%2fb"}, true},
		"URI, written differently":     {mtls.Identity{SANURI: "https://bank.example/a%2Fb"}, false},
		"URI, host in another case":    {mtls.Identity{SANURI: "spiffe://BANK.example/client"}, false},
		"IPv4":                         {mtls.Identity{SANIP: "192.0.2.7"}, true},
		"IPv4 in IPv6":                 {mtls.Identity{SANIP: "::ffff:192.0.2.7"}, true},
		"IPv4, another":                {mtls.Identity{SANIP: "192.0.2.8"}, false},
		"IPv6, another spelling":       {mtls.Identity{SANIP: "2001:DB8:0:0::1"}, true},
		"IPv6, another":                {mtls.Identity{SANIP: "2001:db8::2"}, false},
		"e-mail":                       {mtls.Identity{SANEmail: "Ops@bank.EXAMPLE"}, true},
		"e-mail, local part's case":    {mtls.Identity{SANEmail: "ops@bank.example"}, false},
		"e-mail, another host":         {mtls.Identity{SANEmail: "Ops@bank2.example"}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.identity.Match(leaf)
			if test.want && err != nil || !test.want && !errors.Is(err, mtls.ErrIdentity) {
				t.Error(err)
			}
		})
	}
}

// TestIdentityMatchNothing: what a certificate does not say matches no identity.
func TestIdentityMatchNothing(t *testing.T) {
	bare := issue(t, newCA(t, "CA"), certs.Request{}).Certificate
	for _, identity := range []mtls.Identity{{SubjectDN: "CN=a"}, {SANDNS: "a.example"}, {SANURI: "a:b"}, {SANIP: "::1"}, {SANEmail: "a@b.example"}} {
		for _, cert := range []*x509.Certificate{bare, nil} {
			if err := identity.Match(cert); !errors.Is(err, mtls.ErrIdentity) {
				t.Errorf("%+v: %v", identity, err)
			}
		}
	}
	if err := (mtls.Identity{}).Match(bare); err == nil {
		t.Error("the empty identity matches")
	}
	if err := (mtls.Identity{SubjectDN: "CN=a", SANDNS: "a.example"}).Match(bare); err == nil {
		t.Error("a double identity matches")
	}
	mangled := &x509.Certificate{Extensions: []pkix.Extension{{Id: []int{2, 5, 29, 17}, Value: []byte{0x30, 2, 0x86}}}}
	if err := (mtls.Identity{SANURI: "a:b"}).Match(mangled); err == nil {
		t.Error("malformed alternative names match")
	}
	if err := (mtls.Identity{SubjectDN: "CN=a"}).Match(&x509.Certificate{RawSubject: []byte{1}}); err == nil {
		t.Error("a malformed subject matches")
	}
}

func TestIdentityValidate(t *testing.T) {
	good := []mtls.Identity{
		{SubjectDN: "CN=a"}, {SANDNS: "a_b.bank.example"}, {SANDNS: "xn--bcher-kva.example"}, {SANURI: "urn:x:y"}, {SANIP: "::1"}, {SANEmail: "a@b.example"},
	}
	for _, identity := range good {
		if err := identity.Validate(); err != nil {
			t.Errorf("%+v: %v", identity, err)
		}
	}
	bad := []mtls.Identity{
		{}, {SubjectDN: "CN=a", SANIP: "::1"}, {SubjectDN: "a"}, {SubjectDN: " "},
		{SANDNS: "*.bank.example"}, {SANDNS: "bücher.example"}, {SANDNS: "a..b"}, {SANDNS: "a."}, {SANDNS: "-a.b"}, {SANDNS: strings.Repeat("a", 64)},
		{SANDNS: strings.Repeat("a.", 130) + "a"},
		{SANURI: "/relative"}, {SANURI: "https://bücher.example"}, {SANURI: ":"}, {SANIP: "192.0.2"}, {SANIP: "fe80::1%eth0"}, {SANIP: "192.0.2.0/24"},
		{SANEmail: "a"}, {SANEmail: "@b"}, {SANEmail: "A <a@b>"}, {SANEmail: "a@"}, {SANEmail: "a@b c"},
	}
	for _, identity := range bad {
		if err := identity.Validate(); err == nil {
			t.Errorf("%+v is valid", identity)
		}
	}
}

// TestThumbprint compares with the figure that the openssl command gives for a fixed certificate's bytes.
func TestThumbprint(t *testing.T) {
	// printf abc | openssl dgst -sha256 -binary | basenc --base64url
	if got, want := mtls.Thumbprint(&x509.Certificate{Raw: []byte("abc")}), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := mtls.Thumbprint(nil); got != "" {
		t.Errorf("of nothing: %s", got)
	}
}
