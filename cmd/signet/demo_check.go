package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// check runs the very commands that the demonstration prints, in a shell, and walks the browser's way
// through the code flow.
func (d *demonstration) check(ctx context.Context) error {
	failed := 0
	report := func(title string, err error, output string) {
		title = strings.TrimLeft(strings.TrimSuffix(title, ":"), ". ")
		if err == nil {
			_, _ = fmt.Fprintf(d.out, "ok      %s\n", title)
			return
		}
		failed++
		_, _ = fmt.Fprintf(d.out, "FAILED  %s\n        %v\n%s\n", title, err, indent(output))
	}
	for _, command := range d.commands(d.callback.client.meta.Aliases.TokenEndpoint) {
		if command.private {
			continue
		}
		output, err := runShell(ctx, command)
		report(command.title, err, output)
	}
	output, err := d.checkBrowser(ctx)
	report("the code flow in a browser: sign in, agree, return, redeem, use the token", err, output)
	if failed > 0 {
		return next(fmt.Errorf("%d of the demonstration's commands did not do what they should", failed),
			"read %s and %s", d.path("signet.log"), d.path("resource-server.log"))
	}
	return nil
}

func runShell(ctx context.Context, command demoCommand) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	script := "set -eu\n" + command.setup + "\n" + command.text
	raw, err := exec.CommandContext(ctx, "sh", "-c", script).CombinedOutput() //nolint:gosec // our own text
	output := string(raw)
	if err != nil {
		return output, fmt.Errorf("sh: %w", err)
	}
	for _, want := range command.want {
		if !strings.Contains(output, want) {
			return output, fmt.Errorf("the output lacks %q", want)
		}
	}
	if strings.Contains(command.title, "no cnf") && strings.Contains(output, "x5t#S256") {
		return output, errors.New("the token is bound although no certificate was presented")
	}
	return output, nil
}

func indent(text string) string {
	return "        " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n        ")
}
