package provider

import (
	"fmt"
	"os"
	"runtime"

	"signet/provider/audit"
	"signet/provider/binding"
	"signet/provider/clientauth"
	"signet/provider/deliver"
	"signet/provider/discovery"
	"signet/provider/grantmgmt"
	"signet/provider/interaction"
	"signet/provider/introspection"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/rar"
	"signet/provider/resource"
	"signet/provider/revocation"
	"signet/provider/token"
	"signet/provider/userinfo"
)

// parts are what several endpoints share.
type parts struct {
	floor     oauth.Profile
	auth      *clientauth.Authenticator
	issuer    *issue.Issuer
	reader    *issue.Reader
	binder    *binding.Binder
	guard     *issue.Guard
	details   *rar.Types
	record    *audit.Recorder
	queue     *deliver.Runner
	passwords *interaction.Passwords
	refresh   token.RefreshOptions
	atToken   []string // the token endpoint's URLs
}

// parts makes them, with the client authentication methods.
func (p *Provider) parts() (s parts, err error) {
	c, d := p.config, p.deps
	s.floor, s.record = oauth.Profiles[c.Profile], audit.NewRecorder(d.Clock, d.Random)
	s.atToken, s.refresh = p.atBothDoors(c.Endpoints.Token), c.RefreshTokens.options(d.Sealer)
	s.auth, err = clientauth.New(clientauth.Deps{
		Clients: d.Store, Issuer: c.Issuer, Floor: s.floor, Clock: d.Clock, Peer: p.proxies.Peer,
		Anchors: d.Anchors, Fetch: d.Fetch, KeysMaxAge: c.Outbound.MaxAge, Sealer: d.Sealer, SelfIssuedAt: c.AssertionGrants.at(s.atToken),
	}, clientauth.PrivateKeyJWT, clientauth.TLS, clientauth.SelfSignedTLS,
		clientauth.SecretBasic, clientauth.SecretPost, clientauth.SecretJWT, clientauth.None)
	if err != nil {
		return s, err
	}
	salt, err := c.Subjects.Salt()
	if err != nil {
		return s, err
	}
	s.issuer = issue.New(issue.Options{
		Issuer: c.Issuer, Signer: d.Keys, Random: d.Random, Algs: c.Keys.SigningAlgs(),
		Subjects: issue.Subjects{Salt: salt}, ClientKeys: s.auth.Keys, AnonymousDomains: c.TransactionTokens.anonymous(),
	})
	if s.reader, err = issue.NewReader(c.Issuer, resource.LocalKeys(d.Keys.KeySet), d.Store, d.Clock); err != nil {
		return s, err
	}
	s.binder = binding.New(binding.Deps{
		Nonces: d.Store, RequireNonce: c.DPoP.RequireNonce, NonceLifetime: c.DPoP.NonceLifetime,
		ProofMaxAge: c.DPoP.ProofLifetime, ProofAhead: c.DPoP.ProofLeeway, Clock: d.Clock, Random: d.Random,
	})
	s.guard = &issue.Guard{Peer: p.proxies.Peer, Tokens: s.reader, Bind: s.binder, Floor: s.floor}
	if s.details, err = c.detailsTypes(); err != nil {
		return s, err
	}
	if s.queue, err = deliver.New(deliver.Deps{Store: d.Store, Clock: d.Clock, Log: d.Log}); err != nil {
		return s, err
	}
	s.passwords, err = interaction.NewPasswords(d.Store, runtime.NumCPU())
	return s, err
}

// endpoints registers the grants and makes the handlers.
func (p *Provider) endpoints() (handlers, error) {
	s, err := p.parts()
	if err != nil {
		return handlers{}, err
	}
	c, d := p.config, p.deps
	tokens, err := p.tokenEndpoint(s)
	if err != nil {
		return handlers{}, err
	}
	h := handlers{
		token: tokens,
		introspect: introspection.New(introspection.Deps{
			Authenticate: s.auth, Endpoints: p.atBothDoors(c.Endpoints.Introspection), Issue: s.issuer,
			Tokens: s.reader, Details: s.details, Store: d.Store, Seal: s.refresh.Seal, Issuer: c.Issuer, Clock: d.Clock, Log: d.Log,
		}),
		revoke: revocation.New(revocation.Deps{
			Authenticate: s.auth, Endpoints: p.atBothDoors(c.Endpoints.Revocation),
			Tokens: s.reader, Store: d.Store, Seal: s.refresh.Seal, Record: s.record, Clock: d.Clock, Log: d.Log,
		}),
		userinfo: userinfo.New(userinfo.Deps{
			Endpoints: p.atBothDoors(c.Endpoints.Userinfo), Guard: s.guard, Issue: s.issuer, Store: d.Store, Log: d.Log,
			OpenIDOptional: c.Authorization.OpenIDOptional,
		}),
		jwks: discovery.JWKS(d.Keys.JWKS),
	}
	if c.GrantManagement.On() {
		h.grants = grantmgmt.New(grantmgmt.Deps{
			Path: c.Endpoints.Grants, Endpoints: p.atBothDoors(c.Endpoints.Grants), Audience: c.grantsResource().ID,
			Guard: s.guard, Store: d.Store, Record: s.record, Clock: d.Clock, Log: d.Log,
		})
	}
	if c.Keys.ArchiveFor > 0 {
		h.archivedJWKS = discovery.ArchivedJWKS(d.Keys.ArchivedJWKS)
	}
	if c.Registration.Enabled {
		h.register = p.registration(s)
	}
	if err := p.backchannel(&h, s, tokens); err != nil {
		return handlers{}, err
	}
	devices, err := p.devices(&h, s)
	if err != nil {
		return handlers{}, err
	}
	if err := p.pages(&h, s, tokens, devices); err != nil {
		return handlers{}, err
	}
	p.queue = s.queue
	h.metadata, err = discovery.Handler(p.metadata(s, tokens.GrantTypes()))
	return h, err
}

func (p *Provider) atBothDoors(paths ...string) []string {
	var urls []string
	for _, path := range paths {
		urls = append(urls, p.config.Main.BaseURL+path, p.config.MTLS.BaseURL+path)
	}
	return urls
}

// detailsTypes reads the schemas.
func (c Config) detailsTypes() (*rar.Types, error) {
	types := make([]rar.Type, 0, len(c.DetailsTypes))
	for i, t := range c.DetailsTypes {
		schema, err := os.ReadFile(t.Schema)
		if err != nil {
			return nil, fmt.Errorf("authorization_details[%d].schema: %w", i, err)
		}
		configured := rar.Type{Name: t.Type, Description: t.Description, Schema: schema, Lists: t.Lists, Resources: t.Resources}
		for _, f := range t.Show {
			configured.Show = append(configured.Show, rar.Field{Label: f.Label, Path: f.Path})
		}
		types = append(types, configured)
	}
	return rar.New(types)
}
