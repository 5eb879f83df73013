package main

import (
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"

	"signet/certs"
	"signet/conformance"
	"signet/mtls"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// ensureCredentials makes the two clients' certificates and keys, which all runs share, and the secrets. The suite
// signs with PS256: some of its modules are for RSA keys only.
func (s *conformanceSetup) ensureCredentials() error {
	if _, err := s.ensureCertificates(); err != nil {
		return err
	}
	var err error
	if s.password, _, err = s.ensureSecret("password"); err != nil {
		return err
	}
	if s.initialToken, _, err = s.ensureSecret("initial-access-token"); err != nil { // the name is in conformance*.yaml
		return err
	}
	ca, err := os.ReadFile(s.path("pki", "ca.pem"))
	if err != nil {
		return err
	}
	for i := range s.parties {
		name := fmt.Sprintf("conformance-%d", i+1)
		if err := s.ensureClientCertificate(name); err != nil {
			return err
		}
		certificate, err := os.ReadFile(s.path("pki", name+".pem"))
		if err != nil {
			return err
		}
		key, err := os.ReadFile(s.path("pki", name+"-key.pem"))
		if err != nil {
			return err
		}
		jwks, err := s.ensureJWKS(name)
		if err != nil {
			return err
		}
		s.parties[i] = conformance.Client{JWKS: jwks, Certificate: string(certificate), Key: string(key), CA: string(ca)}
	}
	return s.ensureKey(s.path("pki", introspector+"-key.pem"))
}

// ensureClientCertificate issues one from the folder's CA, unless there is one that the CA has issued.
func (s *conformanceSetup) ensureClientCertificate(name string) error {
	ca, err := certs.LoadCA(s.path("pki"), s.clock(), s.random)
	if err != nil {
		return err
	}
	file, keyFile := s.path("pki", name+".pem"), s.path("pki", name+"-key.pem")
	if cert, err := readCertificate(file); err == nil && cert.CheckSignatureFrom(ca.Certificate) == nil &&
		cert.NotAfter.After(s.clock().AddDate(0, 0, 7)) {
		return nil
	}
	leaf, err := ca.Issue(certs.Request{Subject: pkix.Name{CommonName: name}, Key: certs.RSA2048})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(keyFile, leaf.KeyPEM, 0o600), os.WriteFile(file, leaf.CertPEM, 0o644)) //nolint:gosec // a certificate is public
}

// ensureJWKS keeps a client's private key set.
func (s *conformanceSetup) ensureJWKS(name string) (json.RawMessage, error) {
	file := s.path("pki", name+".jwks.json")
	if raw, err := os.ReadFile(file); err == nil && json.Valid(raw) { //nolint:gosec // of the folder that the user names
		return raw, nil
	}
	key, err := jose.Generate("PS256", 2048, s.random)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key for PS256 is a %T", key)
	}
	raw, err := privateKeySet(name, private)
	if err != nil {
		return nil, err
	}
	return raw, os.WriteFile(file, raw, 0o600)
}

// privateKeySet is a JWK Set with the private key (RFC 7518 section 6.3.2).
func privateKeySet(kid string, key *rsa.PrivateKey) (json.RawMessage, error) {
	public, err := jose.MarshalKeySet([]jose.PublicKey{{Kid: kid, Alg: "PS256", Public: key.Public()}})
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(public, &set); err != nil {
		return nil, err
	}
	key.Precompute()
	for name, n := range map[string]*big.Int{
		"d": key.D, "p": key.Primes[0], "q": key.Primes[1],
		"dp": key.Precomputed.Dp, "dq": key.Precomputed.Dq, "qi": key.Precomputed.Qinv,
	} {
		set.Keys[0][name] = base64.RawURLEncoding.EncodeToString(n.Bytes())
	}
	return json.MarshalIndent(set, "", "  ")
}

// publicKeySet is the set without its private members.
func publicKeySet(private json.RawMessage) (json.RawMessage, error) {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(private, &set); err != nil {
		return nil, err
	}
	for _, key := range set.Keys {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			delete(key, name)
		}
	}
	return json.Marshal(set)
}

// registrations are the clients that an operator registers for the provider's runs.
func (p *conformanceProvider) registrations() (list []oauth.Client, err error) {
	if p.kind.resourceServer {
		client, err := p.introspectingClient()
		if err != nil {
			return nil, err
		}
		list = append(list, client)
	}
	for _, run := range p.runs {
		if run.Registers() {
			continue
		}
		clients, err := p.clientsOf(run)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", run.Name, err)
		}
		list = append(list, clients...)
	}
	return list, nil
}

// introspectingClient is the sample resource server's own.
func (p *conformanceProvider) introspectingClient() (oauth.Client, error) {
	client := oauth.Client{
		ID: introspector, Name: "Sample resource server", AuthMethod: oauth.AuthPrivateKeyJWT,
		GrantTypes: []string{oauth.GrantClientCredentials}, Introspects: []string{p.config.Resources[0].ID},
	}
	key, err := readSigningKey(p.shared.path("pki", introspector+"-key.pem"), "")
	if err != nil {
		return client, err
	}
	client.JWKS, err = jose.MarshalKeySet([]jose.PublicKey{{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()}})
	return client, err
}

func (p *conformanceProvider) clientsOf(run conformance.Run) (list []oauth.Client, err error) {
	if run.Connect() {
		return p.connectClients(run)
	}
	for i := range p.shared.parties {
		client, err := p.fapiClient(run, i)
		if err != nil {
			return nil, err
		}
		list = append(list, client)
	}
	return list, nil
}

// fapiClient is the registration of the first or second client of a run of a FAPI plan.
func (p *conformanceProvider) fapiClient(run conformance.Run, i int) (oauth.Client, error) {
	client := oauth.Client{
		ID: conformanceClientID(run, i), Name: fmt.Sprintf("Conformance %d", i+1),
		Profile: oauth.ProfileName(run.Profile), Scope: registeredScope(run),
		Resources:  []string{p.config.Resources[0].ID},
		AuthMethod: oauth.AuthPrivateKeyJWT,
		DPoPBound:  run.DPoP(), BoundAccessTokens: !run.DPoP(),
	}
	jwks, err := publicKeySet(p.shared.parties[i].JWKS)
	if err != nil {
		return client, err
	}
	client.JWKS = jwks // with tls_client_auth, too: for signed requests
	if run.Is("client_auth_type", "mtls") {
		if err := p.useCertificate(&client, i); err != nil {
			return client, err
		}
	}
	switch mode := run.Backchannel(); {
	case run.ClientCredentials():
		client.GrantTypes = []string{oauth.GrantClientCredentials}
		return client, nil
	case mode != "":
		client.GrantTypes = []string{oauth.GrantCIBA, oauth.GrantRefreshToken}
		client.BackchannelMode = mode
		if mode != "poll" {
			client.BackchannelEndpoint = run.Address(p.shared.suite, "ciba-notification-endpoint")
		}
		return client, nil
	}
	client.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	client.RedirectURIs = []string{run.RedirectURI(p.shared.suite, i)}
	if run.Is("fapi_response_mode", "jarm") {
		client.ResponseAlg = "PS256" // so that the error about a request that should have been pushed is signed, too
	} else if strings.HasPrefix(run.Plan, "fapi1-") {
		client.ResponseTypes = []string{"code id_token"}
	}
	if run.RichRequests() {
		client.DetailsTypes = []string{"account_information"}
	}
	return client, nil
}

// useCertificate makes the client one that authenticates by the first or second client's certificate.
func (p *conformanceProvider) useCertificate(client *oauth.Client, i int) error {
	cert, err := readCertificate(p.shared.path("pki", fmt.Sprintf("conformance-%d.pem", i+1)))
	if err != nil {
		return err
	}
	name, err := mtls.DNOf(cert)
	if err != nil {
		return err
	}
	client.AuthMethod, client.TLSSubjectDN = oauth.AuthTLS, name.String()
	return nil
}
