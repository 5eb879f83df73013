package provider

import (
	"fmt"
	"net/http"
	"slices"

	"signet/mtls"
	"signet/provider/audit"
	"signet/provider/authorize"
	"signet/provider/clientauth"
	"signet/provider/discovery"
	"signet/provider/introspection"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/revocation"
	"signet/provider/token"
	"signet/provider/userinfo"
	"signet/provider/web"
)

// Provider is an OpenID provider: one set of handlers behind two doors.
type Provider struct {
	config  Config
	deps    Deps
	proxies *mtls.Proxies
	handler http.Handler
}

// New builds a provider. The configuration must be valid (see [Config.Validate]).
func New(config Config, deps Deps) (*Provider, error) {
	if faults := config.Validate(); len(faults) > 0 {
		return nil, &ConfigError{File: "configuration", Faults: faults}
	}
	if err := deps.validate(); err != nil {
		return nil, err
	}
	proxies, err := mtls.NewProxies(config.TrustedProxies.mtls())
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	if deps.Telemetry != nil {
		deps = Observe(deps, deps.Telemetry)
	}
	p := &Provider{config: config, deps: deps, proxies: proxies}
	h, err := p.endpoints()
	if err != nil {
		return nil, err
	}
	p.handler = routes(h, deps.Log)
	return p, nil
}

// Main is the handler of the server-authenticated door.
func (p *Provider) Main() http.Handler { return p.door(web.DoorMain) }

// MTLS is the handler of the door that asks for a client certificate.
func (p *Provider) MTLS() http.Handler { return p.door(web.DoorMTLS) }

func (p *Provider) door(door web.Door) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.proxies.Strip(r)
		p.handler.ServeHTTP(w, r)
	})
	return web.Wrap(inner, web.Options{
		Random: p.deps.Random, Log: p.deps.Log, Door: door, Clock: p.deps.Clock,
		Sender: p.proxies.Sender, Observe: observer(p.deps.Telemetry, door),
	})
}

// endpoints registers grants and client authentication methods and makes the handlers.
func (p *Provider) endpoints() (handlers, error) {
	c, d := p.config, p.deps
	floor := oauth.Profiles[c.Profile]
	auth, err := clientauth.New(clientauth.Deps{
		Clients: d.Store, Issuer: c.Issuer, Floor: floor, Clock: d.Clock, Peer: p.proxies.Peer,
		Anchors: d.Anchors, Fetch: d.Fetch, KeysMaxAge: c.Outbound.MaxAge, Sealer: d.Sealer,
	}, clientauth.PrivateKeyJWT, clientauth.TLS, clientauth.SelfSignedTLS,
		clientauth.SecretBasic, clientauth.SecretPost, clientauth.SecretJWT, clientauth.None)
	if err != nil {
		return handlers{}, err
	}
	issuer := issue.New(issue.Options{Issuer: c.Issuer, Signer: d.Keys, Random: d.Random, Algs: c.Keys.Algorithms})
	reader, err := issue.NewReader(c.Issuer, resource.LocalKeys(d.Keys.KeySet), d.Store, d.Clock)
	if err != nil {
		return handlers{}, err
	}
	record := audit.NewRecorder(d.Clock, d.Random)
	tokens := token.New(token.Deps{
		Authenticate: auth, Endpoints: p.atBothDoors(pathToken),
		Grants: []oauth.GrantHandler{
			token.AuthorizationCode{Store: d.Store, Users: d.Store},
			token.ClientCredentials{},
			token.RefreshToken{Store: d.Store, Users: d.Store, RetryGrace: c.RefreshTokens.RetryGrace},
		},
		Policy: d.Policy, Issue: issuer, Store: d.Store, Audit: d.Audit, Record: record, Catalog: c.catalog(),
		Lifetimes: token.Lifetimes{IDToken: c.Lifetimes.IDToken, RefreshToken: c.Lifetimes.RefreshToken, Most: maxTokenLifetime},
		Clock:     d.Clock, Log: d.Log,
	})
	h := handlers{
		token: tokens,
		introspect: introspection.New(introspection.Deps{
			Authenticate: auth, Endpoints: p.atBothDoors(pathIntrospect),
			Tokens: reader, Store: d.Store, Issuer: c.Issuer, Clock: d.Clock, Log: d.Log,
		}),
		revoke: revocation.New(revocation.Deps{
			Authenticate: auth, Endpoints: p.atBothDoors(pathRevoke),
			Tokens: reader, Store: d.Store, Record: record, Clock: d.Clock, Log: d.Log,
		}),
		userinfo: userinfo.New(userinfo.Deps{Peer: p.proxies.Peer, Tokens: reader, Users: d.Store, Log: d.Log}),
		jwks:     discovery.JWKS(d.Keys.JWKS),
	}
	if err := p.pages(&h, floor); err != nil {
		return handlers{}, err
	}
	h.metadata, err = discovery.Handler(p.metadata(auth.Methods(), tokens.GrantTypes(), floor))
	return h, err
}

func (p *Provider) atBothDoors(path string) []string {
	return []string{p.config.Main.BaseURL + path, p.config.MTLS.BaseURL + path}
}

func (c Config) catalog() *token.Catalog {
	resources := make([]token.Resource, 0, len(c.Resources))
	for _, r := range c.Resources {
		resources = append(resources, token.Resource{
			ID: r.ID, Scopes: r.Scopes, Opaque: r.TokenFormat == FormatOpaque, Alg: r.SigningAlg, Lifetime: r.AccessTokenLifetime,
		})
	}
	return token.NewCatalog(resources)
}

// metadata says what is registered (RFC 8414 section 2).
func (p *Provider) metadata(methods []oauth.AuthMethod, grants []string, floor oauth.Profile) discovery.Metadata {
	main, mtlsDoor := p.config.Main.BaseURL, p.config.MTLS.BaseURL
	var names, confidential []string
	for _, m := range methods {
		names = append(names, string(m))
		if m != oauth.AuthNone {
			confidential = append(confidential, string(m))
		}
	}
	algs := slices.Clone(floor.SigningAlgs)
	if slices.Contains(methods, oauth.AuthSecretJWT) {
		algs = append(algs, clientauth.SecretJWTAlgorithms()...)
	}
	var scopes []string
	for _, s := range p.config.AllScopes() {
		scopes = append(scopes, s.Name)
	}
	return discovery.Metadata{
		Issuer:                p.config.Issuer,
		AuthorizationEndpoint: main + pathAuthorize,
		TokenEndpoint:         main + pathToken,
		UserinfoEndpoint:      main + pathUserinfo,
		JWKSURI:               main + pathJWKS,
		IntrospectionEndpoint: main + pathIntrospect,
		RevocationEndpoint:    main + pathRevoke,
		ScopesSupported:       scopes,
		ResponseTypes:         authorize.ResponseTypes(),
		ResponseModes:         authorize.ResponseModes(),
		GrantTypes:            grants,
		PromptValues:          authorize.PromptValues(),
		SubjectTypes:          []string{"public"},
		IDTokenAlgs:           p.deps.Keys.Algorithms(),
		Claims:                userinfo.ClaimNames(),
		ChallengeMethods:      []string{"S256"},
		TokenAuthMethods:      names, TokenAuthAlgs: algs,
		IntrospectAuthMethods: confidential, IntrospectAuthAlgs: algs,
		RevocationAuthMethods: names, RevocationAuthAlgs: algs,
		BoundTokens: true, ResponseIss: true,
		MTLSEndpoints: discovery.Aliases{
			TokenEndpoint:         mtlsDoor + pathToken,
			UserinfoEndpoint:      mtlsDoor + pathUserinfo,
			IntrospectionEndpoint: mtlsDoor + pathIntrospect,
			RevocationEndpoint:    mtlsDoor + pathRevoke,
		},
	}
}
