package vaulttest

import (
	"os/exec"
	"syscall"
)

// endWithTests makes the kernel end the child when the tests die without cleaning up.
func endWithTests(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
