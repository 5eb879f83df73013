package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
	"signet/policy"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/fetch"
	"signet/provider/interaction"
	"signet/provider/keys"
	"signet/provider/keys/file"
	"signet/provider/oauth"
	"signet/provider/store"
)

const (
	apiJWT    = "https://api.bank.example"    // takes JWT access tokens
	apiOpaque = "https://opaque.bank.example" // takes opaque ones
	callback  = "https://app.example/callback"
	password  = "correct horse battery staple"
)

// house is a whole provider behind two real TLS doors, wired as cmd/signet wires it, with a clock that a
// test can move.
type house struct {
	t       testing.TB
	dir     string
	extra   string // of the configuration file
	ca      *certs.CA
	config  provider.Config
	store   *store.Store
	ring    *keys.Ring
	sealer  keys.Sealer
	engine  *policy.Engine
	issuer  string // also the main door's base URL
	mtls    string // the mTLS door's base URL
	ahead   atomic.Int64
	serving *provider.Provider
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// advance moves the provider's clock.
func (h *house) advance(d time.Duration) { h.ahead.Add(int64(d)) }

// newHouse builds one; change may alter the configuration first.
func newHouse(t testing.TB, change func(*provider.Config)) *house {
	t.Helper()
	return newHouseWith(t, "", change)
}

// newHouseWith has extra, which is YAML, at the end of its configuration file.
func newHouseWith(t testing.TB, extra string, change func(*provider.Config)) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), extra: extra}
	var err error
	h.ca, err = certs.NewCA(rand.Reader, time.Now(), "Test CA")
	must(t, err)
	mainDoor, mtlsDoor := listen(t), listen(t)
	h.issuer, h.mtls = baseURL(mainDoor), baseURL(mtlsDoor)
	h.config = h.defaultConfig()
	if change != nil {
		change(&h.config)
	}
	h.serving, err = provider.New(h.config, h.deps())
	must(t, err)
	server, err := h.ca.Issue(certs.Request{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, Key: certs.RSA2048,
		EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	must(t, err)
	certificate := server.TLSCertificate()
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	h.serve(mainDoor, mtls.ServerConfig(get, false), h.serving.Main())
	h.serve(mtlsDoor, mtls.ServerConfig(get, true), h.serving.MTLS())
	return h
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return l
}

func baseURL(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "https://localhost:" + port
}

func (h *house) serve(l net.Listener, config *tls.Config, handler http.Handler) {
	server := &http.Server{Handler: handler, TLSConfig: config, ErrorLog: slog.NewLogLogger(h.log().Handler(), slog.LevelDebug), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.ServeTLS(l, "", "") }()
	h.t.Cleanup(func() { _ = server.Close() })
}

func (h *house) log() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(h.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	return slog.New(slog.DiscardHandler)
}

func (h *house) defaultConfig() provider.Config {
	h.write("passphrase", "a passphrase for tests only")
	h.write("ca.pem", string(h.ca.CertPEM))
	raw := strings.NewReplacer("ISSUER", h.issuer, "MTLS", h.mtls).Replace(`
issuer: ISSUER
profile: openid
main: {listen: "127.0.0.1:0", certificate: x, key: x}
mtls: {listen: "127.0.0.1:0", base_url: MTLS, certificate: x, key: x}
operations: {listen: "127.0.0.1:0"}
client_certificates: {trust_anchors: [ca.pem], require_crl: false}
store: {dsn: "sqlite:signet.db"}
keys: {backend: file, directory: keys, passphrase_file: passphrase, algorithms: [ES256, EdDSA]}
audit: {spool: spool}
scopes:
  - {name: accounts, description: See your accounts}
  - {name: payments, description: Make payments}
resources:
  - {id: "https://api.bank.example", name: Accounts API, scopes: [accounts, payments]}
  - {id: "https://opaque.bank.example", name: Cards API, scopes: [accounts], token_format: opaque}
` + h.extra)
	config, faults := provider.ParseConfig([]byte(raw), h.dir)
	if len(faults) > 0 {
		h.t.Fatal(faults)
	}
	return config
}

func (h *house) deps() provider.Deps {
	ctx, stop := context.WithCancel(context.Background())
	h.t.Cleanup(stop)
	backend, err := file.Open(ctx, file.Options{
		Directory: h.config.Keys.Directory, PassphraseFile: h.config.Keys.PassphraseFile, RSABits: 2048, Random: rand.Reader, Log: h.log(),
	})
	must(h.t, err)
	h.sealer = backend
	h.ring, err = keys.NewRing(ctx, backend, keys.Options{
		Clock: h.now, Algs: h.config.Keys.Algorithms, PublishFor: h.config.Keys.PublishFor, RetireAfter: h.config.Keys.RetireAfter, ArchiveFor: h.config.Keys.ArchiveFor, Maintain: true, Log: h.log(),
	})
	must(h.t, err)
	h.store, err = store.Open(ctx, h.config.Store.DSN, store.Options{Clock: h.now, Log: h.log()})
	must(h.t, err)
	h.t.Cleanup(func() { _ = h.store.Close() })
	h.engine, err = policy.New(ctx, policy.Options{Directory: h.config.Policy.Directory, Clock: h.now, Random: rand.Reader, Timeout: 5 * time.Second})
	must(h.t, err)
	anchors, err := mtls.NewAnchors(mtls.AnchorsConfig{CAFiles: h.config.ClientCertificates.TrustAnchors}, h.now)
	must(h.t, err)
	spool, err := audit.Open(h.config.Audit.Spool, audit.Options{MaxBytes: h.config.Audit.MaxBytes, Sink: h.store, Clock: h.now, Log: h.log()})
	must(h.t, err)
	h.t.Cleanup(func() { _ = spool.Close(context.Background()) })
	return provider.Deps{
		Store: h.store, Keys: h.ring, Sealer: backend, Policy: h.engine, Anchors: anchors,
		Fetch: fetch.New(fetch.Options{Clock: h.now, RootCAs: h.ca.Pool(), AllowHosts: h.config.Outbound.AllowHosts}),
		Audit: spool, Clock: h.now, Random: rand.Reader, Log: h.log(),
	}
}

func (h *house) write(name, text string) string {
	path := filepath.Join(h.dir, name)
	must(h.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(h.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// leaf issues a client certificate.
func (h *house) leaf(request certs.Request) *certs.Leaf {
	h.t.Helper()
	leaf, err := h.ca.Issue(request)
	must(h.t, err)
	return leaf
}

// register stores a client; change completes it. The result has been validated as "signet client add" does.
func (h *house) register(id string, change func(*oauth.Client)) *oauth.Client {
	h.t.Helper()
	c := &oauth.Client{
		ID: id, Name: "Client " + id, AuthMethod: oauth.AuthSecretBasic, Scope: "openid profile email offline_access accounts payments",
		GrantTypes:   []string{oauth.GrantClientCredentials, oauth.GrantAuthorizationCode, oauth.GrantRefreshToken},
		RedirectURIs: []string{callback}, Resources: []string{apiJWT, apiOpaque}, CreatedAt: h.now(),
	}
	if change != nil {
		change(c)
	}
	if c.AuthMethod.UsesSecret() && c.SecretHash == "" {
		hash, err := clientauth.HashSecret(secretOf(id), rand.Reader)
		must(h.t, err)
		c.SecretHash = hash
	}
	if c.AuthMethod == oauth.AuthSecretJWT {
		sealed, err := clientauth.SealSecret(h.t.Context(), h.sealer, id, secretOf(id))
		must(h.t, err)
		c.SecretHash, c.SecretSealed = "", sealed
	}
	registration := *c
	if c.Profile == oauth.ProfileFAPI2Security {
		// It could not be registered for codes, which it has no way to ask for; the tests put them into the store.
		registration.GrantTypes = slices.DeleteFunc(slices.Clone(c.GrantTypes), func(g string) bool { return g == oauth.GrantAuthorizationCode })
	}
	if faults := provider.ValidateClient(&registration, h.config); len(faults) > 0 {
		h.t.Fatal(faults)
	}
	must(h.t, h.store.Commit(h.t.Context(), oauth.StoreClient{Client: *c, New: true}))
	return c
}

// secretOf is the secret that register gives a client: 256 bits worth of text, so that it is kept as a digest.
func secretOf(id string) oauth.Secret {
	digest := oauth.Secret("secret of " + id).Digest()
	return oauth.Secret(digest.String())
}

// user stores an account.
func (h *house) user(name string) oauth.User {
	h.t.Helper()
	hash, err := interaction.HashPassword(password)
	must(h.t, err)
	u := oauth.User{ID: "sub-" + name, Username: name, PasswordHash: hash, CreatedAt: h.now(), Claims: map[string]any{
		"name": "Alice Example", "email": name + "@example.com", "email_verified": true, "phone_number": "+49 30 1234",
	}}
	must(h.t, h.store.Commit(h.t.Context(), oauth.StoreUser{User: u, New: true}))
	return u
}

// http is a client that trusts the house, with its own connections; leaf may be nil.
func (h *house) http(leaf *certs.Leaf) *http.Client {
	config := &tls.Config{RootCAs: h.ca.Pool(), MinVersion: tls.VersionTLS12}
	if leaf != nil {
		config.Certificates = []tls.Certificate{leaf.TLSCertificate()}
	}
	transport := &http.Transport{TLSClientConfig: config}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is an HTTP answer, read.
type reply struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any // nil when the body is no JSON object
}

func (r reply) text(name string) string {
	s, _ := r.JSON[name].(string)
	return s
}

func (h *house) do(client *http.Client, req *http.Request) reply {
	h.t.Helper()
	response, err := client.Do(req)
	must(h.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must(h.t, err)
	r := reply{Status: response.StatusCode, Header: response.Header, Body: string(body)}
	_ = json.Unmarshal(body, &r.JSON)
	return r
}

// post sends a form; edit may alter the request.
func (h *house) post(client *http.Client, target string, form url.Values, edit ...func(*http.Request)) reply {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	must(h.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(req)
	}
	return h.do(client, req)
}

func (h *house) get(client *http.Client, target string, edit ...func(*http.Request)) reply {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, target, nil)
	must(h.t, err)
	for _, e := range edit {
		e(req)
	}
	return h.do(client, req)
}

// basic authenticates a request as register's client_secret_basic client.
func basic(id string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secretOf(id).Reveal())) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func form(pairs ...string) url.Values {
	f := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
