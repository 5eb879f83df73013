package web

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// What is wrong is said in the scheme that the request used, and proofs are the DPoP scheme's matter.
func TestChallenges(t *testing.T) {
	const algs = `, algs="ES256 PS256"`
	for name, c := range map[string]struct {
		authorization string
		err           error
		status        int
		want          []string
	}{
		"no credentials": {"", oauth.Errorf(oauth.InvalidToken, "missing"), 401, []string{`Bearer realm="signet"`, `DPoP realm="signet"` + algs}},
		"other scheme":   {"Basic YTpi", oauth.Errorf(oauth.InvalidToken, "missing"), 401, []string{`Bearer realm="signet"`, `DPoP realm="signet"` + algs}},
		"bearer token":   {"Bearer x", oauth.Errorf(oauth.InvalidToken, "no"), 401, []string{`Bearer realm="signet", error="invalid_token", error_description="no"`}},
		"DPoP token":     {"dpop x", oauth.Errorf(oauth.InvalidToken, "no"), 401, []string{`DPoP realm="signet", error="invalid_token", error_description="no"` + algs}},
		"bad proof":      {"DPoP x", oauth.Errorf(oauth.InvalidDPoPProof, ""), 401, []string{`DPoP realm="signet", error="invalid_dpop_proof"` + algs}},
		"stray proof":    {"Bearer x", oauth.Errorf(oauth.InvalidDPoPProof, ""), 401, []string{`DPoP realm="signet", error="invalid_dpop_proof"` + algs}},
		"used proof":     {"DPoP x", &oauth.Conflict{Change: oauth.UseProof{}}, 401, []string{`DPoP realm="signet", error="invalid_dpop_proof", error_description="the DPoP proof was used before (RFC 9449 section 11.1)"` + algs}},
		"no nonce":       {"DPoP x", oauth.Errorf(oauth.UseDPoPNonce, ""), 401, []string{`DPoP realm="signet", error="use_dpop_nonce"` + algs}},
		"scope":          {"DPoP x", InsufficientScope("a"), 403, []string{`DPoP realm="signet", error="insufficient_scope", error_description="the access token does not have the scope that is needed", scope="a"` + algs}},
		"login": {"Bearer x", InsufficientAuthentication("stronger", []string{"urn:a", "urn:b"}, time.Minute), 401,
			[]string{`Bearer realm="signet", error="insufficient_user_authentication", error_description="stronger", acr_values="urn:a urn:b", max_age="60"`}},
		"away": {"DPoP x", oauth.ErrUnavailable, 503, nil},
	} {
		t.Run(name, func(t *testing.T) {
			log, _ := logger()
			r := named()
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			w := httptest.NewRecorder()
			WriteBearerError(w, r, log, c.err, "ES256", "PS256")
			if diff := cmp.Diff(c.want, w.Header().Values("WWW-Authenticate")); diff != "" || w.Code != c.status {
				t.Errorf("%d %s", w.Code, diff)
			}
		})
	}
}

// At the authorization server's endpoints a bad proof is a bad request (RFC 9449 section 5).
func TestProofsAtTheAuthorizationServer(t *testing.T) {
	for _, code := range []oauth.Code{oauth.InvalidDPoPProof, oauth.UseDPoPNonce} {
		log, _ := logger()
		w := httptest.NewRecorder()
		WriteError(w, named(), log, oauth.Errorf(code, "no"))
		if w.Code != 400 || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
}
