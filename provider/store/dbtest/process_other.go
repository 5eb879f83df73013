//go:build !linux

package dbtest

import (
	"os/exec"
	"testing"
)

// command is a child that ends when the test that started it ends in an orderly way. It runs as the tests'
// user, whom MariaDB does not want to be root.
func command(name string, args ...string) *exec.Cmd { return exec.Command(name, args...) }

// killGroup kills a command.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// own has nothing to do where servers run as the tests' user.
func own(testing.TB, string) {}
