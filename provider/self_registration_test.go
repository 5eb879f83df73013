package provider_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"signet/certs"
	"signet/mtls"
	"signet/provider"
	"signet/provider/oauth"
)

// withRegistration lets clients register themselves, within bounds.
func (h *house) withRegistration(token string) *twin {
	file := h.write("initial-access-token", token)
	return h.twin(func(c *provider.Config) {
		c.Registration = provider.RegistrationConfig{
			Enabled: true, InitialAccessTokenFile: file, Profile: c.Profile,
			Scopes: []string{"openid", "accounts", "offline_access"}, Resources: []string{apiOpaque},
		}
	}, nil)
}

// sendJSON sends a registration, or asks about one.
func (tw *twin) sendJSON(method, target, token string, body map[string]any) reply {
	tw.t.Helper()
	raw, err := json.Marshal(body)
	must(tw.t, err)
	request, err := http.NewRequestWithContext(tw.t.Context(), method, target, strings.NewReader(string(raw)))
	must(tw.t, err)
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		bearer(token)(request)
	}
	return tw.do(tw.plain, request)
}

// TestSelfRegistration goes through a client's life: it registers, uses what it got, changes, and goes.
func TestSelfRegistration(t *testing.T) {
	const first, second = "first-initial-access-token", "second-initial-access-token"
	h := newHouse(t, nil)
	tw := h.withRegistration(first)
	h.user("alice")
	h.register("cards", func(c *oauth.Client) { c.Introspects = []string{apiOpaque} })
	at := tw.get(tw.plain, tw.issuer+"/.well-known/openid-configuration").text("registration_endpoint")
	wanted := map[string]any{
		"client_name": "App", "redirect_uris": []string{callback}, "grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
		"software_id": "unknown to us",
	}

	if r := tw.sendJSON(http.MethodPost, at, second, wanted); r.Status != http.StatusUnauthorized {
		t.Fatalf("a stranger: %d %s", r.Status, r.Body)
	}
	h.write("initial-access-token", second+"\n")
	if r := tw.sendJSON(http.MethodPost, at, first, wanted); r.Status != http.StatusUnauthorized {
		t.Fatalf("a replaced token: %d %s", r.Status, r.Body)
	}
	registered := tw.sendJSON(http.MethodPost, at, second, wanted)
	if registered.Status != http.StatusCreated {
		t.Fatalf("%d %s", registered.Status, registered.Body)
	}
	id, own, token := registered.text("client_id"), registered.text("registration_client_uri"), registered.text("registration_access_token")
	authenticated := func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), registered.text("client_secret")) }

	issued := tw.post(tw.plain, tw.issuer+"/token", form(redeem(tw.storedCode(id, "openid accounts offline_access"))...), authenticated)
	if issued.Status != http.StatusOK || issued.text("refresh_token") == "" {
		t.Fatalf("%d %s", issued.Status, issued.Body)
	}
	machine := tw.post(tw.plain, tw.issuer+"/token", form("grant_type", "client_credentials", "scope", "accounts"), authenticated).text("access_token")
	active := func(token string) any {
		return tw.post(tw.plain, tw.issuer+"/introspect", form("token", token), basic("cards")).JSON["active"]
	}
	if active(machine) != true {
		t.Fatal("the token is not active")
	}

	delete(wanted, "software_id")
	wanted["client_id"], wanted["client_name"], wanted["scope"] = id, "Renamed", "payments"
	if r := tw.sendJSON(http.MethodPut, own, token, wanted); r.Status != http.StatusBadRequest || r.text("error") != "invalid_client_metadata" {
		t.Errorf("beyond the bounds: %d %s", r.Status, r.Body)
	}
	wanted["scope"] = "openid accounts"
	if r := tw.sendJSON(http.MethodPut, own, token, wanted); r.Status != http.StatusOK || r.text("client_name") != "Renamed" || r.JSON["client_secret"] != nil {
		t.Errorf("update: %d %s", r.Status, r.Body)
	}
	if r := tw.get(tw.plain, own, bearer(token)); r.Status != http.StatusOK || r.text("scope") != "openid accounts" {
		t.Errorf("read: %d %s", r.Status, r.Body)
	}

	if r := tw.sendJSON(http.MethodDelete, own, token, nil); r.Status != http.StatusNoContent {
		t.Fatalf("removal: %d %s", r.Status, r.Body)
	}
	if r := tw.get(tw.plain, own, bearer(token)); r.Status != http.StatusUnauthorized {
		t.Errorf("after the removal: %d %s", r.Status, r.Body)
	}
	for name, f := range map[string]url.Values{
		"refresh": form("grant_type", "refresh_token", "refresh_token", issued.text("refresh_token")),
		"token":   form("grant_type", "client_credentials"),
	} {
		if r := tw.post(tw.plain, tw.issuer+"/token", f, authenticated); r.Status != http.StatusUnauthorized || r.text("error") != "invalid_client" {
			t.Errorf("%s after the removal: %d %s", name, r.Status, r.Body)
		}
	}
	if active(machine) != false || active(issued.text("access_token")) != false {
		t.Error("a removed client's token is active")
	}
}

// TestSelfRegistrationRefuses: everything that is wrong is named at once, with the rules of an operator's registration.
func TestSelfRegistrationRefuses(t *testing.T) {
	const token = "the-initial-access-token"
	h := newHouse(t, nil)
	tw := h.withRegistration(token)
	r := tw.sendJSON(http.MethodPost, tw.issuer+"/register", token, map[string]any{
		"redirect_uris": []string{"http://app.example/cb"}, "grant_types": []string{"password"}, "id_token_signed_response_alg": "HS256",
	})
	for _, want := range []string{"redirect_uris: ", "grant_types: ", "id_token_signed_response_alg: "} {
		if !strings.Contains(r.text("error_description"), want) || r.Status != http.StatusBadRequest || r.text("error") != "invalid_client_metadata" {
			t.Errorf("%d %s lacks %s", r.Status, r.Body, want)
		}
	}
	r = tw.sendJSON(http.MethodPost, tw.issuer+"/register", token, map[string]any{"redirect_uris": []string{"http://app.example/cb"}})
	if r.Status != http.StatusBadRequest || r.text("error") != "invalid_redirect_uri" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	h.write("initial-access-token", "guessable")
	if r := tw.sendJSON(http.MethodPost, tw.issuer+"/register", "guessable", nil); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a short token: %d %s", r.Status, r.Body)
	}
	if r := h.get(h.http(nil), h.issuer+"/register"); r.Status != http.StatusNotFound {
		t.Errorf("where it is off: %d", r.Status)
	}
}

// TestSelfRegistrationWithACertificate registers at the mTLS door, and authenticates there by the same certificate.
func TestSelfRegistrationWithACertificate(t *testing.T) {
	const token = "the-initial-access-token"
	h := newHouse(t, nil)
	tw := h.withRegistration(token)
	leaf := h.leaf(certs.Request{})
	key, err := jwk.FromRaw(leaf.TLSCertificate().PrivateKey.(crypto.Signer).Public())
	must(t, err)
	raw, err := json.Marshal(key)
	must(t, err)
	public := map[string]any{}
	must(t, json.Unmarshal(raw, &public))
	public["kid"], public["x5c"] = "k", []string{base64.StdEncoding.EncodeToString(leaf.TLSCertificate().Certificate[0])}
	tw.plain = tw.http(leaf)
	registered := tw.sendJSON(http.MethodPost, tw.mtls+"/register", token, map[string]any{
		"token_endpoint_auth_method": "self_signed_tls_client_auth", "grant_types": []string{"client_credentials"},
		"jwks": map[string]any{"keys": []any{public}}, "tls_client_certificate_bound_access_tokens": true, "scope": "accounts",
	})
	if registered.Status != http.StatusCreated || registered.JSON["client_secret"] != nil {
		t.Fatalf("%d %s", registered.Status, registered.Body)
	}
	r := tw.post(tw.plain, tw.mtls+"/token", form("grant_type", "client_credentials", "client_id", registered.text("client_id")))
	if r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestOpenRegistration: without a token, with pairwise subjects of a sector that is fetched, and by the policy of the bank.
func TestOpenRegistration(t *testing.T) {
	h := newHouse(t, func(c *provider.Config) { c.Keys.Algorithms = []string{"ES256", "RS256"} })
	sector := h.publish(t, json.RawMessage(`["`+callback+`"]`))
	salt := h.write("salt", strings.Repeat("s", 32))
	rules := t.TempDir()
	must(t, os.WriteFile(filepath.Join(rules, "registration.rego"), []byte(`package signet.custom.registration

deny contains {"rule": "bank.role", "error": "unapproved_software_statement", "text": "a role is needed"} if {
	startswith(input.registration.metadata.client_name, "TPP")
	not informs
}

informs if "PSP_AI" in input.certificate.psd2.roles
`), 0o600))
	tw := h.twin(func(c *provider.Config) {
		c.Registration = provider.RegistrationConfig{
			Enabled: true, Open: true, MostPerHour: 100, Profile: c.Profile, Scopes: []string{"openid"}, Resources: []string{apiJWT},
		}
		c.Subjects.PairwiseSaltFile, c.Outbound.AllowHosts, c.Policy.Directory = salt, []string{sector.host}, rules
	}, nil)
	register := func(base string, more map[string]any) reply {
		body := map[string]any{"redirect_uris": []string{callback}}
		maps.Copy(body, more)
		return tw.sendJSON(http.MethodPost, base+"/register", "", body)
	}

	pairwise := map[string]any{"subject_type": "pairwise", "sector_identifier_uri": "https://" + sector.host + "/sector"}
	if r := register(tw.issuer, pairwise); r.Status != http.StatusCreated || r.text("id_token_signed_response_alg") != "RS256" || r.text("subject_type") != "pairwise" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	sector.set(json.RawMessage(`["https://example.com/op"]`)) // and it is read again
	if r := register(tw.issuer, pairwise); r.Status != http.StatusBadRequest || r.text("error") != "invalid_client_metadata" {
		t.Errorf("another's sector: %d %s", r.Status, r.Body)
	}
	if r := register(tw.issuer, map[string]any{"sector_identifier_uri": "https://127.0.0.1:1/sector"}); r.Status != http.StatusBadRequest {
		t.Errorf("a sector inside: %d %s", r.Status, r.Body)
	}
	for body, want := range map[string]string{
		`{"redirect_uris":["` + callback + `#fragment"]}`:                                        "invalid_redirect_uri",
		`{"redirect_uris":["http://127.0.0.1/cb"]}`:                                              "invalid_redirect_uri", // application_type is web
		`{"redirect_uris":["` + callback + `"],"initiate_login_uri":"http://app.example/login"}`: "invalid_client_metadata",
		`{"redirect_uris":["` + callback + `"],"grant_types":["client_credentials"]}`:            "invalid_client_metadata",
		`{"redirect_uris":["` + callback + `"],"response_types":["id_token"]}`:                   "invalid_client_metadata",
	} {
		var said map[string]any
		must(t, json.Unmarshal([]byte(body), &said))
		if r := tw.sendJSON(http.MethodPost, tw.issuer+"/register", "", said); r.Status != http.StatusBadRequest || r.text("error") != want {
			t.Errorf("%s: %d %s", body, r.Status, r.Body)
		}
	}

	tpp := map[string]any{"client_name": "TPP", "application_type": "native"}
	if r := register(tw.issuer, tpp); r.Status != http.StatusBadRequest || r.text("error") != "unapproved_software_statement" || !strings.Contains(r.text("error_description"), "(decision ") {
		t.Errorf("without a certificate: %d %s", r.Status, r.Body)
	}
	tw.advance(time.Hour) // one address has a tenth of what all have in an hour
	tw.plain = tw.http(h.qwac("ai", mtls.RoleAccountInformation))
	if r := register(tw.mtls, tpp); r.Status != http.StatusCreated {
		t.Errorf("with one: %d %s", r.Status, r.Body)
	}
	tw.plain = tw.http(h.qwac("pi", mtls.RolePaymentInitiation))
	if r := register(tw.mtls, tpp); r.Status != http.StatusBadRequest {
		t.Errorf("with another role: %d %s", r.Status, r.Body)
	}
	tw.plain = tw.http(nil)
	last := 0
	for range 9 {
		last = register(tw.issuer, nil).Status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("too often: %d", last)
	}
}
