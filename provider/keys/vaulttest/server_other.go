//go:build !linux

package vaulttest

import (
	"os/exec"
	"time"
)

// endWithTests does nothing here: Main ends the children.
func endWithTests(*exec.Cmd) {}

// halted gives SIGSTOP time to reach the process.
func halted(int) bool {
	time.Sleep(time.Second)
	return true
}
