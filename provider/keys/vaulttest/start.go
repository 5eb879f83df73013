package vaulttest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"signet/certs"
	"signet/provider/processtest"
)

// patience bounds every wait for Vault. It is far above what an idle machine needs.
const patience = 2 * time.Minute

// start makes a folder with certificates and storage, runs Vault on it, initialises and unseals it.
func start() (*Server, error) {
	dir, err := os.MkdirTemp("", "signet-vault-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, ca: filepath.Join(dir, "ca.pem")}
	if err := s.begin(); err != nil {
		s.end()
		return nil, fmt.Errorf("starting Vault: %w", err)
	}
	return s, nil
}

func (s *Server) begin() error {
	if err := writeCertificates(s.dir); err != nil {
		return err
	}
	binary, err := findBinary()
	if err != nil {
		return err
	}
	// Another program may take the port between the search and the start.
	for attempt := range 5 {
		port, err := processtest.FreePort()
		if err != nil {
			return err
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		s.address, s.process = "https://"+address, &process{log: filepath.Join(s.dir, "vault.log")}
		if s.process.command, err = commandLine(binary, s.dir, address); err != nil {
			return err
		}
		if err = s.run(); err == nil {
			break
		}
		if attempt == 4 || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
	return s.initialise()
}

// run starts the process and waits until it answers, sealed or not.
func (s *Server) run() error {
	if err := s.process.start(); err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	return wait(func() error {
		if !s.process.alive() {
			return stopWaiting{fmt.Errorf("vault has ended; its log:\n%s", s.process.logged())}
		}
		_, err := client.Sys().SealStatus()
		return err
	})
}

func (s *Server) initialise() error {
	client, err := s.client()
	if err != nil {
		return err
	}
	made, err := client.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		return fmt.Errorf("initialising: %w; its log:\n%s", err, s.process.logged())
	}
	s.unsealKey, s.rootToken = made.KeysB64[0], made.RootToken
	return s.unseal()
}

// unseal returns when the active node serves: after the key is accepted, Vault still loads its mounts.
func (s *Server) unseal() error {
	client, err := s.client()
	if err != nil {
		return err
	}
	if _, err := client.Sys().Unseal(s.unsealKey); err != nil {
		return fmt.Errorf("unsealing: %w; its log:\n%s", err, s.process.logged())
	}
	return wait(func() error {
		_, err := client.Auth().Token().LookupSelf()
		return err
	})
}

// client is built without the environment's VAULT_... settings, which may be meant for another Vault.
func (s *Server) client() (*api.Client, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	config.Address, config.MaxRetries, config.Timeout = s.address, 0, 30*time.Second
	if s.ca != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.ca}); err != nil {
			return nil, err
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.ClearNamespace()
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.SetToken(s.rootToken)
	return client, nil
}

// end ends the process and removes its files. A Vault that is not ours is left alone.
func (s *Server) end() {
	s.Kill()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// findBinary asks .ci/vault of the project, which builds one where there is none.
func findBinary() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		script := filepath.Join(dir, ".ci", "vault")
		if _, err := os.Stat(script); err == nil {
			out, err := exec.Command(script).Output() //nolint:gosec // our own script
			if err != nil {
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					err = fmt.Errorf("%w\n%s", err, exit.Stderr)
				}
				return "", fmt.Errorf("no Vault; run .ci/vault or install vault: %w", err)
			}
			return strings.TrimSpace(string(out)), nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no .ci/vault above the working folder: run the tests in the project")
		}
	}
}

// commandLine is how the binary is started: vault and bao need a configuration file, our server needs flags.
func commandLine(binary, dir, address string) ([]string, error) {
	data, cert, key := filepath.Join(dir, "data"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	if strings.HasPrefix(filepath.Base(binary), "vaultserver") {
		return []string{binary, "-listen", address, "-data", data, "-cert", cert, "-key", key}, nil
	}
	config := filepath.Join(dir, "vault.hcl")
	text := fmt.Sprintf(`disable_mlock = true
api_addr = "https://%[1]s"
storage "file" { path = %[2]q }
listener "tcp" {
  address = %[1]q
  tls_cert_file = %[3]q
  tls_key_file = %[4]q
}
`, address, data, cert, key)
	return []string{binary, "server", "-log-level=warn", "-config=" + config}, os.WriteFile(config, []byte(text), 0o600)
}

func writeCertificates(dir string) error {
	ca, err := certs.NewCA(rand.Reader, time.Now(), "Vault of the tests")
	if err != nil {
		return err
	}
	leaf, err := ca.Issue(certs.Request{
		Subject: pkix.Name{CommonName: "vault"}, DNSNames: []string{"localhost"}, IPs: []string{"127.0.0.1"},
		EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "ca.pem"), ca.CertPEM, 0o600),
		os.WriteFile(filepath.Join(dir, "server.pem"), leaf.CertPEM, 0o600),
		os.WriteFile(filepath.Join(dir, "server-key.pem"), leaf.KeyPEM, 0o600),
	)
}

// stopWaiting wraps an error that waiting will not cure.
type stopWaiting struct{ error }

// wait tries until it works.
func wait(try func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		var stop stopWaiting
		if err == nil || errors.As(err, &stop) || time.Now().After(deadline) {
			return err
		}
	}
}

// logged is what a process has written so far, shortened from the front.
func (p *process) logged() string {
	file, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}
