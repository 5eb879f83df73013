package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/oauth"
)

func (c *console) grantCommand() *cobra.Command {
	return noun("grant", "What users allowed clients: list, revoke", c.grantListCommand(), c.grantRevokeCommand())
}

func (c *console) grantListCommand() *cobra.Command {
	var client, username string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List grants, newest first", Args: cobra.NoArgs,
		Example: "  signet grant list\n  signet grant list --client tpp-aisp --user alice --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				userID := ""
				if username != "" {
					user, err := r.user(cmd.Context(), username)
					if err != nil {
						return err
					}
					userID = user.ID
				}
				grants, err := r.db.listGrants(cmd.Context(), client, userID, limit)
				if err != nil {
					return err
				}
				var rows []table.Row
				for _, g := range grants {
					rows = append(rows, table.Row{g.ID, g.ClientID, r.usernameOf(cmd.Context(), g.UserID), g.Scope.String(),
						strings.Join(g.Resources, "\n"), when(g.CreatedAt), when(g.ExpiresAt), yesNo(g.Revoked)})
				}
				if grants == nil {
					grants = []oauth.Grant{}
				}
				return c.show(grants, table.Row{"grant", "client", "user", "scope", "resources", "given", "ends", "revoked"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&client, "client", "", "only this client's")
	cmd.Flags().StringVar(&username, "user", "", "only this user's (username)")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many")
	return cmd
}

func (c *console) grantRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke GRANT",
		Short: "End a grant and every token made from it",
		Long: `Ends a grant and everything made from it: refresh tokens at once, access tokens wherever the resource
server asks by introspection, other JWT access tokens when they expire.`,
		Example: "  signet grant revoke 5xqTtWb1oPqJ9b2S1nYc0w",
		Args:    exactArgs("GRANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				grant, err := r.db.Grant(cmd.Context(), args[0])
				if errors.Is(err, oauth.ErrNotFound) {
					return next(fmt.Errorf("there is no grant %q", args[0]), "signet grant list shows all")
				}
				if err != nil {
					return err
				}
				if grant.Revoked {
					return c.done(grant, "the grant %s is revoked already", grant.ID)
				}
				about := oauth.AuditEntry{GrantID: grant.ID, ClientID: grant.ClientID, Subject: grant.UserID}
				if err := r.commit(cmd.Context(), audit.GrantRevoked, about, oauth.RevokeGrant{GrantID: grant.ID, At: c.clock()},
					oauth.ForgetConsent{UserID: grant.UserID, ClientID: grant.ClientID}); err != nil {
					return err
				}
				grant.Revoked = true
				return c.done(grant, "revoked the grant %s of client %s", grant.ID, grant.ClientID)
			})
		},
	}
}
