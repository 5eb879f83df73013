package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
)

func (c *console) migrateCommand() *cobra.Command {
	return noun("migrate", "The database's schema: status, up", c.migrateStatusCommand(), c.migrateUpCommand())
}

// dsnFlag chooses the database: --dsn, or the configuration's.
type dsnFlag struct{ dsn string }

func (f *dsnFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dsn, "dsn", "", "the database, instead of the configuration's store.dsn")
}

func (f *dsnFlag) get(c *console) (string, error) {
	if f.dsn != "" {
		return f.dsn, nil
	}
	config, err := c.loadConfig()
	return config.Store.DSN, err
}

func (c *console) migrateStatusCommand() *cobra.Command {
	var database dsnFlag
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the migrations and which are applied",
		Long: `Lists all migrations that this program knows and when each was applied. Nothing is changed; pending
ones are no failure.`,
		Example: "  signet migrate status\n  signet migrate status --dsn sqlite:signet.db --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dsn, err := database.get(c)
			if err != nil {
				return err
			}
			list, err := c.migrations(cmd.Context(), dsn)
			if err != nil {
				return err
			}
			if err := c.showMigrations(list); err != nil {
				return err
			}
			pending := 0
			for _, m := range list {
				if !m.Applied {
					pending++
				}
			}
			if pending > 0 {
				c.note("%d pending; apply with: signet migrate up", pending)
			}
			return nil
		},
	}
	database.add(cmd)
	return cmd
}

func (c *console) showMigrations(list []migration) error {
	var rows []table.Row
	for _, m := range list {
		at := "pending"
		if m.Applied {
			at = "applied"
		}
		if m.AppliedAt != nil {
			at = when(*m.AppliedAt)
		}
		rows = append(rows, table.Row{m.Version, m.Name, at})
	}
	return c.show(list, table.Row{"version", "name", "applied at"}, rows)
}

func (c *console) migrateUpCommand() *cobra.Command {
	var database dsnFlag
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply the pending migrations",
		Long: `Applies the migrations that the database lacks, forward only. Processes that start at once do so one
after another. The previous version of signet may go on serving meanwhile.`,
		Example: "  signet migrate up\n  signet migrate up --dsn 'mysql:signet@db.internal/signet?password_file=db-password&ca=db-ca.pem'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dsn, err := database.get(c)
			if err != nil {
				return err
			}
			applied, err := c.migrateUp(cmd.Context(), dsn)
			if err != nil {
				return err
			}
			var names []string
			for _, m := range applied {
				names = append(names, fmt.Sprintf("%d %s", m.Version, m.Name))
			}
			if len(names) == 0 {
				return c.done(applied, "nothing was pending")
			}
			return c.done(applied, "applied %s", strings.Join(names, ", "))
		},
	}
	database.add(cmd)
	return cmd
}
