package mtls_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
)

func sequence(cert *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(cert.Raw) + ":"
}

// request comes from an address, with a TLS certificate or none, and headers given as pairs.
func request(remote string, peer *x509.Certificate, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", http.NoBody)
	r.RemoteAddr = remote
	if peer != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{peer}}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestPeer(t *testing.T) {
	ca := newCA(t, "CA")
	middle, err := ca.Intermediate("Middle")
	if err != nil {
		t.Fatal(err)
	}
	client, proxy := issue(t, middle, certs.Request{}).Certificate, issue(t, ca, certs.Request{}).Certificate
	direct := issue(t, ca, certs.Request{}).Certificate
	header, chain := sequence(client), sequence(middle.Certificate)
	proxies := func(config mtls.ProxiesConfig) *mtls.Proxies {
		p, err := mtls.NewProxies(config)
		return must(t, p, err)
	}
	none := proxies(mtls.ProxiesConfig{})
	byAddress := proxies(mtls.ProxiesConfig{Addresses: []string{"10.1.0.0/16", "192.0.2.7", "2001:db8::/64"}})
	byCert := proxies(mtls.ProxiesConfig{Thumbprints: []string{mtls.Thumbprint(proxy)}})
	byBoth := proxies(mtls.ProxiesConfig{Addresses: []string{"10.1.0.0/16"}, Thumbprints: []string{mtls.Thumbprint(proxy)}})
	const inside, outside = "10.1.2.3:4444", "10.2.2.3:4444"
	tests := map[string]struct {
		proxies *mtls.Proxies
		r       *http.Request
		want    *mtls.Peer
		bad     bool
	}{
		"nothing":                        {none, request(outside, nil), nil, false},
		"TLS":                            {none, request(outside, direct), &mtls.Peer{Leaf: direct, Chain: []*x509.Certificate{}}, false},
		"no configuration at all":        {nil, request(outside, direct, "Client-Cert", header), &mtls.Peer{Leaf: direct, Chain: []*x509.Certificate{}}, false},
		"forged header":                  {none, request(outside, nil, "Client-Cert", header), nil, false},
		"forged header, proxies known":   {byAddress, request(outside, nil, "Client-Cert", header), nil, false},
		"forged header beside TLS":       {byAddress, request(outside, direct, "Client-Cert", header), &mtls.Peer{Leaf: direct, Chain: []*x509.Certificate{}}, false},
		"forged malformed header":        {byAddress, request(outside, nil, "Client-Cert", "?"), nil, false},
		"forged sender":                  {byAddress, request(outside, nil, "Client-Cert", header, "X-Forwarded-For", "10.1.2.3", "Forwarded", "for=10.1.2.3"), nil, false},
		"no address":                     {byAddress, request("@", nil, "Client-Cert", header), nil, false},
		"proxy by range":                 {byAddress, request(inside, nil, "Client-Cert", header), &mtls.Peer{Leaf: client, ViaProxy: true}, false},
		"proxy by IPv4 in IPv6":          {byAddress, request("[::ffff:10.1.2.3]:1", nil, "Client-Cert", header), &mtls.Peer{Leaf: client, ViaProxy: true}, false},
		"proxy by address":               {byAddress, request("192.0.2.7:1", nil, "Client-Cert", header), &mtls.Peer{Leaf: client, ViaProxy: true}, false},
		"proxy by IPv6":                  {byAddress, request("[2001:db8::7%eth0]:1", nil, "Client-Cert", header), &mtls.Peer{Leaf: client, ViaProxy: true}, false},
		"proxy with chain":               {byAddress, request(inside, nil, "Client-Cert", header, "Client-Cert-Chain", chain), &mtls.Peer{Leaf: client, Chain: []*x509.Certificate{middle.Certificate}, ViaProxy: true}, false},
		"proxy with chain, two fields":   {byAddress, request(inside, nil, "Client-Cert", header, "Client-Cert-Chain", chain, "Client-Cert-Chain", chain), &mtls.Peer{Leaf: client, Chain: []*x509.Certificate{middle.Certificate, middle.Certificate}, ViaProxy: true}, false},
		"proxy without header":           {byAddress, request(inside, nil), nil, false},
		"the proxy's own is nobody's":    {byAddress, request(inside, proxy), nil, false},
		"proxy by certificate":           {byCert, request(outside, proxy, "Client-Cert", header), &mtls.Peer{Leaf: client, ViaProxy: true}, false},
		"its own again":                  {byCert, request(outside, proxy), nil, false},
		"another's certificate":          {byCert, request(outside, direct, "Client-Cert", header), &mtls.Peer{Leaf: direct, Chain: []*x509.Certificate{}}, false},
		"both":                           {byBoth, request(inside, proxy, "Client-Cert", header), &mtls.Peer{Leaf: client, ViaProxy: true}, false},
		"both, only the address":         {byBoth, request(inside, nil, "Client-Cert", header), nil, false},
		"both, only the certificate":     {byBoth, request(outside, proxy, "Client-Cert", header), &mtls.Peer{Leaf: proxy, Chain: []*x509.Certificate{}}, false},
		"malformed":                      {byAddress, request(inside, nil, "Client-Cert", "?"), nil, true},
		"empty":                          {byAddress, request(inside, nil, "Client-Cert", ""), nil, true},
		"twice":                          {byAddress, request(inside, nil, "Client-Cert", header, "Client-Cert", header), nil, true},
		"chain alone":                    {byAddress, request(inside, nil, "Client-Cert-Chain", chain), nil, true},
		"malformed chain":                {byAddress, request(inside, nil, "Client-Cert", header, "Client-Cert-Chain", chain+","), nil, true},
		"another name is never believed": {byAddress, request(inside, nil, "X-SSL-Cert", header, "X-Forwarded-Client-Cert", header), nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.proxies.Peer(test.r)
			if test.bad != errors.Is(err, mtls.ErrHeader) || test.bad != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewProxiesRefuses(t *testing.T) {
	for _, config := range []mtls.ProxiesConfig{
		{Addresses: []string{"proxy.bank.example"}}, {Addresses: []string{""}}, {Addresses: []string{"10.0.0.0/33"}},
		{Addresses: []string{"0.0.0.0/0"}}, {Addresses: []string{"::/0"}}, {Addresses: []string{"::ffff:10.0.0.0/104"}}, {Addresses: []string{"fe80::1%eth0"}},
		{Thumbprints: []string{""}}, {Thumbprints: []string{"abc"}}, {Thumbprints: []string{strings.Repeat("A", 44)}}, {Thumbprints: []string{strings.Repeat("A", 42) + "B"}},
	} {
		if _, err := mtls.NewProxies(config); err == nil {
			t.Errorf("%+v is taken", config)
		}
	}
	_, err := mtls.NewProxies(mtls.ProxiesConfig{Addresses: []string{"one", "two"}, Thumbprints: []string{"three"}})
	for _, part := range []string{"one", "two", "three"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not among the faults: %v", part, err)
		}
	}
}

func TestStrip(t *testing.T) {
	proxies, err := mtls.NewProxies(mtls.ProxiesConfig{Addresses: []string{"10.1.2.3"}})
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{
		"Client-Cert", "a", "Client-Cert", "b", "Client-Cert-Chain", "c", "client-cert", "d", "X-Client-Cert", "e", "X-Forwarded-Client-Cert", "f", "X-SSL-Cert", "g",
		"SSL_CLIENT_CERT", "h", "Ssl-Client-Verify", "i", "X-Forwarded-Tls-Client-Cert-Info", "j", "X-ARR-ClientCert", "k", "X-Amzn-Mtls-Clientcert-Leaf", "l", "Client_Cert", "m",
	}
	honest := []string{"Accept", "a", "Authorization", "b", "Content-Type", "c", "X-Certainty", "d"}
	names := func(r *http.Request) []string { return slices.Sorted(maps.Keys(r.Header)) }
	stranger := request("10.1.2.4:1", nil, slices.Concat(honest, forged)...)
	stranger.Header["client-CERT"] = []string{"not in canonical form"}
	proxies.Strip(stranger)
	if diff := cmp.Diff([]string{"Accept", "Authorization", "Content-Type", "X-Certainty"}, names(stranger)); diff != "" {
		t.Error(diff)
	}
	trusted := request("10.1.2.3:1", nil, slices.Concat(honest, forged)...)
	before := names(trusted)
	proxies.Strip(trusted)
	if diff := cmp.Diff(before, names(trusted)); diff != "" {
		t.Error(diff)
	}
	var nobody *mtls.Proxies
	if nobody.Strip(trusted); trusted.Header.Get("Client-Cert") != "" {
		t.Error("without configuration the header stays")
	}
}

func TestParseClientCert(t *testing.T) {
	cert := issue(t, newCA(t, "CA"), certs.Request{Subject: pkix.Name{CommonName: "a"}}).Certificate
	good := sequence(cert)
	text := base64.StdEncoding.EncodeToString(cert.Raw)
	for name, in := range map[string]string{"as the RFC has it": good, "spaces around": "  " + good + " ", "no padding": ":" + strings.TrimRight(text, "=") + ":"} {
		if got, err := mtls.ParseClientCert(in); err != nil || !bytes.Equal(got.Raw, cert.Raw) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, in := range map[string]string{
		"empty": "", "a colon": ":", "no bytes": "::", "no colons": text, "no end": ":" + text, "no start": text + ":", "quoted": `"` + text + `"`,
		"parameter": good + ";a=1", "two items": good + "," + good, "not base64": ":%%%%:", "URL alphabet": ":-_-_:", "PEM": "-----BEGIN CERTIFICATE-----",
		"line break inside": ":" + text[:8] + "\r\n" + text[8:] + ":", "space inside": ":" + text[:8] + " " + text[8:] + ":", "not a certificate": ":AAAA:",
		"two certificates":   ":" + base64.StdEncoding.EncodeToString(slices.Concat(cert.Raw, cert.Raw)) + ":",
		"cut off":            ":" + base64.StdEncoding.EncodeToString(cert.Raw[:len(cert.Raw)-1]) + ":",
		"large":              ":" + strings.Repeat("A", 30<<10) + ":",
		"larger":             ":" + strings.Repeat("A", 70<<10) + ":",
		"loose trailing bit": ":AAB:",
	} {
		if _, err := mtls.ParseClientCert(in); !errors.Is(err, mtls.ErrHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseClientCertChain(t *testing.T) {
	ca := newCA(t, "CA")
	one, two := sequence(ca.Certificate), sequence(newCA(t, "CB").Certificate)
	for name, test := range map[string]struct {
		in   []string
		want int
		bad  bool
	}{
		"none": {nil, 0, false}, "an empty line": {[]string{" "}, 0, false}, "one": {[]string{one}, 1, false},
		"two": {[]string{one + " ,\t" + two}, 2, false}, "two lines": {[]string{one, two + "," + one}, 3, false},
		"eight": {slices.Repeat([]string{one}, 8), 8, false}, "nine": {slices.Repeat([]string{one}, 9), 0, true},
		"empty member": {[]string{one + ",," + two}, 0, true}, "comma at the end": {[]string{one + ","}, 0, true}, "malformed": {[]string{one, "x"}, 0, true},
		"oversized": {[]string{strings.Repeat(" ", 70<<10)}, 0, true},
	} {
		got, err := mtls.ParseClientCertChain(test.in...)
		if len(got) != test.want || test.bad != errors.Is(err, mtls.ErrHeader) {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
	}
}

func FuzzClientCert(f *testing.F) {
	ca := newCA(f, "CA")
	good := sequence(ca.Certificate)
	for _, seed := range []string{good, " " + good, good + ";a=1", good + "," + good, "", "::", ":", ":AAAA:", ":AA==:", ":AA=:", `"x"`, ":MIIB:", ",", ":\n:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		cert, err := mtls.ParseClientCert(in)
		if err != nil && !errors.Is(err, mtls.ErrHeader) || (err == nil) != (cert != nil) {
			t.Fatalf("%v, %v", cert, err)
		}
		if cert != nil {
			again, err := mtls.ParseClientCert(sequence(cert))
			if err != nil || !again.Equal(cert) {
				t.Fatalf("does not survive a round: %v", err)
			}
		}
		chain, err := mtls.ParseClientCertChain(in)
		if err != nil && (!errors.Is(err, mtls.ErrHeader) || chain != nil) {
			t.Fatalf("chain: %v, %v", chain, err)
		}
	})
}
