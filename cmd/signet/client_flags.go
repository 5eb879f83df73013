package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"signet/provider/oauth"
)

// clientFlag is a flag of "signet client add" and "update": one field of a registration. Exactly one of the others says
// where it goes.
type clientFlag struct {
	name, usage string
	text        func(*oauth.Client) *string
	list        func(*oauth.Client) *[]string
	on          func(*oauth.Client) *bool
	seconds     func(*oauth.Client) *int
	choice      func(*oauth.Client) **bool // nil = as the server's
}

// clientFlags are all of them, in the order in which a registration is shown.
var clientFlags = []clientFlag{
	{name: "name", usage: "client_name: what the consent page calls it", text: func(c *oauth.Client) *string { return &c.Name }},
	{name: "profile", usage: "hold the client to a stricter profile: fapi1-advanced, fapi2-security, fapi2-message-signing, fapi-ciba, or a draft: fapi2-security-id2, fapi2-message-signing-id1", text: func(c *oauth.Client) *string { return (*string)(&c.Profile) }},
	{name: "auth", usage: "token_endpoint_auth_method", text: func(c *oauth.Client) *string { return (*string)(&c.AuthMethod) }},
	{name: "auth-alg", usage: "the only algorithm of its assertions (default: any that the profile allows)", text: func(c *oauth.Client) *string { return &c.AuthSigningAlg }},
	{name: "jwks-uri", usage: "where its public keys are", text: func(c *oauth.Client) *string { return &c.JWKSURI }},
	{name: "tls-subject-dn", usage: "its certificate's subject (RFC 4514)", text: func(c *oauth.Client) *string { return &c.TLSSubjectDN }},
	{name: "tls-san-dns", usage: "its certificate's DNS name", text: func(c *oauth.Client) *string { return &c.TLSSANDNS }},
	{name: "tls-san-uri", usage: "its certificate's URI", text: func(c *oauth.Client) *string { return &c.TLSSANURI }},
	{name: "tls-san-ip", usage: "its certificate's IP address", text: func(c *oauth.Client) *string { return &c.TLSSANIP }},
	{name: "tls-san-email", usage: "its certificate's e-mail address", text: func(c *oauth.Client) *string { return &c.TLSSANEmail }},
	{name: "bound", usage: "refuse it tokens that are not bound to a certificate", on: func(c *oauth.Client) *bool { return &c.BoundAccessTokens }},
	{name: "dpop-bound", usage: "refuse it tokens that are not bound to a DPoP key", on: func(c *oauth.Client) *bool { return &c.DPoPBound }},
	{name: "redirect-uri", usage: "redirect URI; repeatable", list: func(c *oauth.Client) *[]string { return &c.RedirectURIs }},
	{name: "grant", usage: "grant type; repeatable", list: func(c *oauth.Client) *[]string { return &c.GrantTypes }},
	{name: "response-type", usage: `response type, like "code" or "code id_token"; repeatable (default: code)`, list: func(c *oauth.Client) *[]string { return &c.ResponseTypes }},
	{name: "scope", usage: "all scopes that it may ever have", text: func(c *oauth.Client) *string { return &c.Scope }},
	{name: "resource", usage: "resource server that its tokens can be for; repeatable", list: func(c *oauth.Client) *[]string { return &c.Resources }},
	{name: "introspects", usage: "resource server whose tokens it may introspect; repeatable", list: func(c *oauth.Client) *[]string { return &c.Introspects }},
	{name: "details-type", usage: "authorization_details type that it may use; repeatable", list: func(c *oauth.Client) *[]string { return &c.DetailsTypes }},
	{name: "require-par", usage: "refuse its authorization requests that were not pushed", on: func(c *oauth.Client) *bool { return &c.RequirePAR }},
	{name: "require-signed-request", usage: "refuse its authorization requests that are not signed", on: func(c *oauth.Client) *bool { return &c.RequireSignedRequest }},
	{name: "request-alg", usage: "the only algorithm of its request objects (default: any that the profile allows)", text: func(c *oauth.Client) *string { return &c.RequestObjectAlg }},
	{name: "id-token-alg", usage: "signing algorithm of its ID tokens (default: the server's)", text: func(c *oauth.Client) *string { return &c.IDTokenAlg }},
	{name: "response-alg", usage: "signing algorithm of its authorization responses (default: the server's)", text: func(c *oauth.Client) *string { return &c.ResponseAlg }},
	{name: "introspection-alg", usage: "signing algorithm of its introspection responses (default: the server's)", text: func(c *oauth.Client) *string { return &c.IntrospectionAlg }},
	{name: "id-token-enc", usage: "encrypt its ID tokens: the alg, like RSA-OAEP-256", text: func(c *oauth.Client) *string { return &c.IDTokenEncAlg }},
	{name: "id-token-enc-content", usage: "how the content of its ID tokens is encrypted, like A256GCM (default: A128CBC-HS256)", text: func(c *oauth.Client) *string { return &c.IDTokenEncEnc }},
	{name: "userinfo-alg", usage: "sign its userinfo (default: plain JSON)", text: func(c *oauth.Client) *string { return &c.UserinfoAlg }},
	{name: "userinfo-enc", usage: "encrypt its userinfo: the alg", text: func(c *oauth.Client) *string { return &c.UserinfoEncAlg }},
	{name: "userinfo-enc-content", usage: "how the content of its userinfo is encrypted (default: A128CBC-HS256)", text: func(c *oauth.Client) *string { return &c.UserinfoEncEnc }},
	{name: "request-enc", usage: "alg that it may encrypt its request objects with; others that there is a key for are taken, too", text: func(c *oauth.Client) *string { return &c.RequestObjectEncAlg }},
	{name: "request-enc-content", usage: "enc that it may encrypt its request objects with; others are taken, too", text: func(c *oauth.Client) *string { return &c.RequestObjectEncEnc }},
	{name: "request-uri", usage: "where a request object of its may be fetched; repeatable", list: func(c *oauth.Client) *[]string { return &c.RequestURIs }},
	{name: "application-type", usage: "web or native: what its redirect URIs may be", text: func(c *oauth.Client) *string { return &c.ApplicationType }},
	{name: "subject-type", usage: "how users are named to it: public or pairwise (default: public)", text: func(c *oauth.Client) *string { return (*string)(&c.SubjectType) }},
	{name: "sector-uri", usage: "sector_identifier_uri: the clients to which a user has one pairwise name", text: func(c *oauth.Client) *string { return &c.SectorURI }},
	{name: "logo-uri", usage: "its logo, shown on the pages", text: func(c *oauth.Client) *string { return &c.LogoURI }},
	{name: "client-uri", usage: "its home page", text: func(c *oauth.Client) *string { return &c.ClientURI }},
	{name: "policy-uri", usage: "its privacy policy, linked on the consent page", text: func(c *oauth.Client) *string { return &c.PolicyURI }},
	{name: "tos-uri", usage: "its terms of service, linked on the consent page", text: func(c *oauth.Client) *string { return &c.TermsURI }},
	{name: "contact", usage: "whom to write to about it; repeatable", list: func(c *oauth.Client) *[]string { return &c.Contacts }},
	{name: "initiate-login-uri", usage: "where a third party sends browsers to start a login", text: func(c *oauth.Client) *string { return &c.InitiateLoginURI }},
	{name: "post-logout-redirect-uri", usage: "where browsers may come back after a logout; repeatable", list: func(c *oauth.Client) *[]string { return &c.PostLogoutRedirectURIs }},
	{name: "frontchannel-logout-uri", usage: "what browsers open there when the login has ended", text: func(c *oauth.Client) *string { return &c.FrontchannelLogoutURI }},
	{name: "frontchannel-logout-session", usage: "its front-channel logout needs iss and sid", on: func(c *oauth.Client) *bool { return &c.FrontchannelLogoutSession }},
	{name: "backchannel-logout-uri", usage: "where it gets logout tokens", text: func(c *oauth.Client) *string { return &c.BackchannelLogoutURI }},
	{name: "backchannel-logout-session", usage: "its logout tokens need a sid", on: func(c *oauth.Client) *bool { return &c.BackchannelLogoutSession }},
	{name: "introspection-enc", usage: "encrypt its introspection responses: the alg", text: func(c *oauth.Client) *string { return &c.IntrospectionEncAlg }},
	{name: "introspection-enc-content", usage: "how the content of its introspection responses is encrypted (default: A128CBC-HS256)", text: func(c *oauth.Client) *string { return &c.IntrospectionEncEnc }},
	{name: "response-enc", usage: "encrypt its JWT-secured authorization responses: the alg", text: func(c *oauth.Client) *string { return &c.ResponseEncAlg }},
	{name: "response-enc-content", usage: "how the content of its authorization responses is encrypted (default: A128CBC-HS256)", text: func(c *oauth.Client) *string { return &c.ResponseEncEnc }},
	{name: "trusted-for", usage: "grant type by which it may say who the user is: a declared one, or its own assertions; repeatable", list: func(c *oauth.Client) *[]string { return &c.TrustedFor }},
	{name: "trust-domain", usage: "trust domain that it may get transaction tokens for; repeatable", list: func(c *oauth.Client) *[]string { return &c.TrustDomains }},
	{name: "access-token-format", usage: "jwt or opaque (default: the resource server's)", text: func(c *oauth.Client) *string { return (*string)(&c.AccessTokenFormat) }},
	{name: "access-token-alg", usage: "signing algorithm of its access tokens (default: the resource server's)", text: func(c *oauth.Client) *string { return &c.AccessTokenAlg }},
	{name: "access-token-lifetime", usage: "how long its access tokens live, where that is shorter than others' (0s: as others')", seconds: func(c *oauth.Client) *int { return &c.AccessTokenLifetime }},
	{name: "id-token-lifetime", usage: "how long its ID tokens live, where that is shorter than others' (0s: as others')", seconds: func(c *oauth.Client) *int { return &c.IDTokenLifetime }},
	{name: "refresh-token-lifetime", usage: "how long its refresh tokens live, where that is shorter than others' (0s: as others')", seconds: func(c *oauth.Client) *int { return &c.RefreshTokenLifetime }},
	{name: "require-offline-access", usage: "give it refresh tokens only with the scope offline_access (server: as the configuration says)", choice: func(c *oauth.Client) **bool { return &c.RequireOfflineAccess }},
	{name: "rotate-refresh-tokens", usage: "replace its refresh tokens at each use (server: as the configuration says)", choice: func(c *oauth.Client) **bool { return &c.RotateRefreshTokens }},
	{name: "default-acr", usage: "authentication context to ask for when it names none; repeatable", list: func(c *oauth.Client) *[]string { return &c.DefaultACR }},
	{name: "ciba-mode", usage: "how CIBA answers reach it: poll, ping or push", text: func(c *oauth.Client) *string { return &c.BackchannelMode }},
	{name: "ciba-endpoint", usage: "where CIBA answers reach it", text: func(c *oauth.Client) *string { return &c.BackchannelEndpoint }},
	{name: "ciba-alg", usage: "the only algorithm of its CIBA requests (default: any that the profile allows)", text: func(c *oauth.Client) *string { return &c.BackchannelAlg }},
	{name: "ciba-user-code", usage: "it may send user codes; without it, users who have one cannot be reached", on: func(c *oauth.Client) *bool { return &c.BackchannelUserCode }},
}

// declare gives the command the flag, whose value goes into the client.
func (f clientFlag) declare(cmd *cobra.Command, c *oauth.Client) {
	switch flags := cmd.Flags(); {
	case f.text != nil:
		flags.StringVar(f.text(c), f.name, "", f.usage)
	case f.list != nil:
		flags.StringArrayVar(f.list(c), f.name, nil, f.usage)
	case f.seconds != nil:
		flags.Var(secondsFlag{f.seconds(c)}, f.name, f.usage)
	case f.choice != nil:
		flags.Var(choiceFlag{f.choice(c)}, f.name, f.usage)
		flags.Lookup(f.name).NoOptDefVal = "true"
	default:
		flags.BoolVar(f.on(c), f.name, false, f.usage)
	}
}

// copy puts the flag's value into another registration.
func (f clientFlag) copy(to, from *oauth.Client) {
	switch {
	case f.text != nil:
		*f.text(to) = *f.text(from)
	case f.list != nil:
		*f.list(to) = *f.list(from)
	case f.seconds != nil:
		*f.seconds(to) = *f.seconds(from)
	case f.choice != nil:
		*f.choice(to) = *f.choice(from)
	default:
		*f.on(to) = *f.on(from)
	}
}

// secondsFlag is a duration on the command line, and whole seconds in the metadata.
type secondsFlag struct{ seconds *int }

// Set implements pflag.Value.
func (f secondsFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Second != 0 {
		return errors.New(`want whole seconds with their unit, like "90s" or "5m"`)
	}
	*f.seconds = int(d / time.Second)
	return nil
}

// String implements pflag.Value.
func (f secondsFlag) String() string {
	if f.seconds == nil {
		return ""
	}
	return lifetime(*f.seconds)
}

// Type implements pflag.Value.
func (f secondsFlag) Type() string { return "duration" }

// choiceServer leaves a choice to the server's configuration.
const choiceServer = "server"

// choiceFlag is true, false, or what the server's configuration says.
type choiceFlag struct{ choice **bool }

// Set implements pflag.Value.
func (f choiceFlag) Set(text string) error {
	if text == choiceServer {
		*f.choice = nil
		return nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("want true, false or " + choiceServer)
	}
	*f.choice = &on
	return nil
}

// String implements pflag.Value.
func (f choiceFlag) String() string {
	if f.choice == nil || *f.choice == nil {
		return ""
	}
	return strconv.FormatBool(**f.choice)
}

// Type implements pflag.Value.
func (f choiceFlag) Type() string { return "true|false|" + choiceServer }
