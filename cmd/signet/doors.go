package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"
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
	servers    []*http.Server
	operations *operationsTLS // nil = plain HTTP
	draining   atomic.Bool
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
	fromRelays, err := relays(h.config.ProxyProtocol.Addresses, readHeaderTimeout)
	if err != nil {
		return err
	}
	operationsTLS, err := openOperationsTLS(h.config.Operations, clock)
	if err != nil {
		return err
	}
	d := &doors{operations: operationsTLS}
	mainServer := newServer(h.provider.Main(), h.log)
	mainServer.TLSConfig = doorTLS(certificates.main, len(h.config.TrustedProxies.Thumbprints) > 0)
	mtlsServer := newServer(h.provider.MTLS(), h.log)
	mtlsServer.TLSConfig = doorTLS(certificates.mtls, true)
	mainServer.ConnContext, mtlsServer.ConnContext = markRelayed, markRelayed
	checks := h.checks(d, certificates, clock)
	h.measure(d.certificates(certificates), checks)
	operations := newServer(provider.Operations(h.telemetry.Handler(), checks), h.log)
	d.servers = []*http.Server{mainServer, mtlsServer, operations} // drained in this order, so operations answers longest

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return unlessClosed("main door", mainServer.ServeTLS(fromRelays(s.main), "", "")) })
	g.Go(func() error { return unlessClosed("mTLS door", mtlsServer.ServeTLS(fromRelays(s.mtls), "", "")) })
	g.Go(func() error { return unlessClosed("operations", d.operations.serve(operations, s.operations)) })
	g.Go(func() error { d.operations.watch(ctx, h.log); return nil })
	g.Go(func() error {
		<-ctx.Done()
		return d.drain(drain, h.log)
	})
	return g.Wait()
}

// relays wraps a listener: a connection from one of the addresses must begin with a PROXY header, version 1 or 2,
// within the limit, or it fails; then its remote address is the one that the header tells. From any other
// address none is read, so that one there is a broken TLS handshake.
func relays(addresses []string, limit time.Duration) (func(net.Listener) net.Listener, error) {
	var networks []netip.Prefix
	for _, text := range addresses {
		network, err := mtls.ParseNetwork(text)
		if err != nil {
			return nil, next(fmt.Errorf("proxy %w", err), "correct proxy_protocol.addresses")
		}
		networks = append(networks, network)
	}
	if len(networks) == 0 {
		return func(listener net.Listener) net.Listener { return listener }, nil
	}
	policy := func(peer proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		tcp, ok := peer.Upstream.(*net.TCPAddr)
		if !ok {
			return proxyproto.REJECT, proxyproto.ErrInvalidUpstream
		}
		address := tcp.AddrPort().Addr().Unmap().WithZone("")
		if slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) }) {
			return proxyproto.REQUIRE, nil
		}
		return proxyproto.SKIP, nil
	}
	return func(listener net.Listener) net.Listener {
		return &proxyproto.Listener{Listener: listener, ConnPolicy: policy, ReadHeaderTimeout: limit, ValidateHeader: tellsTCP}
	}, nil
}

var errNotTCP = errors.New("the PROXY header does not tell of a TCP connection")

// tellsTCP takes a header with the addresses of a TCP connection, or with none: a proxy's own health check (LOCAL)
// or an origin that it does not know.
func tellsTCP(header *proxyproto.Header) error {
	if header.Command.IsLocal() || header.TransportProtocol == proxyproto.UNSPEC {
		return nil
	}
	if _, _, ok := header.TCPAddrs(); !ok {
		return errNotTCP
	}
	return nil
}

// markRelayed keeps what mtls must know of a connection that began with a PROXY header. It runs before that is
// read, so it must not ask the connection for its address.
func markRelayed(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		if _, relayed := secure.NetConn().(*proxyproto.Conn); relayed {
			return mtls.Relayed(ctx)
		}
	}
	return ctx
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
