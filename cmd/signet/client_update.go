package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/oauth"
)

func (c *console) clientUpdateCommand() *cobra.Command {
	var o clientAddOptions
	cmd := &cobra.Command{
		Use:   "update CLIENT",
		Short: "Change a client's registration",
		Long: `Changes what the flags say, and leaves the rest of the registration as it is. A list that is given takes
the place of the whole list; an empty text ("") takes a field away.

A client that changes to a method with a secret gets a generated one, which is printed now and never
again. For a new secret in the place of another, see "signet client secret".`,
		Example: `  signet client update tpp-1 --access-token-lifetime 2m --access-token-format opaque
  signet client update app --grant authorization_code --grant urn:ietf:params:oauth:grant-type:device_code
  signet client update app --rotate-refresh-tokens=false`,
		Args: exactArgs("CLIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !c.anyChanged(cmd) && o.jwksFile == "" {
				return next(errors.New("nothing to change: no flag was given"), "signet client update --help")
			}
			return c.updateClient(cmd.Context(), cmd, args[0], o)
		},
	}
	cmd.Flags().StringVar(&o.jwksFile, "jwks-file", "", "file with its public keys (JWK Set)")
	for _, flag := range clientFlags {
		flag.declare(cmd, &o.client)
	}
	return cmd
}

func (c *console) anyChanged(cmd *cobra.Command) bool {
	for _, flag := range clientFlags {
		if cmd.Flags().Changed(flag.name) {
			return true
		}
	}
	return false
}

// updateClient opens the key backend only for the one method whose secrets are sealed.
func (c *console) updateClient(ctx context.Context, cmd *cobra.Command, id string, o clientAddOptions) error {
	return c.withRegistrar(ctx, o.client.AuthMethod == oauth.AuthSecretJWT, func(r *registrar) error {
		seen, err := r.client(ctx, id)
		if err != nil {
			return err
		}
		if seen.Removed {
			return next(fmt.Errorf("%s has unregistered: that is for good", seen.ID), "register a new client")
		}
		client := *seen
		if err := c.applyFlags(cmd, &client, o); err != nil {
			return err
		}
		secret, err := r.updateClient(ctx, seen, &client)
		if err != nil {
			return err
		}
		c.noteWarnings(client, r.config)
		return c.showRegistered(client, secret)
	})
}

// updateClient puts the changed registration in the place of the one that was seen, with a secret where it needs one and
// has none, and without one that no longer counts.
func (r *registrar) updateClient(ctx context.Context, seen, client *oauth.Client) (secret oauth.Secret, err error) {
	if !clientauth.KeepsSecret(client) {
		if client.AuthMethod.UsesSecret() {
			if secret, err = clientauth.NewSecret(r.random, client); err != nil {
				return "", err
			}
		}
		if err := clientauth.KeepSecret(ctx, r.sealer, r.random, client, secret); err != nil {
			return "", err
		}
	}
	if err := r.validate(client); err != nil {
		return "", err
	}
	err = r.commit(ctx, audit.ClientChanged, oauth.AuditEntry{ClientID: client.ID}, oauth.ReplaceClient{Client: *client, Seen: *seen})
	if conflict := (*oauth.Conflict)(nil); errors.As(err, &conflict) {
		err = next(fmt.Errorf("the client %q was changed by somebody else at the same time", client.ID), "look at it, and try again: signet client show %s", client.ID)
	}
	return secret, err
}
