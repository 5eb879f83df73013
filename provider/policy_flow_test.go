package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/policy"
	"signet/provider"
	"signet/provider/oauth"
	"signet/provider/store"
)

// ownersDirectory is a copy of the worked example, for a test to change.
func ownersDirectory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "owner")
	must(t, os.CopyFS(dir, os.DirFS("../policy/examples/psd2")))
	return dir
}

// psd2House has the example in force and clients with QWAC-like certificates.
func psd2House(t *testing.T) (tw *twin, ai, pi, both *certs.Leaf) {
	h := newHouse(t, nil)
	h.account("alice")
	h.register("basic", nil)
	ai, pi = h.qwac("ai", mtls.RoleAccountInformation), h.qwac("pi", mtls.RolePaymentInitiation)
	both = h.qwac("both", mtls.RolePaymentInitiation, mtls.RoleAccountInformation)
	for _, id := range []string{"ai", "pi", "both"} {
		h.register(id, func(c *oauth.Client) {
			c.AuthMethod, c.TLSSubjectDN, c.Scope = oauth.AuthTLS, "", "openid offline_access accounts payments"
			c.TLSSANDNS = id + ".example"
		})
	}
	dir := ownersDirectory(t)
	return h.twin(func(c *provider.Config) { c.Policy.Directory = dir }, nil), ai, pi, both
}

var denied = regexp.MustCompile(`^refused by policy \(decision ([A-Za-z0-9_-]{22})\)$`)

// TestPSD2Policy lets the roles in a real certificate decide over scopes, as policy/examples/psd2 describes.
func TestPSD2Policy(t *testing.T) {
	tw, ai, pi, both := psd2House(t)
	for _, c := range []struct {
		name, client string
		leaf         *certs.Leaf
		scope        string // requested
		granted      string
		lifetime     float64
		rules        []string // that deny
	}{
		{name: "accounts with PSP_AI", client: "ai", leaf: ai, scope: "accounts", granted: "accounts", lifetime: 300},
		{name: "payments with PSP_AI", client: "ai", leaf: ai, scope: "payments", rules: []string{"scope/psd2.nothing_allowed", "scope/psd2.payments_need_psp_pi"}},
		{name: "both with PSP_AI", client: "ai", leaf: ai, scope: "accounts payments", rules: []string{"scope/psd2.payments_need_psp_pi"}},
		{name: "all with PSP_AI", client: "ai", leaf: ai, granted: "accounts", lifetime: 300},
		{name: "payments with PSP_PI", client: "pi", leaf: pi, scope: "payments", granted: "payments", lifetime: 120},
		{name: "accounts with PSP_PI", client: "pi", leaf: pi, scope: "accounts", rules: []string{"scope/psd2.accounts_need_psp_ai", "scope/psd2.nothing_allowed"}},
		{name: "all with PSP_PI", client: "pi", leaf: pi, granted: "payments", lifetime: 120},
		{name: "both with both", client: "both", leaf: both, scope: "accounts payments", granted: "accounts payments", lifetime: 120},
		{name: "accounts with both", client: "both", leaf: both, scope: "accounts", granted: "accounts", lifetime: 300},
		{name: "no certificate", client: "basic", scope: "accounts", rules: []string{"scope/psd2.accounts_need_psp_ai", "scope/psd2.nothing_allowed"}},
		{name: "all without certificate", client: "basic", rules: []string{"scope/psd2.nothing_allowed"}},
		{name: "certificate without PSD2", client: "basic", leaf: tw.leaf(certs.Request{}), scope: "payments",
			rules: []string{"scope/psd2.nothing_allowed", "scope/psd2.payments_need_psp_pi"}},
		{name: "PSP_AI beside another method", client: "basic", leaf: ai, scope: "accounts", granted: "accounts", lifetime: 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := form("grant_type", "client_credentials")
			if c.scope != "" {
				f.Set("scope", c.scope)
			}
			got := tw.psd2Request(c.client, c.leaf, f)
			if c.rules != nil {
				tw.checkDenial(t, got, c.client, c.rules)
				return
			}
			if got.Status != http.StatusOK || got.text("scope") != c.granted || got.JSON["expires_in"] != c.lifetime {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			claims := claimsOf(t, got.text("access_token"))
			if claims["psd2_organization"] != "PSDDE-BAFIN-123456" || claims["scope"] != c.granted || len(claims["psd2_roles"].([]any)) == 0 ||
				thumbprintOf(t, got.text("access_token")) != mtls.Thumbprint(c.leaf.Certificate) {
				t.Errorf("claims: %v", claims)
			}
			entry := tw.auditEntry(t, got)
			if entry.Event != "token.issued" || len(entry.DecisionID) != 22 || entry.ClientID != c.client {
				t.Errorf("audit: %+v", entry)
			}
		})
	}
	t.Run("code", func(t *testing.T) { tw.psd2Code(t, ai) })
	t.Run("statements that cannot be read", func(t *testing.T) {
		odd := tw.leaf(certs.Request{Extra: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3}, Value: []byte(canary)}}})
		f := form(redeem(tw.storedCode("basic", bankingAll))...)
		before := tw.state(t)
		refused(400, "invalid_request", "the client certificate's statements cannot be read").check(t, tw.psd2Request("basic", odd, f))
		unchanged(t, before, tw.state(t))
		if r := tw.psd2Request("basic", ai, f); r.Status != http.StatusOK {
			t.Errorf("the same code with a good certificate: %d %s", r.Status, r.Body)
		}
	})
}

func (tw *twin) psd2Request(client string, leaf *certs.Leaf, f map[string][]string) reply {
	if client == "basic" {
		return tw.post(tw.http(leaf), tw.mtls+"/token", f, basic("basic"))
	}
	f["client_id"] = []string{client}
	return tw.post(tw.http(leaf), tw.mtls+"/token", f)
}

// checkDenial wants a decision's id on the wire and nothing else of the policy; the rules are in the log.
func (tw *twin) checkDenial(t *testing.T, got reply, client string, rules []string) {
	t.Helper()
	match := denied.FindStringSubmatch(got.text("error_description"))
	if match == nil {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	refused(400, "invalid_scope", "%s", match[0]).check(t, got)
	if lower := strings.ToLower(got.Body); strings.Contains(lower, "psd2") || strings.Contains(lower, "psp_") || strings.Contains(lower, "signet.") {
		t.Errorf("the answer tells of the rule: %s", got.Body)
	}
	entry := tw.auditEntry(t, got)
	if entry.Event != "token.refused" || entry.DecisionID != match[1] || entry.ClientID != client || entry.Detail["error"] != "invalid_scope" {
		t.Errorf("audit: %+v", entry)
	}
	line := tw.logged.about(got.text("request_id"))
	for _, rule := range rules {
		if !strings.Contains(line, rule+": ") {
			t.Errorf("the log does not name %s: %s", rule, line)
		}
	}
	if !strings.Contains(line, match[1]) || strings.Count(line, "scope/") != len(rules) {
		t.Errorf("log: %s", line)
	}
}

// auditEntry is the one entry about the request.
func (tw *twin) auditEntry(t *testing.T, r reply) oauth.AuditEntry {
	t.Helper()
	must(t, tw.spool.Flush(t.Context()))
	entries, err := tw.store.AuditEntries(t.Context(), store.AuditFilter{RequestID: r.Header.Get("X-Request-Id")})
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("%d audit entries: %+v", len(entries), entries)
	}
	return entries[0]
}

// psd2Code redeems a code whose user agreed to more than the certificate allows; the refresh token keeps the
// user's whole scope, and policy narrows it each time.
func (tw *twin) psd2Code(t *testing.T, ai *certs.Leaf) {
	first := tw.psd2Request("ai", ai, form(redeem(tw.storedCode("ai", bankingAll))...))
	if first.Status != http.StatusOK || first.text("scope") != "openid offline_access accounts" {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	tw.checkDenial(t, tw.psd2Request("ai", ai, form("grant_type", "refresh_token", "refresh_token", first.text("refresh_token"), "scope", "payments")),
		"ai", []string{"scope/psd2.payments_need_psp_pi", "scope/psd2.nothing_allowed"})
	again := tw.psd2Request("ai", ai, form("grant_type", "refresh_token", "refresh_token", first.text("refresh_token")))
	if again.Status != http.StatusOK || again.text("scope") != "openid offline_access accounts" {
		t.Errorf("after a denial: %d %s", again.Status, again.Body)
	}
}

const stricter = `package signet.custom.client

deny contains {"rule": "strict.nobody", "error": "access_denied", "text": "nobody today"}
`

// TestPolicyReload swaps bundles while clients ask.
func TestPolicyReload(t *testing.T) {
	tw, ai, _, _ := psd2House(t)
	dir := tw.config.Policy.Directory
	ask := func() reply {
		return tw.psd2Request("ai", ai, form("grant_type", "client_credentials", "scope", "accounts"))
	}
	if r := ask(); r.Status != http.StatusOK {
		t.Fatalf("before: %d %s", r.Status, r.Body)
	}
	t.Run("a broken bundle changes nothing", func(t *testing.T) { tw.brokenBundles(t, ask) })
	t.Run("a stricter one under load", func(t *testing.T) {
		old := tw.engine.Revision()
		load := tw.underLoad(ai)
		load.await(t, &load.granted, 50)
		must(t, os.WriteFile(filepath.Join(dir, "strict.rego"), []byte(stricter), 0o600))
		if changed, err := tw.engine.Reload(t.Context()); err != nil || !changed {
			t.Fatal(changed, err)
		}
		swapped := load.granted.Load()
		load.await(t, &load.denied, 50)
		late := load.stop() - swapped
		if late > loaders {
			t.Errorf("%d tokens after the swap: only the %d requests under way may have got one", late, loaders)
		}
		for _, wrong := range load.wrong {
			t.Errorf("neither the old nor the new decision: %d %s", wrong.Status, wrong.Body)
		}
		if tw.engine.Revision() == old {
			t.Error("the revision did not change")
		}
	})
}

const loaders = 6

// load is clients that ask over and over, each over its own connection.
type load struct {
	granted, denied atomic.Int64
	done            atomic.Bool
	mu              sync.Mutex
	wrong           []reply
	running         sync.WaitGroup
	progress        chan struct{}
}

func (tw *twin) underLoad(leaf *certs.Leaf) *load {
	l := &load{progress: make(chan struct{}, 1)}
	for range loaders {
		client := tw.http(leaf)
		l.running.Go(func() {
			for !l.done.Load() {
				l.count(tw.post(client, tw.mtls+"/token", form("grant_type", "client_credentials", "scope", "accounts", "client_id", "ai")))
			}
		})
	}
	tw.t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) count(r reply) {
	switch {
	case r.Status == http.StatusOK && r.text("scope") == "accounts":
		l.granted.Add(1)
	case r.Status == http.StatusBadRequest && r.text("error") == "access_denied" && denied.MatchString(r.text("error_description")):
		l.denied.Add(1)
	default:
		l.mu.Lock()
		l.wrong = append(l.wrong, r)
		l.mu.Unlock()
		l.done.Store(true)
	}
	select {
	case l.progress <- struct{}{}:
	default:
	}
}

// await returns once so many more have been counted, or something went wrong.
func (l *load) await(t *testing.T, counter *atomic.Int64, more int64) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for enough := counter.Load() + more; counter.Load() < enough && !l.done.Load(); {
		select {
		case <-l.progress:
		case <-limit:
			t.Fatalf("only %d granted, %d denied", l.granted.Load(), l.denied.Load())
		}
	}
}

func (l *load) stop() (granted int64) {
	l.done.Store(true)
	l.running.Wait()
	return l.granted.Load()
}

// brokenBundles tries bundles that cannot be put in force; what decides stays, and health tells.
func (tw *twin) brokenBundles(t *testing.T, ask func() reply) {
	dir, revision := tw.config.Policy.Directory, tw.engine.Revision()
	file := filepath.Join(dir, "broken.rego")
	for name, text := range map[string]string{
		"no Rego":                 "package signet.client\n\ndeny contains {{{",
		"unknown function":        "package signet.custom.client\n\ndeny contains nothing(input)",
		"forbidden function":      `package signet.custom.client` + "\n\n" + `deny contains http.send({"url": "https://example.com", "method": "get"})`,
		"ill-typed denial":        `package signet.custom.client` + "\n\n" + `deny contains "no"`,
		"reserved claim":          `package signet.custom.token` + "\n\n" + `access_claims.sub := "somebody"`,
		"conflicting lifetime":    "package signet.custom.token\n\naccess_lifetime := 1\n\naccess_lifetime := 2",
		"package of another name": "package signet.clients\n\ndeny := set()",
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(file, []byte(text), 0o600))
			if changed, err := tw.engine.Reload(t.Context()); err == nil || changed {
				t.Errorf("accepted: %v, %v", changed, err)
			}
			if tw.engine.Health() == nil || tw.engine.Revision() != revision {
				t.Errorf("health %v, revision %s", tw.engine.Health(), tw.engine.Revision())
			}
			if r := ask(); r.Status != http.StatusOK {
				t.Errorf("%d %s", r.Status, r.Body)
			}
			must(t, os.Remove(file))
			if changed, err := tw.engine.Reload(t.Context()); err != nil || changed || tw.engine.Health() != nil {
				t.Errorf("mended: %v, %v, %v", changed, err, tw.engine.Health())
			}
		})
	}
}

// endless counts for longer than anybody waits, for one client.
const endless = `package signet.custom.client

deny contains {"rule": "never", "error": "access_denied", "text": "never"} if {
	input.client.id == "pk"
	some a in numbers.range(1, 20000)
	some b in numbers.range(1, 20000)
	a * b < 0
}
`

// TestPolicyThatCannotAnswer denies, and burns nothing.
func TestPolicyThatCannotAnswer(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	key := newSigningKey(t, "k1")
	h.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "slow.rego"), []byte(endless), 0o600))
	slow, err := policy.New(t.Context(), policy.Options{Directory: dir, Clock: h.now, Random: rand.Reader, Timeout: 100 * time.Millisecond})
	must(t, err)
	engine := &heldPolicy{}
	tw := h.twin(nil, func(d *provider.Deps) { engine.inner, engine.broken = d.Policy, slow; d.Policy = engine })
	engine.down.Store(true)
	f := form(append(redeem(tw.storedCode("pk", bankingAll)), proof(tw.assertion(key, "pk", nil))...)...)
	before := tw.state(t)
	want := refused(503, "temporarily_unavailable", "the authorization policy cannot answer at present")
	want.headers = map[string]string{"Retry-After": "2"}
	want.check(t, tw.post(tw.http(nil), tw.issuer+"/token", f))
	if diff := cmp.Diff(before, tw.state(t)); diff != "" {
		t.Errorf("something was burnt: %s", diff)
	}
	engine.down.Store(false)
	if r := tw.post(tw.http(nil), tw.issuer+"/token", f); r.Status != http.StatusOK {
		t.Errorf("the same code and assertion afterwards: %d %s", r.Status, r.Body)
	}
}

// heldPolicy asks the broken engine while it is down.
type heldPolicy struct {
	inner, broken interface {
		Decide(context.Context, policy.Input) (policy.Decision, error)
	}
	down atomic.Bool
}

// Decide implements token.Policy.
func (p *heldPolicy) Decide(ctx context.Context, in policy.Input) (policy.Decision, error) {
	if p.down.Load() {
		return p.broken.Decide(ctx, in)
	}
	return p.inner.Decide(ctx, in)
}
