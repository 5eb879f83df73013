package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/conformance"
	"signet/provider/oauth"
)

// conformanceOptions are the flags of "signet conformance".
type conformanceOptions struct {
	dir, plans     string
	suite, suiteCA string
	module         string
	parallel       int
	limit, quiet   time.Duration
	verbose        bool
	ports          ports

	// What follows is for the negative controls, which are tests: no flag leads to a wrong setup.
	program, resourceServer string                           // instead of this program, and of the one beside it
	environment             []string                         // of the program, added to this one's
	adapt                   func(*oauth.Client)              // changes each client before it is registered
	prepared                func(*conformanceProvider) error // called for each provider when all is made and nothing runs
}

func (c *console) conformanceCommand() *cobra.Command {
	return noun("conformance", "The OpenID Foundation's conformance suite: list, configure, run, report",
		c.conformanceListCommand(), c.conformanceConfigureCommand(), c.conformanceRunCommand(), c.conformanceReportCommand())
}

func (c *console) conformanceListCommand() *cobra.Command {
	var plans string
	cmd := &cobra.Command{
		Use: "list", Short: "List the runs: each plan of the suite with the variants that this repository asks for", Args: cobra.NoArgs,
		Example: "  signet conformance list\n  signet conformance list --plan fapi2-security",
		RunE: func(*cobra.Command, []string) error {
			runs, err := selectRuns(plans)
			if err != nil {
				return err
			}
			var rows []table.Row
			for _, run := range runs {
				rows = append(rows, table.Row{run.Name, run.Plan, run.Setup, run.Profile})
			}
			return c.show(runs, table.Row{"run", "plan", "setup", "profile of its clients"}, rows)
		},
	}
	cmd.Flags().StringVar(&plans, "plan", "", "runs whose name begins so; several with commas (default: all)")
	return cmd
}

func (c *console) conformanceConfigureCommand() *cobra.Command {
	var o conformanceOptions
	cmd := &cobra.Command{
		Use:   "configure",
		Short: "Make all that a run needs, in a folder: configuration, database, clients, keys, certificates",
		Long: `Makes, in the folder: a development PKI, per run the suite's own configuration with the private keys, and
below it a folder for each setup that the runs need, with signet.yaml and a fresh database with the
runs' clients and a user. "signet conformance run" does this first by itself; this command is for a
provider that you start by hand:

  signet serve --config .signet/conformance/fapi/signet.yaml`,
		Example: "  signet conformance configure --plan fapi2-security-final-pkjwt-dpop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			setup, err := c.configureConformance(cmd.Context(), o)
			if err != nil {
				return err
			}
			var files []string
			issuers, runs := map[string]string{}, []conformance.Run{}
			for _, p := range setup.providers {
				files, issuers[p.setup], runs = append(files, p.path("signet.yaml")), p.config.Issuer, append(runs, p.runs...)
			}
			return c.done(map[string]any{"dir": o.dir, "issuers": issuers, "runs": runs},
				"%d runs are configured in %s; the configuration of what they need: %s", len(runs), o.dir, strings.Join(files, ", "))
		},
	}
	o.flags(cmd)
	return cmd
}

func (c *console) conformanceRunCommand() *cobra.Command {
	var o conformanceOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the suite's plans against this build",
		Long: `Configures from scratch the providers that the runs need, starts them and the sample resource server, runs
the plans and prints what came of each module: for what is not as expected, the conditions with their messages and
requirements. The exit code is 0 when all is as expected.

The suite's address is --suite or $SIGNET_SUITE. Its certificate is taken as it is when the suite is on
this machine; elsewhere --suite-ca names its CA, or the system must trust it. Results stay in
DIR/results and are shown together by "signet conformance report".`,
		Example: `  signet conformance run --plan fapi2-security-final-pkjwt-dpop-oidc-simple
  signet conformance run --plan fapi1,fapi2 --parallel 3
  signet conformance run --plan fapi2-security-final-cc --module '*happy-flow' --verbose`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			results, err := c.runConformance(cmd.Context(), o)
			if err != nil && len(results) == 0 {
				return err
			}
			return errors.Join(err, c.showConformance(o, results))
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.module, "module", "", "only modules with this name; * stands for any text")
	f.IntVar(&o.parallel, "parallel", 2, "how many runs are under way at once")
	f.DurationVar(&o.limit, "module-limit", 6*time.Minute, "how long a module may take")
	f.DurationVar(&o.quiet, "quiet-limit", 100*time.Second, "how long a module may wait while nothing happens")
	f.BoolVar(&o.verbose, "verbose", false, "print all that the suite says about a failed condition, and the warnings that are expected")
	return cmd
}

func (c *console) conformanceReportCommand() *cobra.Command {
	var o conformanceOptions
	cmd := &cobra.Command{
		Use:     "report",
		Short:   "Print the results that are kept, and write them as a page and as Markdown",
		Example: "  signet conformance report\n  signet conformance report --plan fapi1 --verbose",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			results, err := conformance.ReadResults(filepath.Join(o.dir, "results"))
			if err != nil {
				return err
			}
			if len(results) == 0 {
				return next(fmt.Errorf("there are no results in %s", o.dir), "make some: signet conformance run")
			}
			if err := conformance.WriteReport(filepath.Join(o.dir, "report"), results); err != nil {
				return err
			}
			return c.showConformance(o, conformance.SelectResults(results, o.plans))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", filepath.Join(".signet", "conformance"), "the folder of the runs")
	f.StringVar(&o.plans, "plan", "", "print only results whose name begins so; several with commas")
	f.BoolVar(&o.verbose, "verbose", false, "print all that the suite says about a failed condition")
	return cmd
}

func (o *conformanceOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", filepath.Join(".signet", "conformance"), "the folder for everything that is made")
	f.StringVar(&o.plans, "plan", "", "a run, or all whose name begins so; several with commas (default: all, see \"signet conformance list\")")
	f.StringVar(&o.suite, "suite", defaultSuite(), "the suite's address; $SIGNET_SUITE names another default")
	f.StringVar(&o.suiteCA, "suite-ca", os.Getenv("SIGNET_SUITE_CA"), "PEM file with the CA of the suite's certificate; default $SIGNET_SUITE_CA")
	o.ports.Host = "127.0.0.1"
	f.IntVar(&o.ports.Main, "main-port", 0, "port of the main door (default: a free one; of further setups it always is)")
	f.IntVar(&o.ports.MTLS, "mtls-port", 0, "port of the mTLS door (default: a free one)")
	f.IntVar(&o.ports.Operations, "operations-port", 0, "port for health and readiness (default: a free one)")
	f.IntVar(&o.ports.Resource, "resource-port", 0, "port of the sample resource server (default: a free one)")
}

func defaultSuite() string {
	if address := os.Getenv("SIGNET_SUITE"); address != "" {
		return address
	}
	return "https://localhost.emobix.co.uk:8443" // the suite's own default
}

// startSuite is what to do when no suite answers.
const startSuite = `start it: docker compose --profile conformance up --build --detach --wait suite-proxy
        (conformance/README.md); or name another with --suite or $SIGNET_SUITE`

func selectRuns(prefixes string) ([]conformance.Run, error) {
	all, err := conformance.Runs()
	if err != nil {
		return nil, err
	}
	runs, err := conformance.Select(all, prefixes)
	if err != nil {
		return nil, next(err, "see which there are: signet conformance list")
	}
	return runs, nil
}

// openSuite connects to the suite. caFile is the PEM file by which its certificate is trusted.
func openSuite(ctx context.Context, address, caFile string) (*conformance.Suite, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if caFile != "" {
		if err := addCAs(pool, caFile); err != nil {
			return nil, err
		}
	}
	suite, err := conformance.NewSuite(address, &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
	}})
	if err != nil {
		return nil, err
	}
	if _, err := suite.Version(ctx); err != nil {
		return nil, next(err, startSuite)
	}
	return suite, nil
}
