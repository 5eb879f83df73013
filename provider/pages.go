package provider

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"signet/policy"
	"signet/provider/authorize"
	"signet/provider/device"
	"signet/provider/interaction"
	"signet/provider/issue"
	"signet/provider/oauth"
	"signet/provider/session"
	"signet/provider/token"
)

// pages wires the authorization endpoint to the pages that it sends browsers to.
func (p *Provider) pages(h *handlers, s parts, tokens *token.Endpoint, devices *device.Service) error {
	c, d := p.config, p.deps
	sessions, err := session.New(session.Deps{Store: d.Store, Clock: d.Clock, Random: d.Random, Lifetime: c.Lifetimes.Session, BrowserState: c.Logout.On() && c.Logout.SessionManagement})
	if err != nil {
		return err
	}
	scopes, resources := map[string]string{}, map[string]string{}
	for _, scope := range c.AllScopes() {
		scopes[scope.Name] = scope.Description
	}
	for _, r := range c.AllResources() {
		resources[r.ID] = r.Name
	}
	brand, err := c.Brand.load()
	if err != nil {
		return err
	}
	deps := interaction.Deps{
		Store: d.Store, Sessions: sessions, Authenticator: s.passwords, Audit: d.Audit,
		Issuer: c.Issuer, Prefix: strings.TrimSuffix(pathInteraction, "/"), ResumePath: pathResume,
		Floor: s.floor, Scopes: scopes, Resources: resources, Details: s.details, Lasts: c.accessLasts,
		Address: p.proxies.Sender, Brand: brand, Locales: c.Brand.locales(),
		Clock: d.Clock, Random: d.Random, Log: d.Log,
	}
	if p.ciba != nil {
		deps.Approvals = p.ciba
	}
	if devices != nil {
		deps.Devices, deps.DevicePath = devices, pathDevice
	}
	pages, err := interaction.New(deps)
	if err != nil {
		return err
	}
	if err := p.logout(h, s, sessions, pages); err != nil {
		return err
	}
	h.interaction, p.languages = pages.Handler(), pages.Languages()
	if devices != nil {
		h.device, h.devicePicture = pages.Device(), http.HandlerFunc(devices.ServePicture)
	}
	return p.authorization(h, s, sessions, pages, tokens)
}

// authorization makes the authorization endpoint, and the one for pushed requests.
func (p *Provider) authorization(h *handlers, s parts, sessions *session.Manager, pages *interaction.Pages, tokens *token.Endpoint) error {
	c, d := p.config, p.deps
	front := token.Front{Endpoint: tokens, Users: d.Store}
	deps := authorize.Deps{
		Store: d.Store, Sessions: sessions, Interact: pages, Audit: d.Audit,
		Authenticate: s.auth, Bind: s.binder, Details: s.details, Issue: s.issuer, Hints: issue.Hints{Issuer: c.Issuer, Keys: d.Keys},
		Subjects: s.issuer, Decrypt: d.Keys, SessionState: sessions.SessionState,
		Front: func(ctx context.Context, client *oauth.Client, profile oauth.Profile, grant oauth.Grant, user oauth.EndUser) (authorize.FrontTokens, []oauth.Change, error) {
			tokens, changes, err := front.Tokens(ctx, client, profile, grant, user)
			return authorize.FrontTokens(tokens), changes, err
		},
		FrontIDToken: func(ctx context.Context, client *oauth.Client, profile oauth.Profile, grant oauth.Grant, user oauth.EndUser) (authorize.FrontTokens, error) {
			decided, err := front.IDToken(ctx, client, profile, grant, user)
			return authorize.FrontTokens(decided), err
		},
		ErrorPage: pages.WriteError, FormPostPage: pages.WriteForm,
		Issuer: c.Issuer, ResumePath: pathResume, PushEndpoints: p.atBothDoors(c.Endpoints.PushedRequest), Audiences: p.atBothDoors(c.Endpoints.Token),
		Floor: s.floor, Scopes: c.scopeNames(), Resources: c.resourceIDs(), ACRs: c.Authentication.PasswordACR,
		ResponseTypes: c.responseTypes(s.floor), RequirePKCE: c.Authorization.RequirePKCE == PKCEAll,
		PublicWithoutPKCE: c.Authorization.RequirePKCE == PKCENone,
		RequirePAR:        c.Authorization.RequirePAR, OpenIDOptional: c.Authorization.OpenIDOptional,
		IDClaims: issue.IDTokenClaims(c.IDTokens.Claims), PersistIDTokens: c.IDTokens.Persist,
		GrantManagement: c.GrantManagement.On(), GrantActionRequired: c.GrantManagement.On() && c.GrantManagement.Required,
		CodeLifetime: c.Lifetimes.AuthorizationCode, RefreshLifetime: c.Lifetimes.RefreshToken, Lasts: c.accessLasts, InteractionLifetime: c.Lifetimes.Interaction,
		PushedLifetime: c.Authorization.PushedLifetime, ResponseLifetime: c.Authorization.ResponseLifetime, IDTokenLifetime: c.Lifetimes.IDToken,
		Clock: d.Clock, Random: d.Random, Log: d.Log,
	}
	if deps.PublicWithoutPKCE {
		d.Log.Warn("authorization.require_pkce is none: a code of a public client that is stolen on its way can be redeemed")
	}
	if c.Authorization.RequestURIs {
		deps.Fetch = d.Fetch
	}
	if len(d.Keys.EncryptionAlgs()) == 0 {
		deps.Decrypt = nil
	}
	endpoint, err := authorize.New(deps)
	if err != nil {
		return err
	}
	h.authorize, h.push, h.resume = endpoint, endpoint.Push(), endpoint.Resume()
	return nil
}

// load reads the logo.
func (b Brand) load() (interaction.Brand, error) {
	brand := interaction.Brand{Name: b.Name}
	for _, l := range b.Links {
		brand.Links = append(brand.Links, interaction.Link{Text: l.Text, URL: l.URL})
	}
	if b.Logo == "" {
		return brand, nil
	}
	var err error
	if brand.Logo, err = os.ReadFile(b.Logo); err != nil {
		return brand, fmt.Errorf("brand.logo: %w", err)
	}
	brand.LogoType = "image/png"
	if filepath.Ext(b.Logo) == ".svg" {
		brand.LogoType = "image/svg+xml"
	}
	return brand, nil
}

// accessLasts is how long a client keeps access after the user's consent without asking again: without a refresh
// token, as long as it may send the browser here silently.
func (c Config) accessLasts(client *oauth.Client, scope oauth.Scope) time.Duration {
	switch refresh := c.RefreshTokens.options(nil); {
	case !refresh.Issues(client, scope):
		return max(c.Lifetimes.AccessToken, c.Lifetimes.Session)
	case refresh.ExtendOnRotation:
		return policy.MaxRefreshLifetime
	default:
		return c.Lifetimes.RefreshToken
	}
}
