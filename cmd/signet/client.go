package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/oauth"
)

func (c *console) clientCommand() *cobra.Command {
	return noun("client", "Registered clients: list, show, add, update, secret, lint, disable, enable",
		c.clientListCommand(), c.clientShowCommand(), c.clientAddCommand(), c.clientUpdateCommand(),
		c.clientSecretCommand(), c.clientLintCommand(),
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
