package main

import (
	"github.com/spf13/cobra"
)

func (c *console) policyCommand() *cobra.Command {
	return noun("policy", "The bank's rules: check, revision", c.policyCheckCommand(), c.policyRevisionCommand())
}

func (c *console) policyCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR",
		Short: "Compile an owner's policy folder and try it on sample inputs",
		Long: `Does with a policy folder exactly what the server does before it takes it: compiles it over the
built-in bundle and evaluates it on sample inputs. Exit code 0 means that a server would take it.`,
		Example: "  signet policy check policy/examples/psd2",
		Args:    exactArgs("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := openPolicy(cmd.Context(), c.system, args[0], 0)
			if err != nil {
				return err
			}
			return c.done(map[string]any{"ok": true, "revision": engine.Revision()}, "%s is good: revision %s", args[0], engine.Revision())
		},
	}
}

func (c *console) policyRevisionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "revision",
		Short:   "Print the revision of the configured policy, as decisions carry it",
		Example: "  signet policy revision --config signet.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.loadConfig()
			if err != nil {
				return err
			}
			engine, err := openPolicy(cmd.Context(), c.system, config.Policy.Directory, config.Policy.Timeout)
			if err != nil {
				return err
			}
			return c.done(map[string]any{"revision": engine.Revision(), "directory": config.Policy.Directory}, "%s", engine.Revision())
		},
	}
}
