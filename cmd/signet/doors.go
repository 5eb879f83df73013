package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/mtls"
	"signet/provider"
	"signet/provider/oauth"
)

// What a connection may cost. A client on a slow line gets seconds, not minutes; nothing that a client
// sends here is larger than 64 KiB.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 1 << 20 // far above web.Wrap's limit, whose 431 has a request id
)

// sockets are opened before anything that takes long, so that a port in use shows at once.
type sockets struct{ main, mtls, operations net.Listener }

func openSockets(ctx context.Context, config provider.Config) (s sockets, err error) {
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, one := range []struct {
		key, address string
		into         *net.Listener
	}{
		{"main.listen", config.Main.Listen, &s.main},
		{"mtls.listen", config.MTLS.Listen, &s.mtls},
		{"operations.listen", config.Operations.Listen, &s.operations},
	} {
		if *one.into, err = listen(ctx, one.address, one.key); err != nil {
			return s, err
		}
	}
	return s, nil
}

func listen(ctx context.Context, address, key string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, next(err, "end the program that has %s, or change %s", address, key)
	}
	return listener, nil
}

func (s sockets) close() {
	for _, listener := range []net.Listener{s.main, s.mtls, s.operations} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}

// doors are the three running HTTP servers: main, mTLS and operations.
type doors struct {
	servers  []*http.Server
	draining atomic.Bool
}

// newServer is an HTTP server with the limits that all listeners share.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken handshakes: noise of the network
	}
}

// serveDoors runs the doors until ctx ends, then drains them: no new connection, and requests under way
// get up to drain to finish. Readiness is red from the first moment of the drain.
func serveDoors(ctx context.Context, h *house, s sockets, certificates doorCertificates, drain time.Duration, clock oauth.Clock) error {
	d := &doors{}
	mainServer := newServer(h.provider.Main(), h.log)
	mainServer.TLSConfig = doorTLS(certificates.main, len(h.config.TrustedProxies.Thumbprints) > 0)
	mtlsServer := newServer(h.provider.MTLS(), h.log)
	mtlsServer.TLSConfig = doorTLS(certificates.mtls, true)
	operations := newServer(provider.Operations(h.checks(d, certificates, clock)...), h.log)
	d.servers = []*http.Server{mainServer, mtlsServer, operations} // drained in this order, so operations answers longest

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return unlessClosed("main door", mainServer.ServeTLS(s.main, "", "")) })
	g.Go(func() error { return unlessClosed("mTLS door", mtlsServer.ServeTLS(s.mtls, "", "")) })
	g.Go(func() error { return unlessClosed("operations", operations.Serve(s.operations)) })
	g.Go(func() error {
		<-ctx.Done()
		return d.drain(drain, h.log)
	})
	return g.Wait()
}

func doorTLS(certificate *mtls.Reloader, askClientCert bool) *tls.Config {
	config := mtls.ServerConfig(certificate.GetCertificate, askClientCert)
	config.NextProtos = []string{"h2", "http/1.1"}
	return config
}

func unlessClosed(name string, err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// drain is given a fresh context: the one that told it to stop has already ended.
func (d *doors) drain(limit time.Duration, log *slog.Logger) error {
	d.draining.Store(true)
	log.Info("draining", "limit", limit.String())
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var g errgroup.Group
	for _, server := range d.servers[:2] {
		g.Go(func() error { return server.Shutdown(ctx) })
	}
	err := g.Wait()
	if err != nil {
		log.Warn("requests were still under way at the drain limit; closing their connections")
		for _, server := range d.servers[:2] {
			_ = server.Close()
		}
	}
	return errors.Join(err, d.servers[2].Close())
}
