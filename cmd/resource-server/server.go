package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"signet/mtls"
	"signet/provider/oauth"
	"signet/provider/resource"
	"signet/provider/web"
)

const (
	reloadEvery     = 5 * time.Second
	shutdownTimeout = 10 * time.Second
	nonceLifetime   = 5 * time.Minute
)

// options are the command line's, and what only main may make.
type options struct {
	listen, issuer, audience      string
	certFile, keyFile, caFile     string
	allowUnbound                  bool
	introspectClient              string
	introspectCert, introspectKey string
	introspectAlways              bool
	baseURLs                      []string
	dpopNonces                    bool
	paymentsACR                   []string
	paymentsMaxAge                time.Duration
	signKey                       string

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
	if o.audience == "" {
		return nil, errors.New("--audience is required: a token for another API must not be taken")
	}
	var err error
	if o.baseURLs, err = baseURLs(o); err != nil {
		return nil, err
	}
	verifier, err := newVerifier(o)
	if err != nil {
		return nil, err
	}
	direct, err := mtls.NewProxies(mtls.ProxiesConfig{}) // no proxy in front: certificates come over TLS only
	if err != nil {
		return nil, err
	}
	protect := func(h http.HandlerFunc, required resource.Requirement) http.Handler {
		return verifier.Protect(h, required, direct.Peer)
	}
	accounts, ofPayments := resource.Requirement{Scope: "accounts"}, resource.Requirement{Scope: "payments"}
	// What a payment needs depends on the payment, see mayInitiate.
	toPay := resource.Requirement{ACR: o.paymentsACR, MaxAge: o.paymentsMaxAge}
	payments := newPayments(o, verifier.Refuse)

	routes := http.NewServeMux()
	routes.Handle("GET /accounts", protect(listAccounts(o.clock), accounts))
	routes.Handle("GET /payments", protect(payments.list, ofPayments))
	routes.Handle("POST /payments", protect(payments.initiate, toPay))
	routes.Handle("GET /payments/{id}", protect(payments.get, ofPayments))
	routes.Handle("/accounts", refuse(o.log, web.MethodNotAllowed("GET", "HEAD")))
	routes.Handle("/payments", refuse(o.log, web.MethodNotAllowed("GET", "HEAD", "POST")))
	routes.Handle("/payments/{id}", refuse(o.log, web.MethodNotAllowed("GET", "HEAD")))
	routes.Handle("/", refuse(o.log, oauth.Errorf(oauth.NotFound, "this API has /accounts and /payments")))
	wrap := func(h http.Handler) http.Handler {
		return web.Wrap(interactionID(h, o), web.Options{Random: o.random, Log: o.log, Door: web.DoorMTLS, Clock: o.clock})
	}
	if o.signKey == "" {
		return wrap(routes), nil
	}
	signer, err := newResponseSigner(o)
	if err != nil {
		return nil, fmt.Errorf("--sign-responses: %w", err)
	}
	routes.HandleFunc("GET /jwks", signer.keys)
	return signer.wrap(wrap(checkDigest(routes, o.log))), nil
}

// baseURLs are the addresses that DPoP proofs and signatures name: as told, or that of the audience.
func baseURLs(o options) ([]string, error) {
	if len(o.baseURLs) > 0 {
		bases := slices.Clone(o.baseURLs)
		for i := range bases {
			bases[i] = strings.TrimSuffix(bases[i], "/")
		}
		return bases, nil
	}
	u, err := url.Parse(o.audience)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("--base-url is required when the audience is not an https URL")
	}
	return []string{"https://" + u.Host}, nil
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
		DPoP:             &resource.DPoPOptions{BaseURLs: o.baseURLs},
		Log:              o.log,
	}
	if introspection != nil {
		settings.Introspect = introspection
	}
	if o.dpopNonces {
		key := make([]byte, sha256.Size)
		if _, err := io.ReadFull(o.random, key); err != nil {
			return nil, fmt.Errorf("reading randomness: %w", err)
		}
		if settings.DPoP.Nonces, err = resource.NewNonces(key, nonceLifetime, o.clock); err != nil {
			return nil, err
		}
	}
	return resource.New(settings)
}

func refuse(log *slog.Logger, err *oauth.Error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { web.WriteError(w, r, log, err) })
}
