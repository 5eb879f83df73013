package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"signet/provider/oauth"
)

// Times of the MySQL dialect. A statement that waits for a lock gives up before its connection does, and
// the server undoes the transaction of a client that vanished.
const (
	connectTimeout  = 2 * time.Second  // for one address
	sessionTimeout  = 5 * time.Second  // for TLS, authentication and settings
	commandTimeout  = 5 * time.Second  // without a word from the server: a hung one counts as lost
	lockTimeout     = 3                // seconds
	scanTimeout     = time.Minute      // the same for the first of many rows
	idleTimeout     = 60               // seconds until the server hangs up
	connectionLife  = 5 * time.Minute  // varied by half: then the first address is tried again
	commitPatience  = 10 * time.Second // see traits
	maxMySQLWriters = 8
)

// mysqlDialect is a MySQL 8 or MariaDB server, or several that hold the same data synchronously, of which the
// first usable one is used.
type mysqlDialect struct {
	dsn     *mysqlDSN
	servers *servers
	random  oauth.Random
	clock   oauth.Clock
	log     *slog.Logger
	durable sync.Once // asked for
}

func newMySQL(rest string, opt Options) (*mysqlDialect, error) {
	dsn, err := parseMySQL(rest)
	if err != nil {
		return nil, err
	}
	if opt.Random == nil {
		return nil, errors.New("store: Options.Random is missing")
	}
	for _, file := range dsn.readable() {
		opt.Log.Warn("a secret of the database's connection can be read by others; chmod 600 it", "path", file)
	}
	return &mysqlDialect{dsn: dsn, servers: newServers(dsn.addresses, opt.Clock), random: opt.Random, clock: opt.Clock, log: opt.Log}, nil
}

// A quarter of the pool writes: each statement is a wait for the network, so that one connection could not
// keep up, and more of them would meet each other's locks.
func (d *mysqlDialect) traits() traits {
	writers := min(max(d.dsn.pool/4, 1), maxMySQLWriters)
	return traits{
		migrations: "migrations/mysql",
		writers:    writers, readers: d.dsn.pool - writers,
		marked: true, patience: commitPatience, answer: commandTimeout,
	}
}

// revokeSessionJoined is revokeSession: for IN (SELECT ...) in an UPDATE, MariaDB before 11.1 and MySQL before 8.0.21 read
// the whole table.
const revokeSessionJoined = `UPDATE participations p JOIN grants g ON g.grant_id = p.grant_id SET g.revoked_at = ?
	WHERE p.sid = ? AND JSON_EXTRACT(p.data, '$.offline') IS NULL AND g.revoked_at IS NULL`

// form uses the one spelling of a shared lock that MySQL 8 and MariaDB have in common.
func (d *mysqlDialect) form(text string) string {
	if text == revokeSession {
		return revokeSessionJoined
	}
	return strings.ReplaceAll(text, sharedLock, "LOCK IN SHARE MODE")
}

func (d *mysqlDialect) connect(ctx context.Context, writes bool) (*conn, error) {
	var errs []error
	for _, i := range d.servers.order() {
		c, err := d.connectTo(ctx, i, writes)
		if err == nil {
			if errs != nil {
				d.log.Warn("connected to another database server", "server", d.servers.addresses[i], "cause", errors.Join(errs...))
			}
			return c, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", d.servers.addresses[i], err))
		if ctx.Err() != nil {
			break
		}
		d.servers.suspect(i)
	}
	err := errors.Join(errs...)
	return nil, &fault{d.judge(err), fmt.Errorf("store: connecting: %w", err)}
}

func (d *mysqlDialect) connectTo(ctx context.Context, server int, writes bool) (*conn, error) {
	raw, err := d.open(ctx, server, mysqlSession(writes), func(cfg *mysql.Config) {
		if !writes {
			cfg.ReadTimeout = scanTimeout
		}
	})
	if err != nil {
		return nil, err
	}
	d.durable.Do(func() { d.warnIfNotDurable(ctx, raw) })
	reset := raw.(driver.SessionResetter)
	c := newConn(raw, d)
	c.remote = &remote{
		control: raw.(driver.ExecerContext),
		until:   d.clock().Add(vary(d.random, connectionLife)),
		alive:   func() bool { return reset.ResetSession(context.Background()) == nil }, // looks at the socket
		suspect: func() { d.servers.suspect(server) },
	}
	return c, nil
}

// warnIfNotDurable reports a server that answers before a commit is on its disk. In a cluster that may be
// wanted: then a commit is lost only when all machines lose power at once.
func (d *mysqlDialect) warnIfNotDurable(ctx context.Context, raw driver.Conn) {
	const variable = "innodb_flush_log_at_trx_commit"
	if value, err := controlOf(raw).value(ctx, "SELECT @@GLOBAL."+variable); err == nil && value != "1" {
		d.log.Warn("the database answers before a commit is on disk; a power failure may lose it", variable, value)
	}
}

// open connects to one server, checks that it can be used, and makes the settings.
func (d *mysqlDialect) open(ctx context.Context, server int, settings []string, change func(*mysql.Config)) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	cfg, err := d.config(d.servers.addresses[server])
	if err != nil {
		return nil, err
	}
	change(cfg)
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepareSession(ctx, raw, settings); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return raw, nil
}

func (d *mysqlDialect) config(address string) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.DBName = d.dsn.user, d.dsn.database
	cfg.Net, cfg.Addr = d.dsn.network, address
	cfg.Timeout, cfg.WriteTimeout, cfg.ReadTimeout = connectTimeout, commandTimeout, commandTimeout
	cfg.ClientFoundRows = true // an UPDATE to the same value is no lost race
	cfg.Logger = &mysql.NopLogger{}
	if d.dsn.passwordFile != "" {
		password, err := os.ReadFile(d.dsn.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		cfg.Passwd = strings.TrimRight(string(password), "\r\n")
	}
	if d.dsn.network == "unix" {
		return cfg, nil
	}
	var err error
	cfg.TLS, err = d.tls(address)
	return cfg, err
}

func (d *mysqlDialect) tls(address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if d.dsn.serverName != "" {
		cfg.ServerName = d.dsn.serverName
	}
	if d.dsn.ca != "" {
		pem, err := os.ReadFile(d.dsn.ca)
		if err != nil {
			return nil, fmt.Errorf("reading the CA: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("the CA file has no certificate")
		}
	}
	if d.dsn.cert != "" {
		pair, err := tls.LoadX509KeyPair(d.dsn.cert, d.dsn.key)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
