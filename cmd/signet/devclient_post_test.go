package main

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// TestDevClientTriesAgainWithTheNonce: a server may ask for its nonce (RFC 9449 section 8); each attempt has a proof of
// its own, and what was pushed is all that the browser does not see.
func TestDevClientTriesAgainWithTheNonce(t *testing.T) {
	var proofs []dpop.Proof
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proof, err := dpop.Verify(r.Header.Get("DPoP"), dpop.Options{
			Method: r.Method, URLs: []string{server.URL + "/par"}, Now: time.Now(), Algs: []string{"ES256"},
		})
		if err != nil {
			t.Error(err)
		}
		proofs = append(proofs, proof)
		w.Header().Set("DPoP-Nonce", "n1")
		if proof.Nonce != "n1" {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "use_dpop_nonce"})
			return
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"request_uri": "urn:x"})
	}))
	defer server.Close()
	client := &devClient{system: realSystem(), http: server.Client(), clientSettings: clientSettings{
		ClientID: "app", AuthMethod: oauth.AuthNone, DPoPKey: dpopKey(t), Push: true,
	}}
	client.meta.PushedEndpoint, client.meta.AuthorizationEndpoint = server.URL+"/par", "https://op.example/authorize"
	flow, err := client.startCode(t.Context(), "http://127.0.0.1/cb", "openid", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://op.example/authorize?" + (url.Values{"client_id": {"app"}, "request_uri": {"urn:x"}}).Encode(); flow.URL != want {
		t.Errorf("the browser goes to %s, want %s", flow.URL, want)
	}
	if len(proofs) != 2 || proofs[0].ID == proofs[1].ID || proofs[0].JKT != proofs[1].JKT {
		t.Errorf("%+v", proofs)
	}
}

func dpopKey(t *testing.T) string {
	t.Helper()
	key, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dpop.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
