package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"signet/provider"
	"signet/provider/oauth"
)

// checks is what readiness asks. Each names what an operator would look at.
func (h *house) checks(d *doors, certificates doorCertificates, clock oauth.Clock) []provider.Check {
	return []provider.Check{
		{Name: "doors", Probe: func(context.Context) error {
			if d.draining.Load() {
				return errors.New("draining: the process is about to end")
			}
			return nil
		}},
		{Name: "store", Probe: h.store.Ping},
		{Name: "keys", Probe: func(context.Context) error { return h.keys.Health() }},
		{Name: "policy", Probe: func(context.Context) error { return h.policy.Health() }},
		{Name: "audit", Probe: func(context.Context) error { return h.audit.Health() }},
		{Name: "client certificates", Probe: func(context.Context) error { return h.anchors.Health() }},
		{Name: "certificate main", Probe: func(context.Context) error { return certificates.main.Ready(clock()) }},
		{Name: "certificate mtls", Probe: func(context.Context) error { return certificates.mtls.Ready(clock()) }},
	}
}

func (c *console) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Ask the running server whether it is ready",
		Long: `Asks /readyz at operations.listen of the configuration. Exit code 0 means ready; otherwise the
answer names what is red.`,
		Example: "  signet status --config signet.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.loadConfig()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+config.Operations.Listen+"/readyz", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return next(err, "is the server running? start it with: signet serve --config %s", c.configFile)
			}
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
			if err != nil {
				return err
			}
			if _, err := c.out.Write(body); err != nil {
				return err
			}
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: HTTP %d", response.StatusCode)
			}
			return nil
		},
	}
}
