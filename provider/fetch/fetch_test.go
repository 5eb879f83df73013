package fetch_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/provider/fetch"
)

// clock is a settable oauth.Clock.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1767225600, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// server starts an https server on loopback and a client that may reach it.
func server(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *fetch.Client, *clock) {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	c := &clock{}
	client := fetch.New(fetch.Options{
		AllowHosts: []string{strings.TrimPrefix(s.URL, "https://")}, RootCAs: pool(s), Timeout: 2 * time.Second, MaxBytes: 1000, Clock: c.now,
	})
	return s, client, c
}

func pool(s *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

func TestGet(t *testing.T) {
	s, client, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		_, _ = fmt.Fprintf(w, "%s %s?%s accept=%s cookie=%q", r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Accept"), r.Header.Get("Cookie")) //nolint:gosec // a test's echo
	})
	for range 2 {
		body, err := client.Get(t.Context(), s.URL+"/jwks?a=b", "application/json")
		if want := `GET /jwks?a=b accept=application/json cookie=""`; err != nil || string(body) != want {
			t.Errorf("got %q, %v; want %q", body, err, want)
		}
	}
}

func TestGetFails(t *testing.T) {
	s, client, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/large":
			_, _ = w.Write(make([]byte, 1001))
		case "/missing":
			http.NotFound(w, r)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/headers":
			w.Header().Set("X-Large", strings.Repeat("x", 100<<10))
		case "/hang":
			<-r.Context().Done()
		case "/slow":
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		case "/gzip":
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("cut"))
		}
	})
	for _, path := range []string{"/redirect", "/large", "/missing", "/empty", "/headers", "/hang", "/slow", "/gzip"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			body, err := client.Get(t.Context(), s.URL+path+"?secret=hidden", "*/*")
			if err == nil || body != nil {
				t.Fatalf("got %q", body)
			}
			if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), path) {
				t.Errorf("the error shows the URL: %v", err)
			}
			if errors.Is(err, fetch.ErrRefused) {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestLimitIsExact(t *testing.T) {
	s, client, _ := server(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
	if body, err := client.Get(t.Context(), s.URL, "*/*"); err != nil || len(body) != 1000 {
		t.Errorf("got %d bytes, %v", len(body), err)
	}
}

func TestRefusedURLs(t *testing.T) {
	_, client, _ := server(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") })
	for _, address := range []string{
		"", "/jwks", "jwks", "https://", "https:///jwks", "https:jwks", "https://:443/", "http://localhost/", "HTTP://localhost/",
		"file:///etc/passwd", "ftp://localhost/", "gopher://localhost/", "https://user@localhost/", "https://user:secret@localhost/",
		"https://localhost/#fragment", "https://localhost/#", "https://local host/", "https://[::1/", "https://localhost:port/", "https://%zz/", "\x00",
	} {
		if _, err := client.Get(t.Context(), address, "*/*"); !errors.Is(err, fetch.ErrRefused) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestGuard: without an exemption the server on loopback cannot be reached, by whatever name.
func TestGuard(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") }))
	defer s.Close()
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	client := fetch.New(fetch.Options{RootCAs: pool(s), AllowHosts: []string{"127.0.0.1:1", "other.example"}, Clock: time.Now})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "LOCALHOST",
		"10.0.0.1", "169.254.169.254", "192.168.1.1", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::7f00:1]", "100.64.0.1", "255.255.255.255",
	} {
		if _, err := client.Get(t.Context(), "https://"+host+port+"/", "*/*"); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestExemptions(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	port := s.URL[strings.LastIndexByte(s.URL, ':')+1:]
	for allow, ok := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:" + port: true, "127.0.0.1:1": false, "localhost": false, "": false, "127.0.0.1.": true,
	} {
		client := fetch.New(fetch.Options{RootCAs: pool(s), AllowHosts: []string{allow}, Clock: time.Now})
		if _, err := client.Get(t.Context(), s.URL, "*/*"); (err == nil) != ok {
			t.Errorf("%q: %v", allow, err)
		}
	}
}

// TestTLS: an unknown CA and TLS 1.1 are refused.
func TestTLS(t *testing.T) {
	s, _, _ := server(t, func(http.ResponseWriter, *http.Request) {})
	host := strings.TrimPrefix(s.URL, "https://")
	stranger := fetch.New(fetch.Options{AllowHosts: []string{host}, RootCAs: x509.NewCertPool(), Clock: time.Now})
	if _, err := stranger.Get(t.Context(), s.URL, "*/*"); err == nil {
		t.Error("an unknown CA was trusted")
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11} //nolint:gosec // on purpose
	old.StartTLS()
	defer old.Close()
	client := fetch.New(fetch.Options{AllowHosts: []string{strings.TrimPrefix(old.URL, "https://")}, RootCAs: pool(old), Clock: time.Now})
	if _, err := client.Get(t.Context(), old.URL, "*/*"); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

// document serves a body that counts requests, with the Cache-Control of the query, or fails on demand.
type document struct {
	requests atomic.Int64
	broken   atomic.Bool
	hold     chan struct{}
}

func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := d.requests.Add(1)
	if d.hold != nil {
		<-d.hold
	}
	if d.broken.Load() {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
	_, _ = fmt.Fprint(w, n)
}

func TestCached(t *testing.T) {
	for name, c := range map[string]struct {
		cacheControl string
		fresh, stale time.Duration // still cached after fresh, fetched again after stale
	}{
		"none":     {"", time.Hour - time.Second, time.Hour},
		"max-age":  {"public, Max-Age=60", 59 * time.Second, time.Minute},
		"ceiling":  {"max-age=999999", time.Hour - time.Second, time.Hour},
		"floor":    {"max-age=1", 29 * time.Second, 30 * time.Second},
		"no-store": {"no-store", 29 * time.Second, 30 * time.Second},
		"no-cache": {"max-age=600, no-cache", 29 * time.Second, 30 * time.Second},
		"invalid":  {"max-age=soon", 29 * time.Second, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d := &document{}
			s, client, clock := server(t, d.ServeHTTP)
			request, err := http.NewRequest(http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			query := request.URL.Query()
			query.Set("cc", c.cacheControl)
			request.URL.RawQuery = query.Encode()
			get := func(want string) {
				t.Helper()
				body, err := client.Cached(t.Context(), request.URL.String(), "*/*", time.Hour)
				if err != nil || string(body) != want {
					t.Errorf("got %q, %v; want %q", body, err, want)
				}
			}
			get("1")
			clock.advance(c.fresh)
			get("1")
			clock.advance(c.stale - c.fresh)
			get("2")
		})
	}
}

// TestFailures: a failure is remembered shortly; an older copy bridges it until it is older than maxAge.
func TestFailures(t *testing.T) {
	d := &document{}
	s, client, clock := server(t, d.ServeHTTP)
	url := s.URL + "?cc=max-age=60"
	get := func(want string, requests int64) {
		t.Helper()
		body, err := client.Cached(t.Context(), url, "*/*", time.Hour)
		if (err != nil) != (want == "") || string(body) != want || d.requests.Load() != requests {
			t.Errorf("got %q, %v after %d requests; want %q after %d", body, err, d.requests.Load(), want, requests)
		}
	}
	d.broken.Store(true)
	get("", 1)
	get("", 1)
	clock.advance(5 * time.Second)
	get("", 2)
	clock.advance(5 * time.Second)
	d.broken.Store(false)
	get("3", 3)
	clock.advance(time.Minute)
	d.broken.Store(true)
	get("3", 4)
	get("3", 4)
	clock.advance(59*time.Minute - time.Second)
	get("3", 5)
	clock.advance(time.Second)
	get("", 5)
	clock.advance(5 * time.Second)
	get("", 6)
}

func TestRefresh(t *testing.T) {
	d := &document{}
	s, client, clock := server(t, d.ServeHTTP)
	refresh := func(want string) {
		t.Helper()
		body, err := client.Refresh(t.Context(), s.URL, "*/*")
		if (err != nil) != (want == "") || string(body) != want {
			t.Errorf("got %q, %v; want %q", body, err, want)
		}
	}
	if _, err := client.Cached(t.Context(), s.URL, "*/*", time.Hour); err != nil {
		t.Fatal(err)
	}
	refresh("2")
	refresh("2") // too soon
	if body, err := client.Cached(t.Context(), s.URL, "*/*", time.Hour); err != nil || string(body) != "2" {
		t.Errorf("the cache has %q, %v", body, err)
	}
	clock.advance(30 * time.Second)
	d.broken.Store(true)
	refresh("")
	refresh("")
	clock.advance(30 * time.Second)
	d.broken.Store(false)
	refresh("4")
}

// TestShared: concurrent callers cause one request, also those who refresh while a refresh is under way.
func TestShared(t *testing.T) {
	for name, call := range map[string]func(*fetch.Client, string) ([]byte, error){
		"cached": func(c *fetch.Client, url string) ([]byte, error) {
			return c.Cached(context.Background(), url, "*/*", time.Hour)
		},
		"refresh": func(c *fetch.Client, url string) ([]byte, error) { return c.Refresh(context.Background(), url, "*/*") },
	} {
		t.Run(name, func(t *testing.T) {
			d := &document{hold: make(chan struct{})}
			s, client, _ := server(t, d.ServeHTTP)
			impatient, leave := context.WithCancel(t.Context())
			first := make(chan error)
			go func() {
				_, err := client.Refresh(impatient, s.URL, "*/*")
				first <- err
			}()
			for d.requests.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			var wait sync.WaitGroup
			for range 20 {
				wait.Go(func() {
					if body, err := call(client, s.URL); err != nil || string(body) != "1" {
						t.Errorf("got %q, %v", body, err)
					}
				})
			}
			leave() // the one who started it gives up; the others still get the document
			if err := <-first; !errors.Is(err, context.Canceled) {
				t.Errorf("the impatient caller got %v", err)
			}
			time.Sleep(20 * time.Millisecond) // let the others join
			close(d.hold)
			wait.Wait()
			if n := d.requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	d := &document{}
	s, client, _ := server(t, d.ServeHTTP)
	get := func(i int) {
		t.Helper()
		if _, err := client.Cached(t.Context(), fmt.Sprintf("%s/%d", s.URL, i), "*/*", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1025 {
		get(i)
	}
	get(1)
	if n := d.requests.Load(); n != 1025 {
		t.Errorf("%d requests: a recent entry was dropped", n)
	}
	get(0)
	if n := d.requests.Load(); n != 1026 {
		t.Errorf("%d requests: the oldest entry was kept", n)
	}
}
