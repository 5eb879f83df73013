package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/provider/oauth"
)

// shown is a client without what verifies its secrets: that is nobody's to see. That there is a former secret, and until
// when, is.
func shown(client oauth.Client) oauth.Client {
	client.SecretHash, client.SecretSealed, client.RegistrationToken = "", nil, ""
	if client.Former != nil {
		client.Former = &oauth.FormerSecret{Until: client.Former.Until}
	}
	return client
}

func (c *console) showClient(client oauth.Client) error {
	client = shown(client)
	return c.showPairs(client, slices.Concat(
		clientIdentity(client), clientAccess(client), clientAnswers(client), clientTokens(client), clientPages(client),
		[][2]string{{"registered", when(client.CreatedAt)}},
	)...)
}

// clientIdentity is who the client is, and how it proves that.
func clientIdentity(client oauth.Client) [][2]string {
	keys := client.JWKSURI
	if len(client.JWKS) > 0 {
		keys = string(client.JWKS)
	}
	profile := string(client.Profile)
	if profile == "" {
		profile = "the floor"
	}
	former := ""
	if client.Former != nil {
		former = when(client.Former.Until)
	}
	return [][2]string{
		{"client_id", client.ID}, {"name", client.Name}, {"enabled", yesNo(!client.Disabled)}, {"profile", profile},
		{"authenticates by", string(client.AuthMethod)}, {"with algorithm", client.AuthSigningAlg}, {"former secret until", former}, {"keys", keys},
		{"certificate subject", client.TLSSubjectDN}, {"certificate DNS name", client.TLSSANDNS},
		{"certificate URI", client.TLSSANURI}, {"certificate IP", client.TLSSANIP}, {"certificate e-mail", client.TLSSANEmail},
	}
}

// clientAccess is what it may ask for, and how.
func clientAccess(client oauth.Client) [][2]string {
	demands := oauth.Profiles[client.Profile]
	return [][2]string{
		{"only tokens bound to a certificate", yesNo(client.BoundAccessTokens)}, {"only tokens bound to a DPoP key", yesNo(client.DPoPBound)},
		{"redirect URIs", strings.Join(client.RedirectURIs, "\n")}, {"grants", strings.Join(client.GrantTypes, "\n")},
		{"trusted for", strings.Join(client.TrustedFor, "\n")}, {"transaction tokens for", strings.Join(client.TrustDomains, "\n")},
		{"scope", client.Scope}, {"resources", strings.Join(client.Resources, "\n")},
		{"introspects", strings.Join(client.Introspects, "\n")}, {"authorization details", strings.Join(client.DetailsTypes, "\n")},
		{"response types", strings.Join(client.ResponseTypes, "\n")}, {"only pushed requests", demanded(client.RequirePAR, demands.RequirePAR)},
		{"only signed requests", demanded(client.RequireSignedRequest, demands.SignedRequest)}, {"request object algorithm", client.RequestObjectAlg},
		{"request object encryption", jwe(client.RequestObjectEncAlg, client.RequestObjectEncEnc)}, {"request URIs", strings.Join(client.RequestURIs, "\n")},
		{"default acr", strings.Join(client.DefaultACR, "\n")}, {"default max_age", ageInSeconds(client.DefaultMaxAge)},
	}
}

// clientAnswers is how it is answered.
func clientAnswers(client oauth.Client) [][2]string {
	return [][2]string{
		{"ID token algorithm", client.IDTokenAlg}, {"ID token encryption", jwe(client.IDTokenEncAlg, client.IDTokenEncEnc)},
		{"userinfo algorithm", client.UserinfoAlg}, {"userinfo encryption", jwe(client.UserinfoEncAlg, client.UserinfoEncEnc)},
		{"response algorithm", client.ResponseAlg}, {"response encryption", jwe(client.ResponseEncAlg, client.ResponseEncEnc)},
		{"introspection algorithm", client.IntrospectionAlg}, {"introspection encryption", jwe(client.IntrospectionEncAlg, client.IntrospectionEncEnc)},
		{"subject type", string(client.SubjectType)}, {"sector identifier URI", client.SectorURI},
	}
}

// clientTokens is what its tokens are like where that is not as for all.
func clientTokens(client oauth.Client) [][2]string {
	return [][2]string{
		{"access token format", string(client.AccessTokenFormat)}, {"access token algorithm", client.AccessTokenAlg},
		{"access token lifetime", lifetime(client.AccessTokenLifetime)}, {"ID token lifetime", lifetime(client.IDTokenLifetime)},
		{"refresh token lifetime", lifetime(client.RefreshTokenLifetime)},
		{"refresh tokens only with offline_access", ownChoice(client.RequireOfflineAccess)},
		{"rotates refresh tokens", ownChoice(client.RotateRefreshTokens)},
	}
}

// clientPages is what people see of it, and where it hears of them.
func clientPages(client oauth.Client) [][2]string {
	return [][2]string{
		{"application type", client.ApplicationType},
		{"home page", client.ClientURI}, {"logo", client.LogoURI}, {"privacy policy", client.PolicyURI}, {"terms of service", client.TermsURI},
		{"contacts", strings.Join(client.Contacts, "\n")}, {"software", strings.TrimSpace(client.SoftwareID + " " + client.SoftwareVersion)},
		{"initiates logins at", client.InitiateLoginURI}, {"after a logout", strings.Join(client.PostLogoutRedirectURIs, "\n")},
		{"front-channel logout", client.FrontchannelLogoutURI}, {"back-channel logout", client.BackchannelLogoutURI},
		{"CIBA delivery", client.BackchannelMode}, {"CIBA endpoint", client.BackchannelEndpoint},
		{"CIBA request algorithm", client.BackchannelAlg},
	}
}

// jwe is an encryption in words; "" = none.
func jwe(alg, enc string) string { return strings.TrimSpace(alg + " " + enc) }

// ageInSeconds is a number of seconds in words; "" = there is none.
func ageInSeconds(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n) + " s"
}

// lifetime is a number of seconds in words; "" for 0, which is the server's choice.
func lifetime(seconds int) string {
	if seconds == 0 {
		return ""
	}
	return (time.Duration(seconds) * time.Second).String()
}

// ownChoice is what a client has for itself; "" = it is as the server's.
func ownChoice(choice *bool) string {
	if choice == nil {
		return ""
	}
	return yesNo(*choice)
}

// demanded says whether a client must do something: by its own metadata, or because its profile says so.
func demanded(byClient, byProfile bool) string {
	if byProfile && !byClient {
		return "yes, by its profile"
	}
	return yesNo(byClient)
}
