package processtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// Paused says whether SIGSTOP has reached every thread of a process: the signal returns before that.
func Paused(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		// The name, in brackets, may hold anything; the state follows it.
		if end := bytes.LastIndexByte(stat, ')'); end < 0 || !bytes.HasPrefix(stat[end+1:], []byte(" T")) {
			return false
		}
	}
	return true
}
