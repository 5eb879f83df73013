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

	"signet/provider"
	"signet/provider/audit"
	"signet/provider/keys"
	"signet/provider/oauth"
)

func (c *console) keyCommand() *cobra.Command {
	return noun("key", "Keys to sign and to decrypt with: list, rotate, maintain", c.keyListCommand(), c.keyRotateCommand(), c.keyMaintainCommand())
}

// quietLog is for commands whose progress nobody needs: warnings only.
func (c *console) quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (c *console) keyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys and what each is doing",
		Long: `Lists the keys. Of those that sign (use sig), "next" is published and does not sign yet, "active"
signs, "previous" is published until what it signed has expired.

Clients encrypt request objects to those with use enc. All of them decrypt, and only the "active" one is
published: "next" waits until every server knows it, and "previous" is for clients that have an older
copy of the JWKS.`,
		Example: "  signet key list\n  signet key list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.loadConfig()
			if err != nil {
				return err
			}
			ring, err := openKeys(cmd.Context(), c.system, config, c.quietLog(), asReader, nil)
			if err != nil {
				return err
			}
			return errors.Join(c.showKeys(ring.List()), ring.close())
		},
	}
}

func (c *console) showKeys(list []keys.Info) error {
	var rows []table.Row
	for _, k := range list {
		rows = append(rows, table.Row{k.Alg, k.Use, k.State, k.Kid, when(k.CreatedAt), when(k.ActivatesAt), when(k.RetiresAt)})
	}
	columns := table.Row{"algorithm", "use", "state", "kid", "made", "active from", "goes at"}
	return c.show(list, columns, rows)
}

func (c *console) keyRotateCommand() *cobra.Command {
	var data bool
	cmd := &cobra.Command{
		Use:   "rotate ALG | rotate --data",
		Short: "Make a new key for an algorithm, or a new data key",
		Long: `Makes a new key. It is published at once and signs after keys.publish_for; the old one stays
published for keys.retire_after more. Running servers take notice within seconds.

A new key to decrypt with (RSA-OAEP-256) is published after keys.publish_for, in place of the old one,
which decrypts for keys.retire_after more.

With --data it is the key that seals client secrets in the database (and, with vaultkv, the other
keys). What older data keys have sealed can still be opened.`,
		Example: "  signet key rotate ES256\n  signet key rotate RSA-OAEP-256\n  signet key rotate --data",
		Args: func(cmd *cobra.Command, args []string) error {
			if data {
				return cobra.NoArgs(cmd, args)
			}
			return exactArgs("ALG")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if data {
				return c.keepKeys(cmd.Context(), rotateData)
			}
			return c.keepKeys(cmd.Context(), func(ctx context.Context, config provider.Config, ring *keyring) (keyWork, error) {
				return rotateKey(ctx, config, ring, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&data, "data", false, "the data key instead of an algorithm's")
	return cmd
}

func (c *console) keyMaintainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "maintain",
		Short: "Make the keys that are missing or due, destroy those that have retired",
		Long: `Does once what a server with keys.maintain does by itself: makes the first key of each of
keys.algorithms, rotates what keys.rotate_every makes due, destroys keys that have retired. With keys
in Vault run it often enough, e.g. daily: it logs in as keys.vault.keeper, and the servers need no
right to make keys.`,
		Example: "  signet key maintain --config keeper.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.keepKeys(cmd.Context(), func(ctx context.Context, _ provider.Config, ring *keyring) (keyWork, error) {
				report, err := ring.Maintain(ctx)
				return keyWork{Report: report}, err
			})
		},
	}
}

// keyWork is what a command did to the keys, for the audit log.
type keyWork struct {
	keys.Report
	data bool // there is a new data key
}

func rotateKey(ctx context.Context, config provider.Config, ring *keyring, alg string) (keyWork, error) {
	if !slices.Contains(config.Keys.Algorithms, alg) {
		return keyWork{}, next(fmt.Errorf("there are no keys for %q", alg), "choose one of keys.algorithms: %s", strings.Join(config.Keys.Algorithms, ", "))
	}
	report, err := ring.Rotate(ctx, alg)
	return keyWork{Report: report}, err
}

func rotateData(ctx context.Context, config provider.Config, ring *keyring) (keyWork, error) {
	rotator, ok := ring.sealer.(keys.DataKeyRotator)
	if !ok {
		return keyWork{}, next(fmt.Errorf("the data key of the backend %s cannot be replaced", config.Keys.Backend), "move the keys to Vault: keys.backend transit or vaultkv")
	}
	err := rotator.RotateDataKey(ctx)
	if errors.Is(err, keys.ErrConflict) {
		err = next(err, "another process has just made a new data key; if yours is still wanted, run the command again")
	}
	return keyWork{data: err == nil}, err
}

// keepKeys opens the keys as their keeper, works on them, and records and announces what was done, also when a
// part of it failed.
func (c *console) keepKeys(ctx context.Context, work func(context.Context, provider.Config, *keyring) (keyWork, error)) error {
	return c.withRegistrar(ctx, false, func(r *registrar) error {
		var first []error // of recording the keys that opening made
		record := func(ctx context.Context, made keys.Report) {
			first = append(first, recordKeyWork(ctx, r, keyWork{Report: made}))
		}
		ring, err := openKeys(ctx, c.system, r.config, c.quietLog(), asKeeper, record)
		if err != nil {
			return errors.Join(append(first, err)...)
		}
		done, err := work(ctx, r.config, ring)
		err = errors.Join(append(first, err, recordKeyWork(ctx, r, done), ring.close())...)
		if err != nil {
			return next(err, "see what is there with: signet key list")
		}
		return c.showKeys(ring.List())
	})
}

func recordKeyWork(ctx context.Context, r *registrar, done keyWork) error {
	var errs []error
	for _, entry := range done.entries() {
		if err := r.commit(ctx, entry.event, entry.about, oauth.Announce{Topic: oauth.TopicKeys}); err != nil {
			errs = append(errs, fmt.Errorf("it is done (%s %v), but its audit entry is not: %w", entry.event, entry.about.Detail, err))
		}
	}
	return errors.Join(errs...)
}

type keyEntry struct {
	event audit.Event
	about oauth.AuditEntry
}

// entries are what the audit log is to have.
func (w keyWork) entries() (all []keyEntry) {
	add := func(event audit.Event, detail map[string]any) {
		all = append(all, keyEntry{event, oauth.AuditEntry{Detail: detail}})
	}
	for _, k := range w.Made {
		add(audit.KeyCreated, map[string]any{"alg": k.Alg, "kid": k.Kid, "activates_at": when(k.ActivatesAt)})
	}
	for _, kid := range w.Destroyed {
		add(audit.KeyDestroyed, map[string]any{"kid": kid})
	}
	if w.data {
		add(audit.DataKeyRotated, map[string]any{})
	}
	return all
}
