package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"signet/provider"
)

// demoOptions are the flags of "signet demo".
type demoOptions struct {
	dir, policyDir   string
	ports            ports
	check            bool
	noResourceServer bool
	explicitPorts    bool
	logs             logOptions
}

func (c *console) demoCommand() *cobra.Command {
	o := demoOptions{ports: defaultPorts()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Make and run a complete demonstration",
		Long: `Makes a development PKI, a configuration, keys, a database, clients (one per authentication method,
and two PSD2 third parties) and a user; starts both doors, the operations listener and the sample
resource server; and prints commands to paste. Running it again reuses what is there.

--check runs the printed commands and the browser's part itself, reports each, and exits: with 0 when
all did what they should. Remove the folder to start afresh.`,
		Example: `  signet demo
  signet demo --dir /tmp/signet --main-port 19443 --mtls-port 19444
  signet demo --policy policy/examples/psd2
  signet demo --check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"host", "main-port", "mtls-port", "operations-port", "resource-port"} {
				o.explicitPorts = o.explicitPorts || cmd.Flags().Changed(name)
			}
			return c.demo(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", ".signet", "the folder for everything that the demonstration makes")
	f.StringVar(&o.policyDir, "policy", "", "the owner's policy folder, e.g. policy/examples/psd2")
	f.StringVar(&o.ports.Host, "host", o.ports.Host, "the address that the doors listen on")
	f.IntVar(&o.ports.Main, "main-port", o.ports.Main, "port of the main door")
	f.IntVar(&o.ports.MTLS, "mtls-port", o.ports.MTLS, "port of the mTLS door")
	f.IntVar(&o.ports.Operations, "operations-port", o.ports.Operations, "port for health and readiness")
	f.IntVar(&o.ports.Resource, "resource-port", o.ports.Resource, "port of the sample resource server")
	f.IntVar(&o.ports.Callback, "callback-port", o.ports.Callback, "port of the demonstration's own callback; the next one is for \"signet token\"")
	f.BoolVar(&o.check, "check", false, "run what would be printed, report, and exit")
	f.BoolVar(&o.noResourceServer, "no-resource-server", false, "do not start the sample resource server (it runs elsewhere)")
	o.logs.flags(cmd, "text", "info")
	return cmd
}

// demonstration is a demo that has been set up.
type demonstration struct {
	*console
	o        demoOptions
	config   provider.Config
	ports    ports // as the configuration has them
	password string
	clients  map[string]clientSettings
	callback *callback
	log      *slog.Logger
}

func (c *console) demo(ctx context.Context, o demoOptions) (err error) {
	c.note("Signet demonstration in %s", o.dir)
	d := &demonstration{console: c, o: o, clients: map[string]clientSettings{}}
	if err := d.prepareFiles(); err != nil {
		return err
	}
	logFile, err := os.OpenFile(d.path("signet.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	if d.log, err = o.logs.logger(logFile); err != nil {
		return err
	}
	// All ports first: a demonstration that already runs shows before anything is changed.
	s, err := openSockets(ctx, d.config)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, net.JoinHostPort(d.ports.Host, fmt.Sprint(o.ports.Callback)), "--callback-port")
	if err != nil {
		s.close()
		return err
	}
	if err := d.register(ctx); err != nil {
		s.close()
		return errors.Join(err, listener.Close())
	}
	d.callback = &callback{demo: d}
	err = c.serve(ctx, d.config, s, d.log, progress{out: d.err, clock: d.clock}, 5*time.Second, func(ctx context.Context) error {
		return d.runBeside(ctx, listener)
	})
	if errors.Is(err, errStopDemo) {
		return nil
	}
	return err
}

// errStopDemo ends the servers when the check is done.
var errStopDemo = errors.New("the demonstration is done")

// runBeside runs what belongs to the demonstration beside the doors: the callback's page, the resource
// server, and in the end the printed commands or their check.
func (d *demonstration) runBeside(ctx context.Context, listener net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	server := newServer(d.callback, d.log)
	connected := make(chan struct{}) // until then the callback's visitors wait in the listener
	g.Go(func() error {
		select {
		case <-connected:
			return unlessClosed("callback", server.Serve(listener))
		case <-ctx.Done():
			return listener.Close()
		}
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	if !d.o.noResourceServer {
		g.Go(func() error { return d.runResourceServer(ctx) })
	}
	g.Go(func() error {
		if err := d.awaitReady(ctx); err != nil {
			return err
		}
		if err := d.callback.connect(ctx); err != nil {
			return err
		}
		close(connected)
		if d.o.check {
			if err := d.check(ctx); err != nil {
				return err
			}
			return errStopDemo
		}
		return d.present(ctx)
	})
	return g.Wait()
}

// awaitReady waits until both doors and the resource server answer.
func (d *demonstration) awaitReady(ctx context.Context) error {
	addresses := []string{d.config.Main.BaseURL + "/jwks", d.config.MTLS.BaseURL + "/jwks"}
	if !d.o.noResourceServer {
		addresses = append(addresses, d.config.Resources[0].ID+"/accounts")
	}
	transport, err := (&clientSettings{CA: d.path("pki", "ca.pem")}).transport()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: transport, Timeout: time.Second}
	defer transport.CloseIdleConnections()
	return progress{out: d.err, clock: d.clock}.step("starting the servers", func() (string, error) {
		for _, address := range addresses {
			if err := awaitAnswer(ctx, client, address); err != nil {
				return "", err
			}
		}
		return "ready", nil
	})
}

// awaitAnswer asks until anything answers, for up to 20 seconds.
func awaitAnswer(ctx context.Context, client *http.Client, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err == nil {
			return response.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// path is a file of the demonstration.
func (d *demonstration) path(elements ...string) string {
	return filepath.Join(append([]string{d.o.dir}, elements...)...)
}
