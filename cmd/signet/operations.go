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
func (h *house) checks(d *doors, certificates doorCertificates, clock oauth.Clock) *provider.Checks {
	checks := []provider.Check{
		{Name: "doors", Instant: true, Probe: func(context.Context) error {
			if d.draining.Load() {
				return errors.New("draining: the process is about to end")
			}
			return nil
		}},
		{Name: "store", Probe: h.store.Ping},
		{Name: "keys", Probe: h.keys.Probe},
		{Name: "policy", Probe: func(context.Context) error { return h.policy.Health() }},
		{Name: "audit", Probe: func(context.Context) error { return h.audit.Health() }},
		{Name: "client certificates", Probe: func(context.Context) error { return h.anchors.Health() }},
		{Name: "certificate main", Probe: func(context.Context) error { return certificates.main.Ready(clock()) }},
		{Name: "certificate mtls", Probe: func(context.Context) error { return certificates.mtls.Ready(clock()) }},
	}
	if o := d.operations; o != nil {
		checks = append(checks, provider.Check{Name: "certificate operations", Probe: func(context.Context) error {
			return errors.Join(o.certificate.Ready(clock()), o.clients.Health())
		}})
	}
	return provider.NewChecks(clock, checks...)
}

func (c *console) statusCommand() *cobra.Command {
	var cert, key string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running server whether it is ready",
		Long: `Asks /readyz at operations.listen of the configuration. Exit code 0 means ready; otherwise the
answer names what is red.

Where operations has a certificate, --cert and --key are a client certificate from operations.client_ca.
Without them the server's own pair is shown, which must then be for client authentication as well.`,
		Example: `  signet status --config signet.yaml
  signet status --config signet.yaml --cert pki/monitor.pem --key pki/monitor-key.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.loadConfig()
			if err != nil {
				return err
			}
			return c.status(cmd.Context(), config.Operations, cert, key)
		},
	}
	cmd.Flags().StringVar(&cert, "cert", "", "a client certificate, in PEM (default: operations.certificate)")
	cmd.Flags().StringVar(&key, "key", "", "its private key, in PEM")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	return cmd
}

func (c *console) status(ctx context.Context, config provider.OperationsConfig, cert, key string) error {
	client, err := operationsClient(config, cert, key)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	address, err := operationsURL(config, "/readyz")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
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
}
