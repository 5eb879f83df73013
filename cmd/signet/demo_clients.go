package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"signet/mtls"
	"signet/provider/audit"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const (
	everyScope = "openid profile email offline_access accounts payments"
	// introspector is the sample resource server's own client.
	introspector = "resource-server"
	// fapi2Client pushes its requests and binds its tokens by DPoP.
	fapi2Client = "demo-fapi2"
)

// demoClient is a client of the demonstration: its registration, and the files with its credentials.
type demoClient struct {
	oauth.Client
	certificate string // in pki, without .pem; what it presents at the mTLS door
	key         bool   // has a key of its own for private_key_jwt
	dpop        bool   // has a key to bind its tokens to
}

// demoClients lists one client per authentication method, one held to FAPI 2.0, two PSD2 third parties (ETSI TS 119 495), and
// the resource server, which introspects.
func (d *demonstration) demoClients() []demoClient {
	method := func(id, name string, m oauth.AuthMethod, certificate string) demoClient {
		return demoClient{certificate: certificate, key: m == oauth.AuthPrivateKeyJWT, Client: oauth.Client{
			ID: id, Name: name, AuthMethod: m, Scope: everyScope,
			GrantTypes: []string{oauth.GrantClientCredentials, oauth.GrantAuthorizationCode, oauth.GrantRefreshToken},
		}}
	}
	tpp := func(id, name, scope string) demoClient {
		c := method(id, name, oauth.AuthTLS, id)
		c.Scope, c.BoundAccessTokens = scope, true
		return c
	}
	fapi2 := method(fapi2Client, "Demo client (FAPI 2.0)", oauth.AuthPrivateKeyJWT, "")
	fapi2.Profile, fapi2.DPoPBound, fapi2.RequirePAR, fapi2.dpop = oauth.ProfileFAPI2Security, true, true, true
	list := []demoClient{
		method("demo-public", "Demo app without a secret", oauth.AuthNone, "client-tls"),
		method("demo-basic", "Demo client (basic)", oauth.AuthSecretBasic, ""),
		method("demo-post", "Demo client (post)", oauth.AuthSecretPost, ""),
		method("demo-secret-jwt", "Demo client (secret JWT)", oauth.AuthSecretJWT, ""),
		method("demo-private-key-jwt", "Demo client (private key JWT)", oauth.AuthPrivateKeyJWT, "client-tls"),
		method("demo-tls", "Demo client (TLS)", oauth.AuthTLS, "client-tls"),
		method("demo-self-signed", "Demo client (self-signed TLS)", oauth.AuthSelfSignedTLS, "client-selfsigned"),
		tpp("tpp-aisp", "Demo Account Information", "openid profile offline_access accounts"),
		tpp("tpp-pisp", "Demo Payment Initiation", "openid profile offline_access payments"),
		fapi2,
	}
	list[0].GrantTypes = list[0].GrantTypes[1:]
	list[0].BoundAccessTokens = true
	for i := range list {
		list[i].Resources = []string{d.config.Resources[0].ID}
		list[i].RedirectURIs = []string{d.redirectURI(d.o.ports.Callback), d.redirectURI(d.o.ports.Callback + 1)}
	}
	return append(list, demoClient{key: true, Client: oauth.Client{
		ID: introspector, Name: "Sample resource server", AuthMethod: oauth.AuthPrivateKeyJWT,
		GrantTypes: []string{oauth.GrantClientCredentials}, Introspects: []string{d.config.Resources[0].ID},
	}})
}

func (d *demonstration) redirectURI(port int) string {
	return fmt.Sprintf("http://127.0.0.1:%d/callback", port)
}

// register makes the clients and the user that are missing. What somebody changed since stays.
func (d *demonstration) register(ctx context.Context) error {
	p := progress{out: d.err, clock: d.clock}
	var db database
	if err := p.step("database", func() (_ string, err error) {
		db, err = d.openDatabase(ctx, d.config)
		return "", err
	}); err != nil {
		return err
	}
	registrar := &registrar{system: d.system, db: db, config: d.config}
	closeKeys := func() error { return nil }
	err := p.step("key of the database's secrets", func() (_ string, err error) {
		registrar.sealer, closeKeys, err = openSealer(ctx, d.system, d.config, d.log)
		return "", err
	})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	err = errors.Join(
		p.step("clients", func() (string, error) { return d.ensureClients(ctx, registrar) }),
		p.step("user alice", func() (string, error) { return d.ensureUser(ctx, registrar) }),
	)
	return errors.Join(err, closeKeys(), db.Close())
}

func (d *demonstration) ensureClients(ctx context.Context, r *registrar) (string, error) {
	made := 0
	for _, wanted := range d.demoClients() {
		isNew, err := d.ensureClient(ctx, r, wanted)
		if err != nil {
			return "", fmt.Errorf("client %s: %w", wanted.ID, err)
		}
		if isNew {
			made++
		}
	}
	return fmt.Sprintf("%d (%d new)", len(d.clients), made), nil
}

// ensureClient makes the client's credentials and file when they are missing, and its registration when it
// is missing or does not fit the credentials any more.
func (d *demonstration) ensureClient(ctx context.Context, r *registrar, wanted demoClient) (isNew bool, err error) {
	settings, freshSecret, err := d.ensureClientFile(wanted)
	if err != nil {
		return false, err
	}
	d.clients[wanted.ID] = settings
	client := wanted.Client
	if err := d.addPublicKeys(&client, wanted, settings); err != nil {
		return false, err
	}
	existing, err := r.db.Client(ctx, client.ID)
	if errors.Is(err, oauth.ErrNotFound) {
		_, err := r.addClient(ctx, client, oauth.Secret(settings.Secret))
		return true, err
	}
	if err != nil {
		return false, err
	}
	changed := *existing
	changed.JWKS, changed.TLSSubjectDN = client.JWKS, client.TLSSubjectDN
	for _, uri := range client.RedirectURIs {
		if !slices.Contains(changed.RedirectURIs, uri) {
			changed.RedirectURIs = append(slices.Clone(changed.RedirectURIs), uri)
		}
	}
	if !freshSecret && slices.Equal(changed.RedirectURIs, existing.RedirectURIs) &&
		jsonEqual(changed.JWKS, existing.JWKS) && changed.TLSSubjectDN == existing.TLSSubjectDN {
		return false, nil
	}
	return false, r.changeClient(ctx, changed, oauth.Secret(settings.Secret), audit.ClientChanged)
}

// ensureClientFile reads or makes .signet/clients/ID.json and the key beside it.
func (d *demonstration) ensureClientFile(wanted demoClient) (s clientSettings, fresh bool, err error) {
	file := d.path("clients", wanted.ID+".json")
	s, err = readClientSettings(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, false, err
	}
	before := s
	s.Issuer, s.CA, s.ClientID, s.AuthMethod = d.config.Issuer, d.path("pki", "ca.pem"), wanted.ID, wanted.AuthMethod
	if len(wanted.RedirectURIs) > 0 {
		s.RedirectURI = d.redirectURI(d.o.ports.Callback + 1)
	}
	if wanted.certificate != "" {
		s.Certificate, s.CertificateKey = d.path("pki", wanted.certificate+".pem"), d.path("pki", wanted.certificate+"-key.pem")
	}
	if wanted.AuthMethod.UsesSecret() && s.Secret == "" {
		secret, err := oauth.NewSecret(d.random)
		if err != nil {
			return s, false, err
		}
		s.Secret, fresh = secret.Reveal(), true
	}
	if wanted.key {
		s.Key = d.path("clients", wanted.ID+"-key.pem")
		if err := d.ensureKey(s.Key); err != nil {
			return s, false, err
		}
	}
	if wanted.dpop {
		s.DPoPKey, s.Push = d.path("clients", wanted.ID+"-dpop-key.pem"), wanted.RequirePAR
		if err := d.ensureKey(s.DPoPKey); err != nil {
			return s, false, err
		}
	}
	if s != before {
		err = d.writeClientFile(wanted.ID, s)
	} else {
		err = nil
	}
	return s, fresh, err
}

func (d *demonstration) ensureKey(file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	key, err := jose.Generate("ES256", 0, d.random)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// addPublicKeys fills in what the method's registration says about keys and certificates.
func (d *demonstration) addPublicKeys(client *oauth.Client, wanted demoClient, s clientSettings) error {
	switch client.AuthMethod {
	case oauth.AuthPrivateKeyJWT:
		key, err := readSigningKey(s.Key, "")
		if err != nil {
			return err
		}
		client.JWKS, err = jose.MarshalKeySet([]jose.PublicKey{{Kid: key.Kid(), Alg: key.Alg(), Public: key.Public()}})
		return err
	case oauth.AuthTLS, oauth.AuthSelfSignedTLS:
		cert, err := readCertificate(s.Certificate)
		if err != nil {
			return err
		}
		if client.AuthMethod == oauth.AuthSelfSignedTLS {
			client.JWKS, err = certificateKeySet(cert)
			return err
		}
		name, err := mtls.DNOf(cert)
		client.TLSSubjectDN = name.String()
		return err
	}
	return nil
}

// certificateKeySet is the JWKS of a self_signed_tls_client_auth client: the certificate in x5c (RFC 8705
// section 2.2.2).
func certificateKeySet(cert *x509.Certificate) (json.RawMessage, error) {
	raw, err := jose.MarshalKeySet([]jose.PublicKey{{Public: cert.PublicKey}})
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, err
	}
	set.Keys[0]["x5c"] = []string{base64.StdEncoding.EncodeToString(cert.Raw)}
	return json.Marshal(set)
}

func readCertificate(file string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s: want a PEM certificate", file)
	}
	return x509.ParseCertificate(block.Bytes)
}

func (d *demonstration) ensureUser(ctx context.Context, r *registrar) (string, error) {
	_, err := r.db.UserByName(ctx, "alice")
	if !errors.Is(err, oauth.ErrNotFound) {
		return madeOrKept(false), err
	}
	_, err = r.addUser(ctx, "alice", oauth.Secret(d.password), map[string]any{
		"name": "Alice Adler", "given_name": "Alice", "family_name": "Adler", "locale": "en-GB",
		"email": "alice@example.com", "email_verified": true,
	})
	return madeOrKept(true), err
}
