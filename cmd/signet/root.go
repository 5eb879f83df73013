package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"signet/provider"
)

// console is what every command works with: the three streams, the system's clock and randomness, and the
// options that all commands share.
type console struct {
	in       io.Reader
	out, err io.Writer
	system
	configFile string
	json       bool
}

// run executes one command line and returns the process's exit code: 0 done, 1 failed.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &console{in: in, out: out, err: errOut, system: realSystem()}
	root := c.rootCommand()
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		var silent silentError
		if !errors.As(err, &silent) {
			_, _ = fmt.Fprintf(errOut, "signet: %v\n", err)
		}
		return 1
	}
	return 0
}

func (c *console) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "signet",
		Short: "OpenID provider for regulated banking",
		Long: `Signet issues certificate-bound tokens to a bank's clients, by the bank's own rules.

Start with "signet demo": it makes everything that a first look needs, starts it, and prints
commands to paste. "signet config example" shows a complete configuration.`,
		Example: `  signet demo --dir .signet
  signet serve --config signet.yaml
  signet --config .signet/signet.yaml client list`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.PersistentFlags().StringVar(&c.configFile, "config", defaultConfigFile(), "the configuration file; $SIGNET_CONFIG names another default")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON, for programs")
	root.AddCommand(
		c.serveCommand(), c.statusCommand(), c.demoCommand(), c.configCommand(),
		c.clientCommand(), c.userCommand(), c.grantCommand(), c.keyCommand(), c.auditCommand(),
		c.policyCommand(), c.certsCommand(), c.tokenCommand(), c.vaultCommand(), c.migrateCommand(), c.storeCommand(),
		c.conformanceCommand(),
	)
	return root
}

func defaultConfigFile() string {
	if file := os.Getenv("SIGNET_CONFIG"); file != "" {
		return file
	}
	return "signet.yaml"
}

// loadConfig reads --config. Its error says what to do next.
func (c *console) loadConfig() (provider.Config, error) {
	config, err := provider.LoadConfig(c.configFile)
	var faults *provider.ConfigError
	switch {
	case err == nil:
		return config, nil
	case errors.Is(err, os.ErrNotExist):
		return config, next(err, `name the file with --config, or make one: signet config example > signet.yaml`)
	case errors.As(err, &faults):
		return config, next(err, "correct the file; \"signet config explain KEY\" says what a key means")
	}
	return config, err
}

// noun is a command that only groups others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(verbs...)
	return cmd
}

// nextStep is an error together with what to do about it.
type nextStep struct {
	err  error
	step string
}

func next(err error, step string, args ...any) error {
	return &nextStep{err: err, step: fmt.Sprintf(step, args...)}
}

// Error implements error.
func (e *nextStep) Error() string {
	return strings.TrimRight(e.err.Error(), "\n") + "\n  next: " + e.step
}

// Unwrap gives the error itself.
func (e *nextStep) Unwrap() error { return e.err }

// silentError fails the command without a further line: everything has been printed.
type silentError struct{ error }

var errReported = silentError{errors.New("reported")}
