package provider

import (
	"fmt"
	"net/http"

	"signet/provider/oauth"
	"signet/provider/registration"
)

// registration makes the endpoint at which clients register themselves.
func (p *Provider) registration(s parts) http.Handler {
	c, d := p.config, p.deps
	bounds := c.Registration
	return registration.New(registration.Deps{
		Path: pathRegister, BaseURL: c.Main.BaseURL,
		InitialToken: func() (oauth.Secret, error) { return readInitialToken(bounds.InitialAccessTokenFile) },
		Bounds: registration.Bounds{
			Profile: bounds.Profile, Scopes: bounds.Scopes, Resources: bounds.Resources, DetailsTypes: bounds.DetailsTypes,
		},
		Validate: func(client *oauth.Client) (faults []registration.Fault) {
			for _, f := range LintClient(client, c) {
				if f.Severity == SeverityError {
					faults = append(faults, registration.Fault{Field: f.Field, Text: f.words()})
				}
			}
			return faults
		},
		Store: d.Store, Sealer: d.Sealer, Record: s.record, Clock: d.Clock, Random: d.Random, Log: d.Log,
	})
}

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
