package provider_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/certs"
	"signet/mtls"
	"signet/provider"
	"signet/provider/authorize"
	"signet/provider/clientauth"
	"signet/provider/oauth"
	"signet/provider/userinfo"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden compares a text with testdata/golden/<name>.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o750))
		must(t, os.WriteFile(file, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -run %s -update writes it", err, t.Name())
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

// volatile are the parts of a document that differ from run to run, each with its placeholder.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"(access_token|id_token|refresh_token|request_id|jti|kid|at_hash|sid|x|y|n)": "[^"]+"`), `"$1": "<$1>"`},
	{regexp.MustCompile(`"(iat|exp|auth_time)": \d{10}`), `"$1": "<$1>"`},
	{regexp.MustCompile(`"x5t#S256": "[A-Za-z0-9_-]{43}"`), `"x5t#S256": "<thumbprint>"`},
	{regexp.MustCompile(`\(decision [A-Za-z0-9_-]{22}\)`), `(decision <id>)`},
	{regexp.MustCompile(`/assets/[0-9a-f]{16}\.`), `/assets/<digest>.`},
	{regexp.MustCompile(`(X-Request-Id: |id="request-id">)[A-Za-z0-9_-]{22}`), `$1<request_id>`},
}

func (h *house) stable(text string) string {
	text = strings.NewReplacer(
		h.issuer, "https://issuer", h.mtls, "https://mtls",
		strings.NewReplacer(":", "%3A", "/", "%2F").Replace(h.issuer), "https%3A%2F%2Fissuer",
		strings.TrimPrefix(h.issuer, "https://"), "issuer",
	).Replace(text)
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

// wire writes an answer as it came: status, headers in order of name, body; each JWT in it follows, decoded.
func (h *house) wire(t *testing.T, r reply) string {
	t.Helper()
	var out strings.Builder
	fmt.Fprintf(&out, "%d %s\n", r.Status, http.StatusText(r.Status))
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name != "Date" && name != "Content-Length" {
			fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(r.Header[name], " + "))
		}
	}
	out.WriteString("\n" + indent(t, r.Body))
	for _, name := range []string{"access_token", "id_token"} {
		if parts := strings.Split(r.text(name), "."); len(parts) == 3 {
			for i, part := range []string{"header", "payload"} {
				raw, err := base64.RawURLEncoding.DecodeString(parts[i])
				must(t, err)
				fmt.Fprintf(&out, "\n%s %s\n%s", name, part, indent(t, string(raw)))
			}
		}
	}
	return h.stable(out.String())
}

func indent(t *testing.T, text string) string {
	t.Helper()
	if !strings.HasPrefix(text, "{") {
		return text
	}
	var out bytes.Buffer
	must(t, json.Indent(&out, []byte(text), "", "  "))
	return out.String() + "\n"
}

// TestGolden fixes every document on the wire.
func TestGolden(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	h.register("app", nil)
	tw := h.twin(nil, nil)
	t.Run("discovery", tw.goldenDiscovery)
	t.Run("tokens", tw.goldenTokens)
	t.Run("policy", h.goldenPolicy)
	t.Run("errors", tw.goldenErrors)
	t.Run("outage", h.goldenOutage)
	t.Run("jwks", func(t *testing.T) {
		r := tw.get(tw.http(nil), tw.issuer+"/jwks")
		golden(t, "jwks.txt", tw.wire(t, r))
		for _, key := range r.JSON["keys"].([]any) {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
				if key.(map[string]any)[private] != nil {
					t.Errorf("the JWKS has a private member %s", private)
				}
			}
		}
	})
}

func (tw *twin) goldenDiscovery(t *testing.T) {
	const oidc, rfc8414 = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
	client := tw.http(nil)
	first := tw.get(client, tw.issuer+oidc)
	golden(t, "discovery.txt", tw.wire(t, first))
	for _, other := range []string{tw.issuer + rfc8414, tw.mtls + oidc, tw.mtls + rfc8414} {
		if r := tw.get(client, other, func(r *http.Request) { r.Host = "attacker.example" }); r.Body != first.Body || r.Status != http.StatusOK {
			t.Errorf("%s differs: %d %s", other, r.Status, r.Body)
		}
	}
	tw.listsAreRegistries(t, first.JSON, oauth.Profiles[oauth.ProfileOpenID])

	fapi := tw.house.twin(func(c *provider.Config) { c.Profile = oauth.ProfileFAPI2Security }, nil)
	r := fapi.get(fapi.http(nil), fapi.issuer+oidc)
	golden(t, "discovery_fapi2.txt", fapi.wire(t, r))
	fapi.listsAreRegistries(t, r.JSON, oauth.Profiles[oauth.ProfileFAPI2Security])

	ciba := tw.house.twin(func(c *provider.Config) {
		c.Profile, c.Keys.Algorithms = oauth.ProfileFAPICIBA, []string{"ES256"}
		c.CIBA = provider.CIBAConfig{Enabled: true, Expiry: time.Minute, MaxExpiry: time.Minute, Interval: time.Second, PendingOfClient: 5, LoginHint: provider.HintUsername}
		c.Registration = provider.RegistrationConfig{
			Enabled: true, InitialAccessTokenFile: "token", Profile: c.Profile, Scopes: []string{"openid"}, Resources: []string{apiJWT},
		}
	}, nil)
	r = ciba.get(ciba.http(nil), ciba.issuer+oidc)
	golden(t, "discovery_ciba.txt", ciba.wire(t, r))
	ciba.listsAreRegistries(t, r.JSON, oauth.Profiles[oauth.ProfileFAPICIBA])
}

// listsAreRegistries holds the published lists against what is registered, and the URLs against what answers.
func (tw *twin) listsAreRegistries(t *testing.T, document map[string]any, floor oauth.Profile) {
	t.Helper()
	var methods, confidential, scopes []string
	for _, m := range floor.AuthMethods {
		if methods = append(methods, string(m)); m != oauth.AuthNone {
			confidential = append(confidential, string(m))
		}
	}
	for _, s := range tw.config.AllScopes() {
		scopes = append(scopes, s.Name)
	}
	algs := slices.Clone(floor.SigningAlgs)
	if slices.Contains(floor.AuthMethods, oauth.AuthSecretJWT) {
		algs = append(algs, clientauth.SecretJWTAlgorithms()...)
	}
	signs := floor.Algorithms(tw.ring.Algorithms())
	if floor.Name == oauth.ProfileOpenID {
		signs = append(signs, oauth.AlgNone)
	}
	off := []string{oauth.GrantPassword, oauth.GrantDevice, oauth.GrantTokenExchange, oauth.GrantJWTBearer, oauth.GrantSAML2Bearer}
	grants := slices.DeleteFunc(slices.Clone(oauth.GrantTypes), func(g string) bool {
		return slices.Contains(off, g) || g == oauth.GrantCIBA && !tw.config.CIBA.Enabled || g == oauth.GrantImplicit && floor.Name != oauth.ProfileOpenID
	})
	types := slices.DeleteFunc([]string{oauth.ResponseCode, oauth.ResponseCodeIDToken}, func(t string) bool {
		return !slices.Contains(floor.ResponseTypes, t)
	})
	want := map[string][]string{
		"scopes_supported": scopes, "claims_supported": userinfo.ClaimNames(), "prompt_values_supported": authorize.PromptValues(),
		"response_types_supported": types, "response_modes_supported": authorize.ResponseModes(),
		"id_token_signing_alg_values_supported":            signs,
		"token_endpoint_auth_methods_supported":            methods,
		"revocation_endpoint_auth_methods_supported":       methods,
		"introspection_endpoint_auth_methods_supported":    confidential,
		"token_endpoint_auth_signing_alg_values_supported": algs,
		"code_challenge_methods_supported":                 {"S256"},
		"grant_types_supported":                            grants,
	}
	got := map[string][]string{}
	for name := range want {
		for _, value := range document[name].([]any) {
			got[name] = append(got[name], value.(string))
		}
		slices.Sort(got[name])
		want[name] = slices.Sorted(slices.Values(want[name]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists: %s", diff)
	}
	aliases := document["mtls_endpoint_aliases"].(map[string]any)
	for name, value := range aliases {
		if document[name] == nil || value != tw.mtls+strings.TrimPrefix(document[name].(string), tw.issuer) {
			t.Errorf("the alias of %s is %v", name, value)
		}
	}
	for name, value := range document {
		if target, ok := value.(string); ok && name != "issuer" {
			if name == "grant_management_endpoint" { // a grant_id comes after it
				target += "/unknown"
			}
			if r := tw.get(tw.http(nil), target); r.Status == http.StatusNotFound {
				t.Errorf("%s: nothing at %s", name, target)
			}
		}
	}
}

func (tw *twin) goldenTokens(t *testing.T) {
	bound, client := tw.http(tw.leaf(certs.Request{})), tw.http(nil)
	credentials := tw.post(bound, tw.mtls+"/token", form("grant_type", "client_credentials"), basic("app"))
	golden(t, "token_client_credentials.txt", tw.wire(t, credentials))
	opaque := tw.post(client, tw.issuer+"/token", form("grant_type", "client_credentials", "resource", apiOpaque), basic("app"))
	golden(t, "token_opaque.txt", tw.wire(t, opaque))
	code := tw.post(bound, tw.mtls+"/token", form(redeem(tw.storedCode("app", "openid email offline_access accounts"))...), basic("app"))
	golden(t, "token_code.txt", tw.wire(t, code))
	golden(t, "userinfo.txt", tw.wire(t, tw.get(bound, tw.mtls+"/userinfo", bearer(code.text("access_token")))))
	ask := func(token string) reply {
		return tw.post(client, tw.issuer+"/introspect", form("token", token), basic("app"))
	}
	golden(t, "introspection_bound.txt", tw.wire(t, ask(code.text("access_token"))))
	golden(t, "introspection_opaque.txt", tw.wire(t, ask(opaque.text("access_token"))))
	golden(t, "introspection_refresh.txt", tw.wire(t, ask(code.text("refresh_token"))))
	golden(t, "introspection_inactive.txt", tw.wire(t, ask("nonsense")))
	refresh := tw.post(client, tw.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", code.text("refresh_token")), basic("app"))
	golden(t, "token_refresh.txt", tw.wire(t, refresh))
	golden(t, "revocation.txt", tw.wire(t, tw.post(client, tw.issuer+"/revoke", form("token", refresh.text("refresh_token")), basic("app"))))
}

// goldenPolicy shows what a resource server that takes tokens by reference learns of policy's claims.
func (h *house) goldenPolicy(t *testing.T) {
	h.register("cards", func(c *oauth.Client) { c.Introspects = []string{apiOpaque} })
	dir := ownersDirectory(t)
	tw := h.twin(func(c *provider.Config) { c.Policy.Directory = dir }, nil)
	issued := tw.post(tw.http(h.qwac("app", mtls.RoleAccountInformation)), tw.mtls+"/token",
		form("grant_type", "client_credentials", "scope", "accounts", "resource", apiOpaque), basic("app"))
	r := tw.post(tw.http(nil), tw.issuer+"/introspect", form("token", issued.text("access_token")), basic("cards"))
	golden(t, "introspection_opaque_policy.txt", tw.wire(t, r))
}

func (tw *twin) goldenErrors(t *testing.T) {
	client := tw.http(nil)
	post := func(path string, f []string, edit ...func(*http.Request)) reply {
		return tw.post(client, tw.issuer+path, form(f...), edit...)
	}
	query := form("response_type", "code", "client_id", "app", "redirect_uri", callback, "scope", "openid", "state", "st-1")
	wrong := form("client_id", "nobody")
	for name, r := range map[string]reply{
		"invalid_request":        post("/token", nil, basic("app")),
		"invalid_client":         post("/token", nil, basic("nobody")),
		"invalid_grant":          post("/token", redeem("x"), basic("app")),
		"invalid_scope":          post("/token", []string{"grant_type", "client_credentials", "scope", "x"}, basic("app")),
		"invalid_target":         post("/token", []string{"grant_type", "client_credentials", "resource", "https://x"}, basic("app")),
		"unsupported_grant_type": post("/token", []string{"grant_type", "x"}, basic("app")),
		"method_not_allowed":     tw.get(client, tw.issuer+"/token"),
		"not_found":              tw.get(client, tw.issuer+"/nowhere"),
		"payload_too_large":      post("/token", []string{"x", strings.Repeat("x", 64<<10)}, basic("app")),
		"header_too_large":       post("/token", nil, func(r *http.Request) { r.Header.Set("X-Padding", strings.Repeat("x", 64<<10)) }),
		"bearer_missing":         tw.get(client, tw.issuer+"/userinfo"),
		"bearer_invalid":         tw.get(client, tw.issuer+"/userinfo", bearer("x")),
		"bearer_scope": tw.get(client, tw.issuer+"/userinfo",
			bearer(post("/token", []string{"grant_type", "client_credentials"}, basic("app")).text("access_token"))),
		"authorize_redirect": tw.get(client, tw.issuer+"/authorize?"+query.Encode()),
		"authorize_page":     tw.get(client, tw.issuer+"/authorize?"+wrong.Encode()),
	} {
		golden(t, "error_"+name+".txt", tw.wire(t, r))
	}
}

// goldenOutage shows what a client sees of our own failures.
func (h *house) goldenOutage(t *testing.T) {
	down := errors.New("PRIVATE")
	for name, inject := range map[string]func(*provider.Deps){
		"server_error":            func(d *provider.Deps) { d.Store = deafStore{d.Store, down} },
		"temporarily_unavailable": func(d *provider.Deps) { d.Keys = muteKeys{d.Keys, down} },
	} {
		tw := h.twin(nil, inject)
		r := tw.post(tw.http(nil), tw.issuer+"/token", form("grant_type", "refresh_token", "refresh_token", tw.storedRefresh("app", "accounts")), basic("app"))
		golden(t, "error_"+name+".txt", tw.wire(t, r))
	}
}

// deafStore commits nothing.
type deafStore struct {
	provider.Store
	err error
}

// Commit implements provider.Store.
func (s deafStore) Commit(context.Context, ...oauth.Change) error { return s.err }

// muteKeys sign nothing.
type muteKeys struct {
	provider.Keys
	err error
}

// Sign implements provider.Keys.
func (k muteKeys) Sign(context.Context, string, string, []byte) (string, error) { return "", k.err }
