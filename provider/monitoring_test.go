package provider_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
	"signet/provider/store/dbtest"
)

// TestAlertRules has Prometheus's own tool check and test the rules; alerts_test.yml must know every alert.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(deploy, "prometheus")
	promtool := tool(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	rules, err := os.ReadFile(filepath.Join(dir, "alerts.yml"))
	must(t, err)
	tests, err := os.ReadFile(filepath.Join(dir, "alerts_test.yml"))
	must(t, err)
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllSubmatch(rules, -1)
	for _, alert := range alerts {
		if !strings.Contains(string(tests), `alertname="`+string(alert[1])+`"`) {
			t.Errorf("alerts_test.yml does not see %s fire", alert[1])
		}
	}
	for what, pattern := range map[string]string{"severity": `severity: (critical|warning)\b`, "summary": `summary: "`, "runbook": `runbook: ("|>-)`} {
		if n := len(regexp.MustCompile(pattern).FindAll(rules, -1)); n != len(alerts) || n == 0 {
			t.Errorf("%d alerts, but %d of %s", len(alerts), n, what)
		}
	}
}

// TestDashboardForm checks what Grafana would only show: ids, the data source, panels that overlap.
func TestDashboardForm(t *testing.T) {
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range dashboardPanels(t) {
		if other, taken := ids[p.ID]; taken {
			t.Errorf("%s and %s have one id", p.Title, other)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%s is in the place of %s, or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.Type != "prometheus" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("%s: %+v", p.Title, p)
		}
	}
}

// TestDashboard runs a server and Prometheus as they are deployed, on MariaDB and Vault, with traffic of all kinds:
// every query of the dashboard returns data, and the alert rules are in force.
func TestDashboard(t *testing.T) {
	v := vaulttest.Start(t)
	ground := inVault(v, "transit", dbtest.MariaDB(t).DSN(t))
	ground.keys += ", rotate_every: 2160h"
	s := prepareSite(t, 1, ground, "outbound: {allow_hosts: [\"localhost:1\"]}\n")
	s.operated()
	s.setUpVault(v)
	s.start()
	p := s.watched()
	s.signet("key", "rotate", "ES256") // so that a next key is there
	p.awaitData(dashboardQueries(t), s.everyKind().round)

	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health string }
		}
	}
	p.await(t, func(ctx context.Context) error {
		if err := p.get(ctx, "/api/v1/rules", nil, &rules); err != nil {
			return err
		}
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				if rule.Health != "ok" {
					return fmt.Errorf("%s is %s", rule.Name, rule.Health)
				}
			}
		}
		return nil
	})
	if len(rules.Groups) < 5 {
		t.Errorf("rules in force: %+v", rules)
	}
	s.countedRight(p)
}

// countedRight holds what Prometheus has against what the test has sent.
func (s *site) countedRight(p *prometheus) {
	s.t.Helper()
	s.post(s.http(nil), s.issuer+"/token", form("grant_type", "client_credentials"), basic("nobody-"+strings.Repeat("x", 200)))
	for range 3 {
		s.get(s.http(nil), s.issuer+"/"+strings.Repeat("made-up/", 20))
	}
	for _, c := range []struct {
		expr string
		want float64
	}{
		{`count(count by (endpoint) (signet_http_requests_total{endpoint!~"token|introspection|revocation|userinfo|authorization|resume|login|consent|pages|jwks|metadata|other"}))`, 0},
		{`sum(signet_tokens_issued_total) - sum(signet_http_requests_total{endpoint="token",status="200"})`, 0},
		{`sum(signet_audit_events_total{event="token.issued"}) - sum(signet_tokens_issued_total)`, 0},
	} {
		p.await(s.t, func(ctx context.Context) error {
			got, err := p.query(ctx, c.expr)
			if err != nil || len(got) == 0 && c.want == 0 {
				return err
			}
			if len(got) != 1 || got[0].value() != c.want {
				return fmt.Errorf("%s = %v, want %v", c.expr, got, c.want)
			}
			return nil
		})
	}
}

// everyKind is traffic that touches whatever is measured.
type everyKind struct {
	site   *site
	client *http.Client
	key    signingKey
	secret string // of the client shared
}

func (s *site) everyKind() *everyKind {
	s.t.Helper()
	s.user("alice")
	s.register("app", nil)
	k := &everyKind{site: s, client: s.http(nil), key: newSigningKey(s.t, "k1")}
	s.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, k.key.jwks })
	s.register("remote", func(c *oauth.Client) {
		c.AuthMethod, c.JWKSURI = oauth.AuthPrivateKeyJWT, "https://localhost:1/jwks.json"
	})
	var added struct {
		Secret string `json:"client_secret"`
	}
	must(s.t, json.Unmarshal([]byte(s.signet("client", "add", "shared", "--json", "--name", "Shared", "--auth", "client_secret_jwt",
		"--grant", "client_credentials", "--scope", "accounts", "--resource", apiJWT)), &added))
	k.secret = added.Secret
	if answer := s.browser().login(newFlow("app", "openid accounts")); answer.Get("code") == "" {
		s.t.Fatalf("no code: %v", answer)
	}
	return k
}

// round sends one request of each kind, at every process.
func (k *everyKind) round() {
	s := k.site
	s.t.Helper()
	code := s.seedCodes("app", 1)[0]
	refresh := s.seedRefreshTokens("app", 1)[0]
	for _, p := range s.processes {
		token := func(values url.Values, edit ...func(*http.Request)) reply {
			return s.post(k.client, p.main+"/token", values, edit...)
		}
		issued := token(form("grant_type", "client_credentials"), basic("app"))
		opaque := token(form("grant_type", "client_credentials", "resource", apiOpaque), basic("app"))
		token(form(append(proof(s.assertion(k.key, "pk", nil)), clientCredentials...)...))
		token(form(append(proof(s.assertion(k.key, "remote", nil)), clientCredentials...)...))
		token(form(append(proof(k.shared()), clientCredentials...)...))
		redeemed := token(code.redeem(), basic("app"))
		token(code.redeem(), basic("app"))
		token(refresh.refresh(), basic("app"))
		token(refresh.refresh(), basic("app"))
		token(form("grant_type", "password"), basic("app"))
		token(form("grant_type", "client_credentials"), basic("nobody"))
		s.post(k.client, p.mtls+"/token", form("grant_type", "client_credentials"), basic("app"))
		for _, one := range []reply{issued, opaque, redeemed} {
			s.post(k.client, p.main+"/introspect", form("token", one.text("access_token")), basic("app"))
		}
		s.get(k.client, p.main+"/userinfo", bearer(redeemed.text("access_token")))
		s.post(k.client, p.main+"/revoke", form("token", opaque.text("access_token")), basic("app"))
		s.get(k.client, p.main+"/authorize?"+newFlow("app", "accounts").query)
		s.get(k.client, p.main+"/authorize?"+newFlow("app", "nonsense").query)
		s.get(k.client, p.main+"/authorize?client_id=nobody")
		s.get(k.client, p.main+"/interaction/assets/none")
		for _, path := range []string{"/jwks", "/.well-known/openid-configuration", "/nowhere", "/token"} {
			s.get(k.client, p.main+path)
		}
	}
}

// shared is an assertion by client_secret_jwt.
func (k *everyKind) shared() string {
	k.site.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"iss": "shared", "sub": "shared", "aud": k.site.issuer, "jti": rand.Text(), "exp": k.site.now().Add(time.Minute).Unix(),
	})
	must(k.site.t, err)
	signed, err := jws.Sign(payload, jws.WithKey(jwa.HS256, []byte(k.secret)))
	must(k.site.t, err)
	return string(signed)
}
