package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/yaronf/httpsign"

	"signet/certs"
)

// verifier of the key in a file, for what FAPI asks a client to check.
func (w *world) verifier(t *testing.T, file string, more ...string) *httpsign.Verifier {
	t.Helper()
	block, _ := pem.Decode(w.read(t, file))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	fields := httpsign.NewFields().AddHeaders("@status", "content-digest", "content-type", "x-fapi-interaction-id")
	for _, name := range append([]string{"@method", "@target-uri"}, more...) {
		fields.AddHeaderExt(name, false, false, true, false)
	}
	config := httpsign.NewVerifyConfig().SetAllowedTags([]string{"fapi-2-response"}).SetVerifyCreated(true)
	var v *httpsign.Verifier
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		v, err = httpsign.NewP256Verifier(key.PublicKey, config, *fields)
	case ed25519.PrivateKey:
		v, err = httpsign.NewEd25519Verifier(key.Public().(ed25519.PublicKey), config, *fields)
	}
	if err != nil || v == nil {
		t.Fatalf("%v %T", err, key)
	}
	return v
}

func TestAnswersAreSigned(t *testing.T) {
	w := newWorld(t)
	w.issue(t, "ed", certs.Request{Key: certs.Ed25519})
	for _, file := range []string{"rs-key.pem", "ed-key.pem"} {
		base := w.start(t, "--sign-responses", w.file(file))
		token := w.toPay(t, "c1", "accounts payments")
		asJSON := map[string]string{"Content-Type": "application/json", "Content-Digest": digestOf(t, goodOrder), "Signature-Input": `a=("@method");created=1`, "Signature": "a=:AAAA:"}
		tests := []struct {
			name    string
			call    call
			status  int
			covered []string
		}{
			{"accounts", call{path: "/accounts?a=b", token: token}, 200, nil},
			{"a signed request", call{method: "POST", path: "/payments", token: token, body: goodOrder, headers: asJSON}, 201, []string{"content-digest", "signature", "signature-input"}},
			{"a refusal", call{path: "/accounts"}, 401, nil},
			{"not found", call{path: "/nothing"}, 404, nil},
			{"a false digest", call{method: "POST", path: "/payments", token: token, body: goodOrder + " ", headers: asJSON}, 400, []string{"content-digest"}},
		}
		for _, test := range tests {
			t.Run(file+" "+test.name, func(t *testing.T) {
				test.call.certificate = "client"
				got := w.do(t, base, test.call)
				if got.status != test.status {
					t.Fatalf("%d %s", got.status, got.body)
				}
				sent := sentRequest(t, test.call)
				check := func(status int, body string, sent *http.Request) error {
					res := &http.Response{StatusCode: status, Header: got.header}
					reader := io.NopCloser(strings.NewReader(body))
					if err := httpsign.ValidateContentDigestHeader(got.header.Values("Content-Digest"), &reader, []string{"sha-256"}); err != nil {
						return err
					}
					return httpsign.VerifyResponse("sig", *w.verifier(t, file, test.covered...), res, sent)
				}
				if err := check(got.status, got.body, sent); err != nil {
					t.Errorf("%v\n%v", err, got.header)
				}
				other := sentRequest(t, test.call)
				other.Method = "PUT"
				if check(got.status+1, got.body, sent) == nil || check(got.status, got.body+" ", sent) == nil || check(got.status, got.body, other) == nil {
					t.Error("the signature does not cover what it should")
				}
			})
		}
		t.Run(file+" malformed query", func(t *testing.T) {
			got := w.do(t, base, call{path: "/accounts?a=%zz", token: token, certificate: "client"})
			if got.status != 400 || got.header.Get("Signature") != "" || got.header.Get("X-Fapi-Interaction-Id") == "" {
				t.Errorf("%d %v", got.status, got.header)
			}
		})
		t.Run(file+" HEAD", func(t *testing.T) {
			got := w.do(t, base, call{method: "HEAD", path: "/accounts", token: token, certificate: "client"})
			if got.status != 200 || got.header.Get("Content-Digest") != "" || got.header.Get("Signature") == "" {
				t.Errorf("%d %v", got.status, got.header)
			}
		})
		t.Run(file+" key", func(t *testing.T) {
			got := w.do(t, base, call{path: "/jwks"})
			var set struct{ Keys []struct{ Kid, D string } }
			if err := json.Unmarshal([]byte(got.body), &set); err != nil || len(set.Keys) != 1 || set.Keys[0].D != "" ||
				!strings.Contains(got.header.Get("Signature-Input"), `keyid="`+set.Keys[0].Kid+`"`) {
				t.Errorf("%v %s %v", err, got.body, got.header)
			}
		})
	}
}

// An answer is signed for the address that its client used, as far as it is one of this server's.
func TestReceivedAtItsOwnAddress(t *testing.T) {
	s := &responseSigner{hosts: []string{"api.example", "api2.example:8443", "api3.example:443"}}
	for host, want := range map[string]string{
		"api.example": "api.example", "API.example:443": "api.example", "api2.example:8443": "api2.example:8443", "api3.example": "api3.example:443",
		"api2.example": "api.example", "stranger.example": "api.example", "": "api.example",
	} {
		got := s.received(&http.Request{Method: "GET", Host: host, URL: &url.URL{Path: "/accounts", RawQuery: "a=b"}, Header: http.Header{}})
		if got.Host != want || got.URL.String() != "https://"+want+"/accounts?a=b" {
			t.Errorf("%q: %s, %s; want %s", host, got.Host, got.URL, want)
		}
	}
}

func digestOf(t *testing.T, text string) string {
	t.Helper()
	body := io.NopCloser(strings.NewReader(text))
	digest, err := httpsign.GenerateContentDigestHeader(&body, []string{"sha-256"})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// sentRequest is the call as its sender keeps it, to verify the answer.
func sentRequest(t *testing.T, c call) *http.Request {
	t.Helper()
	target, err := url.Parse(testAudience + c.path)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: c.method, URL: target, Host: target.Host, Header: http.Header{}}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	return r
}
