package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"signet/mtls"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/keys"
	"signet/provider/oauth"
)

// How often the background looks. Nothing here is on a request's path.
const (
	watchFilesEvery  = 2 * time.Second
	refreshKeysEvery = 10 * time.Second // far below any sensible keys.publish_for
	sweepEvery       = 30 * time.Second
)

func (c *console) serveCommand() *cobra.Command {
	var (
		policyDir string
		drain     time.Duration
		logs      logOptions
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the provider",
		Long: `Runs both doors and the operations listener until SIGTERM or SIGINT.

Certificates, trust anchors, revocation lists, keys and policy are read again when they change.
On a signal, readiness turns red, no new connection is taken, and requests under way get up to
--drain to finish.`,
		Example: `  signet serve --config signet.yaml
  signet serve --config signet.yaml --policy /etc/signet/policy --log-format text`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.loadConfig()
			if err != nil {
				return err
			}
			if policyDir != "" {
				config.Policy.Directory = policyDir
			}
			log, err := logs.logger(c.err)
			if err != nil {
				return err
			}
			s, err := openSockets(cmd.Context(), config)
			if err != nil {
				return err
			}
			return c.serve(cmd.Context(), config, s, log, progress{clock: c.clock, log: log}, drain, func(context.Context) error {
				log.Info("signet is ready", "main", config.Main.BaseURL, "mtls", config.MTLS.BaseURL, "readiness", operationsScheme(config.Operations)+s.operations.Addr().String()+"/readyz")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&policyDir, "policy", "", "the owner's policy folder, instead of policy.directory")
	cmd.Flags().DurationVar(&drain, "drain", 20*time.Second, "how long requests under way may take after a signal to stop")
	logs.flags(cmd, "json", "info")
	return cmd
}

// serve opens the house and runs it until ctx ends or something fails. once is called when the doors can
// be used; an error from it, or from its return when it stays, ends the server too.
func (c *console) serve(ctx context.Context, config provider.Config, s sockets, log *slog.Logger, p progress, drain time.Duration, once func(context.Context) error) error {
	defer s.close()
	h, err := openHouse(ctx, c.system, config, log, p)
	if err != nil {
		return err
	}
	certificates, err := openDoorCertificates(config)
	if err != nil {
		return errors.Join(err, h.close())
	}
	// The background outlives the doors: what a draining request needs is still there.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	h.recordPolicy(background, audit.PolicyLoaded)
	h.watch(background, &g, certificates)

	doors, doorCtx := errgroup.WithContext(ctx)
	doors.Go(func() error { return serveDoors(doorCtx, h, s, certificates, drain, c.clock) })
	doors.Go(func() error { return once(doorCtx) })
	err = doors.Wait()
	stop()
	return errors.Join(err, g.Wait(), h.close())
}

// doorCertificates are the doors' server certificates.
type doorCertificates struct{ main, mtls *mtls.Reloader }

func openDoorCertificates(config provider.Config) (d doorCertificates, err error) {
	if d.main, err = mtls.NewReloader(config.Main.Certificate, config.Main.Key); err != nil {
		return d, next(err, "check main.certificate and main.key")
	}
	if d.mtls, err = mtls.NewReloader(config.MTLS.Certificate, config.MTLS.Key); err != nil {
		return d, next(err, "check mtls.certificate and mtls.key")
	}
	return d, nil
}

// watch starts what runs beside the requests. Each part logs its own trouble and goes on.
func (h *house) watch(ctx context.Context, g *errgroup.Group, certificates doorCertificates) {
	run := func(f func()) { g.Go(func() error { f(); return nil }) }
	run(func() {
		mtls.Watch(ctx, watchFilesEvery, func(what string, err error) {
			if err != nil {
				h.log.Error("certificates not reloaded; the old ones stay", "what", what, "cause", err)
				return
			}
			h.log.Info("certificates reloaded", "what", what)
		}, certificates.main, certificates.mtls, h.anchors)
	})
	run(func() {
		h.policy.Watch(ctx, watchFilesEvery, func(err error) {
			if err != nil {
				h.log.Error("policy refused; the old one stays", "cause", err)
				h.recordPolicy(ctx, audit.PolicyRefused)
				return
			}
			h.log.Info("policy loaded", "revision", h.policy.Revision())
			h.recordPolicy(ctx, audit.PolicyLoaded)
		})
	})
	h.store.Subscribe(oauth.TopicKeys, h.keys.Wake)
	run(func() { h.keys.Run(ctx, refreshKeysEvery) })
	run(func() { h.store.Run(ctx, sweepEvery) })
	run(func() { h.provider.Run(ctx) })
	run(func() { h.lintClients(ctx) })
}

// recordPolicy keeps in the audit log which rules are in force from now on: after PolicyRefused, still those.
func (h *house) recordPolicy(ctx context.Context, event audit.Event) {
	entry, err := h.record.Entry(event, oauth.AuditEntry{Detail: map[string]any{"in_force": h.policy.Revision()}})
	if err == nil {
		err = h.audit.Add(ctx, entry)
	}
	if err != nil {
		h.log.Error("a policy change is not in the audit log", "event", event, "cause", err)
	}
}

// recordKeys keeps in the audit log what this server made or destroyed, and tells the other replicas.
func (h *house) recordKeys(ctx context.Context, done keys.Report) {
	for _, entry := range (keyWork{Report: done}).entries() {
		entry.about.Detail["by"] = "keys.maintain"
		change, err := h.record.Change(entry.event, entry.about)
		if err == nil {
			err = h.store.Commit(ctx, change, oauth.Announce{Topic: oauth.TopicKeys})
		}
		if err != nil {
			h.log.Error("a change of the keys is not in the audit log", "event", entry.event, "detail", entry.about.Detail, "cause", err)
		}
	}
}
