package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"signet/provider"
	"signet/provider/oauth"
)

// lintedClient is a registration with what is wrong with it.
type lintedClient struct {
	ClientID string             `json:"client_id"`
	Profile  oauth.ProfileName  `json:"profile"` // the stricter of the floor's and its own
	File     string             `json:"file,omitempty"`
	Findings []provider.Finding `json:"findings"`
}

// lintReport is what "signet client lint" found.
type lintReport struct {
	Clients  []lintedClient `json:"clients"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
}

func (c *console) clientLintCommand() *cobra.Command {
	var (
		files []string
		sarif bool
	)
	cmd := &cobra.Command{
		Use:   "lint [CLIENT...]",
		Short: "Hold registrations against the rules of their profiles",
		Long: `Lists everything that is wrong with the named clients, or with all, each with its clause: what holds
for every client, and what the profiles ask for, the configuration's floor and the client's own.
With --file it reads client metadata from files instead, and needs no database.

It exits with 1 when there is an error. A warning is about something that has no effect.`,
		Example: `  signet client lint
  signet client lint tpp-1 --json
  signet client lint --file tpp-2.json --sarif > tpp-2.sarif`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(files) > 0 && len(args) > 0 {
				return next(errors.New("name clients or files, not both"), "signet client lint --help")
			}
			if sarif && c.json {
				return next(errors.New("--sarif is JSON already"), "leave out --json")
			}
			report, err := c.lint(cmd.Context(), args, files)
			if err != nil {
				return err
			}
			show := c.showLint
			if sarif {
				show = c.showSARIF
			}
			if err := show(report); err != nil {
				return err
			}
			if report.Errors > 0 {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&files, "file", nil, "file with client metadata, as for client add --from; - reads standard input; repeatable")
	cmd.Flags().BoolVar(&sarif, "sarif", false, "print SARIF 2.1.0, for code scanning")
	return cmd
}

func (c *console) lint(ctx context.Context, ids, files []string) (lintReport, error) {
	if len(files) > 0 {
		return c.lintFiles(files)
	}
	report := lintReport{Clients: []lintedClient{}}
	err := c.withRegistrar(ctx, false, func(r *registrar) error {
		clients, err := r.clients(ctx, ids)
		for i := range clients {
			report.add(&clients[i], "", r.config)
		}
		return err
	})
	return report, err
}

// clients reads the named clients; no name = all.
func (r *registrar) clients(ctx context.Context, ids []string) ([]oauth.Client, error) {
	if len(ids) == 0 {
		return r.db.Clients(ctx)
	}
	var list []oauth.Client
	for _, id := range ids {
		client, err := r.client(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, *client)
	}
	return list, nil
}

func (c *console) lintFiles(files []string) (lintReport, error) {
	report := lintReport{Clients: []lintedClient{}}
	config, err := c.loadConfig()
	if err != nil {
		return report, err
	}
	for _, file := range files {
		raw, err := c.readInput(file)
		if err != nil {
			return report, err
		}
		client, err := decodeClient(file, raw)
		if err != nil {
			return report, err
		}
		if client.ID == "" { // "client add" takes it from the command line
			client.ID = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		}
		if client.AuthMethod.UsesSecret() {
			client.SecretHash = "generated when it is registered" // #nosec G101 -- says that there will be one
		}
		report.add(&client, file, config)
	}
	return report, nil
}

func (r *lintReport) add(client *oauth.Client, file string, config provider.Config) {
	one := lintedClient{ClientID: client.ID, Profile: client.Profile, File: file, Findings: provider.LintClient(client, config)}
	if profile, ok := oauth.Profiles[config.Profile].For(client); ok {
		one.Profile = profile.Name
	}
	if one.Findings == nil {
		one.Findings = []provider.Finding{}
	}
	for _, f := range one.Findings {
		if f.Severity == provider.SeverityError {
			r.Errors++
		} else {
			r.Warnings++
		}
	}
	r.Clients = append(r.Clients, one)
}

func (c *console) showLint(report lintReport) error {
	if c.json {
		return writeJSON(c.out, report)
	}
	for _, client := range report.Clients {
		if len(client.Findings) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(c.out, "%s (%s)\n", client.ClientID, client.Profile); err != nil {
			return err
		}
		for _, f := range client.Findings {
			from := f.Rule
			if f.Clause != "" {
				from = f.Clause + ", " + from
			}
			if _, err := fmt.Fprintf(c.out, "  %-7s  %s: %s\n           %s\n", f.Severity, f.Field, f.Text, from); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(c.out, "%s, %s, %s\n", counted(len(report.Clients), "client"), counted(report.Errors, "error"), counted(report.Warnings, "warning"))
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// noteWarnings tells what is odd about a registration that was accepted.
func (c *console) noteWarnings(client oauth.Client, config provider.Config) {
	for _, f := range provider.LintClient(&client, config) {
		if f.Severity == provider.SeverityWarning {
			c.note("warning: %s", f)
		}
	}
}

// lintClients logs what is wrong with the stored registrations: a new floor, or a feature that was switched off, can
// leave some behind. Their requests are refused; the others' are served.
func (h *house) lintClients(ctx context.Context) {
	clients, err := h.store.Clients(ctx)
	if err != nil {
		h.log.Error("clients not linted", "cause", err)
		return
	}
	for i := range clients {
		if clients[i].Disabled {
			continue
		}
		for _, f := range provider.LintClient(&clients[i], h.config) {
			if f.Severity == provider.SeverityError {
				h.log.Warn("a client's registration breaks a rule", "client_id", clients[i].ID, "rule", f.Rule, "clause", f.Clause, "field", f.Field, "fault", f.Text)
			}
		}
	}
}
