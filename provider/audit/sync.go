package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// syncLoop flushes to the disk what was appended. While one flush runs, the entries of all others collect
// for the next.
func (s *Spool) syncLoop() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.dirty:
		}
		if !s.o.WaitSync && !s.pause(syncEvery) {
			return
		}
		s.sync()
	}
}

// sync makes durable all that was appended before the call. A segment that has been delivered meanwhile is
// closed, and needs it no more.
func (s *Spool) sync() {
	s.mu.Lock()
	upTo := s.written
	var files []*os.File
	unnamed := false
	for _, g := range append(s.sealed[:len(s.sealed):len(s.sealed)], s.active) {
		if g != nil && g.dirty {
			unnamed = unnamed || !g.named
			g.dirty, g.named = false, true
			files = append(files, g.file)
		}
	}
	s.mu.Unlock()

	var errs []error
	for _, file := range files {
		if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if unnamed {
		errs = append(errs, syncDir(s.dir))
	}
	s.syncFinished(upTo, errors.Join(errs...))
}

// syncFinished wakes those who wait. After a failed flush the operating system may have dropped the data,
// so nothing further is accepted until all that waits is in the sink.
func (s *Spool) syncFinished(upTo uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken = fmt.Errorf("audit spool: flushing to the disk: %w", err)
		s.sealActive()
		s.o.Log.Error("audit entries cannot be flushed to the disk", slog.Any("error", err))
		notify(s.wake)
	} else {
		s.synced = max(s.synced, upTo)
	}
	s.wakeWaiters()
}

// markSynced notes that entries up to this number are safe. s.mu is held.
func (s *Spool) markSynced(upTo uint64) {
	if s.synced < upTo {
		s.synced = upTo
		s.wakeWaiters()
	}
}

func (s *Spool) wakeWaiters() {
	close(s.syncDone)
	s.syncDone = make(chan struct{})
}

// waitSynced waits until the entry of this number is on the disk.
func (s *Spool) waitSynced(ctx context.Context, number uint64) error {
	for {
		s.mu.Lock()
		synced, broken, done := s.synced >= number, s.broken, s.syncDone
		s.mu.Unlock()
		switch {
		case synced:
			return nil
		case broken != nil:
			return broken
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
