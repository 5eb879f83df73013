package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// runResourceServer runs the sample resource server as a child process until ctx ends. It lies beside this
// program.
func (d *demonstration) runResourceServer(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	program := filepath.Join(filepath.Dir(self), "resource-server")
	if _, err := os.Stat(program); err != nil {
		return next(fmt.Errorf("the sample resource server is missing: %w", err),
			"build both programs with: make build; or leave it out with --no-resource-server")
	}
	logFile, err := os.OpenFile(d.path("resource-server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	resource := d.config.Resources[0].ID
	cmd := exec.CommandContext(ctx, program, //nolint:gosec // our own program, beside this one
		"--listen", fmt.Sprintf("%s:%d", d.ports.Host, d.ports.Resource),
		"--issuer", d.config.Issuer, "--audience", resource,
		"--cert", d.config.Main.Certificate, "--key", d.config.Main.Key, "--ca", d.path("pki", "ca.pem"),
		"--introspect-client", introspector, "--introspect-key", d.clients[introspector].Key,
	)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	endWithParent(cmd)
	// The kernel ties the child's life to the thread that started it, so this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil // it was told to end
	}
	if err == nil {
		err = errors.New("ended by itself")
	}
	return next(fmt.Errorf("the sample resource server: %w", err), "read %s", d.path("resource-server.log"))
}
