package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/oauth"
)

func (c *console) storeCommand() *cobra.Command {
	return noun("store", "The database: copy to another", c.storeCopyCommand())
}

func (c *console) storeCopyCommand() *cobra.Command {
	var q copying
	cmd := &cobra.Command{
		Use:   "copy --from DSN --to DSN",
		Short: "Copy all data to another database, of any kind, and compare",
		Long: `Copies clients, users, grants, codes, tokens, sessions, consents, assertions and the audit log, value by
value, and then reads both databases again and compares every table by the number and the digest of its rows.

Stop every signet on either database first: a source that changes fails the copy. The target is migrated
and must be empty. A copy that was interrupted, even by kill -9, goes on where it stopped when the same
command is run again; a table copy_progress in the target says where, and goes at the end.`,
		Example: `  signet store copy --from sqlite:signet.db --to 'mysql:signet@db.internal/signet?password_file=db-password&ca=db-ca.pem'
  signet store copy --from sqlite:signet.db --to sqlite:copy.db --dry-run
  signet store copy --from sqlite:signet.db --to sqlite:copy.db --verify-only --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runCopy(cmd.Context(), q)
		},
	}
	cmd.Flags().StringVar(&q.from, "from", "", "the database to read")
	cmd.Flags().StringVar(&q.to, "to", "", "the database to fill")
	cmd.Flags().BoolVar(&q.dryRun, "dry-run", false, "only say what would be copied")
	cmd.Flags().BoolVar(&q.verifyOnly, "verify-only", false, "only compare the two")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "verify-only")
	_ = cmd.MarkFlagRequired("from") // both are there
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func (c *console) runCopy(ctx context.Context, q copying) error {
	begin := c.clock()
	m := meter{out: c.err, clock: c.clock, begin: begin}
	report, err := c.copyStore(ctx, q, m.show)
	seconds := c.clock().Sub(begin).Seconds()
	if len(report.Tables) > 0 && (err == nil || q.verifyOnly || report.Tables[0].TargetDigest != "") {
		if err := c.showCopy(report, q.dryRun, seconds); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	rows, here := int64(0), int64(0)
	for _, t := range report.Tables {
		rows += t.Rows
		here += t.TargetRows
	}
	switch {
	case q.dryRun && report.Resumed:
		c.note("would go on with %s of %s rows; nothing was written", thousands(rows-here), thousands(rows))
	case q.dryRun:
		c.note("would copy %s rows; nothing was written", thousands(rows))
	default:
		c.note("source and target hold the same %s rows (%.1f s)", thousands(rows), seconds)
	}
	return nil
}

// copyJSON is the outcome for programs.
type copyJSON struct {
	copyReport
	Seconds float64 `json:"seconds"`
}

func (c *console) showCopy(report copyReport, dryRun bool, seconds float64) error {
	var rows []table.Row
	for _, t := range report.Tables {
		row := table.Row{t.Table, thousands(t.Rows), thousands(t.TargetRows), t.Digest[:16]}
		if !dryRun {
			row = append(row, t.TargetDigest[:16], yesNo(t.OK))
		}
		rows = append(rows, row)
	}
	header := table.Row{"table", "rows", "in the target", "digest"}
	if !dryRun {
		header = append(header, "of the target", "ok")
	}
	return c.show(copyJSON{report, seconds}, header, rows)
}

// meter prints how far a long piece of work has come, once a second after the first two.
type meter struct {
	out   io.Writer
	clock oauth.Clock
	begin time.Time // of everything

	phase      string
	phaseBegin time.Time
	phaseFrom  int64
	printed    time.Time
}

func (m *meter) show(p copyProgress) {
	now := m.clock()
	if p.Phase != m.phase {
		m.phase, m.phaseBegin, m.phaseFrom = p.Phase, now, p.Done
	}
	spent := now.Sub(m.phaseBegin).Seconds()
	if now.Sub(m.begin) < 2*time.Second || now.Sub(m.printed) < time.Second || spent <= 0 {
		return
	}
	m.printed = now
	rate := float64(p.Done-m.phaseFrom) / spent
	line := fmt.Sprintf("  %-9s %-14s %s", p.Phase, p.Table, thousands(p.Done))
	if p.Total > 0 {
		line += " of " + thousands(p.Total)
	}
	line += fmt.Sprintf(" rows, %s rows/s", thousands(int64(rate)))
	if p.Total > 0 && rate > 0 {
		line += fmt.Sprintf(", %.0f s left", float64(p.Total-p.Done)/rate)
	}
	_, _ = fmt.Fprintln(m.out, line)
}

// thousands writes a count with separators.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
