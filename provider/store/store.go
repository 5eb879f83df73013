package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"sync"
	"time"

	"signet/provider/oauth"
)

// Options configure a store. Clock is required, for MySQL also Random.
type Options struct {
	// Clock decides what has expired, for reading and for Sweep.
	Clock oauth.Clock
	// Random names transactions, so that the outcome of one whose answer was lost can be found out. SQLite
	// needs none.
	Random oauth.Random
	// Log receives warnings; nil drops them.
	Log *slog.Logger
	// NoMigrate leaves the schema as it is: Open fails with [ErrSchema] when it is too old.
	NoMigrate bool
	// KeepAudit is how long audit entries are kept; 0 keeps them for good.
	KeepAudit time.Duration
	// ClientMaxAge is how long another process's change of a client may go unnoticed, by Clock; 0 means one
	// second, negative reads the database each time. A change committed by this process is seen at once.
	ClientMaxAge time.Duration
}

// Store is the database. It is safe for concurrent use, and several processes may open one database.
type Store struct {
	opt     Options
	traits  traits
	readers *pool
	writers []*writer // each used by one commitLoop only
	cache   clientCache
	topics  topics
	counts  counters

	queue   chan *job
	closing chan struct{} // no new commits
	stopped chan struct{} // every commitLoop has ended
	once    sync.Once
	closed  error // result of the first Close

	sweeping sync.Mutex
	walk     assertionKey // where the sweep of assertions goes on

	walkProof oauth.Digest // the same of DPoP proofs
}

// Open opens the database that the DSN names and, unless Options.NoMigrate is set, applies pending
// migrations: "sqlite:/path/to/file.db", which is created if it is missing (readable by its owner only, in a
// folder that exists), or "mysql:user@host:port,host:port/database?password_file=/path", which exists.
func Open(ctx context.Context, dsn string, opt Options) (*Store, error) {
	d, err := prepare(dsn, &opt)
	if err != nil {
		return nil, err
	}
	return openDialect(ctx, d, opt)
}

// prepare completes the options and reads the DSN.
func prepare(dsn string, opt *Options) (dialect, error) {
	if opt.Clock == nil {
		return nil, errors.New("store: Options.Clock is missing")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.ClientMaxAge == 0 {
		opt.ClientMaxAge = time.Second
	}
	return parseDSN(dsn, *opt)
}

func openDialect(ctx context.Context, d dialect, opt Options) (*Store, error) {
	if opt.NoMigrate {
		if err := checkSchema(ctx, d); err != nil {
			return nil, err
		}
	} else if _, err := migrate(ctx, d, opt.Clock); err != nil {
		return nil, err
	}
	t := d.traits()
	s := &Store{
		opt:     opt,
		traits:  t,
		cache:   clientCache{maxAge: opt.ClientMaxAge, clock: opt.Clock, entries: map[string]cachedClient{}},
		queue:   make(chan *job, queueLength),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	var down outage
	s.readers = newPool(d, t, opt.Clock, &s.counts, &down)
	for range t.writers {
		s.writers = append(s.writers, &writer{dialect: d, traits: t, opt: opt, counts: &s.counts, outage: &down})
	}
	if err := s.writers[0].connect(ctx); err != nil {
		return nil, err
	}
	if err := s.refuseUnfinishedCopy(ctx); err != nil {
		return nil, errors.Join(err, s.readers.close(), s.writers[0].close())
	}
	if err := s.readVersions(ctx); err != nil {
		return nil, errors.Join(err, s.readers.close(), s.writers[0].close())
	}
	s.startCommitting()
	return s, nil
}

// Close finishes the commits already queued, then closes the database.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.closing)
		<-s.stopped
		errs := []error{s.readers.close()}
		for _, w := range s.writers {
			errs = append(errs, w.close())
		}
		s.closed = errors.Join(errs...)
	})
	return s.closed
}

const (
	touchLiveness = `UPDATE liveness SET at = ? WHERE id = 1`
	readLiveness  = `SELECT at FROM liveness WHERE id = 1`
)

// Ping says whether the store can commit and read, by doing both.
func (s *Store) Ping(ctx context.Context) error {
	var p plan
	if !s.traits.marked { // a mark is a write already, and not of a row that all replicas share
		p.do(nil, rowChanged, touchLiveness, micros(s.opt.Clock()))
	}
	if _, err := s.submit(ctx, p); err != nil {
		return err
	}
	return s.readers.point(ctx, readLiveness, nil, func([]driver.Value) error { return nil })
}
