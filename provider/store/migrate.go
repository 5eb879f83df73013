package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"signet/provider/oauth"
)

//go:embed migrations
var migrations embed.FS

// ErrSchema is what [Open] returns under Options.NoMigrate when the schema is older than this program needs.
var ErrSchema = errors.New("the database's schema is too old for this program")

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied bool
	At      time.Time // when it was applied; zero when it was not
}

// schema is a database opened for its migrations.
type schema struct {
	db      *sql.DB
	dialect goose.Dialect
	exists  string // a query: how many tables there are for the versions
	done    func() error
}

// Migrate applies the migrations that the database has not seen, forward only, and returns them. One
// process at a time does; the others wait for it, as long as ctx lets them.
func Migrate(ctx context.Context, dsn string, opt Options) ([]Migration, error) {
	d, err := prepare(dsn, &opt)
	if err != nil {
		return nil, err
	}
	return migrate(ctx, d, opt.Clock)
}

// MigrationStatus lists the migrations that this program knows, in their order. It changes nothing.
func MigrationStatus(ctx context.Context, dsn string, opt Options) ([]Migration, error) {
	d, err := prepare(dsn, &opt)
	if err != nil {
		return nil, err
	}
	return status(ctx, d)
}

// checkSchema fails with ErrSchema unless everything is applied.
func checkSchema(ctx context.Context, d dialect) error {
	all, err := status(ctx, d)
	if err != nil {
		return err
	}
	var missing []string
	for _, m := range pending(all) {
		missing = append(missing, fmt.Sprintf("%05d_%s", m.Version, m.Name))
	}
	if missing != nil {
		return fmt.Errorf("store: %w: it lacks %s", ErrSchema, strings.Join(missing, ", "))
	}
	return nil
}

func pending(all []Migration) []Migration {
	return slices.DeleteFunc(slices.Clone(all), func(m Migration) bool { return m.Applied })
}

func status(ctx context.Context, d dialect) (all []Migration, err error) {
	all, err = knownMigrations(d)
	if err != nil {
		return nil, err
	}
	s, err := d.schema(ctx, false)
	if err != nil || s == nil {
		return all, err
	}
	defer func() { err = errors.Join(err, s.done()) }()
	at, err := s.applied(ctx)
	if err != nil {
		return nil, schemaFault(ctx, err)
	}
	for i, m := range all {
		all[i].At, all[i].Applied = at[m.Version]
	}
	return all, nil
}

func schemaFault(ctx context.Context, err error) error {
	if ended(ctx, err) {
		return fmt.Errorf("store: reading the schema's version: %w", err)
	}
	return fmt.Errorf("store: reading the schema's version: %w: %w", oauth.ErrUnavailable, err)
}

// knownMigrations reads the files' names, "00001_initial.sql".
func knownMigrations(d dialect) (all []Migration, err error) {
	files, err := fs.ReadDir(migrations, d.traits().migrations)
	for _, f := range files {
		number, name, _ := strings.Cut(strings.TrimSuffix(f.Name(), path.Ext(f.Name())), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("store: a migration's name: %w", err)
		}
		all = append(all, Migration{Version: version, Name: name})
	}
	return all, err
}

// applied returns the migrations that the database has seen, and when.
func (s *schema) applied(ctx context.Context) (at map[int64]time.Time, err error) {
	var tables int
	if err := s.db.QueryRowContext(ctx, s.exists).Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT version_id, tstamp FROM goose_db_version WHERE is_applied = 1`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	at = map[int64]time.Time{}
	for rows.Next() {
		var version int64
		var when sql.NullTime
		if err := rows.Scan(&version, &when); err != nil {
			return nil, err
		}
		at[version] = when.Time.UTC()
	}
	return at, rows.Err()
}

// migrate applies what is missing. A schema newer than this program is left alone: migrations only add, so
// that the previous program keeps working.
func migrate(ctx context.Context, d dialect, clock oauth.Clock) (applied []Migration, err error) {
	if all, err := status(ctx, d); err != nil {
		return nil, err
	} else if len(pending(all)) == 0 {
		return nil, nil // nothing to wait for, and no right to change the schema needed
	}
	s, err := d.schema(ctx, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.done()) }()
	files, err := fs.Sub(migrations, d.traits().migrations)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	provider, err := goose.NewProvider(s.dialect, s.db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("store: reading migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: migrating: %w", err)
	}
	for _, r := range results {
		_, name, _ := strings.Cut(strings.TrimSuffix(path.Base(r.Source.Path), ".sql"), "_")
		applied = append(applied, Migration{Version: r.Source.Version, Name: name, Applied: true, At: clock().UTC()})
	}
	return applied, nil
}
