package mtls_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"signet/certs"
	"signet/mtls"
)

// escaped is PEM as nginx and Envoy write it.
func escaped(all ...*x509.Certificate) string {
	var text bytes.Buffer
	for _, cert := range all {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	return url.PathEscape(text.String())
}

func base64DER(cert *x509.Certificate) string { return base64.StdEncoding.EncodeToString(cert.Raw) }

func TestProxyFormats(t *testing.T) {
	ca := newCA(t, "CA")
	leaf, middle := issue(t, ca, certs.Request{}).Certificate, ca.Certificate
	other := issue(t, ca, certs.Request{}).Certificate
	const (
		hash = "Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688;"
		uri  = `URI=spiffe://bank/a;Subject="CN=a,O=\"Bank; Branch\"";`
	)
	many := slices.Repeat([]*x509.Certificate{leaf}, 12)
	for _, test := range []struct {
		name   string
		format mtls.ProxyFormat
		header []string
		want   []*x509.Certificate // nil = none
		bad    bool
	}{
		{"no header is no certificate", mtls.FormatEnvoy, nil, nil, false},
		{"envoy", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", hash + uri + `Cert="` + escaped(leaf) + `"`}, []*x509.Certificate{leaf}, false},
		{"envoy without quotes", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", "Cert=" + escaped(leaf) + ";" + hash}, []*x509.Certificate{leaf}, false},
		{"envoy, chain", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(leaf) + `";Chain="` + escaped(leaf, middle) + `"`}, []*x509.Certificate{leaf, middle}, false},
		{"envoy, chain alone", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Chain="` + escaped(leaf, middle) + `"`}, []*x509.Certificate{leaf, middle}, false},
		{"envoy, another's chain", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(leaf) + `";Chain="` + escaped(other, middle) + `"`}, nil, true},
		{"envoy, hash alone", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", hash}, nil, true},
		{"envoy, two elements", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(other) + `",Cert="` + escaped(leaf) + `"`}, nil, true},
		{"envoy, two headers", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(other) + `"`, "X-Forwarded-Client-Cert", `Cert="` + escaped(leaf) + `"`}, nil, true},
		{"envoy, two of a key", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(other) + `";cert="` + escaped(leaf) + `"`}, nil, true},
		{"envoy, an open quote", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(leaf)}, nil, true},
		{"envoy, a quote in the subject", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Subject="a\";Cert=` + escaped(other) + `";Cert="` + escaped(leaf) + `"`}, []*x509.Certificate{leaf}, false},
		{"envoy, two in Cert", mtls.FormatEnvoy, []string{"X-Forwarded-Client-Cert", `Cert="` + escaped(leaf, middle) + `"`}, nil, true},
		{"envoy does not read the others'", mtls.FormatEnvoy, []string{"Client-Cert", sequence(leaf), "X-Ssl-Client-Cert", escaped(leaf)}, nil, false},
		{"traefik", mtls.FormatTraefik, []string{"X-Forwarded-Tls-Client-Cert", base64DER(leaf)}, []*x509.Certificate{leaf}, false},
		{"traefik, chain", mtls.FormatTraefik, []string{"X-Forwarded-Tls-Client-Cert", base64DER(leaf) + "," + base64DER(middle)}, []*x509.Certificate{leaf, middle}, false},
		{"traefik, escaped", mtls.FormatTraefik, []string{"X-Forwarded-Tls-Client-Cert", url.QueryEscape(base64DER(leaf))}, []*x509.Certificate{leaf}, false},
		{"traefik, empty", mtls.FormatTraefik, []string{"X-Forwarded-Tls-Client-Cert", ""}, nil, false},
		{"traefik, an empty member", mtls.FormatTraefik, []string{"X-Forwarded-Tls-Client-Cert", base64DER(leaf) + ","}, nil, true},
		{"traefik, no certificate", mtls.FormatTraefik, []string{"X-Forwarded-Tls-Client-Cert", "aGVsbG8="}, nil, true},
		{"nginx", mtls.FormatNginx, []string{"X-SSL-Client-Cert", escaped(leaf)}, []*x509.Certificate{leaf}, false},
		{"nginx, empty", mtls.FormatNginx, []string{"X-SSL-Client-Cert", ""}, nil, false},
		{"nginx, text before", mtls.FormatNginx, []string{"X-SSL-Client-Cert", "x%0A" + escaped(leaf)}, nil, true},
		{"nginx, another block", mtls.FormatNginx, []string{"X-SSL-Client-Cert", strings.ReplaceAll(escaped(leaf), "CERTIFICATE", "X509%20CRL")}, nil, true},
		{"nginx, bad escape", mtls.FormatNginx, []string{"X-SSL-Client-Cert", "%zz"}, nil, true},
		{"nginx, a crowd", mtls.FormatNginx, []string{"X-SSL-Client-Cert", escaped(many...)}, nil, true},
		{"rfc 9440 does not read the others'", mtls.FormatRFC9440, []string{"X-Ssl-Client-Cert", escaped(leaf)}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxies, err := mtls.NewProxies(mtls.ProxiesConfig{Addresses: []string{"10.0.0.1"}, Format: test.format})
			if err != nil {
				t.Fatal(err)
			}
			got, err := proxies.Peer(request("10.0.0.1:1", nil, test.header...))
			if test.bad != (err != nil) || test.bad && !errors.Is(err, mtls.ErrHeader) {
				t.Fatalf("%+v, %v", got, err)
			}
			if (got == nil) != (test.want == nil) {
				t.Fatalf("%+v", got)
			}
			if got != nil && (!got.ViaProxy || !slices.EqualFunc(append([]*x509.Certificate{got.Leaf}, got.Chain...), test.want, (*x509.Certificate).Equal)) {
				t.Errorf("%+v", got)
			}
			forged := request("10.0.0.2:1", nil, test.header...)
			if got, err := proxies.Peer(forged); got != nil || err != nil {
				t.Errorf("from a stranger: %+v, %v", got, err)
			}
			if proxies.Strip(forged); len(forged.Header) != 0 {
				t.Errorf("left: %v", forged.Header)
			}
		})
	}
	if _, err := mtls.NewProxies(mtls.ProxiesConfig{Format: "apache"}); err == nil || !strings.Contains(err.Error(), "apache") {
		t.Errorf("a format that there is not: %v", err)
	}
}

func FuzzProxyFormats(f *testing.F) {
	f.Add("envoy", `Hash=1;Cert="%2D";Subject="\""`)
	f.Add("traefik", "MII,")
	f.Add("nginx", "-----BEGIN%20CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, format, value string) {
		proxies, err := mtls.NewProxies(mtls.ProxiesConfig{Addresses: []string{"10.0.0.1"}, Format: mtls.ProxyFormat(format)})
		if err != nil {
			t.Skip()
		}
		r := request("10.0.0.1:1", nil)
		r.Header = http.Header{mtls.HeaderEnvoy: {value}, mtls.HeaderTraefik: {value}, mtls.HeaderNginx: {value}}
		if got, err := proxies.Peer(r); err != nil && (got != nil || !errors.Is(err, mtls.ErrHeader)) || got != nil && got.Leaf == nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
