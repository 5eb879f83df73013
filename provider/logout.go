package provider

import (
	"signet/provider/interaction"
	"signet/provider/issue"
	"signet/provider/logout"
	"signet/provider/session"
)

// logout makes the endpoints at which a login ends, and where one is begun for a client by somebody else.
func (p *Provider) logout(h *handlers, s parts, sessions *session.Manager, pages *interaction.Pages) error {
	c, d := p.config, p.deps
	service, err := logout.New(logout.Deps{
		Store: d.Store, Sessions: sessions, Pages: pages, Hints: issue.Hints{Issuer: c.Issuer, Keys: d.Keys}, Decrypt: d.Keys,
		Record: s.record, Audit: d.Audit, Floor: s.floor, Issuer: c.Issuer, Path: c.Endpoints.EndSession, ConfirmPath: pathConfirmLogout,
		RevokeRefreshTokens: c.Logout.RevokeRefreshTokens,
		Frontchannel:        c.Logout.FrontchannelOn(), Backchannel: c.Logout.BackchannelOn(),
		Queue: s.queue, Tokens: s.issuer, Post: d.Fetch, RetryFor: c.Logout.BackchannelRetryFor,
		Clock: d.Clock, Random: d.Random, Log: d.Log,
	})
	if err != nil {
		return err
	}
	h.initiate = service.InitiateLogin()
	if c.Logout.On() {
		h.endSession, h.confirmLogout = service.EndSession(), service.Confirm()
		if c.Logout.SessionManagement {
			h.checkSession = service.CheckSession()
		}
	}
	return nil
}
