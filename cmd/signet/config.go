package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"signet/provider"
)

func (c *console) configCommand() *cobra.Command {
	return noun("config", "The configuration file: check, example, explain",
		c.configCheckCommand(), c.configExampleCommand(), c.configExplainCommand())
}

func (c *console) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE",
		Short:   "List every fault of a configuration file, with line numbers",
		Example: "  signet config check signet.yaml\n  signet config check signet.yaml --json",
		Args:    exactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := provider.LoadConfig(args[0])
			var faulty *provider.ConfigError
			switch {
			case err == nil:
				return c.done(map[string]any{"ok": true, "faults": []any{}}, "%s is good", args[0])
			case !errors.As(err, &faulty):
				return err
			case c.json:
				if err := writeJSON(c.out, map[string]any{"ok": false, "faults": faultList(faulty.Faults)}); err != nil {
					return err
				}
				return errReported
			}
			for _, f := range faulty.Faults {
				if _, err := fmt.Fprintf(c.out, "%s: %s\n", args[0], f); err != nil {
					return err
				}
			}
			c.note("%d faults", len(faulty.Faults))
			return errReported
		},
	}
}

type faultJSON struct {
	Line int    `json:"line"`
	Key  string `json:"key"`
	Text string `json:"text"`
}

func faultList(faults []provider.Fault) []faultJSON {
	list := make([]faultJSON, 0, len(faults))
	for _, f := range faults {
		list = append(list, faultJSON{f.Line, f.Path, f.Text})
	}
	return list
}

func (c *console) configExampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a complete configuration with comments",
		Example: "  signet config example > signet.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := renderExample(defaultPorts())
			if err != nil {
				return err
			}
			_, err = c.out.Write(text)
			return err
		},
	}
}
