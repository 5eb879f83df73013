package dbtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"signet/provider/store/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// connect opens what a DSN of Signet's names, the way that Signet does. Each call has a TLS configuration
// of its own.
func connect(t testing.TB, dsn string, change ...func(*mysql.Config)) *sql.DB {
	t.Helper()
	rest, ok := strings.CutPrefix(dsn, "mysql:")
	userHost, query, _ := strings.Cut(rest, "?")
	at, slash := strings.Index(userHost, "@"), strings.LastIndex(userHost, "/")
	options, err := url.ParseQuery(query)
	if !ok || err != nil || at < 0 || slash < at {
		t.Fatalf("%q is no DSN: %v", dsn, err)
	}
	config := mysql.NewConfig()
	config.User, config.DBName = userHost[:at], userHost[slash+1:]
	config.Logger = &mysql.NopLogger{} // tests kill servers on purpose
	config.Net, config.Addr = "tcp", userHost[at+1:slash]
	if path, found := strings.CutPrefix(config.Addr, "unix("); found {
		config.Net, config.Addr = "unix", strings.TrimSuffix(path, ")")
	}
	config.Addr, _, _ = strings.Cut(config.Addr, ",")
	config.Passwd = strings.TrimSpace(string(read(t, options.Get("password_file"))))
	if ca := options.Get("ca"); ca != "" {
		config.TLS = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
		config.TLS.RootCAs.AppendCertsFromPEM(read(t, ca))
	}
	if cert := options.Get("cert"); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, options.Get("key"))
		if err != nil {
			t.Fatal(err)
		}
		config.TLS.Certificates = []tls.Certificate{pair}
	}
	for _, f := range change {
		f(config)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func exec(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func queryString(t testing.TB, db *sql.DB, query string) string {
	t.Helper()
	var name, value string
	if err := db.QueryRowContext(t.Context(), query).Scan(&name, &value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func TestServers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dsn     func(testing.TB) string
		version string
		tls     bool
	}{
		{"MariaDB", dbtest.MariaDB(t).DSN, "MariaDB", true},
		{"MariaDB socket", dbtest.MariaDB(t).SocketDSN, "MariaDB", false},
		{"MariaDB certificate", dbtest.MariaDB(t).CertificateDSN, "MariaDB", true},
		{"MySQL 8", dbtest.MySQL8(t).DSN, "8.0.15", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dsn := tt.dsn(t)
			db, other := connect(t, dsn), tt.dsn(t)
			exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)")
			if got := queryString(t, db, "SHOW VARIABLES LIKE 'version'"); !strings.Contains(got, tt.version) {
				t.Errorf("version %s", got)
			}
			if cipher := queryString(t, db, "SHOW SESSION STATUS LIKE 'Ssl_cipher'"); (cipher != "") != tt.tls {
				t.Errorf("cipher %q", cipher)
			}
			if zone := queryString(t, db, "SHOW VARIABLES LIKE 'time_zone'"); zone != "+05:45" {
				t.Errorf("time zone %s", zone)
			}
			rest, _, _ := strings.Cut(other, "?")
			if _, err := db.ExecContext(t.Context(), "USE "+rest[strings.LastIndex(rest, "/")+1:]); err == nil {
				t.Error("one database's user may use another database")
			}
		})
	}
}

// TestRefusals: without TLS, with another password and without the certificate there is no way in by TCP,
// and root has none at all.
func TestRefusals(t *testing.T) {
	s := dbtest.MariaDB(t)
	plain, certificate := s.DSN(t), s.CertificateDSN(t)
	for name, db := range map[string]*sql.DB{
		"plain":       connect(t, plain, func(c *mysql.Config) { c.TLS = nil }),
		"password":    connect(t, plain, func(c *mysql.Config) { c.Passwd += "x" }),
		"certificate": connect(t, certificate, func(c *mysql.Config) { c.TLS.Certificates = nil }),
		"root":        connect(t, plain, func(c *mysql.Config) { c.User, c.Passwd = "root", "" }),
	} {
		if err := db.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "Error ") {
			t.Errorf("%s: %v, not a refusal", name, err)
		}
	}
	if err := connect(t, plain).PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestKill: a row that was acknowledged is there after a crash, at the same address.
func TestKill(t *testing.T) {
	s := dbtest.NewMariaDB(t)
	address := s.Address()
	db := connect(t, s.DSN(t))
	exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)")
	for round := range 2 {
		exec(t, db, "INSERT INTO t VALUES (?)", round)
		s.Kill()
		if err := db.PingContext(t.Context()); err == nil {
			t.Error("a killed server answers")
		}
		s.Start(t)
		if got := queryString(t, db, "SELECT '', COUNT(*) FROM t"); got != fmt.Sprint(round+1) || s.Address() != address {
			t.Errorf("%s rows at %s, want %d at %s", got, s.Address(), round+1, address)
		}
	}
	s.Shutdown(t)
	s.Start(t)
	if got := s.Query(t, "SELECT COUNT(*) FROM signet_1.t"); len(got) != 1 || got[0] != "2" {
		t.Errorf("after an orderly end: %v", got)
	}
}

// TestPause: a hanging server answers when it goes on.
func TestPause(t *testing.T) {
	s := dbtest.NewMariaDB(t)
	db := connect(t, s.DSN(t))
	exec(t, db, "CREATE TABLE t (id INT PRIMARY KEY)")
	s.Pause(t)
	answer := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Errorf("a paused server answered: %v", err)
	default:
	}
	s.Resume()
	if err := <-answer; err != nil {
		t.Error(err)
	}
}
