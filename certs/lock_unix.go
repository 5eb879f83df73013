//go:build unix

package certs

import (
	"errors"
	"os"
	"syscall"
)

// lock waits until this process alone fills the folder. The kernel frees the lock of a process that dies.
func lock(dir *os.Root) (unlock func(), err error) {
	file, err := dir.OpenFile(".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}
