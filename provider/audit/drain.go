package audit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"time"
)

// batchEntries is how many entries are committed at once: enough to share the cost of a commit, few enough
// not to delay the requests whose commits wait behind it.
const batchEntries = 256

// drainLoop delivers entries a short while after they come, retries with growing pauses, and looks after
// what other processes leave behind.
func (s *Spool) drainLoop() {
	orphans := time.NewTicker(adoptEvery)
	defer orphans.Stop()
	delay := s.o.DrainEvery
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			if !s.pause(delay) {
				return
			}
		case <-orphans.C:
			if err := s.adopt(); err != nil {
				s.o.Log.Error("audit entries of a dead process cannot be adopted", slog.Any("error", err))
			}
		}
		if err := s.drain(s.base); err != nil {
			delay = min(delay*2, maxRetryDelay)
			notify(s.wake)
			continue
		}
		delay = s.o.DrainEvery
	}
}

// pause waits; false means that the spool is closing.
func (s *Spool) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stop:
		return false
	}
}

// drain delivers everything that was added before the call.
func (s *Spool) drain(ctx context.Context) error {
	select {
	case s.draining <- struct{}{}:
		defer func() { <-s.draining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// What was sealed before goes first: while the sink fails, one active segment collects everything, and
	// the number of open files stays small.
	for _, seal := range []bool{false, true} {
		for range s.waiting(seal) {
			if err := s.deliver(ctx, s.oldest()); err != nil {
				if ctx.Err() == nil { // else the caller gave up, and nothing is known of the sink
					s.sinkFailed(err)
				}
				return err
			}
		}
	}
	s.sinkWorks()
	return nil
}

// waiting returns how many segments are complete; with seal, the active one becomes so first.
func (s *Spool) waiting(seal bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seal {
		s.sealActive()
	}
	return len(s.sealed)
}

func (s *Spool) oldest() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealed[0] // only the one drainer takes from the front
}

// deliver commits the rest of a segment in batches and removes it.
func (s *Spool) deliver(ctx context.Context, g *segment) error {
	next := g.batches(batchEntries)
	for {
		b, readErr := next()
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return readErr
		}
		if err := s.commit(ctx, b); err != nil {
			return err
		}
		s.delivered(g, b)
		if readErr != nil {
			break
		}
	}
	s.mu.Lock()
	s.sealed = s.sealed[1:]
	err := g.remove(s.home)
	s.mu.Unlock()
	if err != nil {
		// The entries are in the sink; if the file comes back, the sink ignores them.
		s.o.Log.Error("audit segment cannot be removed", slog.Any("error", err))
	}
	return nil
}

func (s *Spool) commit(ctx context.Context, b batch) error {
	if len(b.changes) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return s.o.Sink.Commit(ctx, b.changes...)
}

// delivered counts a batch as done and reports what of it could not be read.
func (s *Spool) delivered(g *segment, b batch) {
	s.mu.Lock()
	g.delivered(b)
	s.bytes -= b.bytes
	s.mu.Unlock()
	for _, damage := range b.damage {
		s.o.Log.Error("audit entry cannot be read; its file is kept", slog.String("file", g.file.Name()+".damaged"), slog.Any("error", damage))
	}
	if b.tail > 0 {
		s.o.Log.Warn("incomplete audit entry dropped: its request was never answered", slog.String("file", g.file.Name()), slog.Int("bytes", b.tail))
	}
}

func (s *Spool) sinkFailed(err error) {
	s.mu.Lock()
	if s.failing == nil {
		s.failedAt = s.o.Clock()
	}
	s.failing = err
	waiting := s.bytes
	s.mu.Unlock()
	s.o.Log.Error("audit entries cannot be delivered and wait", slog.Int64("bytes", waiting), slog.Any("error", err))
}

func (s *Spool) sinkWorks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		s.o.Log.Info("audit entries are being delivered again")
		s.failing = nil
	}
	if s.bytes == 0 { // all is in the sink: nothing is left that a failed disk could lose
		s.broken = nil
		s.markSynced(s.written)
	}
}

// adopt takes over the segments of processes that are no more.
func (s *Spool) adopt() error {
	locks, err := filepath.Glob(filepath.Join(s.dir, "spool-*"+lockSuffix))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range locks {
		// Homes that are already ours are locked, by this process: claim leaves them alone.
		h, segments, err := claim(path)
		if err != nil {
			errs = append(errs, err)
		}
		if h == nil {
			continue
		}
		s.mu.Lock()
		for _, g := range segments {
			s.sealed = append(s.sealed, g)
			s.bytes += g.size
		}
		s.mu.Unlock()
		s.o.Log.Info("audit entries of a dead process adopted", slog.Int("files", len(segments)))
		notify(s.wake)
	}
	return errors.Join(errs...)
}
