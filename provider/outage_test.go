package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/policy"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/token"
)

// errOutage is a cause that no client may learn of.
var errOutage = errors.New("PRIVATE: dial tcp 10.1.2.3:3306: connection refused")

// outage wraps what a provider works with, so that a test can break one part at a time.
type outage struct {
	signer, commits, reads, policy, audit, random atomic.Bool
}

func (o *outage) inject(t *testing.T) func(*provider.Deps) {
	return func(d *provider.Deps) {
		full, err := audit.Open(filepath.Join(t.TempDir(), "full"), audit.Options{MaxBytes: 1, Sink: d.Store, Clock: d.Clock})
		must(t, err)
		t.Cleanup(func() { _ = full.Close(context.Background()) })
		d.Store = brittleStore{d.Store, o}
		d.Keys = brittleKeys{d.Keys, o}
		d.Policy = brittlePolicy{d.Policy, o}
		d.Audit = brittleAudit{d.Audit, full, o}
		d.Random = brittleRandom{d.Random, o}
	}
}

type brittleStore struct {
	provider.Store
	o *outage
}

// Commit implements provider.Store.
func (s brittleStore) Commit(ctx context.Context, changes ...oauth.Change) error {
	if s.o.commits.Load() && len(changes) > 0 {
		return errOutage
	}
	return s.Store.Commit(ctx, changes...)
}

// Client implements provider.Store.
func (s brittleStore) Client(ctx context.Context, id string) (*oauth.Client, error) {
	if s.o.reads.Load() {
		return nil, errOutage
	}
	return s.Store.Client(ctx, id)
}

// User implements provider.Store.
func (s brittleStore) User(ctx context.Context, id string) (oauth.User, error) {
	if s.o.reads.Load() {
		return oauth.User{}, errOutage
	}
	return s.Store.User(ctx, id)
}

type brittleKeys struct {
	provider.Keys
	o *outage
}

// Sign implements provider.Keys.
func (k brittleKeys) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	if k.o.signer.Load() {
		return "", errOutage
	}
	return k.Keys.Sign(ctx, alg, typ, payload)
}

type brittlePolicy struct {
	token.Policy
	o *outage
}

// Decide implements token.Policy.
func (p brittlePolicy) Decide(ctx context.Context, in policy.Input) (policy.Decision, error) {
	if p.o.policy.Load() {
		return policy.Decision{}, errOutage
	}
	return p.Policy.Decide(ctx, in)
}

type brittleAudit struct {
	token.Auditor
	full token.Auditor // a real spool without room
	o    *outage
}

// Add implements token.Auditor.
func (a brittleAudit) Add(ctx context.Context, entry oauth.AuditEntry) error {
	if a.o.audit.Load() {
		return a.full.Add(ctx, entry)
	}
	return a.Auditor.Add(ctx, entry)
}

type brittleRandom struct {
	oauth.Random
	o *outage
}

// Read implements io.Reader.
func (r brittleRandom) Read(p []byte) (int, error) {
	if r.o.random.Load() {
		return 0, errOutage
	}
	return r.Random.Read(p)
}

// attempt is a request that uses something up when it succeeds.
type attempt struct {
	name string
	make func() func() reply // prepares it once; the result may be sent again and again
}

// TestOutages breaks each part under each kind of request: the right answer, no detail, nothing burnt, and
// the very same request works once the part is back.
func TestOutages(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	key := newSigningKey(t, "k1")
	h.register("app", nil)
	h.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	o := &outage{}
	tw := h.twin(nil, o.inject(t))

	unavailable := func(text string) fault {
		want := refused(503, "temporarily_unavailable", "%s", text)
		want.headers = map[string]string{"Retry-After": "2"}
		return want
	}
	internal := fault{status: 500, code: "server_error"}
	signing := unavailable("tokens cannot be signed at present")
	for _, c := range []struct {
		name     string
		part     *atomic.Bool
		attempts []attempt
		want     fault
	}{
		{"signer down", &o.signer, tw.attempts(key, "code", "code with ID token", "refresh", "assertion", "basic"), signing},
		{"commits fail", &o.commits, tw.attempts(key, "code", "code with ID token", "refresh", "assertion", "opaque", "revocation", "introspection with assertion"), internal},
		{"policy down", &o.policy, tw.attempts(key, "code", "refresh", "assertion", "opaque", "basic"), unavailable("the authorization policy cannot answer at present")},
		{"audit spool full", &o.audit, tw.attempts(key, "basic"), unavailable("the audit log cannot take the request")},
		{"clients cannot be read", &o.reads, tw.attempts(key, "code", "refresh", "assertion", "basic", "revocation"), unavailable("the client cannot be authenticated now")},
		{"users cannot be read", &o.reads, tw.attempts(key, "userinfo"), internal},
	} {
		for _, a := range c.attempts {
			t.Run(c.name+"/"+a.name, func(t *testing.T) {
				send := a.make()
				before := tw.state(t)
				c.part.Store(true)
				defer c.part.Store(false)
				for range 2 {
					got := send()
					c.want.check(t, got)
					if strings.Contains(got.Body, "PRIVATE") || strings.Contains(got.Body, "10.1.2.3") {
						t.Errorf("a detail leaked: %s", got.Body)
					}
					if c.name != "audit spool full" && !strings.Contains(tw.logged.about(got.text("request_id")), "PRIVATE") {
						t.Errorf("the cause is not in the log under %s", got.text("request_id"))
					}
				}
				if diff := cmp.Diff(before, tw.state(t)); diff != "" {
					t.Errorf("something was burnt: %s", diff)
				}
				c.part.Store(false)
				if again := send(); again.Status != http.StatusOK {
					t.Errorf("the same request afterwards: %d %s", again.Status, again.Body)
				}
			})
		}
	}
	t.Run("a denial that cannot be recorded", func(t *testing.T) { tw.unrecordedDenial(t, o) })
	t.Run("no randomness", func(t *testing.T) { tw.withoutRandomness(t, o) })
	t.Run("authorization endpoint", func(t *testing.T) { tw.authorizeOutage(t, o) })
}

// attempts picks kinds of request by name.
func (tw *twin) attempts(key signingKey, names ...string) []attempt {
	post := func(path string, f []string, edit ...func(*http.Request)) func() reply {
		return func() reply { return tw.post(tw.http(nil), tw.issuer+path, form(f...), edit...) }
	}
	assertion := func(f ...string) []string { return append(f, proof(tw.assertion(key, "pk", nil))...) }
	kinds := map[string]func() func() reply{
		"code": func() func() reply {
			return post("/token", assertion(redeem(tw.storedCode("pk", "accounts"))...))
		},
		"code with ID token": func() func() reply { return post("/token", redeem(tw.storedCode("app", bankingAll)), basic("app")) },
		"refresh": func() func() reply {
			return post("/token", assertion("grant_type", "refresh_token", "refresh_token", tw.storedRefresh("pk", bankingAll)))
		},
		"assertion": func() func() reply { return post("/token", assertion("grant_type", "client_credentials")) },
		"basic":     func() func() reply { return post("/token", []string{"grant_type", "client_credentials"}, basic("app")) },
		"opaque": func() func() reply {
			return post("/token", []string{"grant_type", "client_credentials", "resource", apiOpaque}, basic("app"))
		},
		"revocation": func() func() reply {
			return post("/revoke", []string{"token", tw.storedRefresh("app", bankingAll)}, basic("app"))
		},
		"introspection with assertion": func() func() reply { return post("/introspect", assertion("token", "nonsense")) },
		"userinfo": func() func() reply {
			issued := post("/token", redeem(tw.storedCode("app", bankingAll)), basic("app"))()
			return func() reply { return tw.get(tw.http(nil), tw.issuer+"/userinfo", bearer(issued.text("access_token"))) }
		},
	}
	var all []attempt
	for _, name := range names {
		all = append(all, attempt{name, kinds[name]})
	}
	return all
}

// unrecordedDenial is refused with 503 in place of the denial: what nobody can show to an auditor is not decided.
func (tw *twin) unrecordedDenial(t *testing.T, o *outage) {
	dir := ownersDirectory(t)
	strict := tw.house.twin(func(c *provider.Config) { c.Policy.Directory = dir }, o.inject(t))
	o.audit.Store(true)
	defer o.audit.Store(false)
	r := strict.post(strict.http(strict.leaf(certs.Request{})), strict.mtls+"/token", form("grant_type", "client_credentials", "scope", "payments"), basic("app"))
	want := refused(503, "temporarily_unavailable", "the audit log cannot take the request")
	want.headers = map[string]string{"Retry-After": "2"}
	want.check(t, r)
}

// withoutRandomness has not even a request id to answer with.
func (tw *twin) withoutRandomness(t *testing.T, o *outage) {
	before := tw.state(t)
	o.random.Store(true)
	r := tw.post(tw.http(nil), tw.issuer+"/token", form("grant_type", "client_credentials"), basic("app"))
	o.random.Store(false)
	if r.Status != http.StatusInternalServerError || r.text("error") != "server_error" || len(r.JSON) != 1 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	unchanged(t, before, tw.state(t))
}

// authorizeOutage fails the commit of a code: the client hears of it, and there is neither code nor grant.
func (tw *twin) authorizeOutage(t *testing.T, o *outage) {
	secret := oauth.Secret(strings.Repeat("s", 43))
	user := tw.aliceNow()
	user.SessionID = "sid-1"
	scope := oauth.Scope{"openid", "accounts"}
	must(t, tw.store.Commit(t.Context(),
		oauth.StoreSession{Session: oauth.Session{Digest: secret.Digest(), User: user, ExpiresAt: tw.now().Add(3600e9)}},
		oauth.RememberConsent{Consent: oauth.Consent{
			UserID: user.ID, ClientID: "app", At: tw.now(), Agreed: oauth.Agreement(scope, []string{apiJWT, apiOpaque}, tw.now().Add(3600e9)),
		}}))
	query := form("response_type", "code", "client_id", "app", "redirect_uri", callback, "scope", scope.String(), "state", "st-1",
		"code_challenge", challengeOf(verifier), "code_challenge_method", "S256")
	ask := func() url.Values {
		r := tw.get(tw.http(nil), tw.issuer+"/authorize?"+query.Encode(), func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "__Host-signet-session", Value: secret.Reveal()})
		})
		location, err := url.Parse(r.Header.Get("Location"))
		must(t, err)
		if r.Status != http.StatusSeeOther || !strings.HasPrefix(location.String(), callback) {
			t.Fatalf("%d %v", r.Status, r.Header)
		}
		return location.Query()
	}
	before := tw.state(t)
	o.commits.Store(true)
	got := ask()
	o.commits.Store(false)
	if diff := cmp.Diff(form("error", "server_error", "state", "st-1", "iss", tw.issuer), got); diff != "" {
		t.Error(diff)
	}
	unchanged(t, before, tw.state(t), "audit")
	if got := ask(); got.Get("code") == "" || got.Get("error") != "" {
		t.Errorf("afterwards: %v", got)
	}
}
