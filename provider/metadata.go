package provider

import (
	"slices"

	"signet/provider/authorize"
	"signet/provider/clientauth"
	"signet/provider/discovery"
	"signet/provider/grantmgmt"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/userinfo"
)

// metadata says what is registered (RFC 8414 section 2).
func (p *Provider) metadata(s parts, grants []string) discovery.Metadata {
	main, mtlsDoor, at := p.config.Main.BaseURL, p.config.MTLS.BaseURL, p.config.Endpoints
	methods := s.auth.Methods()
	var names, confidential []string
	for _, m := range methods {
		names = append(names, string(m))
		if m != oauth.AuthNone {
			confidential = append(confidential, string(m))
		}
	}
	algs := slices.Clone(s.floor.SigningAlgs)
	if slices.Contains(methods, oauth.AuthSecretJWT) {
		algs = append(algs, clientauth.SecretJWTAlgorithms()...)
	}
	var scopes []string
	for _, scope := range p.config.AllScopes() {
		scopes = append(scopes, scope.Name)
	}
	signs := s.floor.Algorithms(p.deps.Keys.Algorithms())
	m := discovery.Metadata{
		Issuer:                p.config.Issuer,
		AuthorizationEndpoint: main + at.Authorization,
		TokenEndpoint:         main + at.Token,
		UserinfoEndpoint:      main + at.Userinfo,
		JWKSURI:               main + at.JWKS,
		IntrospectionEndpoint: main + at.Introspection,
		RevocationEndpoint:    main + at.Revocation,
		ScopesSupported:       scopes,
		ResponseTypes:         p.config.responseTypes(s.floor),
		ResponseModes:         authorize.ResponseModes(),
		GrantTypes:            p.grantsEverywhere(s.floor, grants),
		PromptValues:          authorize.PromptValues(),
		SubjectTypes:          p.subjectTypes(),
		DisplayValues:         authorize.DisplayValues(),
		UILocales:             p.languages,
		IDTokenAlgs:           unsignedToo(s.floor, signs),
		Claims:                userinfo.ClaimNames(),
		ChallengeMethods:      []string{"S256"},
		TokenAuthMethods:      names, TokenAuthAlgs: algs,
		IntrospectAuthMethods: confidential, IntrospectAuthAlgs: algs,
		RevocationAuthMethods: names, RevocationAuthAlgs: algs,
		ClaimsParameter: true, RequestParameter: true,
		RequestURIParameter: p.config.Authorization.RequestURIs, RegisteredURIs: p.config.Authorization.RequestURIs,
		BoundTokens: true, ResponseIss: true,
		PushedEndpoint: main + at.PushedRequest, RequirePushed: s.floor.RequirePAR || p.config.Authorization.RequirePAR,
		RequestObjectAlgs: unsignedToo(s.floor, s.floor.SigningAlgs), RequireSignedRequest: s.floor.SignedRequest,
		ResponseAlgs: signs, IntrospectionAlgs: signs,
		DetailsTypes: s.details.Names(), ACRValues: p.config.Authentication.PasswordACR,
		Documentation: p.config.Brand.Documentation, Policy: p.config.Brand.Policy, Terms: p.config.Brand.Terms,
		Encryption: p.encryption(signs), Logout: p.logoutMetadata(),
		MTLSEndpoints: discovery.Aliases{
			TokenEndpoint:         mtlsDoor + at.Token,
			UserinfoEndpoint:      mtlsDoor + at.Userinfo,
			IntrospectionEndpoint: mtlsDoor + at.Introspection,
			RevocationEndpoint:    mtlsDoor + at.Revocation,
			PushedEndpoint:        mtlsDoor + at.PushedRequest,
		},
	}
	if !s.floor.CertificateBound {
		m.DPoPAlgs = s.floor.SigningAlgs
	}
	if p.config.Registration.Enabled {
		m.RegistrationEndpoint, m.MTLSEndpoints.RegistrationEndpoint = main+at.Registration, mtlsDoor+at.Registration
	}
	if p.config.Device.Enabled {
		m.DeviceEndpoint, m.MTLSEndpoints.DeviceEndpoint = main+at.DeviceAuthorization, mtlsDoor+at.DeviceAuthorization
	}
	if p.ciba != nil {
		m.Backchannel = discovery.Backchannel{
			BackchannelEndpoint: main + at.BackchannelAuthentication, BackchannelModes: p.ciba.Modes(),
			BackchannelAlgs: s.floor.SigningAlgs, BackchannelUserCode: true,
		}
		m.MTLSEndpoints.BackchannelEndpoint = mtlsDoor + at.BackchannelAuthentication
	}
	if g := p.config.GrantManagement; g.On() {
		m.GrantManagement = discovery.GrantManagement{
			GrantEndpoint: main + at.Grants, GrantActions: grantmgmt.Actions(), GrantActionRequired: g.Required,
		}
		m.MTLSEndpoints.GrantEndpoint = mtlsDoor + at.Grants
	}
	return m
}

// unsignedToo adds none, which is for clients that are registered for it, or ask in the query as well (OpenID Connect
// Core sections 2 and 6.1), and for no profile above OpenID Connect.
func unsignedToo(floor oauth.Profile, algs []string) []string {
	if floor.Name != oauth.ProfileOpenID {
		return algs
	}
	return append(slices.Clone(algs), oauth.AlgNone)
}

// grantsEverywhere adds to the token endpoint's grant types what the authorization endpoint has besides.
func (p *Provider) grantsEverywhere(floor oauth.Profile, grants []string) []string {
	if !slices.Contains(p.config.grantTypes(floor), oauth.GrantImplicit) {
		return grants
	}
	return append(slices.Clone(grants), oauth.GrantImplicit)
}

func (p *Provider) subjectTypes() []string {
	types := []string{string(oauth.SubjectPublic)}
	if p.config.Subjects.On() {
		types = append(types, string(oauth.SubjectPairwise))
	}
	return types
}

// encryption says what can be encrypted to clients, and by them.
func (p *Provider) encryption(signs []string) discovery.Encryption {
	algs, encs := jose.EncryptionAlgs(), jose.ContentEncryptions()
	e := discovery.Encryption{
		UserinfoAlgs: signs, IDTokenEncAlgs: algs, IDTokenEncEncs: encs, UserinfoEncAlgs: algs, UserinfoEncEncs: encs,
		IntrospectEncAlgs: algs, IntrospectEncEncs: encs, ResponseEncAlgs: algs, ResponseEncEncs: encs,
	}
	if ours := p.deps.Keys.EncryptionAlgs(); len(ours) > 0 {
		e.RequestObjEncAlgs, e.RequestObjEncEncs = ours, encs
	}
	return e
}

func (p *Provider) logoutMetadata() (m discovery.Logout) {
	l, main, at := p.config.Logout, p.config.Main.BaseURL, p.config.Endpoints
	if !l.On() {
		return m
	}
	m = discovery.Logout{
		EndSessionEndpoint: main + at.EndSession, Frontchannel: l.FrontchannelOn(), FrontchannelSession: l.FrontchannelOn(),
		Backchannel: l.BackchannelOn(), BackchannelSession: l.BackchannelOn(),
	}
	if l.SessionManagement {
		m.CheckSession = main + at.CheckSession
	}
	return m
}
