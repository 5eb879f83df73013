package fetch_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"signet/provider/fetch"
)

func TestPost(t *testing.T) {
	var got []string
	s, client, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(body))
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/followed", http.StatusMovedPermanently)
		case "/body":
			_, _ = w.Write(make([]byte, 100<<10))
		case "/refused":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer x"}}
	for path, want := range map[string]int{"/ping": 204, "/redirect": 301, "/body": 200, "/refused": 401} {
		got = nil
		status, err := client.Post(t.Context(), s.URL+path, header, []byte(`{"a":1}`))
		if status != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", path, status, err, want)
		}
		if sent := "POST " + path + ` Bearer x application/json {"a":1}`; len(got) != 1 || got[0] != sent {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestPostFails(t *testing.T) {
	s, client, c := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, err := client.Post(t.Context(), s.URL+"/hang?secret=hidden", nil, nil); err == nil || errors.Is(err, fetch.ErrRefused) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("no answer in time: %v", err)
	}
	guarded := fetch.New(fetch.Options{RootCAs: pool(s), Clock: c.now})
	for _, address := range []string{s.URL, "http://example.com/", "https://u:p@example.com/", "https://example.com/#x", "::"} {
		if _, err := guarded.Post(t.Context(), address, nil, nil); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
