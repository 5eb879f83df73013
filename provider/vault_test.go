package provider_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"signet/provider/keys/vaulttest"
	"signet/provider/oauth"
)

// inVault is ground whose keys are in a Vault that "signet vault setup" has prepared. The commands are the
// operator's: a first configuration names the files that the setup then makes.
func inVault(v *vaulttest.Server, backend, store string) ground {
	return ground{store, fmt.Sprintf(`backend: %s, vault: {address: %q, ca_file: %q,
    auth: {method: approle, role_id_file: vault-NUMBER/serve-role-id, secret_id_file: vault-NUMBER/serve-secret-id, wrapped: true},
    keeper: {method: approle, role_id_file: vault-NUMBER/keys-role-id, secret_id_file: vault-NUMBER/keys-secret-id}}`, backend, v.Address(), v.CAFile())}
}

// setUpVault applies the setup and makes the first keys by their keeper. The transit keys that are named are made
// beforehand, exportable.
func (s *site) setUpVault(v *vaulttest.Server, exportable ...string) {
	s.t.Helper()
	s.write("root-token", v.RootToken())
	s.rewrap()
	for _, name := range exportable {
		kind := map[string]string{"signet-es256": "ecdsa-p256", "signet-eddsa": "ed25519"}[name]
		_, err := v.Client(s.t).Logical().Write("transit/keys/"+name, map[string]any{"type": kind, "exportable": true})
		must(s.t, err)
	}
	s.signet("key", "maintain")
}

// rewrap gives every server and the keeper a fresh wrapped secret id, as a deployment does before each start.
func (s *site) rewrap() {
	s.t.Helper()
	for i := range s.processes {
		credentials := filepath.Join(s.dir, fmt.Sprintf("vault-%d", i))
		must(s.t, os.RemoveAll(credentials)) // what is there would stay
		s.signet("vault", "setup", "--apply", "--token-file", filepath.Join(s.dir, "root-token"), "--bootstrap", credentials)
	}
}

// TestVaultSealedUnderLoad seals Vault in the middle of redemptions: every answer meanwhile is a 503 that says
// when to come again, no code is used up by one, and the very same requests work after unsealing, without a
// restart.
func TestVaultSealedUnderLoad(t *testing.T) {
	v := vaulttest.Start(t)
	s := prepareSite(t, 1, inVault(v, "transit", embedded.store), "")
	s.setUpVault(v)
	s.start()
	s.user("alice")
	s.register("app", nil)
	codes := s.seedCodes("app", 600)

	var wait sync.WaitGroup
	var mu sync.Mutex
	var pending []seeded // answered by 503
	granted := 0
	queue := make(chan seeded)
	for range 8 {
		client := s.http(nil)
		wait.Go(func() {
			for c := range queue {
				got, err := send(client, s.issuer+"/token", c.redeem(), basic("app"))
				mu.Lock()
				switch fault := unavailable(got, err); {
				case err == nil && got.Status == http.StatusOK:
					granted++
				case fault != nil:
					t.Error(fault)
				default:
					pending = append(pending, c)
				}
				mu.Unlock()
			}
		})
	}
	half := len(codes) / 2
	for i, c := range codes {
		if i == half {
			v.Seal(t)
		}
		queue <- c
	}
	close(queue)
	wait.Wait()
	if granted == 0 || len(pending) == 0 {
		t.Fatalf("%d granted and %d told to come again: the seal met no load", granted, len(pending))
	}
	s.processes[0].await(t, func(context.Context) error { // an answer counts for a moment
		ready := s.get(http.DefaultClient, s.processes[0].ready)
		if ready.Status != http.StatusServiceUnavailable {
			return fmt.Errorf("readiness while Vault is sealed: %d %s", ready.Status, ready.Body)
		}
		return nil
	})
	if burnt := s.used(pending); burnt != 0 {
		t.Errorf("%d codes are used up by requests that failed", burnt)
	}

	v.Unseal(t)
	unsealed := time.Now()
	client := s.http(nil)
	s.processes[0].await(t, func(context.Context) error {
		got, err := send(client, s.issuer+"/token", pending[0].redeem(), basic("app"))
		if err == nil && got.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", got.Status, got.Body)
		}
		return err
	})
	took := time.Since(unsealed)
	t.Logf("%d granted, %d told to come again; the first token %v after unsealing", granted, len(pending), took.Round(time.Millisecond))
	if took > 2*time.Second {
		t.Errorf("recovery took %v", took)
	}
	for _, c := range pending[1:] {
		if got := s.post(client, s.issuer+"/token", c.redeem(), basic("app")); got.Status != http.StatusOK {
			t.Fatalf("a code after the outage: %d %s", got.Status, got.Body)
		}
	}
}

// used counts the codes that are used.
func (s *site) used(codes []seeded) (n int) {
	for _, c := range codes {
		stored, err := s.store.Code(s.t.Context(), c.secret.Digest())
		must(s.t, err)
		n += count(stored.Used)
	}
	return n
}

// unavailable says what is wrong with an answer that should ask the client to come again, nil if nothing is.
func unavailable(got reply, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("no answer: %w", err)
	case got.Status != http.StatusServiceUnavailable || got.text("error") != string(oauth.TemporarilyUnavailable):
		return fmt.Errorf("%d %s", got.Status, got.Body)
	case got.Header.Get("Retry-After") == "":
		return errors.New("a 503 without Retry-After")
	}
	return nil
}
