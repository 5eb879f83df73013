package provider_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signet/provider/keys/vaulttest"
)

// TestPrivateKeysStayInVault reads the whole memory of a server that signs by transit and looks for its signing
// keys, which were made exportable so that the test knows them. The same search finds the key of the server's TLS
// certificate, which has to be there: so it would have found them.
func TestPrivateKeysStayInVault(t *testing.T) {
	v := vaulttest.Start(t)
	s := prepareSite(t, 1, inVault(v, "transit", embedded.store), "")
	s.setUpVault(v, "signet-es256", "signet-eddsa")
	secrets := exported(t, v, "signet-es256", "signet-eddsa")
	s.start()
	s.register("app", nil)
	client := s.http(nil)
	for range 200 {
		got := s.post(client, s.issuer+"/token", form("grant_type", "client_credentials", "scope", "accounts"), basic("app"))
		if got.Status != http.StatusOK {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "pki", "server-key.pem"))
	must(t, err)
	secrets["the door's own key"] = privateNumber(t, raw)

	found := search(t, s.processes[0].cmd.Process.Pid, secrets)
	if !slices.Equal(found, []string{"the door's own key"}) {
		t.Errorf("found in the memory of the process: %v", found)
	}
}

// exported reads the private numbers of all versions of transit keys.
func exported(t *testing.T, v *vaulttest.Server, names ...string) map[string][]byte {
	t.Helper()
	secrets := map[string][]byte{}
	for _, name := range names {
		got, err := v.Client(t).Logical().Read("transit/export/signing-key/" + name)
		must(t, err)
		versions, _ := got.Data["keys"].(map[string]any)
		for version, text := range versions {
			secrets[name+" version "+version] = privateNumber(t, []byte(fmt.Sprint(text)))
		}
	}
	if len(secrets) < len(names) {
		t.Fatalf("exported %d keys", len(secrets))
	}
	return secrets
}

// privateNumber is what nobody may have: the scalar of an elliptic curve key, the seed of an Ed25519 key, a
// prime of an RSA key. The text is PEM, or base64 of an Ed25519 key.
func privateNumber(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		raw, err := base64.StdEncoding.DecodeString(string(text))
		must(t, err)
		return raw[:ed25519.SeedSize]
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		raw, err := key.Bytes()
		must(t, err)
		return raw
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		raw, err := key.Bytes()
		must(t, err)
		return raw
	case *rsa.PrivateKey:
		return key.Primes[0].Bytes()
	default:
		t.Fatalf("a key of type %T", key)
		return nil
	}
}

// search names the secrets that are in the memory of a process: as bytes in either order, hexadecimal, or base64.
func search(t *testing.T, pid int, secrets map[string][]byte) (found []string) {
	t.Helper()
	forms := map[string][][]byte{}
	for name, secret := range secrets {
		reversed := bytes.Clone(secret)
		slices.Reverse(reversed)
		forms[name] = [][]byte{
			secret, reversed, []byte(hex.EncodeToString(secret)),
			[]byte(base64.RawStdEncoding.EncodeToString(secret)), []byte(base64.RawURLEncoding.EncodeToString(secret)),
		}
	}
	total := 0
	memory(t, pid, func(region []byte) {
		total += len(region)
		for name, all := range forms {
			if slices.ContainsFunc(all, func(form []byte) bool { return bytes.Contains(region, form) }) {
				found = append(found, name)
				delete(forms, name)
			}
		}
	})
	if total < 1<<20 {
		t.Fatalf("only %d bytes of memory could be read", total)
	}
	slices.Sort(found)
	return found
}

// memory reads every region that the process can write.
func memory(t *testing.T, pid int, each func([]byte)) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	file, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer func() { _ = file.Close() }()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		region := make([]byte, to-from)
		n, _ := file.ReadAt(region, from) // a region that has gone since, or a device's, cannot be read
		each(region[:n])
	}
}
