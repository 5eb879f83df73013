package vault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// connections is how many requests are on their way at once without a new connection for any.
const connections = 128

// newAPI builds the API client: no retries, no proxy and nothing from the environment.
func newAPI(opt Options) (*api.Client, *http.Transport, error) {
	transport, err := newTransport(opt)
	if err != nil {
		return nil, nil, err
	}
	client, err := api.NewClient(&api.Config{
		Address: opt.Address,
		Timeout: opt.Timeout,
		HttpClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	if err != nil {
		return nil, nil, unreadable(err)
	}
	opt.isolate(client, "")
	return client, transport, nil
}

// isolate replaces everything that a new api.Client, which a clone is too, took from the environment.
func (o *Options) isolate(client *api.Client, token string) {
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	client.SetToken(token)
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
}

// unreadable explains why no api.Client can be made: it parses VAULT_... even where it is told everything.
func unreadable(err error) error {
	var set []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return err
	}
	slices.Sort(set)
	return fmt.Errorf("unset %s in the environment: nothing is taken from there, but Vault's library does not start with what it cannot read: %w", strings.Join(set, ", "), err)
}

func newTransport(opt Options) (*http.Transport, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if opt.CAFile != "" {
		pem, err := os.ReadFile(opt.CAFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New(opt.CAFile + " holds no certificate")
		}
	}
	if opt.Auth.Method == Cert {
		// Vault names no CAs that it would accept, and the files may be renewed: so it is read for each connection.
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(opt.Auth.Certificate, opt.Auth.Key)
			if err != nil {
				return nil, fmt.Errorf("the certificate to log in with: %w", err)
			}
			return &pair, nil
		}
	}
	// HTTP/1.1 with many connections: a connection that has died costs one request, not all of them, and
	// signatures come faster.
	return &http.Transport{
		TLSClientConfig:     settings,
		DialContext:         (&net.Dialer{Timeout: opt.Timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: opt.Timeout,
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     time.Minute,
	}, nil
}
