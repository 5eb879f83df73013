package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql" // looks behind the store, so that nothing it hides is missed
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/policy"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/fetch"
	"signet/provider/oauth"
	"signet/provider/store"
)

// twin is a second provider over the same store and keys, with doors, issuer, policy, anchors and audit
// spool of its own: a house costs seconds to build, a twin next to nothing.
type twin struct {
	*house
	spool  *audit.Spool
	logged *logBuffer
	plain  *http.Client // without a certificate, for many requests
	db     *sql.DB      // reads what the store has written
}

// change alters the twin's configuration, inject what it works with; both may be nil.
func (h *house) twin(change func(*provider.Config), inject func(*provider.Deps)) *twin {
	h.t.Helper()
	mainDoor, mtlsDoor := listen(h.t), listen(h.t)
	tw := &twin{logged: &logBuffer{}, house: &house{
		t: h.t, dir: h.t.TempDir(), ca: h.ca, config: h.config, store: h.store, ring: h.ring, sealer: h.sealer, engine: h.engine,
		issuer: baseURL(mainDoor), mtls: baseURL(mtlsDoor),
	}}
	tw.config.Issuer, tw.config.Main.BaseURL, tw.config.MTLS.BaseURL = tw.issuer, tw.issuer, tw.mtls
	if change != nil {
		change(&tw.config)
	}
	deps := tw.parts()
	if inject != nil {
		inject(&deps)
	}
	var err error
	tw.serving, err = provider.New(tw.config, deps)
	must(h.t, err)
	tw.db, err = sql.Open("sqlite", "file:"+strings.TrimPrefix(tw.config.Store.DSN, "sqlite:")+"?mode=ro")
	must(h.t, err)
	h.t.Cleanup(func() { _ = tw.db.Close() })
	tw.plain = tw.http(nil)
	server := h.leaf(certs.Request{DNSNames: []string{"localhost"}, EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	certificate := server.TLSCertificate()
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	tw.serve(mainDoor, mtls.ServerConfig(get, false), tw.serving.Main())
	tw.serve(mtlsDoor, mtls.ServerConfig(get, true), tw.serving.MTLS())
	return tw
}

func (tw *twin) parts() provider.Deps {
	tw.t.Helper()
	var err error
	if dir := tw.config.Policy.Directory; dir != "" {
		tw.engine, err = policy.New(tw.t.Context(), policy.Options{Directory: dir, Clock: tw.now, Random: rand.Reader, Timeout: 5 * time.Second})
		must(tw.t, err)
	}
	trust := tw.config.ClientCertificates
	anchors, err := mtls.NewAnchors(mtls.AnchorsConfig{
		CAFiles: trust.TrustAnchors, CRLFiles: trust.CRLs, RequireCRL: trust.RequireCRL != nil && *trust.RequireCRL,
	}, tw.now)
	must(tw.t, err)
	tw.spool, err = audit.Open(filepath.Join(tw.dir, "spool"), audit.Options{Sink: tw.store, Clock: tw.now})
	must(tw.t, err)
	tw.t.Cleanup(func() { _ = tw.spool.Close(context.Background()) })
	spools.Lock()
	spools.of[tw.store] = append(spools.of[tw.store], tw.spool)
	spools.Unlock()
	return provider.Deps{
		Store: tw.store, Keys: tw.ring, Sealer: tw.sealer, Policy: tw.engine, Anchors: anchors,
		Fetch: fetch.New(fetch.Options{Clock: tw.now, RootCAs: tw.ca.Pool(), AllowHosts: tw.config.Outbound.AllowHosts}),
		Audit: tw.spool, Clock: tw.now, Random: rand.Reader, Log: slog.New(slog.NewTextHandler(tw.logged, nil)),
	}
}

// spools are those of all twins of one store: what any of them delivers late is no change of state.
var spools = struct {
	sync.Mutex
	of map[*store.Store][]*audit.Spool
}{of: map[*store.Store][]*audit.Spool{}}

// logBuffer keeps what a twin logs.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// about returns the lines that name the request.
func (b *logBuffer) about(requestID string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(slices.DeleteFunc(strings.Split(b.text.String(), "\n"), func(line string) bool {
		return !strings.Contains(line, requestID)
	}), "\n")
}

// state is every row of every table, once what waits in the twins' spools has arrived.
func (tw *twin) state(t testing.TB) map[string][]string {
	t.Helper()
	spools.Lock()
	for _, spool := range spools.of[tw.store] {
		must(t, spool.Flush(t.Context()))
	}
	spools.Unlock()
	all := map[string][]string{}
	for _, table := range rowsOf(t, tw.db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
		all[table] = rowsOf(t, tw.db, `SELECT * FROM "`+table+`" ORDER BY 1, 2`)
	}
	return all
}

func rowsOf(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	must(t, err)
	var all []string
	for rows.Next() {
		cells, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range cells {
			targets[i] = &cells[i]
		}
		must(t, rows.Scan(targets...))
		text := make([]string, len(cells))
		for i, cell := range cells {
			text[i] = string(cell)
		}
		all = append(all, strings.Join(text, "|"))
	}
	must(t, rows.Err())
	return all
}

// unchanged compares two states, but for the tables in except.
func unchanged(t testing.TB, before, after map[string][]string, except ...string) {
	t.Helper()
	before, after = maps.Clone(before), maps.Clone(after)
	for _, table := range except {
		delete(before, table)
		delete(after, table)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the store changed: %s", diff)
	}
}

// account stores a user without a password: nobody logs in here.
func (h *house) account(name string) {
	h.t.Helper()
	must(h.t, h.store.Commit(h.t.Context(), oauth.StoreUser{New: true, User: oauth.User{
		ID: "sub-" + name, Username: name, CreatedAt: h.now(), Claims: map[string]any{"name": "Alice Example", "email": name + "@example.com"},
	}}))
}

const (
	verifier   = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	bankingAll = "openid offline_access accounts payments"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (h *house) aliceNow() oauth.EndUser {
	return oauth.EndUser{ID: "sub-alice", AuthTime: h.now().Add(-time.Minute), ACR: "urn:signet:acr:password", AMR: []string{"pwd"}}
}

func (h *house) grantFor(clientID, scope string) oauth.Grant {
	h.t.Helper()
	id, err := oauth.NewID(rand.Reader)
	must(h.t, err)
	granted, _ := oauth.ParseScope(scope)
	return oauth.Grant{
		ID: id, ClientID: clientID, UserID: "sub-alice", Scope: granted, CreatedAt: h.now(), ExpiresAt: h.now().Add(24 * time.Hour),
	}
}

// storedCode stores a code for alice as the authorization endpoint would; its verifier is the constant.
func (h *house) storedCode(clientID, scope string) string {
	h.t.Helper()
	grant := h.grantFor(clientID, scope)
	code, err := oauth.NewSecret(rand.Reader)
	must(h.t, err)
	must(h.t, h.store.Commit(h.t.Context(), oauth.StoreGrant{Grant: grant}, oauth.StoreCode{Code: oauth.AuthorizationCode{
		Digest: code.Digest(), ClientID: clientID, GrantID: grant.ID, User: h.aliceNow(), Scope: grant.Scope,
		IssuedAt: h.now(), ExpiresAt: h.now().Add(time.Minute),
		Request: oauth.AuthorizationRequest{
			ClientID: clientID, RedirectURI: callback, ResponseType: "code", Scope: grant.Scope, Nonce: "n1", CodeChallenge: challengeOf(verifier),
		},
	}}))
	return code.Reveal()
}

// storedRefresh stores a grant of alice's with its first refresh token.
func (h *house) storedRefresh(clientID, scope string) string {
	h.t.Helper()
	grant := h.grantFor(clientID, scope)
	token, err := oauth.NewSecret(rand.Reader)
	must(h.t, err)
	must(h.t, h.store.Commit(h.t.Context(), oauth.StoreGrant{Grant: grant}, oauth.StoreRefresh{Token: oauth.RefreshToken{
		Digest: token.Digest(), ClientID: clientID, GrantID: grant.ID, User: h.aliceNow(), Scope: grant.Scope,
		IssuedAt: h.now(), ExpiresAt: h.now().Add(time.Hour),
	}}))
	return token.Reveal()
}

// redeem is the token request for a stored code.
func redeem(code string, more ...string) []string {
	return append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier}, more...)
}

// proof is the two parameters that carry a client assertion.
func proof(assertion string) []string {
	return []string{"client_assertion_type", jwtBearer, "client_assertion", assertion}
}

// qwac issues a certificate with the contents of a QWAC for these PSD2 roles.
func (h *house) qwac(name string, roles ...string) *certs.Leaf {
	h.t.Helper()
	return h.leaf(certs.Request{
		Subject:        pkix.Name{Country: []string{"DE"}, Organization: []string{"Third Party GmbH"}, CommonName: name},
		OrganizationID: "PSDDE-BAFIN-123456", DNSNames: []string{name + ".example"}, Key: certs.RSA2048,
		EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		QC:  &mtls.PSD2{Roles: roles, AuthorityName: "Federal Financial Supervisory Authority", AuthorityID: "DE-BAFIN"},
	})
}

// thumbprintOf is the cnf.x5t#S256 of a JWT access token, or "".
func thumbprintOf(t testing.TB, compact string) string {
	t.Helper()
	cnf, _ := claimsOf(t, compact)["cnf"].(map[string]any)
	thumbprint, _ := cnf["x5t#S256"].(string)
	return thumbprint
}

const (
	basicChallenge  = `Basic realm="signet", charset="UTF-8"`
	bearerChallenge = `Bearer realm="signet"`
	dpopChallenge   = ` + DPoP realm="signet", algs="ES256 PS256 EdDSA RS256"`
)

// fault is the error that a test wants. Headers are those beside what every error has.
type fault struct {
	status            int
	code, description string
	headers           map[string]string
}

var legalDescription = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`) // RFC 6749 section 5.2

// check holds an answer against RFC 6749 section 5.2: exactly these members, and no caching.
func (want fault) check(t testing.TB, got reply) {
	t.Helper()
	id := got.Header.Get("X-Request-Id")
	if len(id) != 22 {
		t.Errorf("X-Request-Id is %q", id)
	}
	if got.Status != want.status {
		t.Errorf("status %d, want %d: %s", got.Status, want.status, got.Body)
	}
	body := map[string]any{"request_id": id}
	for name, value := range map[string]string{"error": want.code, "error_description": want.description} {
		if value != "" {
			body[name] = value
		}
	}
	if diff := cmp.Diff(body, got.JSON); diff != "" {
		t.Errorf("body: %s", diff)
	}
	if !legalDescription.MatchString(got.text("error_description")) {
		t.Errorf("error_description has forbidden characters: %q", got.text("error_description"))
	}
	headers := map[string]string{
		"Cache-Control": "no-store", "Pragma": "no-cache", "Content-Type": "application/json;charset=UTF-8",
		"WWW-Authenticate": "", "Allow": "", "Retry-After": "", "Location": "", "X-Content-Type-Options": "nosniff",
	}
	if want.code == "invalid_client" {
		headers["WWW-Authenticate"] = basicChallenge
	}
	maps.Copy(headers, want.headers)
	sent := map[string]string{}
	for name := range headers {
		sent[name] = strings.Join(got.Header.Values(name), " + ")
	}
	if diff := cmp.Diff(headers, sent); diff != "" {
		t.Errorf("headers: %s", diff)
	}
}

// refused is the commonest fault: a code and its description.
func refused(status int, code, format string, args ...any) fault {
	return fault{status: status, code: code, description: fmt.Sprintf(format, args...)}
}
