package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/go-sql-driver/mysql" // registers the driver
	"signet/certs"
)

// DSN creates an empty database with a user of its own and returns Signet's DSN for it: over TLS, or over
// the socket where the server has no TCP. The password's file ends with the test.
func (s *Server) DSN(t testing.TB) string {
	t.Helper()
	if s.address == "" {
		return s.SocketDSN(t)
	}
	name, password := s.newDatabase(t, "")
	return dsn(name, s.address, url.Values{"password_file": {password}, "ca": {s.CA()}})
}

// SocketDSN is DSN, over the unix socket.
func (s *Server) SocketDSN(t testing.TB) string {
	t.Helper()
	name, password := s.newDatabase(t, "")
	return dsn(name, "unix("+s.Socket()+")", url.Values{"password_file": {password}})
}

// CertificateDSN is DSN, for a user who must also show a certificate with the user's name as its subject.
func (s *Server) CertificateDSN(t testing.TB) string {
	t.Helper()
	name, password := s.newDatabase(t, "REQUIRE SUBJECT '/CN=%s'")
	leaf, err := s.ca.Issue(certs.Request{Subject: pkix.Name{CommonName: name}})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "client.pem"), filepath.Join(folder, "client-key.pem")
	write(t, cert, leaf.CertPEM)
	write(t, key, leaf.KeyPEM)
	return dsn(name, s.address, url.Values{"password_file": {password}, "ca": {s.CA()}, "cert": {cert}, "key": {key}})
}

// dsn is Signet's form of a data source name; the user has the database's name.
func dsn(name, host string, options url.Values) string {
	return fmt.Sprintf("mysql:%s@%s/%s?%s", name, host, name, options.Encode())
}

// newDatabase creates a database and a user of the same name with all rights on it and none elsewhere.
// In require, %s is that name.
func (s *Server) newDatabase(t testing.TB, require string) (name, passwordFile string) {
	t.Helper()
	name = fmt.Sprintf("signet_%d", s.databases.Add(1))
	password := rand.Text()
	if require != "" {
		require = fmt.Sprintf(require, name)
	}
	s.Exec(t, fmt.Sprintf("CREATE DATABASE %[1]s; CREATE USER '%[1]s'@'%%' IDENTIFIED BY '%[2]s' %[3]s; GRANT ALL ON %[1]s.* TO '%[1]s'@'%%'",
		name, password, require))
	passwordFile = filepath.Join(t.TempDir(), "password")
	write(t, passwordFile, []byte(password+"\n"))
	return name, passwordFile
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func firstColumn(ctx context.Context, db *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var first []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		first = append(first, values[0].String)
	}
	return first, rows.Err()
}
