package userinfo

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"signet/provider/binding"
	"signet/provider/dpop"
	"signet/provider/jose"
	"signet/provider/oauth"
)

const endpointURL = "https://as.example/userinfo"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func binder() *binding.Binder {
	return binding.New(binding.Deps{NonceLifetime: time.Minute, Clock: func() time.Time { return noon }, Random: rand.Reader})
}

// Commit implements Deps.Store.
func (h *house) Commit(_ context.Context, changes ...oauth.Change) error {
	h.committed = append(h.committed, changes...)
	return h.commitErr
}

func proofFor(t *testing.T, url string, access oauth.Secret) (proof, jkt string) {
	t.Helper()
	signer, err := jose.Generate("ES256", 0, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey("ES256", "", signer)
	if err != nil {
		t.Fatal(err)
	}
	proof, err = dpop.Prove(key, dpop.Claim{Method: http.MethodGet, URL: url, Now: noon, JTI: "1", AccessToken: access})
	if err != nil {
		t.Fatal(err)
	}
	return proof, key.Kid()
}

func (h *house) prove(authorization, proof string) *httptest.ResponseRecorder {
	return h.ask(authorization, func(r *http.Request) {
		if proof != "" {
			r.Header.Set("DPoP", proof)
		}
	})
}

func TestDPoP(t *testing.T) {
	good, jkt := proofFor(t, endpointURL, "access")
	other, _ := proofFor(t, endpointURL, "another token")
	elsewhere, _ := proofFor(t, "https://as.example/token", "access")
	for name, c := range map[string]struct {
		authorization, proof string
		proved               string // jkt that the token was verified with
		refused              bool
	}{
		"proved":                     {"DPoP access", good, jkt, false},
		"scheme in another case":     {"dpop access", good, jkt, false},
		"bearer, the proof is moot":  {"Bearer access", good, "", false},
		"no proof":                   {"DPoP access", "", "", true},
		"proof for another token":    {"DPoP access", other, "", true},
		"proof for another endpoint": {"DPoP access", elsewhere, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse("openid")
			w := h.prove(c.authorization, c.proof)
			if c.refused {
				fails(t, w, http.StatusUnauthorized, oauth.InvalidDPoPProof, `DPoP realm=`, `error="invalid_dpop_proof"`, `algs="ES256"`)
				if h.verified != 0 || h.committed != nil {
					t.Error("went on without a proof")
				}
				return
			}
			if w.Code != http.StatusOK || h.sender.JKT != c.proved {
				t.Errorf("%d %s, sender %+v", w.Code, w.Body, h.sender)
			}
			if used := len(h.committed) == 1; used != (c.proved != "") {
				t.Errorf("committed %v", h.committed)
			}
		})
	}
}

// A proof that another request has used, or whose use cannot be recorded, gives nothing.
func TestProofsAreUsedOnce(t *testing.T) {
	proof, _ := proofFor(t, endpointURL, "access")
	h := newHouse("openid profile")
	h.commitErr = &oauth.Conflict{Change: oauth.UseProof{}}
	fails(t, h.prove("DPoP access", proof), http.StatusUnauthorized, oauth.InvalidDPoPProof, `error="invalid_dpop_proof"`)
	h.commitErr = oauth.ErrUnavailable
	fails(t, h.prove("DPoP access", proof), http.StatusServiceUnavailable, oauth.TemporarilyUnavailable)
	h.commitErr, h.tokenErr, h.committed = nil, oauth.Errorf(oauth.InvalidToken, "revoked"), nil
	w := h.prove("DPoP access", proof)
	fails(t, w, http.StatusUnauthorized, oauth.InvalidToken, `DPoP realm=`, `error="invalid_token"`)
	if h.committed != nil {
		t.Error("a refused request used its proof up")
	}
}

// Who sends no credentials learns which schemes there are.
func TestBothSchemesAreOffered(t *testing.T) {
	got := strings.Join(newHouse("openid").ask("").Header().Values("WWW-Authenticate"), " | ")
	if got != `Bearer realm="signet" | DPoP realm="signet", algs="ES256"` {
		t.Error(got)
	}
}
