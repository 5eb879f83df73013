package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
)

// pair writes a server pair of the authority into dir.
func pair(t *testing.T, ca *certs.CA, dir string) (certFile, keyFile string, leaf *certs.Leaf) {
	t.Helper()
	leaf = issue(t, ca, certs.Request{DNSNames: []string{"localhost"}, IPs: []string{"127.0.0.1"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return write(t, dir, "server.pem", leaf.CertPEM), write(t, dir, "server-key.pem", leaf.KeyPEM), leaf
}

// serve starts a door whose handler judges the client's certificate by anchors, and answers with its thumbprint.
func serve(t *testing.T, reloader *mtls.Reloader, proxies *mtls.Proxies, anchors *mtls.Anchors) (url string) {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies.Strip(r)
		peer, err := proxies.Peer(r)
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case peer == nil:
			http.Error(w, "none", http.StatusUnauthorized)
			return
		}
		if err := anchors.Verify(peer.Leaf, peer.Chain, now); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, mtls.Thumbprint(peer.Leaf))
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: mtls.ServerConfig(reloader.GetCertificate, true), ReadHeaderTimeout: time.Minute}
	done := make(chan error)
	go func() { done <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "https://" + listener.Addr().String()
}

// client trusts the authority and presents leaf, when there is one.
func client(ca *certs.CA, leaf *certs.Leaf) *http.Client {
	config := &tls.Config{RootCAs: ca.Pool(), Time: clock}
	if leaf != nil {
		config.Certificates = []tls.Certificate{leaf.TLSCertificate()}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
}

func get(t *testing.T, c *http.Client, url string, headers ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(must(t, text, err))
}

// TestHandshake goes over real TLS: the door takes every certificate and none, and the judgement is per request.
func TestHandshake(t *testing.T) {
	ca := newCA(t, "CA")
	middle, err := ca.Intermediate("Middle")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, _ := pair(t, ca, t.TempDir())
	reloader, err := mtls.NewReloader(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	selfSigned, err := certs.SelfSigned(rand.Reader, now, certs.Request{})
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, reloader, nil, anchors(t, false, ca))
	good, below := issue(t, ca, certs.Request{}), issue(t, middle, certs.Request{})
	forged := sequence(good.Certificate)
	for name, test := range map[string]struct {
		leaf    *certs.Leaf
		headers []string
		status  int
		body    string
	}{
		"none":                {nil, nil, 401, ""},
		"a forged header":     {nil, []string{"Client-Cert", forged}, 401, ""},
		"good":                {good, nil, 200, mtls.Thumbprint(good.Certificate)},
		"below another":       {below, nil, 200, mtls.Thumbprint(below.Certificate)},
		"forged beside good":  {below, []string{"Client-Cert", forged}, 200, mtls.Thumbprint(below.Certificate)},
		"self-signed":         {selfSigned, nil, 403, ""},
		"forged beside wrong": {selfSigned, []string{"Client-Cert", forged}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := get(t, client(ca, test.leaf), url, test.headers...)
			if status != test.status || test.body != "" && body != test.body {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

// TestProxyHandshake: a proxy that is known by its own TLS certificate passes the client's on; another cannot.
func TestProxyHandshake(t *testing.T) {
	ca := newCA(t, "CA")
	certFile, keyFile, _ := pair(t, ca, t.TempDir())
	reloader, err := mtls.NewReloader(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	proxy, other, behind := issue(t, ca, certs.Request{}), issue(t, ca, certs.Request{}), issue(t, ca, certs.Request{})
	proxies, err := mtls.NewProxies(mtls.ProxiesConfig{Addresses: []string{"127.0.0.1"}, Thumbprints: []string{mtls.Thumbprint(proxy.Certificate)}})
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, reloader, proxies, anchors(t, false, ca))
	header := []string{"Client-Cert", sequence(behind.Certificate)}
	if status, body := get(t, client(ca, proxy), url, header...); status != 200 || body != mtls.Thumbprint(behind.Certificate) {
		t.Errorf("the proxy: %d %s", status, body)
	}
	if status, body := get(t, client(ca, proxy), url); status != 401 {
		t.Errorf("the proxy for a client without certificate: %d %s", status, body)
	}
	if status, _ := get(t, client(ca, proxy), url, "Client-Cert", "?"); status != 400 {
		t.Errorf("the proxy with a malformed header: %d", status)
	}
	if status, body := get(t, client(ca, other), url, header...); status != 200 || body != mtls.Thumbprint(other.Certificate) {
		t.Errorf("another client: %d %s", status, body)
	}
}

// TestServerConfig tries what BCP 195 forbids.
func TestServerConfig(t *testing.T) {
	ca := newCA(t, "CA")
	certFile, keyFile, _ := pair(t, ca, t.TempDir())
	reloader, err := mtls.NewReloader(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	rsaLeaf := issue(t, ca, certs.Request{DNSNames: []string{"localhost"}, Key: certs.RSA2048, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).TLSCertificate()
	rsaServer := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &rsaLeaf, nil }
	asks := func(ask bool) *tls.Config { return mtls.ServerConfig(reloader.GetCertificate, ask) }
	dial := func(server *tls.Config, version uint16, suites ...uint16) error {
		near, far := net.Pipe()
		defer near.Close() //nolint:errcheck // a pipe
		defer far.Close()  //nolint:errcheck // a pipe
		go func() { _ = tls.Server(far, server).HandshakeContext(t.Context()) }()
		return tls.Client(near, &tls.Config{RootCAs: ca.Pool(), Time: clock, ServerName: "localhost",
			MinVersion: tls.VersionTLS10, MaxVersion: version, CipherSuites: suites}).HandshakeContext(t.Context())
	}
	for _, ask := range []bool{false, true} {
		for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			if err := dial(asks(ask), version); (err == nil) != want {
				t.Errorf("%s: %v", tls.VersionName(version), err)
			}
		}
	}
	allowed := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		ecdsaErr := dial(asks(true), tls.VersionTLS12, suite.ID)
		rsaErr := dial(mtls.ServerConfig(rsaServer, true), tls.VersionTLS12, suite.ID)
		got, want := ecdsaErr == nil || rsaErr == nil, slices.Contains(allowed, suite.ID)
		if got != want {
			t.Errorf("%s: %v; %v, %v", suite.Name, got, ecdsaErr, rsaErr)
		}
		// The alert tells "none of these" from a server that is broken (RFC 5246 section 7.2.2).
		if !want && (!strings.Contains(ecdsaErr.Error(), "handshake failure") || !strings.Contains(rsaErr.Error(), "handshake failure")) {
			t.Errorf("%s is refused with %v, %v", suite.Name, ecdsaErr, rsaErr)
		}
	}
	if err := dial(mtls.ServerConfig(rsaServer, true), tls.VersionTLS12, allowed[:2]...); err == nil {
		t.Error("an RSA certificate is served under an ECDSA suite")
	}
	if asks(false).ClientAuth != tls.NoClientCert || asks(true).ClientAuth != tls.RequestClientCert {
		t.Error("the doors ask for the wrong thing")
	}
}

// TestServerConfigPrefersTLS13: a client that speaks both gets 1.3, whatever order its suites are in, and one that
// speaks 1.2 only gets what it can within the list (RFC 9325 section 3.1.1).
func TestServerConfigPrefersTLS13(t *testing.T) {
	ca := newCA(t, "CA")
	leaf := issue(t, ca, certs.Request{DNSNames: []string{"localhost"}, Key: certs.RSA2048, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).TLSCertificate()
	server := mtls.ServerConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &leaf, nil }, true)
	for _, test := range []struct {
		least, most, want uint16
		suites            []uint16
		suite             uint16 // 0 = any
	}{
		{tls.VersionTLS10, tls.VersionTLS13, tls.VersionTLS13, nil, 0},
		{tls.VersionTLS12, tls.VersionTLS13, tls.VersionTLS13, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}, 0},
		{tls.VersionTLS13, tls.VersionTLS13, tls.VersionTLS13, nil, 0},
		{
			tls.VersionTLS12, tls.VersionTLS12, tls.VersionTLS12,
			[]uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
	} {
		near, far := net.Pipe()
		go func() { _ = tls.Server(far, server).HandshakeContext(t.Context()) }()
		conn := tls.Client(near, &tls.Config{RootCAs: ca.Pool(), Time: clock, ServerName: "localhost",
			MinVersion: test.least, MaxVersion: test.most, CipherSuites: test.suites})
		if err := conn.HandshakeContext(t.Context()); err != nil {
			t.Error(err)
		}
		state := conn.ConnectionState()
		if state.Version != test.want || test.suite != 0 && state.CipherSuite != test.suite {
			t.Errorf("%s to %s gives %s with %s", tls.VersionName(test.least), tls.VersionName(test.most),
				tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
		}
		_, _ = near.Close(), far.Close()
	}
}

// TestReloadKeepsConnections: a standing connection outlives its certificate; new ones get the new certificate; what
// is broken changes nothing.
func TestReloadKeepsConnections(t *testing.T) {
	ca, dir := newCA(t, "CA"), t.TempDir()
	certFile, keyFile, first := pair(t, ca, dir)
	reloader, err := mtls.NewReloader(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	caFile := write(t, dir, "ca.pem", ca.CertPEM)
	crlFile := write(t, dir, "crl.pem", crl(t, ca, certs.CRLRequest{}))
	trust, err := mtls.NewAnchors(mtls.AnchorsConfig{CAFiles: []string{caFile}, CRLFiles: []string{crlFile}}, clock)
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, reloader, nil, trust)
	leaf := issue(t, ca, certs.Request{})
	standing := client(ca, leaf)
	seen := func(c *http.Client) (*x509.Certificate, int) {
		response, err := c.Get(url) //nolint:noctx // a test's own server
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.TLS.PeerCertificates[0], response.StatusCode
	}
	if cert, status := seen(standing); !cert.Equal(first.Certificate) || status != 200 {
		t.Fatalf("the first certificate: %d", status)
	}
	write(t, dir, "server.pem", []byte("broken"))
	if changed, err := reloader.Reload(); changed || err == nil || reloader.Health() == nil {
		t.Errorf("broken: %v, %v", changed, err)
	}
	if cert, _ := seen(client(ca, leaf)); !cert.Equal(first.Certificate) {
		t.Error("a broken file is in service")
	}
	_, _, second := pair(t, ca, dir)
	if changed, err := reloader.Reload(); !changed || err != nil || reloader.Health() != nil {
		t.Errorf("the second: %v, %v", changed, err)
	}
	if changed, err := reloader.Reload(); changed || err != nil {
		t.Errorf("the same again: %v, %v", changed, err)
	}
	if cert, status := seen(standing); !cert.Equal(first.Certificate) || status != 200 {
		t.Error("the standing connection was dropped")
	}
	if cert, _ := seen(client(ca, leaf)); !cert.Equal(second.Certificate) {
		t.Error("a new connection gets the old certificate")
	}
	write(t, dir, "crl.pem", crl(t, ca, certs.CRLRequest{Revoked: []*big.Int{leaf.Certificate.SerialNumber}}))
	if changed, err := trust.Reload(); !changed || err != nil {
		t.Errorf("the list: %v, %v", changed, err)
	}
	if cert, status := seen(standing); !cert.Equal(first.Certificate) || status != 403 {
		t.Errorf("a revoked client on its standing connection: %d", status)
	}
}

func TestReloaderRefuses(t *testing.T) {
	ca, dir := newCA(t, "CA"), t.TempDir()
	certFile, keyFile, _ := pair(t, ca, dir)
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // weak on purpose
	if err != nil {
		t.Fatal(err)
	}
	weak, other := issue(t, ca, certs.Request{Signer: small}), issue(t, ca, certs.Request{})
	for name, files := range map[string][2]string{
		"no certificate": {"/nowhere/server.pem", keyFile},
		"no key":         {certFile, "/nowhere/server-key.pem"},
		"another's key":  {certFile, write(t, dir, "other.pem", other.KeyPEM)},
		"swapped":        {keyFile, certFile},
		"weak":           {write(t, dir, "weak.pem", weak.CertPEM), write(t, dir, "weak-key.pem", weak.KeyPEM)},
	} {
		if _, err := mtls.NewReloader(files[0], files[1]); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256 := issue(t, ca, certs.Request{Signer: key})
	if _, err := mtls.NewReloader(write(t, dir, "p.pem", p256.CertPEM), write(t, dir, "p-key.pem", p256.KeyPEM)); err != nil {
		t.Error(err)
	}
}

// item is something that reloads as told.
type item struct {
	mu      sync.Mutex
	calls   int
	changed bool
	err     error
}

func (i *item) Reload() (bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls++
	changed := i.changed
	i.changed = false
	return changed, i.err
}

func (i *item) set(changed bool, err error) (calls int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.changed, i.err = changed, err
	return i.calls
}

func (i *item) after(calls int) func() bool {
	return func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.calls >= calls+2
	}
}

func TestWatch(t *testing.T) {
	ca, dir := newCA(t, "CA"), t.TempDir()
	certFile, keyFile, _ := pair(t, ca, dir)
	reloader, err := mtls.NewReloader(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	told := &item{}
	var mu sync.Mutex
	var reports []string
	report := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			what += ": " + err.Error()
		}
		reports = append(reports, what)
	}
	has := func(want string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Contains(reports, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		mtls.Watch(ctx, time.Millisecond, report, told, reloader)
	}()
	pair(t, ca, dir)
	eventually(t, "the new certificate", has("server certificate "+certFile))
	for _, step := range []struct {
		changed bool
		err     error
	}{{false, errors.New("one")}, {false, errors.New("two")}, {false, nil}, {true, nil}} {
		eventually(t, "two rounds", told.after(told.set(step.changed, step.err)))
	}
	cancel()
	<-done
	var own []string
	for _, line := range reports {
		if rest, found := strings.CutPrefix(line, "*mtls_test.item"); found {
			own = append(own, rest)
		}
	}
	if want := []string{": one", ": two", "", ""}; !slices.Equal(own, want) {
		t.Errorf("got %q, want %q", own, want)
	}
}

// TestReady is red outside the pair's validity and after a refused reload.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, leaf := pair(t, newCA(t, "CA"), dir)
	made, err := mtls.NewReloader(certFile, keyFile)
	reloader := must(t, made, err)
	for name, c := range map[string]struct {
		now time.Time
		ok  bool
	}{
		"within": {leaf.Certificate.NotBefore.Add(time.Hour), true},
		"before": {leaf.Certificate.NotBefore.Add(-time.Second), false},
		"after":  {leaf.Certificate.NotAfter.Add(time.Second), false},
	} {
		if err := reloader.Ready(c.now); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, dir, "server.pem", []byte("broken"))
	if _, err := reloader.Reload(); err == nil {
		t.Error("a broken file was taken")
	}
	if err := reloader.Ready(leaf.Certificate.NotBefore.Add(time.Hour)); err == nil {
		t.Error("ready after a refused reload")
	}
}
