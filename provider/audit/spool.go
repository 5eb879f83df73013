package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"signet/provider/oauth"
)

const (
	defaultMaxBytes   = 64 << 20
	defaultDrainEvery = 100 * time.Millisecond
	syncEvery         = 20 * time.Millisecond
	adoptEvery        = 30 * time.Second
	maxRetryDelay     = 5 * time.Second
	commitTimeout     = 30 * time.Second
)

// Causes of an error that [Spool.Add] returns.
var (
	ErrFull   = errors.New("the audit spool is full")
	ErrClosed = errors.New("the audit spool is closed")
)

// Sink keeps entries for good; the store is one. An entry may be delivered twice, after a crash between a
// commit and the removal of what was committed: the sink ignores an entry whose id it has. A batch that the
// sink refuses is offered again until it is taken, and holds up what follows: nothing is ever dropped.
type Sink interface {
	// Commit is durable when it returns nil, and has applied nothing otherwise.
	Commit(ctx context.Context, changes ...oauth.Change) error
}

// Options configure a Spool.
type Options struct {
	// MaxBytes bounds what waits for the sink, what dead processes left behind included; 0 means 64 MiB.
	MaxBytes int64
	// Sink receives the entries. Required.
	Sink Sink
	// Clock tells since when the sink has been failing. Required.
	Clock oauth.Clock
	// Log reports failures and recovery; nil discards them.
	Log *slog.Logger
	// DrainEvery is how long entries are collected before they go to the sink; 0 means 100 ms.
	DrainEvery time.Duration
	// WaitSync makes Add wait until the entry is on the disk and not only in the operating system's
	// memory: it then survives a power failure too, for the price of one shared disk flush. Without it a
	// power failure, not a crash of the process, can lose the last 20 ms.
	WaitSync bool
}

// Spool is a durable, bounded queue of audit entries: a file that is appended to, and drained into the sink
// in batches in the background. Several processes may share a folder on a local file system: each writes
// its own files, and what a dead one left behind is adopted. It is safe for concurrent use.
type Spool struct {
	o    Options
	dir  string
	home *home // this process's own files

	mu       sync.Mutex
	active   *segment   // receives entries; nil until the next one
	sealed   []*segment // complete, oldest first
	bytes    int64      // in active and sealed, not yet in the sink
	closed   bool
	broken   error // the disk failed; cleared when nothing is left that it could lose
	failing  error // the sink's last answer
	failedAt time.Time
	written  uint64        // entries appended
	synced   uint64        // entries that are on the disk or in the sink
	syncDone chan struct{} // closed after each sync

	wake, dirty, stop chan struct{}
	draining          chan struct{} // semaphore: one drainer at a time
	base              context.Context
	cancel            context.CancelFunc
	running           sync.WaitGroup
}

// Open opens a spool in a folder, which it makes if needed, adopts what dead processes left there, and
// starts draining.
func Open(dir string, o Options) (*Spool, error) {
	if o.Sink == nil || o.Clock == nil {
		return nil, errors.New("audit: Options.Sink and Options.Clock are required")
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.DrainEvery <= 0 {
		o.DrainEvery = defaultDrainEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // #nosec G703 -- the operator's choice
		return nil, fmt.Errorf("audit spool: %w", err)
	}
	own, err := newHome(dir)
	if err != nil {
		return nil, fmt.Errorf("audit spool: %w", err)
	}
	s := &Spool{
		o: o, dir: dir, home: own, syncDone: make(chan struct{}),
		wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1), stop: make(chan struct{}), draining: make(chan struct{}, 1),
	}
	s.base, s.cancel = context.WithCancel(context.Background())
	if err := s.adopt(); err != nil {
		s.cancel()
		return nil, errors.Join(fmt.Errorf("audit spool: %w", err), own.release())
	}
	s.running.Go(s.drainLoop)
	s.running.Go(s.syncLoop)
	return s, nil
}

// Add keeps an entry. When it returns nil the entry has left this process and will reach the sink, whatever
// becomes of the process. When it returns an error, an [*oauth.Error] temporarily_unavailable, the request
// that the entry is about must be denied; the entry may be recorded nevertheless if ctx ended. The entry's
// Detail belongs to the spool from then on.
func (s *Spool) Add(ctx context.Context, entry oauth.AuditEntry) error {
	if err := s.add(ctx, entry); err != nil {
		return oauth.Errorf(oauth.TemporarilyUnavailable, "the request cannot be recorded at the moment").Because(err)
	}
	return nil
}

func (s *Spool) add(ctx context.Context, entry oauth.AuditEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	line, err := encodeLine(entry)
	if err != nil {
		return err
	}
	number, err := s.append(entry, line)
	if err != nil {
		return err
	}
	notify(s.wake)
	notify(s.dirty)
	if s.o.WaitSync {
		return s.waitSynced(ctx, number)
	}
	return nil
}

// append writes one entry's line and returns its number.
func (s *Spool) append(entry oauth.AuditEntry, line []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, ErrClosed
	case s.broken != nil:
		return 0, s.broken
	case s.bytes+int64(len(line)) > s.o.MaxBytes:
		return 0, ErrFull
	}
	if s.active == nil {
		fresh, err := s.home.newSegment()
		if err != nil {
			return 0, err
		}
		s.active = fresh
	}
	if err := s.active.append(entry, line); err != nil {
		if s.active.torn { // the half-written line stays the segment's last
			s.sealActive()
		}
		return 0, err
	}
	s.bytes += int64(len(line))
	s.written++
	return s.written, nil
}

// sealActive ends the active segment; the next entry starts another. s.mu is held.
func (s *Spool) sealActive() {
	if s.active != nil {
		s.sealed = append(s.sealed, s.active)
		s.active = nil
	}
}

// Flush delivers to the sink every entry that was added before the call.
func (s *Spool) Flush(ctx context.Context) error { return s.drain(ctx) }

// Health says why entries are not reaching the sink, or that the spool is filling up; nil when all is well.
func (s *Spool) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.broken != nil:
		return s.broken
	case s.failing != nil:
		return fmt.Errorf("audit entries wait since %s: %w", s.failedAt.UTC().Format(time.RFC3339), s.failing)
	case s.bytes > s.o.MaxBytes/5*4:
		return fmt.Errorf("audit spool: %d of %d bytes are used", s.bytes, s.o.MaxBytes)
	}
	return nil
}

// Size is how many bytes wait for the sink, and how many make the spool full.
func (s *Spool) Size() (used, capacity int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.o.MaxBytes
}

// Close accepts no more entries, delivers what waits for as long as ctx lasts, and stops. What could not be
// delivered stays in the folder for the next process; the error says so.
func (s *Spool) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	close(s.stop)
	unhook := context.AfterFunc(ctx, s.cancel)
	defer unhook()
	s.running.Wait()
	err := s.drain(ctx)
	s.cancel()
	s.sync()
	if err != nil {
		err = fmt.Errorf("audit spool: entries stay in %s for the next start: %w", s.dir, err)
	}
	return errors.Join(err, s.abandon())
}

// abandon closes all files. Homes that still have segments keep their lock file, by which the next
// process finds them.
func (s *Spool) abandon() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealActive()
	homes := map[*home]bool{s.home: true}
	var errs []error
	for _, g := range s.sealed {
		homes[g.home] = true
		errs = append(errs, g.file.Close())
	}
	for h := range homes {
		if h.segments == 0 {
			errs = append(errs, h.release())
		} else {
			errs = append(errs, h.lock.Close())
		}
	}
	s.sealed, s.bytes = nil, 0
	return errors.Join(errs...)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
