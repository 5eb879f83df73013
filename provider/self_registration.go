package provider

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"

	"signet/mtls"
	"signet/policy"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/registration"
)

// registration makes the endpoint at which clients register themselves.
func (p *Provider) registration(s parts) http.Handler {
	c, d := p.config, p.deps
	deps := registration.Deps{
		Path: c.Endpoints.Registration, BaseURL: c.Main.BaseURL, Open: c.Registration.Open, MostPerHour: c.Registration.MostPerHour,
		Bounds: c.registrationBounds(), Statements: p.statements(s.floor),
		Validate: func(client *oauth.Client) (faults []registration.Fault) {
			for _, f := range LintClient(client, c) {
				if f.Severity == SeverityError {
					faults = append(faults, registration.Fault{Field: f.Field, Text: f.words()})
				}
			}
			return faults
		},
		Policy: d.Policy, Certificate: p.shownCertificate, Address: p.proxies.Sender, Fetch: d.Fetch,
		Store: d.Store, Sealer: d.Sealer, Record: s.record, Clock: d.Clock, Random: d.Random, Log: d.Log,
	}
	if file := c.Registration.InitialAccessTokenFile; file != "" {
		deps.InitialToken = func() (oauth.Secret, error) { return readInitialToken(file) }
	}
	return registration.New(deps)
}

// registrationBounds are what a client that registers itself gets at most.
func (c Config) registrationBounds() registration.Bounds {
	r := c.Registration
	profile, _ := c.registrationProfile()
	b := registration.Bounds{
		Profile: r.Profile, InForce: profile.Name, Scopes: r.Scopes, Resources: r.Resources, DetailsTypes: r.DetailsTypes,
		GrantTypes: c.registrationGrants(profile), ResponseTypes: r.ResponseTypes, AuthMethods: r.AuthMethods,
		WithoutImplicit: !slices.Contains(profile.ResponseTypes, oauth.ResponseIDToken),
	}
	if len(b.ResponseTypes) == 0 {
		b.ResponseTypes = c.responseTypes(profile)
	}
	if len(b.AuthMethods) == 0 {
		for _, m := range profile.AuthMethods {
			b.AuthMethods = append(b.AuthMethods, string(m))
		}
	}
	if algs := profile.Algorithms(c.Keys.Algorithms); slices.Contains(algs, standardIDTokenAlg) {
		b.IDTokenAlg = standardIDTokenAlg
	} else if len(algs) > 0 {
		b.IDTokenAlg = algs[0]
	}
	return b
}

// standardIDTokenAlg is what a client expects that names none (OpenID Connect Registration section 2,
// id_token_signed_response_alg).
const standardIDTokenAlg = "RS256"

// leastInitialToken is 128 random bits in base64url: a token that could be guessed admits nobody.
const leastInitialToken = 22

func readInitialToken(file string) (oauth.Secret, error) {
	token, err := readToken(file)
	if err != nil {
		return "", fmt.Errorf("%w: registration.initial_access_token_file: %w", oauth.ErrUnavailable, err)
	}
	if len(token) < leastInitialToken {
		return "", fmt.Errorf("%w: registration.initial_access_token_file has fewer than %d characters", oauth.ErrUnavailable, leastInitialToken)
	}
	return token, nil
}

// statements are those whose software statements are believed, with where their keys are. A file is read each time, so
// that it can be replaced.
func (p *Provider) statements(floor oauth.Profile) registration.Statements {
	configured := p.config.Registration.SoftwareStatements
	statements := registration.Statements{Required: configured.Required, Audience: p.config.Issuer}
	for _, s := range configured.Issuers {
		issuer := registration.StatementIssuer{Issuer: s.Issuer, Algs: floor.SigningAlgs}
		if s.JWKS != "" {
			issuer.Keys = func(context.Context) (*jose.KeySet, error) {
				return keySet(os.ReadFile(s.JWKS)) // #nosec G304 -- the operator names the file
			}
		} else {
			issuer.Keys = func(ctx context.Context) (*jose.KeySet, error) {
				return keySet(p.deps.Fetch.Cached(ctx, s.JWKSURI, jwksAccept, p.config.Outbound.MaxAge))
			}
			issuer.Fresh = func(ctx context.Context) (*jose.KeySet, error) {
				return keySet(p.deps.Fetch.Refresh(ctx, s.JWKSURI, jwksAccept))
			}
		}
		statements.Issuers = append(statements.Issuers, issuer)
	}
	return statements
}

// shownCertificate tells policy of the certificate that a registration came with. Who its holder is and which PSD2 roles
// it has is believed only from a trusted issuer, as in token requests.
func (p *Provider) shownCertificate(r *http.Request) (*policy.Certificate, error) {
	peer, err := p.proxies.Peer(r)
	if err != nil || peer == nil {
		return nil, err
	}
	subject, err := mtls.DNOf(peer.Leaf)
	if err != nil {
		return nil, err
	}
	issuer, err := mtls.IssuerOf(peer.Leaf)
	if err != nil {
		return nil, err
	}
	facts := &policy.Certificate{Subject: subject.String(), Issuer: issuer.String(), Thumbprint: mtls.Thumbprint(peer.Leaf)}
	if p.deps.Anchors.Verify(peer.Leaf, peer.Chain, p.deps.Clock()) != nil {
		return facts, nil
	}
	facts.Trusted, facts.OrganizationID = true, mtls.OrganizationID(peer.Leaf)
	psd2, err := mtls.PSD2Of(peer.Leaf)
	if err != nil {
		return nil, err
	}
	if psd2 != nil {
		facts.PSD2 = &policy.PSD2{Roles: psd2.Roles, AuthorityName: psd2.AuthorityName, AuthorityID: psd2.AuthorityID}
	}
	return facts, nil
}
