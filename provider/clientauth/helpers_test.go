package clientauth

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"signet/mtls"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const (
	issuer   = "https://localhost:9443"
	endpoint = "https://localhost:9443/token"
	mtlsDoor = "https://localhost:9444/token"
	strong   = "perf-only-secret-0123456789abcdef0123456789" // has the form of a generated secret
	weak     = "correct horse: battery/staple+100%"
)

var (
	endpoints = []string{endpoint, mtlsDoor}
	now       = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
)

// The fakes: a client table, trust anchors that trust a list, a fetcher with two pages, a
// sealer that checks the context.

type table struct {
	clients map[string]*oauth.Client
	err     error
	reads   []string
}

func (t *table) Client(_ context.Context, id string) (*oauth.Client, error) {
	t.reads = append(t.reads, id)
	if t.err != nil {
		return nil, t.err
	}
	if c, ok := t.clients[id]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("client: %w", oauth.ErrNotFound)
}

type anchors struct{ pool *x509.CertPool }

func (a anchors) Verify(leaf *x509.Certificate, intermediates []*x509.Certificate, now time.Time) error {
	between := x509.NewCertPool()
	for _, cert := range intermediates {
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: a.pool, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

type pages struct {
	mu        sync.Mutex
	cached    []byte // what Cached answers; nil = fails
	fresh     []byte // what Refresh answers; nil = fails
	refreshed int
}

func (p *pages) Cached(context.Context, string, string, time.Duration) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cached == nil {
		return nil, errors.New("PRIVATE: connection refused")
	}
	return p.cached, nil
}

func (p *pages) Refresh(context.Context, string, string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshed++
	if p.fresh == nil {
		return nil, errors.New("PRIVATE: asked too often")
	}
	return p.fresh, nil
}

// sealer keeps the context in front of the text, so that opening under another one is noticed.
type sealer struct{ err error }

func (s sealer) Seal(_ context.Context, plaintext, context []byte) ([]byte, error) {
	return []byte(string(context) + "|" + string(plaintext)), s.err
}

func (s sealer) Open(_ context.Context, sealed, context []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	head := string(context) + "|"
	if len(sealed) < len(head) || string(sealed[:len(head)]) != head {
		return nil, errors.New("PRIVATE: sealed for somebody else")
	}
	return []byte(string(sealed[len(head):])), nil
}

// bank is an authenticator with everything that it depends on.
type bank struct {
	*Authenticator
	table *table
	pages *pages
}

func newBank(t testing.TB, change func(*Deps), clients ...*oauth.Client) *bank {
	t.Helper()
	b := &bank{table: &table{clients: map[string]*oauth.Client{}}, pages: &pages{}}
	for _, c := range clients {
		b.table.clients[c.ID] = c
	}
	deps := Deps{Clients: b.table, Issuer: issuer, Floor: oauth.Profiles[oauth.ProfileOpenID], Clock: func() time.Time { return now }, Peer: presented,
		Anchors: anchors{x509.NewCertPool()}, Fetch: b.pages, Sealer: sealer{}}
	if change != nil {
		change(&deps)
	}
	var err error
	b.Authenticator, err = New(deps, None, SecretBasic, SecretPost, SecretJWT, PrivateKeyJWT, TLS, SelfSignedTLS)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// attempt is a request in the making.
type attempt struct {
	basic  string // Authorization header
	params url.Values
	peer   *mtls.Peer
}

// request is the attempt without its parameters, which are parsed already.
func (a attempt) request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/token", nil)
	if a.basic != "" {
		r.Header.Set("Authorization", a.basic)
	}
	return r.WithContext(context.WithValue(r.Context(), peerKey{}, a.peer))
}

type peerKey struct{}

// presented finds an attempt's certificate.
func presented(r *http.Request) (*mtls.Peer, error) {
	peer, _ := r.Context().Value(peerKey{}).(*mtls.Peer)
	return peer, nil
}

func (b *bank) try(a attempt) (oauth.ClientAuthentication, error) {
	r := a.request()
	return b.Authenticate(r.Context(), r, oauth.NewParams(a.params), endpoints)
}

// refusal is what was answered, and why.
type refusal struct {
	text  string
	cause error
}

// refused checks that the attempt fails with the code, and that no change comes with it.
func (b *bank) refused(t *testing.T, a attempt, want oauth.Code) refusal {
	t.Helper()
	got, err := b.try(a)
	var fault *oauth.Error
	if !errors.As(err, &fault) {
		t.Fatalf("accepted, or no *oauth.Error: %v, %v", got, err)
	}
	if fault.Code != want {
		t.Errorf("code %s, want %s (%v)", fault.Code, want, fault)
	}
	if got.Client != nil || got.Changes != nil {
		t.Errorf("a refusal says who it was: %+v", got)
	}
	return refusal{fault.Description, fault.Cause}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func hashed(t testing.TB, secret string) string {
	t.Helper()
	hash, err := HashSecret(oauth.Secret(secret), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// keys are made once: RSA keys take long.
var generate = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	for _, alg := range []string{"ES256", "PS256", "EdDSA"} {
		key, err := jose.Generate(alg, 2048, rand.Reader)
		if err != nil {
			panic(err)
		}
		made[alg] = key
	}
	made["RS256"] = made["PS256"]
	made["other"], _ = jose.Generate("ES256", 0, rand.Reader)
	return made
})

func signer(t testing.TB, alg, kid string) *jose.PrivateKey {
	t.Helper()
	key, err := jose.NewPrivateKey(alg, kid, generate()[alg])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwks publishes keys by kid and algorithm, without pinning the algorithm.
func jwks(t testing.TB, keys map[string]string) json.RawMessage {
	t.Helper()
	var list []jose.PublicKey
	for kid, alg := range keys {
		list = append(list, jose.PublicKey{Kid: kid, Public: generate()[alg].Public()})
	}
	raw, err := jose.MarshalKeySet(list)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// claims returns a good assertion's, changed: a nil value removes a claim.
func claims(changes map[string]any) map[string]any {
	c := map[string]any{"iss": "app", "sub": "app", "aud": issuer, "jti": "j-1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func payload(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func signed(t testing.TB, alg, kid, typ string, claims map[string]any) string {
	t.Helper()
	token, err := signer(t, alg, kid).Sign(typ, payload(t, claims))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// forge assembles a token with any header; sign makes the signature.
func forge(header string, payload []byte, sign func(input string) []byte) string {
	b64 := base64.RawURLEncoding
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString(payload)
	return input + "." + b64.EncodeToString(sign(input))
}

func hs256(secret []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

func asserted(token string) attempt {
	return attempt{params: url.Values{"client_assertion": {token}, "client_assertion_type": {oauth.AssertionTypeJWT}}}
}
