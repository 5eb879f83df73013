package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"signet/provider/oauth"
)

// clientSettings are what "signet token" knows about the client that it plays: a JSON file, and flags over
// it. Relative paths in the file are relative to its folder.
type clientSettings struct {
	Issuer         string           `json:"issuer"`
	CA             string           `json:"ca,omitempty"` // PEM; "" = the system's CAs
	ClientID       string           `json:"client_id"`
	AuthMethod     oauth.AuthMethod `json:"token_endpoint_auth_method"`
	Secret         string           `json:"client_secret,omitempty"`
	Key            string           `json:"key,omitempty"` // PEM, for private_key_jwt
	KeyID          string           `json:"kid,omitempty"` // "" = the key's RFC 7638 thumbprint
	Certificate    string           `json:"certificate,omitempty"`
	CertificateKey string           `json:"certificate_key,omitempty"`
	RedirectURI    string           `json:"redirect_uri,omitempty"`
	DPoPKey        string           `json:"dpop_key,omitempty"` // PEM; tokens are bound to it (RFC 9449)
	Push           bool             `json:"require_pushed_authorization_requests,omitempty"`
}

func readClientSettings(name string) (clientSettings, error) {
	var s clientSettings
	raw, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return s, next(fmt.Errorf("reading the client file: %w", err), "\"signet demo\" makes such files under .signet/clients")
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	for _, path := range []*string{&s.CA, &s.Key, &s.Certificate, &s.CertificateKey, &s.DPoPKey} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(name), *path)
		}
	}
	return s, nil
}

// complete fills in what follows from the rest and says what is missing.
func (s *clientSettings) complete() error {
	if s.AuthMethod == "" {
		switch {
		case s.Key != "":
			s.AuthMethod = oauth.AuthPrivateKeyJWT
		case s.Secret != "":
			s.AuthMethod = oauth.AuthSecretBasic
		case s.Certificate != "":
			s.AuthMethod = oauth.AuthTLS
		default:
			s.AuthMethod = oauth.AuthNone
		}
	}
	if s.CertificateKey == "" && s.Certificate != "" {
		s.CertificateKey = s.Certificate // one PEM file may hold both
	}
	var missing []string
	for _, need := range []struct {
		when  bool
		value string
		flag  string
	}{
		{true, s.Issuer, "--issuer"},
		{true, s.ClientID, "--client"},
		{s.AuthMethod == oauth.AuthPrivateKeyJWT, s.Key, "--key"},
		{s.AuthMethod.UsesSecret(), s.Secret, "--secret-file"},
		{s.AuthMethod.UsesCertificate(), s.Certificate, "--cert"},
	} {
		if need.when && need.value == "" {
			missing = append(missing, need.flag)
		}
	}
	if len(missing) > 0 {
		return next(fmt.Errorf("missing: %s", strings.Join(missing, ", ")), "give them, or a file with all of it: --client-file FILE")
	}
	return nil
}

// metadata is the part of the provider's metadata (RFC 8414, RFC 8628 section 4, RFC 8705 section 5) that the client uses.
type metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	PushedEndpoint        string `json:"pushed_authorization_request_endpoint"`
	DeviceEndpoint        string `json:"device_authorization_endpoint"`
	Aliases               struct {
		TokenEndpoint  string `json:"token_endpoint"`
		PushedEndpoint string `json:"pushed_authorization_request_endpoint"`
		DeviceEndpoint string `json:"device_authorization_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

// devClient is an OAuth client for development: it speaks to a provider as a bank's client would.
type devClient struct {
	clientSettings
	system
	http *http.Client
	meta metadata
	// door is "main", "mtls", or "" for what RFC 8705 section 5 says: the mTLS door with a certificate.
	door  string
	nonce string // the last DPoP-Nonce
}

// newDevClient connects and reads the provider's metadata.
func newDevClient(ctx context.Context, settings clientSettings, door string, s system) (*devClient, error) {
	if err := settings.complete(); err != nil {
		return nil, err
	}
	transport, err := settings.transport()
	if err != nil {
		return nil, err
	}
	client := &devClient{clientSettings: settings, system: s, door: door, http: &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	raw, err := client.get(ctx, strings.TrimSuffix(settings.Issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, next(fmt.Errorf("reading the provider's metadata: %w", err), "is the provider running, and does --ca name its CA?")
	}
	if err := json.Unmarshal(raw, &client.meta); err != nil {
		return nil, fmt.Errorf("the provider's metadata: %w", err)
	}
	if client.meta.Issuer != settings.Issuer {
		return nil, fmt.Errorf("the metadata names the issuer %q, not %q (RFC 8414 section 3.3)", client.meta.Issuer, settings.Issuer)
	}
	return client, nil
}

func (s *clientSettings) transport() (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if err := addCAs(config.RootCAs, s.CA); err != nil {
			return nil, err
		}
	}
	if s.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.Certificate, s.CertificateKey)
		if err != nil {
			return nil, fmt.Errorf("the client certificate: %w", err)
		}
		// Presented even if the server's list of CAs does not name its issuer, as a self-signed one's never does.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, nil
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// tokenResponse is a token endpoint's answer, kept whole.
type tokenResponse struct {
	raw          json.RawMessage
	AccessToken  string `json:"access_token"`
	IDToken      string `json:"id_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
	ExpiresIn    int64  `json:"expires_in"`
}

// tokenError is a refusal by the token endpoint (RFC 6749 section 5.2).
type tokenError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
	RequestID   string `json:"request_id"`
}

// Error implements error.
func (e *tokenError) Error() string {
	text := fmt.Sprintf("the provider refused (HTTP %d): %s", e.status, e.Code)
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// token sends one token request, authenticated as the client is registered.
func (d *devClient) token(ctx context.Context, form url.Values) (*tokenResponse, error) {
	endpoint, err := d.endpoint(d.meta.TokenEndpoint, d.meta.Aliases.TokenEndpoint)
	if err != nil {
		return nil, err
	}
	raw, err := d.post(ctx, endpoint, form, http.StatusOK)
	if err != nil {
		return nil, err
	}
	answer := &tokenResponse{raw: raw}
	if err := json.Unmarshal(raw, answer); err != nil {
		return nil, fmt.Errorf("the token response: %w", err)
	}
	return answer, nil
}

func (d *devClient) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := d.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: HTTP %d", address, response.StatusCode)
	}
	return raw, err
}
