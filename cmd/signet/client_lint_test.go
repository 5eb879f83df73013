package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"signet/provider"
	"signet/provider/oauth"
	"signet/provider/store"
)

// TestAServerLogsRegistrationsThatFallShort as it starts: each violation once, and nothing of disabled clients.
func TestAServerLogsRegistrationsThatFallShort(t *testing.T) {
	s := realSystem()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "signet.db"), store.Options{Clock: s.clock, Random: s.random, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	good := oauth.Client{
		ID: "good", AuthMethod: oauth.AuthTLS, TLSSubjectDN: "CN=good", Scope: "openid", GrantTypes: []string{oauth.GrantClientCredentials},
		Resources: []string{"https://api.example"},
	}
	bad, disabled := good, good
	bad.ID, bad.AuthMethod, bad.SecretHash, bad.IDTokenAlg = "bad", oauth.AuthSecretBasic, "x", "RS256"
	disabled.ID, disabled.Disabled, disabled.Scope = "disabled", true, "moon"
	for _, c := range []oauth.Client{good, bad, disabled} {
		if err := db.Commit(t.Context(), oauth.StoreClient{Client: c, New: true}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	h := &house{store: db, log: slog.New(slog.NewTextHandler(&out, nil)), config: provider.Config{
		Profile: oauth.ProfileFAPI2Security, Keys: provider.KeysConfig{Algorithms: []string{"ES256"}}, Resources: []provider.Resource{{ID: "https://api.example"}},
	}}
	h.lintClients(t.Context())
	log := out.String()
	if strings.Count(log, "\n") != 2 || strings.Count(log, "client_id=bad") != 2 ||
		!strings.Contains(log, "fapi2-security/client-authentication") || !strings.Contains(log, "FAPI 2.0 section 5.4.1 item 1") {
		t.Error(log)
	}
}
