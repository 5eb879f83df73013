package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	lockSuffix    = ".lock"
	segmentSuffix = ".log"
)

// home is one process's files in a spool folder: a lock file, which the process holds locked as long as it
// lives, and segments whose names begin like it. The lock file goes last, so every segment has an owner.
type home struct {
	lock     *os.File
	prefix   string // path without suffix
	segments int    // that exist
	last     int    // number of the newest
}

// newHome makes a home that no other process has. Another may adopt, and thereby remove, the new lock file
// before it is locked; then the next name is tried.
func newHome(dir string) (*home, error) {
	for range 100 {
		lock, err := os.CreateTemp(dir, "spool-*"+lockSuffix)
		if err != nil {
			return nil, err
		}
		path := lock.Name()
		if tryLock(lock) == nil && isAt(lock, path) {
			return &home{lock: lock, prefix: strings.TrimSuffix(path, lockSuffix)}, nil
		}
		if err := lock.Close(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no lock could be had in %s", dir)
}

// claim takes over the home of a dead process. It returns nil when the process lives or is already gone.
func claim(path string) (*home, []*segment, error) {
	lock, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- a name that Glob found in the spool folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if err := tryLock(lock); err != nil || !isAt(lock, path) {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = nil
		}
		return nil, nil, errors.Join(err, lock.Close())
	}
	h := &home{lock: lock, prefix: strings.TrimSuffix(path, lockSuffix)}
	segments, err := h.openSegments()
	if err == nil && len(segments) == 0 {
		return nil, nil, h.release()
	}
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return h, segments, nil
}

func (h *home) openSegments() ([]*segment, error) {
	paths, err := filepath.Glob(h.prefix + "-*" + segmentSuffix)
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var segments []*segment
	for _, path := range paths {
		g, err := h.openSegment(path)
		if err != nil {
			for _, opened := range segments {
				err = errors.Join(err, opened.file.Close())
			}
			return nil, err
		}
		segments = append(segments, g)
	}
	h.segments = len(segments)
	return segments, nil
}

func (h *home) openSegment(path string) (*segment, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- a name that Glob found in the spool folder
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &segment{home: h, file: file, size: info.Size()}, nil
}

// newSegment makes the next segment, empty.
func (h *home) newSegment() (*segment, error) {
	path := fmt.Sprintf("%s-%09d%s", h.prefix, h.last+1, segmentSuffix)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 G703 -- our own name
	if err != nil {
		return nil, err
	}
	h.last++
	h.segments++
	return &segment{home: h, file: file, recalled: true}, nil
}

// release gives up a home without segments.
func (h *home) release() error {
	err := os.Remove(h.prefix + lockSuffix) // #nosec G703 -- our own name
	return errors.Join(err, h.lock.Close())
}

// tryLock takes the lock that the kernel frees when its holder dies, however it dies.
func tryLock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// isAt says whether the open file is still the one with this name.
func isAt(f *os.File, path string) bool {
	there, err := os.Stat(path) // #nosec G703 -- our own name
	if err != nil {
		return false
	}
	here, err := f.Stat()
	return err == nil && os.SameFile(here, there)
}

// syncDir makes the names of new files durable.
func syncDir(path string) error {
	dir, err := os.Open(path) // #nosec G304 -- the spool folder
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
