// Command vaultserver is a Vault for Signet's tests on machines that have no vault binary: Vault's own core and
// HTTP handler with the few engines that Signet uses (transit, kv, pki; approle, cert), file storage and one
// TLS listener. It is initialised and unsealed over the HTTP API, like any Vault. It has its own module, so
// that nothing of it is a dependency of Signet. Not for production: Vault is.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	log "github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/logical/pki"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

type options struct {
	listen, data, certificate, key, level string
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8200", "TCP address")
	flag.StringVar(&o.data, "data", "", "folder of the storage (required)")
	flag.StringVar(&o.certificate, "cert", "", "PEM file with the listener's certificate (required)")
	flag.StringVar(&o.key, "key", "", "PEM file with its key (required)")
	flag.StringVar(&o.level, "log-level", "warn", "trace, debug, info, warn or error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "vaultserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	logger := log.New(&log.LoggerOptions{Name: "vault", Level: log.LevelFromString(o.level), Output: os.Stderr})
	core, err := newCore(o, logger)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          logger.StandardLogger(nil),
		// Certificate login judges the client's certificate; the listener only asks for one.
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert},
	}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	}()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return core.Shutdown()
}

func newCore(o options, logger log.Logger) (*vault.Core, error) {
	if o.data == "" {
		return nil, errors.New("-data is required")
	}
	storage, err := file.NewFileBackend(map[string]string{"path": o.data}, logger.Named("storage"))
	if err != nil {
		return nil, err
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		StorageType:        "file",
		BuiltinRegistry:    builtins{},
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory, "kv": kv.Factory, "pki": pki.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory, "cert": cert.Factory},
		DisableMlock:       true,
		Logger:             logger,
		AllLoggers:         []log.Logger{logger},
	})
}

// builtins is the registry of plugins inside this binary: there are none besides the engines given to the core,
// and Vault wants to ask.
type builtins struct{}

func (builtins) Contains(string, consts.PluginType) bool                           { return false }
func (builtins) Get(string, consts.PluginType) (func() (interface{}, error), bool) { return nil, false }
func (builtins) Keys(consts.PluginType) []string                                   { return nil }
func (builtins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}
