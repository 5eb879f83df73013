package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// mysqlSession are the settings of a connection. READ COMMITTED: what decides is in conditional statements,
// and no gap is locked. A writer has autocommit off: the first statement begins the transaction, which saves
// a round trip. Strict mode: nothing is cut off to fit.
func mysqlSession(writes bool) []string {
	common := fmt.Sprintf("SET time_zone = '+00:00', innodb_lock_wait_timeout = %d, lock_wait_timeout = %d, wait_timeout = %d, "+
		"sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'", lockTimeout, lockTimeout, idleTimeout)
	settings := []string{
		"SET NAMES utf8mb4 COLLATE utf8mb4_bin",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	}
	if writes {
		return append(settings, common+", autocommit = 0")
	}
	return append(settings, common, "SET SESSION TRANSACTION READ ONLY")
}

var (
	errReadOnlyServer = errors.New("the server is read-only: a replica, or being changed over")
	errNotInCluster   = errors.New("the server is not ready: it is no working member of its Galera cluster")
)

// prepareSession makes the settings and checks that the server takes part in its cluster and may write.
func prepareSession(ctx context.Context, raw driver.Conn, settings []string) error {
	session := controlOf(raw)
	for _, s := range settings {
		if err := session.exec(ctx, s); err != nil {
			return err
		}
	}
	if err := session.joinCluster(ctx); err != nil {
		return err
	}
	readOnly, err := session.value(ctx, "SELECT @@GLOBAL.read_only")
	if err != nil {
		return err
	}
	if readOnly != "0" && readOnly != "OFF" {
		return errReadOnlyServer
	}
	// Only MariaDB has it: the locks of a client that vanished in mid-transaction are released soon.
	err = session.exec(ctx, "SET idle_write_transaction_timeout = 10")
	if isMySQL(err, 1193) {
		return nil
	}
	return err
}

// joinCluster has a Galera server answer with what all servers have committed before it was asked, for
// reads (1), changes (2) and insertions (4): without, a code that one server has could be unknown to
// another, or a mark.
func (s mysqlControl) joinCluster(ctx context.Context) error {
	on, err := s.value(ctx, "SELECT @@wsrep_on")
	if isMySQL(err, 1193) || err == nil && on != "1" {
		return nil // not a Galera server
	}
	if err != nil {
		return err
	}
	ready, err := s.value(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_ready'")
	if err != nil {
		return err
	}
	if ready != "ON" {
		return errNotInCluster
	}
	return s.exec(ctx, "SET SESSION wsrep_sync_wait = 7")
}

// mysqlControl executes statements that are not prepared.
type mysqlControl struct {
	execer  driver.ExecerContext
	queryer driver.QueryerContext
}

func controlOf(raw driver.Conn) mysqlControl {
	return mysqlControl{raw.(driver.ExecerContext), raw.(driver.QueryerContext)}
}

func (s mysqlControl) exec(ctx context.Context, statement string) error {
	_, err := s.execer.ExecContext(ctx, statement, nil)
	return err
}

// value returns the last column of the first row, "" when there is none.
func (s mysqlControl) value(ctx context.Context, query string) (value string, err error) {
	rows, err := s.queryer.QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(row); err != nil {
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		return "", err
	}
	if raw, ok := row[len(row)-1].([]byte); ok {
		return string(raw), nil
	}
	return fmt.Sprint(row[len(row)-1]), nil
}

func isMySQL(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(numbers, e.Number)
}

// The errors after which a transaction is executed again; MySQL and MariaDB reference, "Server Error
// Messages". Those of the last list also mean that the connection, or its server, is of no more use.
var (
	mysqlBlocked = []uint16{
		1205, // lock wait timeout; the statement alone is undone, the writer undoes the rest
		3572, // lock not available at once
	}
	mysqlUndone = []uint16{
		1213, // deadlock, or a conflict that a Galera server found at COMMIT
		1317, // interrupted, by an administrator or by a conflict in a cluster
		3101, // a conflict that MySQL's group replication found at COMMIT
	}
	mysqlLost = []uint16{
		1040, 1203, 1226, // too many connections
		1047,             // a Galera server outside of its cluster
		1053, 1077, 1079, // shutting down
		1180,             // error during COMMIT
		1290, 1792, 1836, // read-only: another server is the one that writes now
		1927, 4031, // the connection was ended by the server
		1158, 1159, 1160, 1161, // network
		3100, // group replication refuses
	}
)

// judge takes anything that is not the server's answer for a lost connection.
func (d *mysqlDialect) judge(err error) faultKind {
	var e *mysql.MySQLError
	switch {
	case errors.Is(err, errReadOnlyServer), errors.Is(err, errNotInCluster):
		return lost
	case errors.Is(err, mysql.ErrPktTooLarge):
		return refused
	case !errors.As(err, &e):
		return lost
	}
	state := string(e.SQLState[:])
	switch {
	case e.Number == 1062 || e.Number == 1586:
		return duplicate
	case slices.Contains(mysqlBlocked, e.Number):
		return blocked
	case slices.Contains(mysqlUndone, e.Number):
		return undone
	case slices.Contains(mysqlLost, e.Number), strings.HasPrefix(state, "08"):
		return lost
	case strings.HasPrefix(state, "22"), strings.HasPrefix(state, "23"): // data, constraint
		return refused
	default:
		return broken
	}
}
