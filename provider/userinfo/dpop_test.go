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
	return proofBy(t, "ES256", url, access)
}

func proofBy(t *testing.T, alg, url string, access oauth.Secret) (proof, jkt string) {
	t.Helper()
	return proofOf(t, alg, http.MethodGet, url, access)
}

func proofOf(t *testing.T, alg, method, url string, access oauth.Secret) (proof, jkt string) {
	t.Helper()
	signer, err := jose.Generate(alg, 2048, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewPrivateKey(alg, "", signer)
	if err != nil {
		t.Fatal(err)
	}
	proof, err = dpop.Prove(key, dpop.Claim{Method: method, URL: url, Now: noon, JTI: "1", AccessToken: access})
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
	stranger, _ := proofFor(t, endpointURL, "access")
	other, otherJKT := proofFor(t, endpointURL, "another token")
	elsewhere, elsewhereJKT := proofFor(t, "https://as.example/token", "access")
	for name, c := range map[string]struct {
		authorization, proof, bound string
		verified                    int
		code                        oauth.Code
	}{
		"proved":                     {"DPoP access", good, jkt, 1, ""},
		"scheme in another case":     {"dpop access", good, jkt, 1, ""},
		"bearer, the proof is moot":  {"Bearer access", good, "", 1, ""},
		"bearer, and bound":          {"Bearer access", good, jkt, 1, oauth.InvalidToken},
		"another key":                {"DPoP access", stranger, jkt, 1, oauth.InvalidToken},
		"not bound":                  {"DPoP access", good, "", 1, oauth.InvalidToken},
		"no proof":                   {"DPoP access", "", jkt, 0, oauth.InvalidDPoPProof},
		"proof for another token":    {"DPoP access", other, otherJKT, 1, oauth.InvalidDPoPProof},
		"proof for another endpoint": {"DPoP access", elsewhere, elsewhereJKT, 1, oauth.InvalidDPoPProof},
		"another token":              {"DPoP unknown", "not even a proof", jkt, 1, oauth.InvalidToken}, // the token comes first
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse("openid")
			h.bound.JKT = c.bound
			w := h.prove(c.authorization, c.proof)
			if h.verified != c.verified {
				t.Errorf("the token was looked at %d times", h.verified)
			}
			if c.code != "" {
				fails(t, w, http.StatusUnauthorized, c.code, `error="`+string(c.code)+`"`)
				if h.committed != nil {
					t.Errorf("committed %v", h.committed)
				}
				return
			}
			if w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if used := len(h.committed) == 1; used != (c.bound != "") {
				t.Errorf("committed %v", h.committed)
			}
		})
	}
}

// A client's proofs are held to its own profile, not only to the floor.
func TestProofAlgorithms(t *testing.T) {
	proof, jkt := proofBy(t, "RS256", endpointURL, "access")
	h := newHouse("openid")
	h.bound.JKT = jkt
	if w := h.prove("DPoP access", proof); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h.own.Profile, h.committed = oauth.ProfileFAPI2Security, nil
	fails(t, h.prove("DPoP access", proof), http.StatusUnauthorized, oauth.InvalidDPoPProof)
	h.own.Profile = "gone"
	fails(t, h.prove("DPoP access", proof), http.StatusUnauthorized, oauth.InvalidToken)
	if h.committed != nil {
		t.Errorf("committed %v", h.committed)
	}
}

// A proof that another request has used, or whose use cannot be recorded, gives nothing.
func TestProofsAreUsedOnce(t *testing.T) {
	proof, jkt := proofFor(t, endpointURL, "access")
	h := newHouse("openid profile")
	h.bound.JKT = jkt
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
	if got != `Bearer realm="signet" | DPoP realm="signet", algs="ES256 RS256"` {
		t.Error(got)
	}
}
