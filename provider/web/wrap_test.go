package web

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func options(log *slog.Logger) Options {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Options{Random: rand.Reader, Log: log, Door: DoorMTLS, Clock: func() time.Time { return now }}
}

func serve(h http.HandlerFunc, r *http.Request) (*httptest.ResponseRecorder, string) {
	log, logged := logger()
	w := httptest.NewRecorder()
	Wrap(h, options(log)).ServeHTTP(w, r)
	return w, logged.String()
}

func TestWrapNamesRequests(t *testing.T) {
	var id string
	r := httptest.NewRequest(http.MethodGet, "/x?code=SECRET", nil)
	r.Header.Set("X-Request-Id", "chosen-by-the-client")
	w, logged := serve(func(w http.ResponseWriter, r *http.Request) {
		id = RequestID(r.Context())
		if DoorOf(r.Context()) != DoorMTLS {
			t.Error("the door is lost")
		}
		_, _ = io.WriteString(w, "hello")
	}, r)
	if len(id) != 22 || w.Header().Get("X-Request-Id") != id {
		t.Errorf("id %q, header %q", id, w.Header().Get("X-Request-Id"))
	}
	for _, want := range []string{"request_id=" + id, "path=/x", "status=200", "bytes=5", "method=GET", "door=mtls", "remote=192.0.2.1"} {
		if !strings.Contains(logged, want) {
			t.Errorf("no %s in %s", want, logged)
		}
	}
	if strings.Contains(logged, "SECRET") || strings.Contains(logged, "chosen") {
		t.Errorf("the log has what it must not have: %s", logged)
	}
}

// What a handler hides of the path is not in the log, and no more than that.
func TestWrapHidesPaths(t *testing.T) {
	for _, c := range []struct{ path, prefix, want string }{
		{"/approve/SECRET/allow", "/approve/", "path=/approve/ "}, {"/approve/", "/approve/", "path=/approve/ "}, {"/approve/SECRET", "/else/", "path=\"\""},
	} {
		_, logged := serve(func(_ http.ResponseWriter, r *http.Request) { HidePath(r, c.prefix) }, httptest.NewRequest(http.MethodPost, c.path, nil))
		if strings.Contains(logged, "SECRET") || !strings.Contains(logged, c.want) {
			t.Errorf("%s: %s", c.path, logged)
		}
	}
	HidePath(httptest.NewRequest(http.MethodGet, "/x", nil), "/") // outside of any request
}

// The log has the sender as it was when the request came in, and as the one who knows proxies tells it.
func TestWrapLogsTheSender(t *testing.T) {
	for forwarded, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "203.0.113.9:4711": "203.0.113.9", "2001:db8::9": "2001:db8::9", "[2001:db8::9]:4711": "2001:db8::9",
	} {
		log, logged := logger()
		opts := options(log)
		opts.Sender = func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Forwarded-For", forwarded)
		Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { clear(r.Header) }), opts).
			ServeHTTP(httptest.NewRecorder(), r)
		if !strings.Contains(logged.String(), "remote="+want+" ") {
			t.Errorf("%s: no remote=%s in %s", forwarded, want, logged)
		}
	}
}

func TestWrapWithoutRequest(t *testing.T) {
	if ctx := t.Context(); RequestID(ctx) != "" || DoorOf(ctx) != "" {
		t.Error("values out of nothing")
	}
}

func TestWrapSetsSecurityHeaders(t *testing.T) {
	for host, hsts := range map[string]string{
		"bank.example": "max-age=31536000", "bank.example:443": "max-age=31536000",
		"localhost:9443": "", "127.0.0.1:9443": "", "[::1]:9443": "", "localhost": "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w, _ := serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Referrer-Policy", "same-origin") // handlers may change what is set
		}, r)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": hsts,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", host, name, got, want)
			}
		}
	}
}

// What one handler adds to a header must not be there for the next request.
func TestWrapHeadersAreNotShared(t *testing.T) {
	log, _ := logger()
	h := Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Content-Security-Policy", "sandbox")
	}), options(log))
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if n := len(w.Header().Values("Content-Security-Policy")); n != 2 {
			t.Fatalf("%d values", n)
		}
	}
}

func TestWrapPanic(t *testing.T) {
	w, logged := serve(func(http.ResponseWriter, *http.Request) { panic("PRIVATE") }, httptest.NewRequest(http.MethodGet, "/", nil))
	got := read(t, w)
	if got.Status != http.StatusInternalServerError || got.Body["error"] != "server_error" || got.Body["request_id"] == "" {
		t.Errorf("%+v", got)
	}
	if strings.Contains(w.Body.String(), "PRIVATE") || !strings.Contains(logged, "PRIVATE") || !strings.Contains(logged, "stack=") {
		t.Errorf("body %s, log %s", w.Body, logged)
	}
}

func TestWrapPanicAfterStart(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic("x")
		},
		"abort": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(error); !errors.Is(got, http.ErrAbortHandler) {
					t.Errorf("recovered %v, want ErrAbortHandler", got)
				}
			}()
			serve(h, httptest.NewRequest(http.MethodGet, "/", nil))
		})
	}
}

func TestWrapWithoutRandomness(t *testing.T) {
	log, logged := logger()
	opts := options(log)
	opts.Random = iotest.ErrReader(errors.New("PRIVATE"))
	w := httptest.NewRecorder()
	Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }), opts).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "PRIVATE") || !strings.Contains(logged.String(), "PRIVATE") {
		t.Errorf("%d %s, log %s", w.Code, w.Body, logged)
	}
}

func TestWrapOversizedHeader(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"one field":   func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat("x", maxHeaderBytes)) },
		"many fields": func(r *http.Request) { r.Header["X-A"] = strings.Split(strings.Repeat("x", 20_000), "") },
		"URL":         func(r *http.Request) { r.RequestURI = "/?" + strings.Repeat("x", maxHeaderBytes) },
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			change(r)
			w, _ := serve(func(http.ResponseWriter, *http.Request) { t.Error("called") }, r)
			got := read(t, w)
			if got.Status != http.StatusRequestHeaderFieldsTooLarge || got.Body["request_id"] == "" || got.Headers["Connection"] != "close" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestWrapLogsUnwritableAnswers(t *testing.T) {
	_, logged := serve(func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, http.StatusOK, func() {}) },
		httptest.NewRequest(http.MethodGet, "/", nil))
	if !strings.Contains(logged, "level=ERROR") || !strings.Contains(logged, "failure=") {
		t.Errorf("log %s", logged)
	}
}

func TestWrapReachesConnection(t *testing.T) {
	w, _ := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}, httptest.NewRequest(http.MethodGet, "/", nil))
	if !w.Flushed {
		t.Error("not flushed")
	}
}

func BenchmarkWrap(b *testing.B) {
	opts := options(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	h := Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }), opts)
	r := httptest.NewRequest(http.MethodPost, "/token", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(discard{h: http.Header{}}, r)
	}
}
