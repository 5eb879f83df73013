package main

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel end the child when this process dies, even by SIGKILL.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
