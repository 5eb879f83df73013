package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"signet/certs"
)

// The rows of the reference systems, each with a test of its name: TestReference_J19_... is row J19 of reference.md,
// Janssen's. They look at the wire, as somebody does who moves from there.

// TestReferenceRowsAreTested holds the tests against the table.
func TestReferenceRowsAreTested(t *testing.T) {
	text, err := os.ReadFile("reference.md")
	must(t, err)
	rows := regexp.MustCompile(`(?m)^\| ([JTLCW]\d+) \|`).FindAllStringSubmatch(string(text), -1)
	if len(rows) != 35+13+8+12+5 {
		t.Errorf("reference.md has %d rows", len(rows))
	}
	tests := testSources(t)
	for _, row := range rows {
		if !strings.Contains(tests, "\nfunc TestReference_"+row[1]+"_") {
			t.Errorf("row %s has no test", row[1])
		}
	}
}

func testSources(t *testing.T) string {
	t.Helper()
	files, err := os.ReadDir(".")
	must(t, err)
	var all strings.Builder
	for _, file := range files {
		if strings.HasPrefix(file.Name(), "reference_") && strings.HasSuffix(file.Name(), "_test.go") {
			text, err := os.ReadFile(file.Name())
			must(t, err)
			all.Write(text)
		}
	}
	return all.String()
}

// ask posts to the token endpoint of the main door.
func (h *house) ask(pairs []string, edit ...func(*http.Request)) reply {
	h.t.Helper()
	return h.post(h.http(nil), h.issuer+"/token", form(pairs...), edit...)
}

// granted is ask for what must succeed.
func (h *house) granted(pairs []string, edit ...func(*http.Request)) reply {
	h.t.Helper()
	r := h.ask(pairs, edit...)
	if r.Status != http.StatusOK {
		h.t.Fatalf("%v: %d %s", pairs[:2], r.Status, r.Body)
	}
	return r
}

// denied is ask for what must be refused with the code; it returns the answer.
func (h *house) denied(code string, pairs []string, edit ...func(*http.Request)) reply {
	h.t.Helper()
	r := h.ask(pairs, edit...)
	want := http.StatusBadRequest
	if code == "invalid_client" {
		want = http.StatusUnauthorized
	}
	if r.Status != want || r.text("error") != code {
		h.t.Errorf("%v: %d %s, want %d %s", pairs, r.Status, r.Body, want, code)
	}
	return r
}

// tokensOf walks the code flow for alice and redeems the code as a client of register's.
func (h *house) tokensOf(client, scope string, more ...string) reply {
	h.t.Helper()
	f := newFlow(client, scope, more...)
	r := h.post(h.http(nil), h.issuer+"/token", f.redeem(h.code(f)), basic(client))
	if r.Status != http.StatusOK {
		h.t.Fatalf("code: %d %s", r.Status, r.Body)
	}
	return r
}

func (h *house) refresh(client, token string, more ...string) reply {
	h.t.Helper()
	return h.ask(append([]string{"grant_type", "refresh_token", "refresh_token", token}, more...), basic(client))
}

// about introspects.
func (h *house) about(client, token string) map[string]any {
	h.t.Helper()
	r := h.post(h.http(nil), h.issuer+"/introspect", form("token", token), basic(client))
	if r.Status != http.StatusOK {
		h.t.Fatalf("introspection: %d %s", r.Status, r.Body)
	}
	return r.JSON
}

// metadata is the discovery document.
func (h *house) metadata() map[string]any {
	h.t.Helper()
	r := h.get(h.http(nil), h.issuer+"/.well-known/openid-configuration")
	if r.Status != http.StatusOK {
		h.t.Fatalf("%d %s", r.Status, r.Body)
	}
	return r.JSON
}

func listed(document map[string]any, member, value string) bool {
	list, _ := document[member].([]any)
	return slices.Contains(list, any(value))
}

// headerOf decodes a JWT's header, or a JWE's.
func headerOf(t testing.TB, compact string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	must(t, err)
	var header map[string]any
	must(t, json.Unmarshal(raw, &header))
	return header
}

// lifetime is how many seconds a JWT lives.
func lifetime(t testing.TB, compact string) int {
	t.Helper()
	claims := claimsOf(t, compact)
	return int(claims["exp"].(float64) - claims["iat"].(float64))
}

// clientCredentials ask for a token of the client's own.
var ownToken = []string{"grant_type", "client_credentials", "scope", "accounts"}

// atMTLS posts to the token endpoint of the mTLS door with a certificate.
func (h *house) atMTLS(leaf *certs.Leaf, pairs []string, edit ...func(*http.Request)) reply {
	h.t.Helper()
	return h.post(h.http(leaf), h.mtls+"/token", form(pairs...), edit...)
}

// writeRule puts a file into a directory of the bank's rules.
func writeRule(t testing.TB, dir, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}
