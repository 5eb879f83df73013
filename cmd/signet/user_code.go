package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/interaction"
	"signet/provider/oauth"
)

// minUserCode is the least that "signet user set-code" accepts: a few wrong ones, and a client has to wait.
const minUserCode = 4

// userCodeCommand sets what keeps backchannel requests away that the user did not start (CIBA Core section 7.1).
func (c *console) userCodeCommand() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use: "set-code USERNAME", Short: "Give a user a user code for backchannel requests, from a prompt or standard input",
		Long: "Give a user a user code, from a prompt or standard input. From then on a client that asks for this user\n" +
			"over the backchannel (CIBA) must send the code, which only the user can have told it.",
		Example: "  signet user set-code alice\n  printf '%s\\n' \"$CODE\" | signet user set-code alice\n  signet user set-code alice --remove",
		Args:    exactArgs("USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				user, err := r.user(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if user.UserCodeHash, err = c.newUserCode(cmd.Context(), user.Username, remove); err != nil {
					return err
				}
				about := oauth.AuditEntry{Subject: user.ID, Detail: map[string]any{"changed": "user_code"}}
				if err := r.commit(cmd.Context(), audit.UserChanged, about, oauth.StoreUser{User: user}); err != nil {
					return err
				}
				if remove {
					return c.done(shownUser(user), "%s needs no user code", user.Username)
				}
				return c.done(shownUser(user), "%s has a new user code", user.Username)
			})
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "the user needs no user code any more")
	return cmd
}

// newUserCode returns the hash to keep, "" for none.
func (c *console) newUserCode(ctx context.Context, username string, remove bool) (string, error) {
	if remove {
		return "", nil
	}
	code, err := c.askSecret(ctx, "user code", username)
	if err != nil {
		return "", err
	}
	if len(code) < minUserCode {
		return "", fmt.Errorf("the user code is too short: want at least %d characters", minUserCode)
	}
	return interaction.HashUserCode(code)
}
