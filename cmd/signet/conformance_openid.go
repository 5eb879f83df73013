package main

import (
	"fmt"
	"strings"

	"signet/conformance"
	"signet/provider/oauth"
)

// connectClients are the registrations for a run of one of OpenID Connect's own plans: two clients, and one that sends
// its secret in the form.
func (p *conformanceProvider) connectClients(run conformance.Run) ([]oauth.Client, error) {
	var list []oauth.Client
	for i := range p.shared.parties {
		client := p.connectClient(run, conformanceClientID(run, i), fmt.Sprintf("Conformance %d", i+1))
		if err := p.addConnectCredentials(&client, run, i); err != nil {
			return nil, err
		}
		list = append(list, client)
	}
	post := p.connectClient(run, conformancePostID(run), "Conformance by form")
	post.AuthMethod = oauth.AuthSecretPost
	list = append(list, post)
	for _, client := range list {
		if client.AuthMethod.UsesSecret() {
			secret, err := oauth.NewSecret(p.random)
			if err != nil {
				return nil, err
			}
			p.secrets[client.ID] = secret
		}
	}
	return list, nil
}

// connectClient is a registration without credentials.
func (p *conformanceProvider) connectClient(run conformance.Run, id, name string) oauth.Client {
	client := oauth.Client{
		ID: id, Name: name, Profile: oauth.ProfileName(run.Profile), Scope: conformanceScope(run),
		Resources:              []string{p.config.Resources[0].ID},
		RedirectURIs:           []string{run.RedirectURI(p.shared.suite, 0)},
		PostLogoutRedirectURIs: []string{run.Address(p.shared.suite, "post_logout_redirect")},
		ResponseTypes:          connectResponseTypes(run),
		IDTokenAlg:             "RS256", // what a client that registers itself has when it says nothing
	}
	client.GrantTypes = connectGrants(client.ResponseTypes)
	switch {
	case strings.HasPrefix(run.Plan, "oidcc-frontchannel-"):
		client.FrontchannelLogoutURI, client.FrontchannelLogoutSession = run.Address(p.shared.suite, "frontchannel_logout"), true
	case strings.HasPrefix(run.Plan, "oidcc-backchannel-"):
		client.BackchannelLogoutURI, client.BackchannelLogoutSession = run.Address(p.shared.suite, "backchannel_logout"), true
	}
	return client
}

// connectResponseTypes are those that the run's plan asks for.
func connectResponseTypes(run conformance.Run) []string {
	if one := run.Variant["response_type"]; one != "" {
		return []string{one}
	}
	switch {
	case strings.Contains(run.Plan, "-implicit-"):
		return []string{oauth.ResponseIDToken, oauth.ResponseIDTokenToken}
	case strings.Contains(run.Plan, "-hybrid-"):
		return []string{oauth.ResponseCodeIDToken, oauth.ResponseCodeToken, oauth.ResponseCodeIDTokenToken}
	}
	return []string{oauth.ResponseCode}
}

// connectGrants are what the response types need (OpenID Connect Registration section 2).
func connectGrants(types []string) []string {
	var code, front bool
	for _, one := range types {
		parts := strings.Fields(one)
		code = code || parts[0] == "code"
		front = front || len(parts) > 1 || parts[0] != "code"
	}
	var grants []string
	if code {
		grants = append(grants, oauth.GrantAuthorizationCode, oauth.GrantRefreshToken)
	}
	if front {
		grants = append(grants, oauth.GrantImplicit)
	}
	return grants
}

// addConnectCredentials adds what the first or second client authenticates with. A secret comes later.
func (p *conformanceProvider) addConnectCredentials(client *oauth.Client, run conformance.Run, i int) error {
	switch method := run.AuthMethod(); method {
	case "mtls":
		return p.useCertificate(client, i)
	case string(oauth.AuthPrivateKeyJWT):
		client.AuthMethod = oauth.AuthPrivateKeyJWT
		var err error
		client.JWKS, err = publicKeySet(p.shared.parties[i].JWKS)
		return err
	default:
		client.AuthMethod = oauth.AuthMethod(method)
		return nil
	}
}

// conformanceClaims are the user's: each standard claim (OpenID Connect Core section 5.1), so that no scope lacks one.
func conformanceClaims() map[string]any {
	return map[string]any{
		"name": "Alice Beatrix Adler", "given_name": "Alice", "family_name": "Adler", "middle_name": "Beatrix", "nickname": "Ali",
		"preferred_username": "alice", "profile": "https://people.example.com/alice", "picture": "https://people.example.com/alice.png",
		"website": "https://alice.example.com", "gender": "female", "birthdate": "1990-02-28", "zoneinfo": "Europe/Helsinki", "locale": "en-GB",
		"updated_at": 1767225600, "email": "alice@example.com", "email_verified": true,
		"phone_number": "+358401234567", "phone_number_verified": true,
		"address": map[string]any{
			"formatted": "Mannerheimintie 1\nFI-00100 Helsinki\nFinland", "street_address": "Mannerheimintie 1",
			"locality": "Helsinki", "region": "Uusimaa", "postal_code": "00100", "country": "Finland",
		},
	}
}
