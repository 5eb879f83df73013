package provider_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// authlibSteps is what testdata/authlib/flow.py reports when everything works.
var authlibSteps = []string{
	"code: discovery", "code: registration", "code: authorization", "code: another state", "code: code and ID token", "code: ID token for another nonce",
	"code: userinfo", "code: refresh", "code: a refresh token twice", "code: own registration", "code: without PKCE",
	"hybrid: registration", "hybrid: code id_token", "hybrid: code token", "hybrid: code id_token token", "hybrid: id_token", "hybrid: id_token token",
	"hybrid: another code", "hybrid: another access token", "hybrid: code and ID token behind it",
	"logout: the other client is told in a frame", "logout: back at the client", "logout: signed out", "code: removed",
}

// TestAuthlib uses Signet with Authlib, the OAuth and OpenID Connect library of Python.
func TestAuthlib(t *testing.T) {
	s := newOpenIDSite(t)
	settings, err := json.Marshal(map[string]any{"issuer": s.issuer, "callback": callback})
	must(t, err)
	if diff := cmp.Diff(authlibSteps, s.runPython("flow.py", string(settings), s.browser().visit)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// runPython runs a script of testdata/authlib, for which person plays the browser; it returns the steps that it took.
func (s *site) runPython(script, settings string, person func(nodeLine) any) (steps []string) {
	return s.converse(pythonWithAuthlib(s.t), filepath.Join("testdata", "authlib"), []string{script, settings}, "REQUESTS_CA_BUNDLE", person)
}

// pythonWithAuthlib is the Python that has the library: the system's, for which the package is, or the first on PATH,
// where somebody may have put another.
func pythonWithAuthlib(t testing.TB) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if path, err := exec.LookPath(python); err == nil && exec.CommandContext(t.Context(), path, "-c", "import authlib, requests").Run() == nil {
			return path
		}
	}
	t.Fatal(`no python3 with authlib and requests; "make tools" installs them (.ci/need)`)
	return ""
}
