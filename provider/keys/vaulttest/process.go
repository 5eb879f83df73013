package vaulttest

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"signet/provider/processtest"
)

// process is one server process that can be started again after it was killed.
type process struct {
	command []string
	log     string // file

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return errors.New("it is running already")
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.command[0], p.command[1:]...) //nolint:gosec // the test's own server
	cmd.Stdout, cmd.Stderr = log, log
	endWithTests(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	return nil
}

func (p *process) running() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// pause returns when no thread of the process runs any more.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return wait(func() error {
		if !processtest.Paused(p.cmd.Process.Pid) {
			return errors.New("vault does not stop")
		}
		return nil
	})
}

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

func (p *process) signal(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return errors.New("vault is not running")
	}
	return p.cmd.Process.Signal(signal)
}
