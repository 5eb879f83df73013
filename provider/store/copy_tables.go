package store

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// copyTable is a table that a copy takes along.
type copyTable struct {
	name    string
	key     int // the first so many columns are the primary key
	columns []copyColumn
}

type copyColumn struct {
	name string
	kind columnKind
}

// columnKind is what a column holds, whatever type a database gives it.
type columnKind string

const (
	kindInt  columnKind = "int"
	kindText columnKind = "text"
	kindBlob columnKind = "blob"
)

// copyTables are the tables whose rows are Signet's state. Left out are those that belong to one database:
// liveness, goose's and what the store keeps for itself.
var copyTables = []copyTable{
	newCopyTable("clients", 1, "seq int, client_id text, data text"),
	newCopyTable("users", 1, "seq int, user_id text, username text, data text"),
	newCopyTable("grants", 1, "seq int, grant_id text, client_id text, user_id text, expires_at int, revoked_at int, "+
		"refresh_current blob, refresh_previous blob, refresh_rotated_at int, updated_at int, data text"),
	newCopyTable("grant_origins", 1, "seq int, grant_id text, kind text, origin text, expires_at int"),
	newCopyTable("codes", 1, "seq int, digest blob, grant_id text, expires_at int, used_at int, data text"),
	newCopyTable("refresh_tokens", 1, "seq int, digest blob, grant_id text, expires_at int, data text"),
	newCopyTable("opaque_tokens", 1, "seq int, digest blob, expires_at int, data text"),
	newCopyTable("revoked_tokens", 1, "seq int, jti text, expires_at int"),
	newCopyTable("sessions", 1, "seq int, digest blob, expires_at int, data text"),
	newCopyTable("participations", 1, "seq int, sid text, client_id text, grant_id text, expires_at int, data text"),
	newCopyTable("interactions", 1, "seq int, digest blob, expires_at int, data text"),
	newCopyTable("consents", 4, "user_id text, client_id text, kind text, value text, at int"),
	newCopyTable("assertions", 2, "client_id text, jti text, expires_at int"),
	newCopyTable("pushed_requests", 1, "seq int, digest blob, expires_at int, used_at int, data text"),
	newCopyTable("dpop_proofs", 1, "digest blob, expires_at int"),
	newCopyTable("dpop_nonces", 1, "seq int, nonce text, expires_at int"),
	newCopyTable("backchannel_requests", 1, "seq int, digest blob, request_id text, user_id text, grant_id text, status text, "+
		"poll_interval int, next_poll int, expires_at int, used_at int, data text"),
	newCopyTable("device_requests", 1, "seq int, digest blob, user_code blob, grant_id text, status text, "+
		"poll_interval int, next_poll int, expires_at int, used_at int, data text"),
	newCopyTable("deliveries", 1, "seq int, delivery_id text, kind text, attempts int, next_at int, expires_at int, "+
		"data text"),
	newCopyTable("audit", 2, "at int, id text, event text, client_id text, request_id text, data text"),
}

func newCopyTable(name string, key int, columns string) copyTable {
	t := copyTable{name: name, key: key}
	for definition := range strings.SplitSeq(columns, ", ") {
		column, kind, _ := strings.Cut(definition, " ")
		t.columns = append(t.columns, copyColumn{column, columnKind(kind)})
	}
	return t
}

func (t *copyTable) names(n int) string {
	var names []string
	for _, c := range t.columns[:n] {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// selectRows reads the table in the order of its key, from the start or after a key.
func (t *copyTable) selectRows(after, limited bool) string {
	query := fmt.Sprintf("SELECT %s FROM %s", t.names(len(t.columns)), t.name)
	if after {
		query += " WHERE " + afterKey(t.columns[:t.key])
	}
	query += " ORDER BY " + t.names(t.key)
	if limited {
		query += " LIMIT ?"
	}
	return query
}

// afterKey is (a, b, ...) > (?, ?, ...), written so that MySQL too begins at the place in the index.
func afterKey(key []copyColumn) string {
	name := key[0].name
	if len(key) == 1 {
		return name + " > ?"
	}
	return fmt.Sprintf("%s >= ? AND (%s > ? OR %s)", name, name, afterKey(key[1:]))
}

// afterKeyArgs are the arguments of afterKey.
func afterKeyArgs(key []driver.Value) (args []driver.Value) {
	for i, v := range key {
		if args = append(args, v); i < len(key)-1 {
			args = append(args, v)
		}
	}
	return args
}

// insertRows adds so many rows by one statement.
func (t *copyTable) insertRows(rows int) string {
	row := "(" + placeholders(len(t.columns)) + ")"
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", t.name, t.names(len(t.columns)), strings.Repeat(row+", ", rows-1)+row)
}

func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// read calls each for the rows after a key, or from the start, in the order of the key: for all when limit is
// 0. The row is reused.
func (t *copyTable) read(ctx context.Context, c *conn, after []driver.Value, limit int64, each func(row []driver.Value) error) error {
	args := afterKeyArgs(after)
	if limit > 0 {
		args = append(args, limit)
	}
	err := c.query(ctx, t.selectRows(len(after) > 0, limit > 0), values(args...), func(row []driver.Value) error {
		for i, v := range row {
			if !t.columns[i].kind.fits(v) {
				return fmt.Errorf("column %s holds a %T, want %s", t.columns[i].name, v, t.columns[i].kind)
			}
		}
		return each(row)
	})
	if err != nil {
		return fmt.Errorf("store: reading %s: %w", t.name, err)
	}
	return nil
}

// checkColumns refuses a table that has other columns than the copy takes along.
func (t *copyTable) checkColumns(ctx context.Context, c *conn) (err error) {
	statement, err := c.prepare(ctx, "SELECT * FROM "+t.name+" WHERE 1 = 0")
	if err != nil {
		return c.fault(err)
	}
	rows, err := statement.query.QueryContext(ctx, nil)
	if err != nil {
		return c.fault(err)
	}
	defer func() { _ = rows.Close() }() // it has no rows
	var want []string
	for _, column := range t.columns {
		want = append(want, column.name)
	}
	got := slices.Clone(rows.Columns())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%w: %s has the columns %v, this program copies %v", ErrColumns, t.name, got, want)
	}
	return nil
}

// fits says whether a driver's value is of the kind. Text is a string from one driver and bytes from another.
func (k columnKind) fits(v driver.Value) bool {
	switch v.(type) {
	case nil:
		return true
	case int64:
		return k == kindInt
	case string, []byte:
		return k != kindInt
	}
	return false
}

// own copies a value into the type that every driver stores as the kind; only NULL is nil.
func (k columnKind) own(v driver.Value) driver.Value {
	switch v := v.(type) {
	case string:
		if k == kindBlob {
			return []byte(v)
		}
	case []byte:
		if k == kindText {
			return string(v)
		}
		return append([]byte{}, v...)
	}
	return v
}

// chain is the digest of rows in the order of their key: SHA-256 over the chain so far and the row, from
// 32 zero bytes. It goes on from what was stored.
type chain struct {
	sum  [sha256.Size]byte
	rows int64
	buf  []byte
}

func (c *chain) add(row []driver.Value) {
	c.buf = canonical(append(c.buf[:0], c.sum[:]...), row)
	c.sum = sha256.Sum256(c.buf)
	c.rows++
}

func (c *chain) equal(other chain) bool { return c.sum == other.sum && c.rows == other.rows }

// Tags of the canonical form.
const (
	tagNull  = 0
	tagInt   = 1
	tagBytes = 2
)

// canonical appends values in a form that is the same for every database: a tag; then eight bytes of an
// integer, or the length and the bytes of a text or blob.
func canonical(buf []byte, row []driver.Value) []byte {
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			buf = binary.BigEndian.AppendUint64(append(buf, tagInt), uint64(v))
		case string:
			buf = append(binary.AppendUvarint(append(buf, tagBytes), uint64(len(v))), v...)
		case []byte:
			buf = append(binary.AppendUvarint(append(buf, tagBytes), uint64(len(v))), v...)
		default:
			buf = append(buf, tagNull)
		}
	}
	return buf
}

// parseKey reads the canonical form of a key back.
func (t *copyTable) parseKey(raw []byte) (key []driver.Value, err error) {
	fault := fmt.Errorf("store: the last key of %s does not decode", t.name)
	for _, column := range t.columns[:t.key] {
		if len(raw) == 0 {
			return nil, fault
		}
		tag := raw[0]
		raw = raw[1:]
		switch {
		case tag == tagInt && len(raw) >= 8:
			key = append(key, int64(binary.BigEndian.Uint64(raw)))
			raw = raw[8:]
		case tag == tagBytes:
			length, n := binary.Uvarint(raw)
			if n <= 0 || uint64(len(raw)-n) < length {
				return nil, fault
			}
			key = append(key, column.kind.own(raw[n:n+int(length)]))
			raw = raw[n+int(length):]
		default:
			return nil, fault
		}
	}
	if len(raw) > 0 {
		return nil, fault
	}
	return key, nil
}
