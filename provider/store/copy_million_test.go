//go:build cluster

package store

import (
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"
	"time"

	"signet/provider/store/dbtest"
)

// TestCopyMillion measures a copy of 1,000,000 rows from SQLite to MariaDB whose process is killed twice.
func TestCopyMillion(t *testing.T) {
	from, to := newDatabase(t, sqliteFile(t)), dbtest.NewMariaDB(t).DSN(t)
	begin := time.Now()
	total := fillMillion(t, from)
	t.Logf("made %d rows in %.1f s", total, time.Since(begin).Seconds())

	begin = time.Now()
	for _, batches := range []int{300, 400} {
		started := time.Now()
		at, ended := killCopy(t, from, to, "copying", batches)
		if ended {
			t.Fatal("the copy ended before it was killed")
		}
		t.Logf("killed after %.1f s, with %s rows there", time.Since(started).Seconds(), at)
	}
	opt := testCopyOptions()
	var phases []string
	phase, since := "", time.Now()
	opt.Progress = func(p CopyProgress) {
		if p.Phase != phase {
			phases = append(phases, fmt.Sprintf("%s %.1f s", phase, time.Since(since).Seconds()))
			phase, since = p.Phase, time.Now()
		}
	}
	report, err := Copy(t.Context(), from, to, opt)
	if err != nil || !report.Resumed {
		t.Fatalf("Copy: %+v, %v", report, err)
	}
	seconds := time.Since(begin).Seconds()
	t.Logf("the third run:%s, %s %.1f s", strings.Join(phases, ", "), phase, time.Since(since).Seconds())
	t.Logf("all three runs: %d rows in %.1f s, %.0f rows/s", total, seconds, float64(total)/seconds)
	for _, row := range report.Tables {
		t.Logf("%-15s %8d %8d  %s  %s  %v", row.Table, row.Rows, row.TargetRows, row.Digest, row.TargetDigest, row.OK)
	}

	began := time.Now()
	whole, err := Copy(t.Context(), from, dbtest.MariaDB(t).DSN(t), testCopyOptions())
	if err != nil || whole.Resumed {
		t.Fatalf("Copy, uninterrupted: %+v, %v", whole, err)
	}
	t.Logf("uninterrupted into a new database: %.1f s, %.0f rows/s", time.Since(began).Seconds(), float64(total)/time.Since(began).Seconds())
}

// fillMillion makes rows of the sizes that a server's have, most of them tokens and audit entries.
func fillMillion(t *testing.T, dsn string) (total int) {
	t.Helper()
	c := connectTo(t, dsn)
	for name, rows := range map[string]int{
		"clients": 2_000, "users": 20_000, "grants": 100_000, "codes": 20_000, "refresh_tokens": 150_000,
		"opaque_tokens": 50_000, "revoked_tokens": 8_000, "sessions": 30_000, "interactions": 10_000,
		"consents": 60_000, "assertions": 250_000, "audit": 300_000,
	} {
		table := tableNamed(name)
		addRows(t, c, table, 1, rows, func(i int) []driver.Value { return usualRow(table, i) })
		total += rows
	}
	return total
}

func usualRow(table *copyTable, i int) (row []driver.Value) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", table.name, i))
	for _, column := range table.columns {
		switch {
		case column.name == "seq":
			row = append(row, int64(i))
		case column.kind == kindBlob:
			row = append(row, sum[:])
		case column.kind == kindInt:
			row = append(row, int64(1_790_000_000_000_000)+int64(i)*1_000_003)
		case column.name == "kind":
			row = append(row, "scope")
		case column.name == "data":
			row = append(row, fmt.Sprintf(`{"id":"%x","request_id":"%x","scope":"openid accounts payments","sub":"user-%d","detail":{"note":"%s"}}`,
				sum[:16], sum[16:], i, strings.Repeat("n", 200)))
		default:
			row = append(row, fmt.Sprintf("%s-%x", column.name[:2], sum[:8]))
		}
	}
	return row
}
