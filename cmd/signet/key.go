package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/keys"
	"signet/provider/oauth"
)

func (c *console) keyCommand() *cobra.Command {
	return noun("key", "Signing keys: list, rotate", c.keyListCommand(), c.keyRotateCommand())
}

// quietLog is for commands whose progress nobody needs: warnings only.
func (c *console) quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (c *console) keyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the signing keys and what each is doing",
		Long: `Lists the signing keys. "next" is published and does not sign yet, "active" signs, "previous" is
published until what it signed has expired.`,
		Example: "  signet key list\n  signet key list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.loadConfig()
			if err != nil {
				return err
			}
			ring, err := openKeys(cmd.Context(), c.system, config, c.quietLog())
			if err != nil {
				return err
			}
			return c.showKeys(ring.List())
		},
	}
}

func (c *console) showKeys(list []keys.Info) error {
	var rows []table.Row
	for _, k := range list {
		rows = append(rows, table.Row{k.Alg, k.State, k.Kid, when(k.CreatedAt), when(k.ActivatesAt), when(k.RetiresAt)})
	}
	return c.show(list, table.Row{"algorithm", "state", "kid", "made", "signs from", "goes at"}, rows)
}

func (c *console) keyRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate ALG",
		Short: "Make a new key for an algorithm",
		Long: `Makes a new key. It is published at once and signs after keys.publish_for; the old one stays
published for keys.retire_after more. Running servers take notice within seconds.`,
		Example: "  signet key rotate ES256",
		Args:    exactArgs("ALG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.rotateKey(cmd.Context(), args[0])
		},
	}
}

func (c *console) rotateKey(ctx context.Context, alg string) error {
	return c.withRegistrar(ctx, false, func(r *registrar) error {
		if !slices.Contains(r.config.Keys.Algorithms, alg) {
			return next(fmt.Errorf("there are no keys for %q", alg), "choose one of keys.algorithms: %s", strings.Join(r.config.Keys.Algorithms, ", "))
		}
		ring, err := openKeys(ctx, c.system, r.config, c.quietLog())
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, k := range ring.List() {
			known[k.Kid] = true
		}
		if err := ring.Rotate(ctx, alg); err != nil {
			return next(fmt.Errorf("rotating: %w", err), "see what is there with: signet key list")
		}
		var made []keys.Info
		for _, k := range ring.List() {
			if !known[k.Kid] {
				made = append(made, k)
			}
		}
		for _, k := range made {
			about := oauth.AuditEntry{Detail: map[string]any{"alg": k.Alg, "kid": k.Kid, "activates_at": when(k.ActivatesAt)}}
			if err := r.commit(ctx, audit.KeyCreated, about); err != nil {
				return errors.Join(fmt.Errorf("the key %s is made, but its audit entry is not", k.Kid), err)
			}
		}
		return c.showKeys(ring.List())
	})
}
