package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"signet/mtls"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

const (
	reloadEvery     = 5 * time.Second
	shutdownTimeout = 10 * time.Second
)

// options are the command line's, and what only main may make.
type options struct {
	listen, issuer, audience      string
	certFile, keyFile, caFile     string
	allowUnbound                  bool
	introspectClient              string
	introspectCert, introspectKey string
	introspectAlways              bool

	clock  oauth.Clock
	random oauth.Random
	log    *slog.Logger
	out    io.Writer
}

// serve answers requests until ctx ends, then lets those in progress finish.
func serve(ctx context.Context, o options) error {
	handler, err := newHandler(o)
	if err != nil {
		return err
	}
	certificate, err := mtls.NewReloader(o.certFile, o.keyFile)
	if err != nil {
		return fmt.Errorf("--cert, --key: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         mtls.ServerConfig(certificate.GetCertificate, true),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
	}
	go mtls.Watch(ctx, reloadEvery, func(what string, err error) {
		o.log.Info("certificate reload", slog.String("what", what), slog.Any("error", err))
	}, certificate)

	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	_, _ = fmt.Fprintf(o.out, "resource server: https://%s (accounts, payments), tokens from %s\n", listener.Addr(), o.issuer)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(deadline)
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// newHandler is the whole API: the routes, behind the token check, behind what every answer has.
func newHandler(o options) (http.Handler, error) {
	verifier, err := newVerifier(o)
	if err != nil {
		return nil, err
	}
	direct, err := mtls.NewProxies(mtls.ProxiesConfig{}) // no proxy in front: certificates come over TLS only
	if err != nil {
		return nil, err
	}
	protect := func(scope string, h http.HandlerFunc) http.Handler { return verifier.Protect(h, scope, direct.Peer) }
	payments := newPayments(o)

	routes := http.NewServeMux()
	routes.Handle("GET /accounts", protect("accounts", listAccounts(o.clock)))
	routes.Handle("GET /payments", protect("payments", payments.list))
	routes.Handle("POST /payments", protect("payments", payments.initiate))
	routes.Handle("GET /payments/{id}", protect("payments", payments.get))
	routes.Handle("/accounts", refuse(o.log, web.MethodNotAllowed("GET", "HEAD")))
	routes.Handle("/payments", refuse(o.log, web.MethodNotAllowed("GET", "HEAD", "POST")))
	routes.Handle("/payments/{id}", refuse(o.log, web.MethodNotAllowed("GET", "HEAD")))
	routes.Handle("/", refuse(o.log, oauth.Errorf(oauth.NotFound, "this API has /accounts and /payments")))
	return web.Wrap(interactionID(routes, o), web.Options{Random: o.random, Log: o.log, Door: web.DoorMTLS, Clock: o.clock}), nil
}

func newVerifier(o options) (*resource.Verifier, error) {
	issuer, introspection, err := connect(o)
	if err != nil {
		return nil, err
	}
	settings := resource.Options{
		Issuer:           o.issuer,
		Audience:         o.audience,
		Keys:             issuer,
		Clock:            o.clock,
		RequireBound:     !o.allowUnbound,
		IntrospectAlways: o.introspectAlways,
		Log:              o.log,
	}
	if introspection != nil {
		settings.Introspect = introspection
	}
	if o.audience == "" {
		return nil, errors.New("--audience is required: a token for another API must not be taken")
	}
	return resource.New(settings)
}

func refuse(log *slog.Logger, err *oauth.Error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { web.WriteError(w, r, log, err) })
}
