package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
)

// migrationTimeout is how long one statement of a migration may take.
const migrationTimeout = time.Hour

// schema uses one server for the lock and for the statements: on Galera, GET_LOCK holds on one server only.
// The lock is named after the database and ends with its connection, so with its process.
func (d *mysqlDialect) schema(ctx context.Context, change bool) (*schema, error) {
	var errs []error
	for _, i := range d.servers.order() {
		s, err := d.schemaAt(ctx, i, change)
		if err == nil {
			return s, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", d.servers.addresses[i], err))
		if ctx.Err() != nil {
			break
		}
		d.servers.suspect(i)
	}
	return nil, schemaFault(ctx, errors.Join(errs...))
}

func (d *mysqlDialect) schemaAt(ctx context.Context, server int, change bool) (*schema, error) {
	unlock := func() error { return nil }
	if change {
		var err error
		if unlock, err = d.lock(ctx, server); err != nil {
			return nil, fmt.Errorf("waiting for another process to migrate: %w", err)
		}
	}
	db := sql.OpenDB(&mysqlSchemaConnector{d, server})
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close(), unlock())
	}
	return &schema{
		db:      db,
		dialect: goose.DialectMySQL,
		exists:  `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'goose_db_version'`,
		done:    func() error { return errors.Join(db.Close(), unlock()) },
	}, nil
}

// lock waits for the lock a second at a time, so that it ends with ctx.
func (d *mysqlDialect) lock(ctx context.Context, server int) (unlock func() error, err error) {
	raw, err := d.open(ctx, server, []string{"SET wait_timeout = 86400"}, func(*mysql.Config) {})
	if err != nil {
		return nil, err
	}
	session := controlOf(raw)
	for ctx.Err() == nil {
		// Names have at most 64 characters; a database's may have as many.
		got, err := session.value(ctx, "SELECT GET_LOCK(CONCAT('signet.', SHA1(DATABASE())), 1)")
		if err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		if got == "1" {
			return raw.Close, nil
		}
	}
	return nil, errors.Join(ctx.Err(), raw.Close())
}

// mysqlSchemaConnector is for database/sql, which goose wants.
type mysqlSchemaConnector struct {
	dialect *mysqlDialect
	server  int
}

// Connect implements driver.Connector.
func (c *mysqlSchemaConnector) Connect(ctx context.Context) (driver.Conn, error) {
	settings := []string{"SET NAMES utf8mb4 COLLATE utf8mb4_bin",
		// A change of a table that waits for a long transaction holds up everybody behind it: it gives up soon, to be tried again.
		fmt.Sprintf("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', lock_wait_timeout = %d", lockTimeout)}
	return c.dialect.open(ctx, c.server, settings, func(cfg *mysql.Config) {
		cfg.ParseTime = true // goose reads times
		cfg.ReadTimeout = migrationTimeout
	})
}

// Driver implements driver.Connector.
func (c *mysqlSchemaConnector) Driver() driver.Driver { return &mysql.MySQLDriver{} }
