package provider

import (
	"slices"

	"signet/provider/authorize"
	"signet/provider/clientauth"
	"signet/provider/discovery"
	"signet/provider/grantmgmt"
	"signet/provider/oauth"
	"signet/provider/userinfo"
)

// metadata says what is registered (RFC 8414 section 2).
func (p *Provider) metadata(s parts, grants []string) discovery.Metadata {
	main, mtlsDoor := p.config.Main.BaseURL, p.config.MTLS.BaseURL
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
		AuthorizationEndpoint: main + pathAuthorize,
		TokenEndpoint:         main + pathToken,
		UserinfoEndpoint:      main + pathUserinfo,
		JWKSURI:               main + pathJWKS,
		IntrospectionEndpoint: main + pathIntrospect,
		RevocationEndpoint:    main + pathRevoke,
		ScopesSupported:       scopes,
		ResponseTypes:         s.floor.ResponseTypes,
		ResponseModes:         authorize.ResponseModes(),
		GrantTypes:            grants,
		PromptValues:          authorize.PromptValues(),
		SubjectTypes:          []string{"public"},
		IDTokenAlgs:           signs,
		Claims:                userinfo.ClaimNames(),
		ChallengeMethods:      []string{"S256"},
		TokenAuthMethods:      names, TokenAuthAlgs: algs,
		IntrospectAuthMethods: confidential, IntrospectAuthAlgs: algs,
		RevocationAuthMethods: names, RevocationAuthAlgs: algs,
		RequestParameter: true,
		BoundTokens:      true, ResponseIss: true,
		PushedEndpoint: main + pathPush, RequirePushed: s.floor.RequirePAR,
		RequestObjectAlgs: s.floor.SigningAlgs, RequireSignedRequest: s.floor.SignedRequest,
		ResponseAlgs: signs, IntrospectionAlgs: signs,
		DetailsTypes: s.details.Names(), ACRValues: p.config.Authentication.PasswordACR,
		MTLSEndpoints: discovery.Aliases{
			TokenEndpoint:         mtlsDoor + pathToken,
			UserinfoEndpoint:      mtlsDoor + pathUserinfo,
			IntrospectionEndpoint: mtlsDoor + pathIntrospect,
			RevocationEndpoint:    mtlsDoor + pathRevoke,
			PushedEndpoint:        mtlsDoor + pathPush,
		},
	}
	if !s.floor.CertificateBound {
		m.DPoPAlgs = s.floor.SigningAlgs
	}
	if p.config.Registration.Enabled {
		m.RegistrationEndpoint, m.MTLSEndpoints.RegistrationEndpoint = main+pathRegister, mtlsDoor+pathRegister
	}
	if p.ciba != nil {
		m.Backchannel = discovery.Backchannel{
			BackchannelEndpoint: main + pathBackchannel, BackchannelModes: p.ciba.Modes(),
			BackchannelAlgs: s.floor.SigningAlgs, BackchannelUserCode: true,
		}
		m.MTLSEndpoints.BackchannelEndpoint = mtlsDoor + pathBackchannel
	}
	if g := p.config.GrantManagement; g.On() {
		m.GrantManagement = discovery.GrantManagement{
			GrantEndpoint: main + pathGrants, GrantActions: grantmgmt.Actions(), GrantActionRequired: g.Required,
		}
		m.MTLSEndpoints.GrantEndpoint = mtlsDoor + pathGrants
	}
	return m
}
