package provider_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"signet/mtls"
	"signet/provider"
	"signet/provider/resource"
)

const (
	acrPassword = "urn:signet:acr:password"
	acrSilver   = "urn:bank:acr:silver"
)

// challengeParam reads one parameter of a WWW-Authenticate header.
func challengeParam(header, name string) string {
	match := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(header)
	if match == nil {
		return ""
	}
	return match[1]
}

// TestStepUp has a resource server ask for another kind of login, and for a more recent one; the client hands on what
// it is told (RFC 9470), and says so when nobody can log in like that.
func TestStepUp(t *testing.T) {
	h := newHouse(t, func(c *provider.Config) { c.Authentication.PasswordACR = []string{acrPassword, acrSilver} })
	h.user("alice")
	h.register("app", nil)
	api := h.resourceServer(resource.Requirement{Scope: "payments", ACR: []string{acrSilver}, MaxAge: 5 * time.Minute})
	plain, person := h.http(nil), h.browser()
	token := func(more ...string) (access string, claims map[string]any) {
		t.Helper()
		f := newFlow("app", "openid payments", more...)
		answer := person.login(f)
		r := h.post(plain, h.issuer+"/token", f.redeem(answer.Get("code")), basic("app"))
		if r.Status != http.StatusOK {
			t.Fatalf("%v: %d %s", answer, r.Status, r.Body)
		}
		return r.text("access_token"), claimsOf(t, r.text("id_token"))
	}
	challenge := func(access, name string) string {
		t.Helper()
		r := h.get(http.DefaultClient, api, bearer(access))
		header := r.Header.Get("WWW-Authenticate")
		if r.Status != http.StatusUnauthorized || challengeParam(header, "error") != "insufficient_user_authentication" || challengeParam(header, name) == "" {
			t.Fatalf("%d %q %s", r.Status, header, r.Body)
		}
		return challengeParam(header, name)
	}
	served := func(access string) {
		t.Helper()
		if r := h.get(http.DefaultClient, api, bearer(access)); r.Status != http.StatusOK || r.Body != "paid" {
			t.Errorf("%d %v %s", r.Status, r.Header, r.Body)
		}
	}

	weak, id := token()
	if id["acr"] != acrPassword || claimsOf(t, weak)["acr"] != acrPassword {
		t.Errorf("an ordinary login: %v", id)
	}
	wanted := challenge(weak, "acr_values")
	strong, id := token("acr_values", "urn:bank:acr:gold "+wanted) // the best that there is
	if id["acr"] != acrSilver {
		t.Errorf("asked for %s: %v", wanted, id)
	}
	served(strong)

	h.advance(10 * time.Minute)
	later, again := token("acr_values", wanted)
	if again["auth_time"] != id["auth_time"] {
		t.Errorf("the session was not used: %v, then %v", id["auth_time"], again["auth_time"])
	}
	age := challenge(later, "max_age")
	fresh, again := token("acr_values", wanted, "max_age", age)
	if age != "300" || again["auth_time"].(float64) < id["auth_time"].(float64)+600 {
		t.Errorf("max_age %s: logged in at %v, then %v", age, id["auth_time"], again["auth_time"])
	}
	served(fresh)

	for name, c := range map[string]struct{ claims, want string }{
		"within reach":              {`{"id_token":{"acr":{"essential":true,"values":["urn:bank:acr:gold","` + acrSilver + `"]}}}`, ""},
		"out of reach":              {`{"id_token":{"acr":{"essential":true,"value":"urn:bank:acr:gold"}}}`, "unmet_authentication_requirements"},
		"out of reach, but no must": {`{"id_token":{"acr":{"value":"urn:bank:acr:gold"}}}`, ""},
	} {
		answer := person.login(newFlow("app", "openid payments", "claims", c.claims))
		if answer.Get("error") != c.want || (answer.Get("code") == "") != (c.want != "") || answer.Get("state") != "s1" {
			t.Errorf("%s: %v", name, answer)
		}
	}
	if answer := person.login(newFlow("app", "openid payments", "acr_values", acrSilver,
		"claims", `{"id_token":{"acr":{"essential":true,"value":"urn:bank:acr:gold"}}}`)); answer.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("what is essential counts: %v", answer)
	}
}

// resourceServer answers "paid" to tokens that meet the requirement, in plain HTTP: the tokens are what is tested.
func (h *house) resourceServer(required resource.Requirement) string {
	h.t.Helper()
	verifier, err := resource.New(resource.Options{
		Issuer: h.issuer, Audience: apiJWT, Keys: resource.LocalKeys(h.ring.KeySet), Clock: h.now, Log: h.log(),
	})
	must(h.t, err)
	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = strings.NewReader("paid").WriteTo(w) })
	server := httptest.NewServer(verifier.Protect(pay, required, func(*http.Request) (*mtls.Peer, error) { return nil, nil }))
	h.t.Cleanup(server.Close)
	return server.URL
}
