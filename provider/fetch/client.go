package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"signet/provider/oauth"
)

// Defaults of [Options].
const (
	DefaultTimeout      = 5 * time.Second
	DefaultMaxBytes     = 256 << 10
	DefaultRefreshEvery = 30 * time.Second
)

// ErrRefused means that the address may not be fetched at all: retrying cannot help.
var ErrRefused = errors.New("address refused")

// Options configure a Client.
type Options struct {
	// AllowHosts are exempt from the address guard: "host" (any port) or "host:port", exactly as in the
	// URL. For a bank's internal hosts, and for loopback in development.
	AllowHosts []string
	RootCAs    *x509.CertPool // nil = the system's
	Timeout    time.Duration  // of a whole fetch; 0 = DefaultTimeout
	MaxBytes   int64          // of a document; 0 = DefaultMaxBytes
	// RefreshEvery is the shortest time between two Refresh of one URL; 0 = DefaultRefreshEvery.
	RefreshEvery time.Duration
	Clock        oauth.Clock // for the cache; required
}

// Client fetches documents. It is safe for concurrent use.
type Client struct {
	opt     Options
	http    *http.Client
	cache   *cache
	flights singleflight.Group
}

// New makes a client. It uses no proxy from the environment, keeps no cookies and follows no redirects.
func New(opt Options) *Client {
	opt.Timeout = orDefault(opt.Timeout, DefaultTimeout)
	opt.MaxBytes = orDefault(opt.MaxBytes, DefaultMaxBytes)
	opt.RefreshEvery = orDefault(opt.RefreshEvery, DefaultRefreshEvery)
	guard := newGuard(opt.AllowHosts)
	transport := &http.Transport{
		Proxy:                  nil,
		DialContext:            guard.dial,
		TLSClientConfig:        &tls.Config{RootCAs: opt.RootCAs, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // so that MaxBytes counts what is read
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        8,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    opt.Timeout,
		ResponseHeaderTimeout:  opt.Timeout,
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		opt:   opt,
		http:  &http.Client{Transport: transport, CheckRedirect: noRedirect},
		cache: newCache(),
	}
}

func orDefault[T int64 | time.Duration](value, standard T) T {
	if value <= 0 {
		return standard
	}
	return value
}

// Get fetches one document over https. accept is the Accept header. Only status 200 counts; a redirect is an
// error. Errors name the host, never the path or query. ErrRefused marks what the guard keeps out.
func (c *Client) Get(ctx context.Context, address, accept string) ([]byte, error) {
	document, err := c.get(ctx, address, accept)
	return document.body, err
}

// document is a fetched body with what its server said about caching it.
type document struct {
	body   []byte
	header http.Header
}

func (c *Client) get(ctx context.Context, address, accept string) (document, error) {
	target, err := parse(address)
	if err != nil {
		return document{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return document{}, fmt.Errorf("%w: not a URL", ErrRefused)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("User-Agent", "signet")
	response, err := c.http.Do(request)
	if err != nil {
		return document{}, fmt.Errorf("fetching from %s: %w", target.Host, withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return document{}, fmt.Errorf("fetching from %s: status %d", target.Host, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.opt.MaxBytes+1))
	if err != nil {
		return document{}, fmt.Errorf("fetching from %s: %w", target.Host, withoutURL(err))
	}
	if int64(len(body)) > c.opt.MaxBytes {
		return document{}, fmt.Errorf("fetching from %s: more than %d bytes", target.Host, c.opt.MaxBytes)
	}
	return document{body, response.Header}, nil
}

// parse takes absolute https URLs without userinfo and fragment.
func parse(address string) (*url.URL, error) {
	target, err := url.Parse(address)
	switch {
	case err != nil || target.Host == "" || target.Hostname() == "" || target.Opaque != "":
		return nil, fmt.Errorf("%w: not an absolute URL", ErrRefused)
	case target.Scheme != "https":
		return nil, fmt.Errorf("%w: only https is fetched", ErrRefused)
	case target.User != nil || strings.Contains(address, "#"):
		return nil, fmt.Errorf("%w: userinfo or fragment in the URL", ErrRefused)
	}
	return target, nil
}

// HostPort returns the host and port of an address that [Client.Get] takes, as Options.AllowHosts has them: with the
// port, also where the address leaves it out.
func HostPort(address string) (string, error) {
	target, err := parse(address)
	if err != nil {
		return "", err
	}
	port := target.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(target.Hostname(), port), nil
}

// withoutURL strips the URL that net/http puts into its errors: its path or query may be confidential.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// hostPort splits "host:port" as the dialler gets it.
func hostPort(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}
