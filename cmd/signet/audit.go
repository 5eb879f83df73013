package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/oauth"
)

func (c *console) auditCommand() *cobra.Command {
	return noun("audit", "The audit log", c.auditListCommand())
}

func (c *console) auditListCommand() *cobra.Command {
	var q auditQuery
	var last time.Duration
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List audit entries, newest first",
		Example: `  signet audit list --limit 20
  signet audit list --event token.refused --last 24h
  signet audit list --request 5xqTtWb1oPqJ9b2S1nYc0w --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.event != "" && !slices.Contains(audit.Events(), audit.Event(q.event)) {
				return next(fmt.Errorf("there is no event %q", q.event), "choose one of: %s", eventNames())
			}
			if last > 0 {
				q.since = c.clock().Add(-last)
			}
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				entries, err := r.db.listAudit(cmd.Context(), q)
				if err != nil {
					return err
				}
				return c.showAudit(entries)
			})
		},
	}
	cmd.Flags().StringVar(&q.clientID, "client", "", "only this client's")
	cmd.Flags().StringVar(&q.event, "event", "", "only this event, e.g. token.issued")
	cmd.Flags().StringVar(&q.requestID, "request", "", "only this request's, by the id in the log and in the client's error")
	cmd.Flags().DurationVar(&last, "last", 0, "only the last such time, e.g. 24h")
	cmd.Flags().IntVar(&q.limit, "limit", 50, "at most so many")
	return cmd
}

func eventNames() string {
	var names []string
	for _, event := range audit.Events() {
		names = append(names, string(event))
	}
	return strings.Join(names, ", ")
}

func (c *console) showAudit(entries []oauth.AuditEntry) error {
	if entries == nil {
		entries = []oauth.AuditEntry{}
	}
	var rows []table.Row
	for _, e := range entries {
		detail := ""
		if len(e.Detail) > 0 {
			if raw, err := json.Marshal(e.Detail); err == nil {
				detail = strings.Join(wrapWords(strings.ReplaceAll(string(raw), ",", ", "), 60), "\n")
			}
		}
		rows = append(rows, table.Row{when(e.At), e.Event, e.ClientID, e.Subject, e.RequestID, e.DecisionID, detail})
	}
	return c.show(entries, table.Row{"at", "event", "client", "subject", "request", "decision", "detail"}, rows)
}
