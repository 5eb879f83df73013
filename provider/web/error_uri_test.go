package web

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/oauth"
)

// Where the owner has a page about the errors, each one names its place there, whatever its form; and none does without.
func TestReference_C12_error_uri(t *testing.T) {
	log, fault := slog.New(slog.DiscardHandler), oauth.Errorf(oauth.InvalidScope, "no")
	held := oauth.Errorf(oauth.InvalidToken, "expired")
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		header string // Authorization
		code   string // "" = no error_uri, whatever the option
	}{
		"an error":         {func(w http.ResponseWriter, r *http.Request) { WriteError(w, r, log, fault) }, "", "invalid_scope"},
		"in CIBA":          {func(w http.ResponseWriter, r *http.Request) { WritePlainError(w, r, log, fault) }, "", "invalid_scope"},
		"of a token":       {func(w http.ResponseWriter, r *http.Request) { WriteBearerError(w, r, log, held) }, "Bearer x", "invalid_token"},
		"without a token":  {func(w http.ResponseWriter, r *http.Request) { WriteBearerError(w, r, log, held) }, "", ""},
		"of this server":   {func(http.ResponseWriter, *http.Request) { panic("PRIVATE") }, "", "server_error"},
		"no error, at all": {func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, 200, map[string]string{}) }, "", ""},
	} {
		for _, docs := range []string{"", "https://bank.example/errors"} {
			want := ""
			if docs != "" && c.code != "" {
				want = docs + "#" + c.code
			}
			h := Wrap(c.answer, Options{Random: rand.Reader, Log: log, Door: DoorMain, Clock: func() time.Time { return time.Unix(0, 0) }, ErrorDocs: docs})
			r := httptest.NewRequest(http.MethodPost, "/token", nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var body map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if got, _ := body["error_uri"].(string); got != want {
				t.Errorf("%s, %q: error_uri %q", name, docs, got)
			}
			challenged := strings.Contains(w.Header().Get("WWW-Authenticate"), `error_uri="`+want+`"`)
			if c.code == "invalid_token" && challenged != (want != "") {
				t.Errorf("%q: %q", docs, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
	if got := ErrorURI(t.Context(), oauth.InvalidScope); got != "" {
		t.Errorf("outside of a request: %q", got)
	}
}
