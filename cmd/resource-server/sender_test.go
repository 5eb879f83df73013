package main

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// dpopKey makes a client's key and its thumbprint.
func dpopKey(t *testing.T) (*jose.PrivateKey, string) {
	t.Helper()
	signer, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	jkt, err := jose.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, jkt
}

func prove(t *testing.T, key *jose.PrivateKey, method, url, token, nonce string) map[string]string {
	t.Helper()
	jti := make([]byte, 16)
	_, _ = rand.Read(jti)
	proof, err := dpop.Prove(key, dpop.Claim{
		Method: method, URL: url, Now: time.Now(), JTI: hex.EncodeToString(jti), AccessToken: oauth.Secret(token), Nonce: nonce,
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"Authorization": "DPoP " + token, "DPoP": proof}
}

// TestBothKindsOfBoundTokensOnOneListener: what is bound to a key needs no certificate and does not mind one.
func TestBothKindsOfBoundTokensOnOneListener(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	key, jkt := dpopKey(t)
	claims := w.claims(t, "c1", "accounts", "")
	claims["cnf"] = map[string]string{"jkt": jkt}
	token := w.sign(t, claims)
	for _, certificate := range []string{"", "client", "other"} {
		got := w.do(t, base, call{path: "/accounts", certificate: certificate, headers: prove(t, key, "GET", testAudience+"/accounts", token, "")})
		if got.status != 200 || got.header.Get("DPoP-Nonce") != "" {
			t.Errorf("with certificate %q: %d %s", certificate, got.status, got.body)
		}
	}
	if got := w.do(t, base, call{path: "/accounts", token: w.token(t, "c1", "accounts", "client"), certificate: "client"}); got.status != 200 {
		t.Errorf("bound to a certificate: %d %s", got.status, got.body)
	}
	headers := prove(t, key, "GET", testAudience+"/accounts", token, "")
	for i, want := range []int{200, 401} {
		if got := w.do(t, base, call{path: "/accounts", headers: headers}); got.status != want {
			t.Errorf("use %d of one proof: %d %s", i+1, got.status, got.body)
		}
	}
	if got := w.do(t, base, call{path: "/accounts", token: token, certificate: "client"}); got.status != 401 {
		t.Errorf("as a bearer token: %d %s", got.status, got.body)
	}
}

func TestNoncesAndBaseURLs(t *testing.T) {
	w := newWorld(t)
	base := w.start(t, "--dpop-nonces", "--base-url", "https://api.example/,https://api2.example:8443")
	key, jkt := dpopKey(t)
	claims := w.claims(t, "c1", "accounts", "")
	claims["cnf"] = map[string]string{"jkt": jkt}
	token := w.sign(t, claims)
	send := func(url, nonce string) answer {
		return w.do(t, base, call{path: "/accounts", headers: prove(t, key, "GET", url+"/accounts", token, nonce)})
	}
	first := send("https://api.example", "")
	nonce := first.header.Get("DPoP-Nonce")
	if first.status != 401 || nonce == "" || !strings.Contains(first.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`) {
		t.Fatalf("%d %v", first.status, first.header)
	}
	for url, want := range map[string]int{"https://api.example": 200, "https://api2.example:8443": 200, base: 401, testAudience: 401} {
		if got := send(url, nonce); got.status != want {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
	}
}

func TestPaymentsAskForAnotherLogin(t *testing.T) {
	w := newWorld(t)
	base := w.start(t, "--payments-acr", "urn:strong,urn:stronger", "--payments-max-age", "5m")
	claims := w.claims(t, "c1", "payments", "client")
	claims["authorization_details"] = anyPayment
	post := func() answer {
		return w.do(t, base, call{
			method: "POST", path: "/payments", body: goodOrder, certificate: "client", token: w.sign(t, claims), headers: map[string]string{"Content-Type": "application/json"},
		})
	}
	got := post()
	if want := `error="insufficient_user_authentication"`; got.status != 401 || !strings.Contains(got.header.Get("WWW-Authenticate"), want) ||
		!strings.HasSuffix(got.header.Get("WWW-Authenticate"), `, acr_values="urn:strong urn:stronger", max_age="300"`) {
		t.Errorf("%d %v", got.status, got.header)
	}
	claims["acr"], claims["auth_time"] = "urn:stronger", time.Now().Add(-6*time.Minute).Unix()
	if got := post(); got.status != 401 {
		t.Errorf("six minutes ago: %d %s", got.status, got.body)
	}
	claims["auth_time"] = time.Now().Add(-4 * time.Minute).Unix()
	if got := post(); got.status != 201 {
		t.Errorf("four minutes ago: %d %s", got.status, got.body)
	}
	if got := w.do(t, base, call{path: "/payments", token: w.token(t, "c1", "payments", "client"), certificate: "client"}); got.status != 200 {
		t.Errorf("reading asks for no login: %d %s", got.status, got.body)
	}
}

func TestPaymentsAreThoseAgreedTo(t *testing.T) {
	w := newWorld(t)
	base := w.start(t)
	type object = map[string]any
	agreed := func(change object) object {
		detail := object{
			"type": "payment_initiation", "locations": []string{testAudience}, "actions": []string{"initiate", "status"},
			"instructedAmount": object{"currency": "EUR", "amount": "123.5"}, "creditorName": "Bäckerei Müller",
			"creditorAccount":                   object{"iban": "GB29NWBK60161331926819"},
			"remittanceInformationUnstructured": "Invoice 7",
		}
		for name, value := range change {
			if detail[name] = value; value == nil {
				delete(detail, name)
			}
		}
		return detail
	}
	other := object{"type": "account_information"}
	tests := []struct {
		name    string
		scope   string
		details []any // nil = no such claim
		status  int
	}{
		{"exactly", "openid", []any{agreed(nil)}, 201},
		{"one of several", "openid", []any{other, agreed(object{"creditorName": "Someone"}), agreed(nil)}, 201},
		{"with the debtor", "openid", []any{agreed(object{"debtorAccount": object{"iban": "DE89370400440532013000"}})}, 201},
		{"nothing said", "openid", []any{object{"type": "payment_initiation"}}, 201},
		{"at the payments themselves", "openid", []any{agreed(object{"locations": []string{"https://other.example", testAudience + "/payments"}})}, 201},

		{"scope and no details", "payments", nil, 403},
		{"scope and details of something else", "payments", []any{other}, 403},
		{"an unknown member", "payments", []any{agreed(object{"requestedExecutionDate": "2031-01-01"})}, 403},
		{"an unknown member within", "payments", []any{agreed(object{"creditorAccount": object{"iban": "GB29NWBK60161331926819", "bic": "NWBKGB2L"}})}, 403},
		{"a member in another case", "payments", []any{agreed(object{"ACTIONS": []string{"initiate"}})}, 403},
		{"a member without a value", "payments", []any{object{"type": "payment_initiation", "creditorName": nil}}, 403},
		{"elsewhere", "payments", []any{agreed(object{"locations": []string{"https://other.example"}})}, 403},
		{"one is understood", "openid", []any{agreed(object{"x": 1}), agreed(nil)}, 201},
		{"neither", "openid", nil, 403},
		{"details of something else", "openid", []any{other}, 403},
		{"another amount, despite the scope", "payments", []any{agreed(object{"instructedAmount": object{"currency": "EUR", "amount": "123.51"}})}, 403},
		{"another currency", "openid", []any{agreed(object{"instructedAmount": object{"currency": "USD", "amount": "123.50"}})}, 403},
		{"an amount that is none", "openid", []any{agreed(object{"instructedAmount": object{"currency": "EUR", "amount": "123.500"}})}, 403},
		{"another creditor", "openid", []any{agreed(object{"creditorAccount": object{"iban": "GB28"}})}, 403},
		{"another name", "openid", []any{agreed(object{"creditorName": "Müller"})}, 403},
		{"another text", "openid", []any{agreed(object{"remittanceInformationUnstructured": ""})}, 403},
		{"another debtor", "openid", []any{agreed(object{"debtorAccount": object{"iban": "DE75512108001245126199"}})}, 403},
		{"another action", "openid", []any{agreed(object{"actions": []string{"status"}})}, 403},
		{"no action", "openid", []any{agreed(object{"actions": []string{}})}, 403},
		{"malformed", "openid", []any{agreed(object{"instructedAmount": 5})}, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			claims := w.claims(t, "c1", test.scope, "client")
			if test.details != nil {
				claims["authorization_details"] = test.details
			}
			got := w.do(t, base, call{
				method: "POST", path: "/payments", body: goodOrder, certificate: "client", token: w.sign(t, claims), headers: map[string]string{"Content-Type": "application/json"},
			})
			if got.status != test.status || (got.status == http.StatusForbidden) != strings.Contains(got.header.Get("WWW-Authenticate"), "insufficient_scope") {
				t.Errorf("%d %s %q; want %d", got.status, got.body, got.header.Get("WWW-Authenticate"), test.status)
			}
		})
	}
}
