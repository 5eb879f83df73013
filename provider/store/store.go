package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"signet/provider/oauth"
)

// Options configure a store. Clock is required.
type Options struct {
	// Clock decides what has expired, for reading and for Sweep.
	Clock oauth.Clock
	// Log receives warnings; nil drops them.
	Log *slog.Logger
	// KeepAudit is how long audit entries are kept; 0 keeps them for good.
	KeepAudit time.Duration
	// ClientMaxAge is how old a client read from memory may be, by Clock; 0 means one second, negative
	// reads the database each time. It bounds how long another process's change goes unnoticed; a change
	// committed by this process is seen at once.
	ClientMaxAge time.Duration
}

// Store is the database. It is safe for concurrent use, and several processes may open one database.
type Store struct {
	opt     Options
	readers *pool
	writer  *writer // used by commitLoop only
	cache   clientCache

	queue   chan *job
	closing chan struct{} // no new commits
	stopped chan struct{} // commitLoop has ended
	once    sync.Once
	closed  error // result of the first Close

	sweeping sync.Mutex
	walk     assertionKey // where the sweep of assertions goes on
}

// Open opens the database that the DSN names, "sqlite:/path/to/file.db", creates it if it is missing
// (readable by its owner only, in a folder that exists) and applies pending migrations.
func Open(ctx context.Context, dsn string, opt Options) (*Store, error) {
	if opt.Clock == nil {
		return nil, errors.New("store: Options.Clock is missing")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.ClientMaxAge == 0 {
		opt.ClientMaxAge = time.Second
	}
	d, err := parseDSN(dsn, opt)
	if err != nil {
		return nil, err
	}
	return openDialect(ctx, d, opt)
}

func openDialect(ctx context.Context, d dialect, opt Options) (*Store, error) {
	if err := d.migrate(ctx); err != nil {
		return nil, err
	}
	w := &writer{dialect: d}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	readers, err := openPool(ctx, d, min(max(4, 2*runtime.GOMAXPROCS(0)), 32))
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	s := &Store{
		opt:     opt,
		readers: readers,
		writer:  w,
		cache:   clientCache{maxAge: opt.ClientMaxAge, clock: opt.Clock, entries: map[string]cachedClient{}},
		queue:   make(chan *job, queueLength),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go s.commitLoop()
	return s, nil
}

// Close finishes the commits already queued, then closes the database.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.closing)
		<-s.stopped
		s.closed = errors.Join(s.readers.close(), s.writer.close())
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
	p.do(nil, rowChanged, touchLiveness, micros(s.opt.Clock()))
	if _, err := s.submit(ctx, p); err != nil {
		return err
	}
	return s.readers.point(ctx, readLiveness, nil, func([]driver.Value) error { return nil })
}
