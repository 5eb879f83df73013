package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"signet/provider/ciba"
	"signet/provider/interaction"
	"signet/provider/jose"
	"signet/provider/oauth"
	"signet/provider/token"
)

// backchannel makes the CIBA endpoint, where it is enabled.
func (p *Provider) backchannel(h *handlers, s parts, tokens *token.Endpoint) error {
	c, d := p.config, p.deps
	if !c.CIBA.Enabled {
		return nil
	}
	codes, err := interaction.NewUserCodes(s.passwords, d.Clock)
	if err != nil {
		return err
	}
	issuers, err := p.hintIssuers(s.floor)
	if err != nil {
		return err
	}
	deps := ciba.Deps{
		Authenticate: s.auth, Endpoints: p.atBothDoors(c.Endpoints.BackchannelAuthentication, c.Endpoints.Token), // CIBA Core section 7.1
		Store: d.Store, Sealer: d.Sealer, Keys: d.Keys, Details: s.details, UserCodes: codes, Post: d.Fetch, Queue: s.queue,
		Push: token.Push{Endpoint: tokens, Users: d.Store}, Floor: s.floor, Record: s.record,
		Issuer: c.Issuer, ApprovalURL: c.Main.BaseURL + pathInteraction + "approvals",
		LoginHint: ciba.LoginHint(c.CIBA.LoginHint), HintIssuers: issuers, Scopes: c.scopeNames(), Resources: c.resourceIDs(),
		ACRs: c.Authentication.PasswordACR, Expiry: c.CIBA.Expiry, MaxExpiry: c.CIBA.MaxExpiry, Interval: c.CIBA.Interval,
		RefreshLifetime: c.Lifetimes.RefreshToken, PendingOfClient: c.CIBA.PendingOfClient, Clock: d.Clock, Random: d.Random, Log: d.Log,
	}
	if device := c.CIBA.Device; device.URL != "" {
		if d.Device == nil {
			return errors.New("provider: Deps.Device is required with ciba.device")
		}
		deps.Webhook = &ciba.Webhook{
			URL: device.URL, Token: func() (oauth.Secret, error) { return readToken(device.TokenFile) }, Post: d.Device,
		}
	}
	if p.ciba, err = ciba.New(deps); err != nil {
		return err
	}
	h.backchannel = p.ciba
	if c.CIBA.DevelopmentApprover {
		d.Log.Warn("the development approver answers CIBA requests for their users: never with real accounts", "path", pathDevelopment)
		h.development = p.ciba.Development(pathDevelopment)
	}
	return nil
}

// jwksAccept asks for a JWK set (RFC 7517 section 8.5).
const jwksAccept = "application/jwk-set+json, application/json"

func readToken(file string) (oauth.Secret, error) {
	raw, err := os.ReadFile(file) // #nosec G304 -- the operator names the file
	return oauth.Secret(strings.TrimSpace(string(raw))), err
}

// hintIssuers reads the keys of those whose login_hint_tokens are believed.
func (p *Provider) hintIssuers(floor oauth.Profile) ([]ciba.HintIssuer, error) {
	var issuers []ciba.HintIssuer
	for i, h := range p.config.CIBA.HintIssuers {
		issuer := ciba.HintIssuer{Issuer: h.Issuer, Algs: floor.SigningAlgs}
		if h.JWKSURI != "" {
			issuer.Keys = func(ctx context.Context) (*jose.KeySet, error) {
				return keySet(p.deps.Fetch.Cached(ctx, h.JWKSURI, jwksAccept, p.config.Outbound.MaxAge))
			}
			issuer.Fresh = func(ctx context.Context) (*jose.KeySet, error) {
				return keySet(p.deps.Fetch.Refresh(ctx, h.JWKSURI, jwksAccept))
			}
			issuers = append(issuers, issuer)
			continue
		}
		raw, err := os.ReadFile(h.JWKS)
		if err != nil {
			return nil, fmt.Errorf("ciba.hint_issuers[%d].jwks: %w", i, err)
		}
		set, err := jose.ParseKeySet(raw)
		if err != nil {
			return nil, fmt.Errorf("ciba.hint_issuers[%d].jwks: %w", i, err)
		}
		issuer.Keys = func(context.Context) (*jose.KeySet, error) { return set, nil }
		issuers = append(issuers, issuer)
	}
	return issuers, nil
}

func keySet(raw []byte, err error) (*jose.KeySet, error) {
	if err != nil {
		return nil, err
	}
	return jose.ParseKeySet(raw)
}

func (c Config) scopeNames() oauth.Scope {
	var names oauth.Scope
	for _, s := range c.AllScopes() {
		names = append(names, s.Name)
	}
	return names
}

func (c Config) resourceIDs() []string {
	var ids []string
	for _, r := range c.AllResources() {
		ids = append(ids, r.ID)
	}
	return ids
}
