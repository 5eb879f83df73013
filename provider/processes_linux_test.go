package provider_test

import (
	"os"
	"os/exec"
	"syscall"
)

// endWithTests makes the kernel end the child when the tests die without cleaning up.
func endWithTests(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// nobody is the account of a child that needs no rights, where the tests have the right to choose it.
const nobody = 65534

// unprivileged makes the child nobody's, and lets it have the folder and the files in it.
func unprivileged(cmd *exec.Cmd, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if err == nil {
			err = os.Chown(dir+"/"+entry.Name(), nobody, nobody)
		}
	}
	if err != nil {
		return err
	}
	return os.Chown(dir, nobody, nobody)
}
