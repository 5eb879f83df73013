package main

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"signet/provider"
	"signet/provider/keys/vault"
)

// showVault prints the plan or what was done, then Vault's own commands for what is still to be made.
func (c *console) showVault(v provider.VaultConfig, report vaultReport) error {
	if c.json {
		return writeJSON(c.out, report)
	}
	var rows []table.Row
	var commands []string
	for _, s := range report.Steps {
		state, todo := string(s.State), ""
		switch {
		case s.Applied:
			todo = "made now"
		case s.State == vault.Missing || s.State == vault.Unknown:
			todo = "to be made"
		case s.State == vault.Differs:
			todo = "to be changed"
		case s.State == vault.Conflict:
			todo = "in the way"
		}
		if s.Detail != "" {
			state += ": " + s.Detail
		}
		if todo != "" && !s.Applied {
			commands = append(commands, s.Command)
		}
		rows = append(rows, table.Row{s.What, state, todo})
	}
	for _, f := range report.Files {
		rows = append(rows, table.Row{f.Path, "there", map[bool]string{true: "made now"}[f.Written]})
	}
	if err := c.show(nil, table.Row{"in Vault", "state", "action"}, rows); err != nil {
		return err
	}
	var text strings.Builder
	if len(commands) > 0 {
		text.WriteString("\nThe same with Vault's own commands:\n\n")
		text.WriteString(strings.Join(append(vaultEnvironment(v), commands...), "\n") + "\n")
	}
	text.WriteString("\nNext:\n")
	for _, step := range report.Next {
		text.WriteString("- " + step + "\n")
	}
	_, err := fmt.Fprint(c.out, text.String())
	return err
}

func vaultEnvironment(v provider.VaultConfig) []string {
	lines := []string{"export VAULT_ADDR=" + v.Address}
	if v.CAFile != "" {
		lines = append(lines, "export VAULT_CACERT="+v.CAFile)
	}
	if v.Namespace != "" {
		lines = append(lines, "export VAULT_NAMESPACE="+v.Namespace)
	}
	return lines
}
