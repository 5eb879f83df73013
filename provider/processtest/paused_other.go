//go:build !linux

package processtest

import "time"

// Paused cannot be told here; it gives SIGSTOP time to reach the process.
func Paused(int) bool {
	time.Sleep(time.Second)
	return true
}
