package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/oauth"
)

func (c *console) clientCommand() *cobra.Command {
	return noun("client", "Registered clients: list, show, add, lint, disable, enable",
		c.clientListCommand(), c.clientShowCommand(), c.clientAddCommand(), c.clientLintCommand(),
		c.clientSwitchCommand("disable", "Refuse a client from now on; its registration stays", true),
		c.clientSwitchCommand("enable", "Accept a disabled client again", false),
	)
}

// withRegistrar opens what administration needs and closes it afterwards. The key backend is opened only
// when sealing is needed: that takes a moment.
func (c *console) withRegistrar(ctx context.Context, needSealer bool, do func(*registrar) error) error {
	config, err := c.loadConfig()
	if err != nil {
		return err
	}
	db, err := c.openDatabase(ctx, config)
	if err != nil {
		return err
	}
	r := &registrar{system: c.system, db: db, config: config}
	if !needSealer {
		return errors.Join(do(r), db.Close())
	}
	var closeKeys func() error
	if r.sealer, closeKeys, err = openSealer(ctx, c.system, config, c.quietLog()); err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(do(r), closeKeys(), db.Close())
}

// shown is a client without what verifies its secrets: that is nobody's to see.
func shown(client oauth.Client) oauth.Client {
	client.SecretHash, client.SecretSealed, client.RegistrationToken = "", nil, ""
	return client
}

func (c *console) clientListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all clients", Args: cobra.NoArgs,
		Example: "  signet client list\n  signet client list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				clients, err := r.db.Clients(cmd.Context())
				if err != nil {
					return err
				}
				list := make([]oauth.Client, 0, len(clients))
				var rows []table.Row
				for _, client := range clients {
					list = append(list, shown(client))
					rows = append(rows, table.Row{client.ID, client.Name, client.AuthMethod, strings.Join(client.GrantTypes, "\n"), client.Scope, yesNo(!client.Disabled)})
				}
				return c.show(list, table.Row{"client", "name", "authenticates by", "grants", "scope", "enabled"}, rows)
			})
		},
	}
}

func (c *console) clientShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show CLIENT", Short: "Show one client's registration", Args: exactArgs("CLIENT"),
		Example: "  signet client show demo-tls",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				client, err := r.client(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.showClient(*client)
			})
		},
	}
}

// client reads a client by its id; what is not there is named, with the way to find it.
func (r *registrar) client(ctx context.Context, id string) (*oauth.Client, error) {
	client, err := r.db.Client(ctx, id)
	if errors.Is(err, oauth.ErrNotFound) {
		return nil, next(fmt.Errorf("there is no client %q", id), "signet client list shows all")
	}
	return client, err
}

func (c *console) showClient(client oauth.Client) error {
	client = shown(client)
	keys := client.JWKSURI
	if len(client.JWKS) > 0 {
		keys = string(client.JWKS)
	}
	demands, profile := oauth.Profiles[client.Profile], string(client.Profile)
	if profile == "" {
		profile = "the floor"
	}
	return c.showPairs(client, [][2]string{
		{"client_id", client.ID}, {"name", client.Name}, {"enabled", yesNo(!client.Disabled)}, {"profile", profile},
		{"authenticates by", string(client.AuthMethod)}, {"with algorithm", client.AuthSigningAlg}, {"keys", keys},
		{"certificate subject", client.TLSSubjectDN}, {"certificate DNS name", client.TLSSANDNS},
		{"certificate URI", client.TLSSANURI}, {"certificate IP", client.TLSSANIP}, {"certificate e-mail", client.TLSSANEmail},
		{"only tokens bound to a certificate", yesNo(client.BoundAccessTokens)}, {"only tokens bound to a DPoP key", yesNo(client.DPoPBound)},
		{"redirect URIs", strings.Join(client.RedirectURIs, "\n")}, {"grants", strings.Join(client.GrantTypes, "\n")},
		{"scope", client.Scope}, {"resources", strings.Join(client.Resources, "\n")},
		{"introspects", strings.Join(client.Introspects, "\n")}, {"authorization details", strings.Join(client.DetailsTypes, "\n")},
		{"response types", strings.Join(client.ResponseTypes, "\n")}, {"only pushed requests", demanded(client.RequirePAR, demands.RequirePAR)},
		{"only signed requests", demanded(client.RequireSignedRequest, demands.SignedRequest)}, {"request object algorithm", client.RequestObjectAlg},
		{"ID token algorithm", client.IDTokenAlg}, {"response algorithm", client.ResponseAlg},
		{"introspection algorithm", client.IntrospectionAlg}, {"default acr", strings.Join(client.DefaultACR, "\n")},
		{"ID token encryption", jwe(client.IDTokenEncAlg, client.IDTokenEncEnc)}, {"userinfo algorithm", client.UserinfoAlg},
		{"userinfo encryption", jwe(client.UserinfoEncAlg, client.UserinfoEncEnc)},
		{"request object encryption", jwe(client.RequestObjectEncAlg, client.RequestObjectEncEnc)}, {"request URIs", strings.Join(client.RequestURIs, "\n")},
		{"application type", client.ApplicationType}, {"subject type", string(client.SubjectType)}, {"sector identifier URI", client.SectorURI},
		{"default max_age", ageInSeconds(client.DefaultMaxAge)},
		{"home page", client.ClientURI}, {"logo", client.LogoURI}, {"privacy policy", client.PolicyURI}, {"terms of service", client.TermsURI},
		{"contacts", strings.Join(client.Contacts, "\n")}, {"software", strings.TrimSpace(client.SoftwareID + " " + client.SoftwareVersion)},
		{"initiates logins at", client.InitiateLoginURI}, {"after a logout", strings.Join(client.PostLogoutRedirectURIs, "\n")},
		{"front-channel logout", client.FrontchannelLogoutURI}, {"back-channel logout", client.BackchannelLogoutURI},
		{"CIBA delivery", client.BackchannelMode}, {"CIBA endpoint", client.BackchannelEndpoint},
		{"CIBA request algorithm", client.BackchannelAlg},
		{"registered", when(client.CreatedAt)},
	}...)
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

// demanded says whether a client must do something: by its own metadata, or because its profile says so.
func demanded(byClient, byProfile bool) string {
	if byProfile && !byClient {
		return "yes, by its profile"
	}
	return yesNo(byClient)
}

func (c *console) clientSwitchCommand(verb, short string, disable bool) *cobra.Command {
	event := audit.ClientEnabled
	if disable {
		event = audit.ClientDisabled
	}
	return &cobra.Command{
		Use: verb + " CLIENT", Short: short, Args: exactArgs("CLIENT"),
		Example: "  signet client " + verb + " tpp-aisp",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				client, err := r.client(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if client.Removed && !disable {
					return next(fmt.Errorf("%s has unregistered: that is for good", client.ID), "register a new client")
				}
				if client.Disabled == disable {
					return c.done(shown(*client), "%s is %sd already", client.ID, verb)
				}
				changed := *client
				changed.Disabled = disable
				var change oauth.Change = oauth.StoreClient{Client: changed} // disabling wins over whatever else happens
				if !disable {
					change = oauth.ReplaceClient{Client: changed, Seen: *client}
				}
				if err := r.commit(cmd.Context(), event, oauth.AuditEntry{ClientID: client.ID}, change); err != nil {
					return err
				}
				return c.done(shown(changed), "%s is %sd", client.ID, verb)
			})
		},
	}
}

// exactArgs is cobra's check with words that name what is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return next(fmt.Errorf("want %s", strings.Join(names, " ")), "signet %s --help", strings.TrimPrefix(cmd.CommandPath(), "signet "))
	}
}

// registered is what "client add" prints: the metadata as RFC 7591 section 3.2.1 has it, and the secret,
// this once.
type registered struct {
	oauth.Client
	Secret string `json:"client_secret,omitempty"`
}
