package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// sample is a typical request on which a new bundle is tried before it is put in force.
type sample struct {
	name  string
	input Input
}

// try evaluates every sample. Denying is fine; having no well-formed answer is not. A machine under load
// may stall any one evaluation, so that a sample has three attempts to stay within the time limit.
func (r *rules) try(ctx context.Context, options Options) error {
	for _, s := range samples(options.Clock()) {
		var err error
		for range 3 {
			if _, err = r.decide(ctx, &s.input, options.Timeout); !errors.Is(err, errTooSlow) {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("sample input %q: %w", s.name, err)
		}
	}
	return nil
}

// samples covers each kind of grant, subject and kind of certificate, and registrations; together they touch every field of Input.
func samples(now time.Time) []sample {
	const accounts, payments = "accounts", "payments"
	details := []json.RawMessage{
		[]byte(`{"type":"payment_initiation","instructedAmount":{"amount":"123.50","currency":"EUR"},"creditorName":"Sample GmbH"}`),
		[]byte(`{"type":"account_information","actions":["list_accounts","read_balances"]}`),
	}
	const server = "https://localhost:9446"
	machine := Input{
		Request: Request{ID: "sample", Door: "mtls", Time: now, Profile: "fapi2-security"},
		Client: Client{ID: "sample-tpp", Name: "Sample TPP", AuthMethod: "tls_client_auth",
			GrantTypes: []string{"client_credentials"}, Scope: []string{accounts, payments}, Resources: []string{server}},
		Certificate: &Certificate{Subject: "CN=sample-tpp,O=Sample TPP,C=DE", Issuer: "CN=Sample CA",
			Thumbprint: "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0", Trusted: true, OrganizationID: "PSDDE-BAFIN-123456",
			PSD2: &PSD2{Roles: []string{"PSP_AI", "PSP_PI"}, AuthorityName: "BaFin", AuthorityID: "DE-BAFIN"}},
		Sender:  Sender{Method: SenderMTLS, Thumbprint: "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},
		Subject: Subject{Kind: SubjectClient, ID: "sample-tpp"},
		Grant:   Grant{Type: "client_credentials", Scope: []string{accounts, payments}, Requested: true, Resources: []string{server}},
		Token:   Token{Format: "jwt", Lifetime: 300},
	}
	plain := machine
	plain.Certificate = &Certificate{Subject: "CN=sample", Issuer: "CN=Sample CA", Thumbprint: machine.Certificate.Thumbprint}

	secret := machine
	secret.Request.Door, secret.Request.Profile = "main", "openid"
	secret.Client.AuthMethod = "client_secret_basic"
	secret.Certificate, secret.Sender = nil, Sender{Method: SenderNone}
	secret.Grant.Requested = false

	nothing := secret
	nothing.Grant.Scope, nothing.Grant.Resources = nil, nil

	user := secret
	user.Client = Client{ID: "sample-app", Name: "Sample app", AuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"}, Scope: []string{"openid", "profile", "offline_access"}}
	user.Subject = Subject{Kind: SubjectUser, ID: "sample-user", ACR: "urn:mace:incommon:iap:silver", AMR: []string{"pwd"}, AuthTime: now.Add(-time.Minute).Unix()}
	user.Grant = Grant{Type: "authorization_code", Scope: []string{"openid", "profile", "offline_access"}, Requested: true, Details: details}
	user.Token = Token{Format: "opaque", Lifetime: 600}

	refresh := user
	refresh.Grant.Type, refresh.Grant.Requested = "refresh_token", false
	refresh.Certificate = machine.Certificate
	refresh.Sender = Sender{Method: SenderDPoP, Thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}

	backchannel := refresh
	backchannel.Grant.Type = "urn:openid:params:grant-type:ciba"

	return append([]sample{
		{"client_credentials with a PSD2 certificate", machine},
		{"client_credentials with a certificate", plain},
		{"client_credentials with a secret", secret},
		{"client_credentials without scope", nothing},
		{"authorization_code", user},
		{"refresh_token with a DPoP key", refresh},
		{"backchannel authentication", backchannel},
	}, slices.Concat(exchangeSamples(user), registrationSamples(machine, user))...)
}

// exchangeSamples are requests that rest on what somebody else has said.
func exchangeSamples(user Input) []sample {
	exchange := user
	exchange.Grant.Type, exchange.Grant.Details = "urn:ietf:params:oauth:grant-type:token-exchange", nil
	exchange.Grant.Exchange = &Exchange{ // #nosec G101 -- kinds of tokens, and claims of none
		SubjectTokenType: "urn:ietf:params:oauth:token-type:access_token", SubjectIssuer: "https://localhost:9443",
		SubjectClaims:  []byte(`{"iss":"https://localhost:9443","sub":"sample-user","aud":"https://localhost:9446","client_id":"sample-app","scope":"openid profile"}`),
		ActorTokenType: "urn:ietf:params:oauth:token-type:id_token",
		Actors:         []Actor{{Subject: "sample-clerk"}, {Subject: "sample-desk", ClientID: "sample-app"}}, RequestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
	}
	impersonation := exchange
	impersonation.Client.Introspects, impersonation.Client.TrustedFor = []string{"https://localhost:9446"}, []string{exchange.Grant.Type}
	facts := *exchange.Grant.Exchange
	facts.ActorTokenType, facts.Actors = "", nil
	impersonation.Grant.Exchange = &facts

	transaction := impersonation
	facts.RequestedTokenType = "urn:ietf:params:oauth:token-type:txn_token"
	transaction.Grant.Transaction = &Transaction{
		Audience: "https://trust-domain.example", RequestContext: []byte(`{"ip":"192.0.2.1"}`), RequestDetails: []byte(`{"order":"4711"}`),
	}

	assertion := exchange
	assertion.Grant.Type, assertion.Grant.Exchange = "urn:ietf:params:oauth:grant-type:jwt-bearer", nil
	assertion.Grant.Assertion = &Assertion{Issuer: "https://sts.example", Claims: []byte(`{"iss":"https://sts.example","sub":"sample-user"}`)}

	declared := exchange
	declared.Grant.Type, declared.Grant.Exchange = "urn:example:sample", nil
	declared.Grant.Parameters = map[string]string{"user": "sample-user", "branch": "Frankfurt"}
	return []sample{
		{"token exchange, delegation", exchange},
		{"token exchange, impersonation", impersonation},
		{"transaction token", transaction},
		{"assertion", assertion},
		{"declared grant", declared},
	}
}

// registrationSamples are clients that register themselves, or change their registration.
func registrationSamples(machine, user Input) []sample {
	registration := Input{
		Request: machine.Request, Client: machine.Client, Certificate: machine.Certificate,
		Registration: &Registration{
			Action: RegistrationNew, AdmittedBy: "initial_access_token",
			Metadata: []byte(`{"client_name":"Sample TPP","token_endpoint_auth_method":"tls_client_auth","redirect_uris":["https://tpp.example/cb"],` +
				`"grant_types":["authorization_code"],"response_types":["code"],"scope":"openid accounts","application_type":"web"}`),
			SoftwareStatement: &SoftwareStatement{Issuer: "https://directory.example", Claims: []byte(`{"iss":"https://directory.example","software_id":"sample"}`)},
		},
	}
	stranger := registration
	stranger.Request.Door, stranger.Request.Profile, stranger.Client, stranger.Certificate = "main", "openid", user.Client, nil
	stranger.Registration = &Registration{Action: RegistrationUpdate, AdmittedBy: "registration_access_token", Metadata: []byte(`{}`)}

	return []sample{
		{"registration with a software statement", registration},
		{"update of a registration", stranger},
	}
}
