package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/jose"
	"signet/provider/oauth"
)

func fixed(endpoint string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return endpoint, nil }
}

func TestIntrospectionOverTLS(t *testing.T) {
	const active = `{"active":true,"token_type":"Bearer","sub":"u"}`
	tests := []struct {
		name   string
		status int
		kind   string
		body   string
		want   string // "" = active, "inactive", else part of the error
	}{
		{"active", 200, "application/json;charset=UTF-8", active, ""},
		{"DPoP-bound", 200, "application/json", `{"active":true,"token_type":"DPoP"}`, ""},
		{"token type in another case", 200, "application/json", `{"active":true,"token_type":"bearer"}`, ""},
		{"inactive", 200, "application/json", `{"active":false}`, "inactive"},
		{"refresh token", 200, "application/json", `{"active":true,"sub":"u"}`, "inactive"},
		{"active as text", 200, "application/json", `{"active":"true","token_type":"Bearer"}`, "does not say"},
		{"active missing", 200, "application/json", `{}`, "does not say"},
		{"active in other case only", 200, "application/json", `{"Active":true,"token_type":"Bearer"}`, "does not say"},
		{"active twice", 200, "application/json", `{"active":false,"active":true,"token_type":"Bearer"}`, "malformed"},
		{"not JSON", 200, "text/html", active, "JSON"},
		{"broken JSON", 200, "application/json", `{"active":true`, "malformed"},
		{"too long", 200, "application/json", `{"active":true,"x":"` + strings.Repeat("a", maxIntrospectionBytes) + `"}`, "too long"},
		{"our client is refused", 401, "application/json", `{"error":"invalid_client"}`, "401"},
		{"redirect", 307, "application/json", active, "307"},
		{"out of order", 503, "application/json", active, "503"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				if r.Method != http.MethodPost || r.FormValue("token") != "opaque" || r.FormValue("client_id") != "rs" ||
					r.FormValue("token_type_hint") != "access_token" || r.Form.Has("client_assertion") {
					t.Errorf("unexpected request: %s %v", r.Method, r.Form)
				}
				w.Header().Set("Content-Type", test.kind)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			c, err := NewIntrospectionClient(IntrospectionOptions{Endpoint: fixed(server.URL), ClientID: "rs", HTTP: server.Client()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Introspect(t.Context(), "opaque")
			switch test.want {
			case "":
				if err != nil || string(got) != test.body {
					t.Errorf("Introspect = %s, %v", got, err)
				}
			case "inactive":
				if !errors.Is(err, ErrInactive) {
					t.Errorf("error %v, want ErrInactive", err)
				}
			default:
				if err == nil || errors.Is(err, ErrInactive) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "opaque") {
					t.Errorf("error %v, want %q and no token", err, test.want)
				}
			}
			if calls != 1 {
				t.Errorf("%d requests: a redirect must not be followed with the token", calls)
			}
		})
	}
}

func TestIntrospectionByPrivateKeyJWT(t *testing.T) {
	is := newIssuer(t)
	seen := map[string]bool{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_assertion_type") != oauth.AssertionTypeJWT {
			t.Errorf("client_assertion_type is %q", r.FormValue("client_assertion_type"))
		}
		verified, err := jose.Verify(r.FormValue("client_assertion"), is.set, []string{"ES256"})
		if err != nil {
			t.Error(err)
			return
		}
		c, err := jose.ParseClaims(verified.Payload)
		if err != nil || c.Issuer != "rs" || c.Subject != "rs" || !c.AudienceIsString || c.Audience[0] != testIssuer ||
			!c.IssuedAt.Equal(testTime) || c.Expiry.Sub(testTime) > time.Minute || seen[c.ID] {
			t.Errorf("assertion %+v, %v", c, err)
		}
		seen[c.ID] = true
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"active":true,"token_type":"Bearer"}`)
	}))
	defer server.Close()
	c, err := NewIntrospectionClient(IntrospectionOptions{
		Endpoint: fixed(server.URL), ClientID: "rs", HTTP: server.Client(),
		Assertion: &Assertion{Key: is.key, Issuer: testIssuer, Clock: testClock, Random: rand.Reader},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Introspect(t.Context(), "opaque"); err != nil {
			t.Fatal(err)
		}
	}
	c.assertion.Random = strings.NewReader("")
	if _, err := c.Introspect(t.Context(), "opaque"); err == nil {
		t.Error("an assertion without randomness")
	}
}

func TestIntrospectionWithoutAnEndpoint(t *testing.T) {
	c, err := NewIntrospectionClient(IntrospectionOptions{
		Endpoint: func(context.Context) (string, error) { return "", errors.New("issuer is away") }, ClientID: "rs", HTTP: http.DefaultClient,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Introspect(t.Context(), "opaque"); err == nil || errors.Is(err, ErrInactive) {
		t.Errorf("error %v", err)
	}
	for _, o := range []IntrospectionOptions{{}, {Endpoint: fixed("x"), ClientID: "rs"}, {Endpoint: fixed("x"), HTTP: http.DefaultClient}} {
		if _, err := NewIntrospectionClient(o); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}
