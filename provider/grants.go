package provider

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"signet/provider/assertion"
	"signet/provider/device"
	"signet/provider/interaction"
	"signet/provider/issue"
	"signet/provider/keys"
	"signet/provider/oauth"
	"signet/provider/token"
)

// tokenEndpoint makes the token endpoint with its grants.
func (p *Provider) tokenEndpoint(s parts) (*token.Endpoint, error) {
	c, d := p.config, p.deps
	grants, err := p.grants(s)
	if err != nil {
		return nil, err
	}
	return token.New(token.Deps{
		Authenticate: s.auth, Endpoints: s.atToken, Bind: s.binder, Grants: grants, Details: s.details,
		Policy: d.Policy, Issue: s.issuer, Store: d.Store, Audit: d.Audit, Record: s.record, Catalog: c.catalog(),
		Lifetimes: token.Lifetimes{IDToken: c.Lifetimes.IDToken, RefreshToken: c.Lifetimes.RefreshToken, Most: maxTokenLifetime},
		Clock:     d.Clock, Log: d.Log,
		GrantTypes: c.TokenEndpoint.GrantTypes, AudienceParameter: c.TokenEndpoint.ReadsAudience(), NotBefore: c.TokenEndpoint.NotBeforeLeeway,
		TellRefreshLifetime: c.TokenEndpoint.TellRefreshLifetime, Domains: c.TransactionTokens.scopes(), Refresh: s.refresh,
		IDTokens: token.IDTokenOptions{
			Claims: c.idClaims(), OpenIDOptional: c.Authorization.OpenIDOptional, Persist: c.IDTokens.Persist,
		},
	}), nil
}

// grants are those that the configuration has on.
func (p *Provider) grants(s parts) ([]oauth.GrantHandler, error) {
	c, d, claims := p.config, p.deps, p.config.idClaims()
	refresh := token.RefreshToken{Store: d.Store, Users: d.Store, RetryGrace: c.RefreshTokens.RetryGrace, Options: s.refresh, IDClaims: claims}
	grants := []oauth.GrantHandler{
		token.AuthorizationCode{Store: d.Store, Users: d.Store, IDClaims: claims}, token.ClientCredentials{Details: s.details}, refresh,
	}
	if c.CIBA.Enabled {
		grants = append(grants, token.CIBA{Store: d.Store, Users: d.Store})
	}
	if c.Device.Enabled {
		grants = append(grants, token.Device{Store: d.Store, Users: d.Store, IDClaims: claims})
	}
	assertions, err := p.assertions(s)
	if err != nil {
		return nil, err
	}
	if c.TokenExchange.Enabled {
		grants = append(grants, token.TokenExchange{
			Tokens: s.reader, Refresh: refresh, Assertions: assertions, Names: s.issuer, Issuer: c.Issuer,
			Domains: c.TransactionTokens.lifetimes(), Random: d.Random,
		})
	}
	if c.AssertionGrants.JWTBearer {
		grants = append(grants, token.JWTBearer{Assertions: assertions, Lifetime: maxTokenLifetime, IDClaims: claims, Random: d.Random})
	}
	if c.AssertionGrants.SAML2Bearer {
		grants = append(grants, token.SAML2Bearer{Assertions: assertions, Lifetime: maxTokenLifetime, IDClaims: claims, Random: d.Random})
	}
	for _, g := range c.DeclaredGrants {
		grants = append(grants, token.Declared{
			Type: g.Type, User: g.UserParameter, Subject: string(g.User), Parameters: g.Parameters, Required: g.Required,
			Users: d.Store, Lifetime: maxTokenLifetime, IDClaims: claims, Random: d.Random,
		})
	}
	if c.PasswordGrant.Enabled {
		logins, err := interaction.NewDirectLogins(s.passwords, d.Clock)
		if err != nil {
			return nil, err
		}
		grants = append(grants, token.Password{
			Passwords: logins, Users: d.Store, ACR: c.Authentication.PasswordACR[0], Lifetime: maxTokenLifetime, IDClaims: claims, Random: d.Random,
		})
	}
	return grants, nil
}

// assertions reads the assertions of others.
func (p *Provider) assertions(s parts) (*assertion.Reader, error) {
	c, d := p.config, p.deps
	deps := assertion.Deps{
		Issuer: c.Issuer, Endpoints: s.atToken, Floor: s.floor, Users: d.Store, Fetch: d.Fetch, KeysMaxAge: c.Outbound.MaxAge,
		SelfIssued: c.AssertionGrants.SelfIssued, Clients: s.auth,
	}
	for i, a := range c.AssertionIssuers {
		issuer := assertion.Issuer{
			ID: a.Issuer, JWKSURI: a.JWKSURI, Algorithms: a.Algorithms, Uses: a.GrantTypes(), Subject: assertion.SubjectKind(a.Subject),
			Audiences: a.Audiences, Scope: a.Scope, Clients: a.Clients, MaxLifetime: a.MaxLifetime,
		}
		var err error
		if a.JWKS != "" {
			if issuer.JWKS, err = os.ReadFile(a.JWKS); err != nil {
				return nil, fmt.Errorf("assertion_issuers[%d].jwks: %w", i, err)
			}
		}
		if issuer.Certificates, err = readCertificates(a.Certificates); err != nil {
			return nil, fmt.Errorf("assertion_issuers[%d].certificates: %w", i, err)
		}
		deps.Issuers = append(deps.Issuers, issuer)
	}
	return assertion.New(deps)
}

// readCertificates reads PEM files with certificates.
func readCertificates(files []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, file := range files {
		rest, err := os.ReadFile(file) // #nosec G304 -- the operator names the file
		if err != nil {
			return nil, err
		}
		for before := len(all); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				if len(all) == before {
					return nil, fmt.Errorf("%s: no certificate in PEM", file)
				}
				break
			}
			if block.Type != "CERTIFICATE" {
				return nil, fmt.Errorf("%s: has a %q beside certificates", file, block.Type)
			}
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, certificate)
		}
	}
	return all, nil
}

// devices makes the device authorization endpoint and its picture, where they are on; nil where they are not. The page is
// the pages' own.
func (p *Provider) devices(h *handlers, s parts) (*device.Service, error) {
	c, d := p.config, p.deps
	if !c.Device.Enabled {
		return nil, nil //nolint:nilnil // off is no error
	}
	service, err := device.New(device.Deps{
		Authenticate: s.auth, Bind: s.binder, Endpoints: p.atBothDoors(c.Endpoints.DeviceAuthorization), Audiences: s.atToken,
		Store: d.Store, Details: s.details, Record: s.record, VerificationURI: c.Main.BaseURL + pathDevice,
		Scopes: c.scopeNames(), Resources: c.resourceIDs(), ACRs: c.Authentication.PasswordACR, Address: p.proxies.Sender,
		Expiry: c.Device.Expiry, Interval: c.Device.Interval, RefreshLifetime: c.Lifetimes.RefreshToken,
		PendingOfClient: c.Device.PendingOfClient, Clock: d.Clock, Random: d.Random, Log: d.Log,
	})
	if err != nil {
		return nil, errors.Join(errors.New("device"), err)
	}
	h.deviceAuthorization = service
	return service, nil
}

func (c Config) catalog() *token.Catalog {
	var resources []token.Resource
	for _, r := range c.AllResources() {
		resources = append(resources, token.Resource{
			ID: r.ID, Scopes: r.Scopes, Opaque: r.TokenFormat == FormatOpaque, Alg: r.SigningAlg, Layout: string(r.TokenLayout),
			Lifetime: r.AccessTokenLifetime,
		})
	}
	return token.NewCatalog(resources)
}

func (c Config) idClaims() issue.IDTokenClaims { return issue.IDTokenClaims(c.IDTokens.Claims) }

// options are the refresh tokens' as package token knows them.
func (r RefreshTokens) options(sealer keys.Sealer) token.RefreshOptions {
	return token.RefreshOptions{
		RequireOfflineAccess: r.RequireOfflineAccess, NoRotation: !r.Rotates(), ExtendOnRotation: r.ExtendOnRotation,
		IgnoreUser: !r.ChecksUser(), Unstored: !r.Persists(), Seal: &issue.RefreshSeal{Sealer: sealer},
	}
}

// at is where the assertions of clients authenticate them.
func (a AssertionGrants) at(urls []string) []string {
	if !a.SelfIssued {
		return nil
	}
	return urls
}

// scopes are the purposes of each trust domain.
func (t TransactionTokensConfig) scopes() map[string]oauth.Scope {
	all := make(map[string]oauth.Scope, len(t.TrustDomains))
	for _, d := range t.TrustDomains {
		all[d.Audience] = d.Scopes
	}
	return all
}

// lifetimes are how long transaction tokens live in each trust domain.
func (t TransactionTokensConfig) lifetimes() map[string]time.Duration {
	all := make(map[string]time.Duration, len(t.TrustDomains))
	for _, d := range t.TrustDomains {
		all[d.Audience] = d.Lifetime
	}
	return all
}

// anonymous are the trust domains whose transaction tokens do not say who issued them.
func (t TransactionTokensConfig) anonymous() []string {
	var all []string
	for _, d := range t.TrustDomains {
		if !d.NamesIssuer() {
			all = append(all, d.Audience)
		}
	}
	return all
}
