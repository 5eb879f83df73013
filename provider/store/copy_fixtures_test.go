package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// copyClock stands still.
func copyClock() time.Time { return time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC) }

func copyStoreOptions() Options { return Options{Clock: copyClock, Random: rand.Reader} }

func testCopyOptions() CopyOptions { return CopyOptions{Options: copyStoreOptions()} }

// serve opens a database as a server does, for as long as the test lasts.
func serve(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, copyStoreOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newDatabase makes an empty, migrated database and returns its DSN.
func newDatabase(t testing.TB, dsn string) string {
	t.Helper()
	if _, err := Migrate(t.Context(), dsn, copyStoreOptions()); err != nil {
		t.Fatal(err)
	}
	return dsn
}

func sqliteFile(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "signet.db")
}

// connectTo opens a connection of the test's own.
func connectTo(t testing.TB, dsn string) *conn {
	t.Helper()
	opt := copyStoreOptions()
	d, err := prepare(dsn, &opt)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.connect(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.close() })
	return c
}

// oddTexts are what a database might trim, fold, decode or cut.
var oddTexts = []string{"", " ", "a", "a ", "a\t", "A", "ä", "a\u0308", "\x00", "a\x00b", "a\x00", "🏦🔑", "%_\\'\"`;--", "null", "NULL", "0", "\ufeffx", "line\r\nend\n"}

// oddInts are at the ends of what an integer column holds.
var oddInts = []int64{0, 1, -1, 1 << 62, -(1 << 62), 9223372036854775807, -9223372036854775808, time.Time{}.UnixMicro()}

// fill adds rows of every kind to every table, a different number to each.
func fill(t testing.TB, dsn string, rows int) {
	t.Helper()
	c := connectTo(t, dsn)
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for n := range copyTables {
		table := &copyTables[n]
		addRows(t, c, table, 1, rows+17*n, func(i int) []driver.Value { return oddRow(table, i, random) })
	}
}

// addRows adds rows number from, from+1, ... to a table.
func addRows(t testing.TB, c *conn, table *copyTable, from, rows int, row func(i int) []driver.Value) {
	t.Helper()
	for rows > 0 {
		n := min(rows, 1000)
		err := transact(t.Context(), c, func() error {
			one := table.insertRows(1)
			for range n {
				if _, err := c.exec(one, values(row(from)...)); err != nil {
					return err
				}
				from++
			}
			return nil
		})
		if err != nil {
			t.Fatalf("filling %s: %v", table.name, err)
		}
		rows -= n
	}
}

// oddRow makes a row whose unique columns differ from all other rows'.
func oddRow(table *copyTable, i int, random *mathrand.Rand) []driver.Value {
	var row []driver.Value
	for n, column := range table.columns {
		row = append(row, oddValue(table, n, column, i, random))
	}
	return row
}

func oddValue(table *copyTable, n int, column copyColumn, i int, random *mathrand.Rand) driver.Value {
	odd := oddTexts[i%len(oddTexts)]
	switch {
	case column.name == "seq":
		return int64(i*3 + i/100*1000) // with gaps
	case column.name == "digest":
		return oddDigest(i)
	case column.kind == kindBlob:
		if random.IntN(2) == 0 {
			return nil
		}
		return oddDigest(random.Int())
	case column.name == "used_at" || column.name == "revoked_at" || column.name == "refresh_rotated_at":
		if random.IntN(2) == 0 {
			return nil
		}
		return random.Int64()
	case column.kind == kindInt:
		if random.IntN(4) == 0 {
			return oddInts[random.IntN(len(oddInts))]
		}
		return random.Int64() - random.Int64()
	case column.name == "data":
		if i%500 == 3 {
			return `{"long":"` + strings.Repeat("x🏦 ", 20000) + `"}`
		}
		return fmt.Sprintf(`{ "b":%q,"a": 1.0, "n":%d,  "t":"%s"}`, odd, random.Int64(), strings.Repeat(" ", random.IntN(300)))
	case i <= len(oddTexts) || n > 2: // keys that differ by what a collation may ignore
		return odd
	}
	return fmt.Sprintf("%d%s", i, odd)
}

// oddDigest ends in bytes that a text would lose.
func oddDigest(i int) []byte {
	if i == 1 {
		return bytes.Repeat([]byte{0xff}, 32)
	}
	if i == 2 {
		return make([]byte, 32)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "digest %d", i))
	copy(sum[28:], []byte{0xff, 0, ' ', []byte{0, ' ', 0x80}[i&1]})
	return sum[:]
}

// contents reads all tables without the help of what is tested: a table's rows in the order of its key.
func contents(t testing.TB, dsn string) map[string][]string {
	t.Helper()
	c := connectTo(t, dsn)
	all := map[string][]string{}
	for _, table := range copyTables {
		query := fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", table.names(len(table.columns)), table.name, table.names(table.key))
		err := c.query(t.Context(), query, nil, func(row []driver.Value) error {
			var line strings.Builder
			for _, v := range row {
				switch v := v.(type) {
				case []byte:
					fmt.Fprintf(&line, "%q ", v)
				case string:
					fmt.Fprintf(&line, "%q ", v)
				default:
					fmt.Fprintf(&line, "%v ", v)
				}
			}
			all[table.name] = append(all[table.name], line.String())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// checkIdentical compares two databases row by row, and the target's storage types when it is SQLite.
func checkIdentical(t *testing.T, from, to string) {
	t.Helper()
	want, got := contents(t, from), contents(t, to)
	for _, table := range copyTables {
		if len(want[table.name]) == 0 {
			t.Errorf("%s: nothing was there to copy", table.name)
		}
		if diff := cmp.Diff(want[table.name], got[table.name]); diff != "" {
			t.Errorf("%s (-source +target):\n%.2000s", table.name, diff)
		}
	}
	if strings.HasPrefix(to, "sqlite:") {
		checkTypes(t, to)
	}
	if _, unfinished, err := readProgress(t.Context(), connectTo(t, to)); err != nil || unfinished {
		t.Errorf("copy_progress is still there: %v, %v", unfinished, err)
	}
}

// checkTypes finds text stored as a blob: it would read the same and never be found by its key.
func checkTypes(t *testing.T, dsn string) {
	t.Helper()
	c := connectTo(t, dsn)
	for _, table := range copyTables {
		for _, column := range table.columns {
			want := map[columnKind]string{kindInt: "integer", kindText: "text", kindBlob: "blob"}[column.kind]
			query := fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s IS NOT NULL AND typeof(%s) <> '%s'", table.name, column.name, column.name, want)
			err := c.query(t.Context(), query, nil, func(row []driver.Value) error {
				if n := integer(row[0]); n > 0 {
					t.Errorf("%s.%s: %d values are not stored as %s", table.name, column.name, n, want)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
