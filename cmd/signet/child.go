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

// child is a program that runs beside this one.
type child struct {
	what        string // for messages
	program     string
	args        []string
	environment []string // added to this process's own
	log         string   // the file for its output
}

// runChild runs the program until ctx ends; that it ends before is an error.
func runChild(ctx context.Context, c child) (err error) {
	logFile, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	cmd := exec.CommandContext(ctx, c.program, c.args...) //nolint:gosec // our own program
	cmd.Env = append(os.Environ(), c.environment...)
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
	return next(fmt.Errorf("%s: %w", c.what, err), "read %s", c.log)
}

// besideThisProgram finds a program of ours, which lies beside this one.
func besideThisProgram(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	program := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(program); err != nil {
		return "", next(fmt.Errorf("the program %s is missing: %w", name, err), "build all programs with: make build")
	}
	return program, nil
}

// runResourceServer runs the sample resource server as a child process until ctx ends. It lies beside this
// program.
func (d *demonstration) runResourceServer(ctx context.Context) error {
	program, err := besideThisProgram("resource-server")
	if err != nil {
		return next(err, "build it with: make build; or leave it out with --no-resource-server")
	}
	resource := d.config.Resources[0].ID
	return runChild(ctx, child{
		what: "the sample resource server", program: program, log: d.path("resource-server.log"),
		args: []string{
			"--listen", fmt.Sprintf("%s:%d", d.ports.Host, d.ports.Resource),
			"--issuer", d.config.Issuer, "--audience", resource,
			"--cert", d.config.Main.Certificate, "--key", d.config.Main.Key, "--ca", d.path("pki", "ca.pem"),
			"--introspect-client", introspector, "--introspect-key", d.clients[introspector].Key,
		},
	})
}
